"""Images that Nova makes of servers on volumes: they have no data, and stand for the snapshot that they name."""

import json

from images import MIB, PATIENCE, data, disk
from stack import wait_until


def snapshot_of(cloud, id):
    answer = cloud.ask("POST", "/snapshots", {"snapshot": {"volume_id": id}})
    snapshot = answer.json()["snapshot"]["id"]
    wait_until(lambda: cloud.ask("GET", f"/snapshots/{snapshot}").json()["snapshot"]["status"] == "available", "the snapshot", PATIENCE)
    return snapshot


def of_nova(glance, snapshot, tmp_path, size=1):
    empty = tmp_path / "empty"
    empty.touch()
    mapping = [{"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot, "volume_size": size,
                "destination_type": "volume", "delete_on_termination": False}]
    return glance.make(empty, block_device_mapping=json.dumps(mapping), bdm_v2="True", os_distro="nova")


def test_what_is_made_of_such_an_image_or_written_over_by_it_has_the_content_of_the_snapshot(cloud, glance, tmp_path):
    original = disk(tmp_path / "disk", seed=31)
    id = cloud.create(imageRef=glance.make(original, hw_disk_bus="scsi"))
    cloud.available(id)
    snapshot = snapshot_of(cloud, id)
    image = of_nova(glance, snapshot, tmp_path)
    copy = cloud.create(imageRef=image)
    volume = cloud.available(copy)
    assert (volume["snapshot_id"], volume["bootable"]) == (snapshot, "true")
    assert volume["volume_image_metadata"]["hw_disk_bus"] == "scsi"
    assert cloud.content(copy) == data(original)
    # On another backend, in another format, larger, with a content that must go.
    other = cloud.create("second", size=2, imageRef=glance.make(disk(tmp_path / "other", seed=32, bytes=9 * MIB)))
    cloud.available(other)
    assert cloud.action(other, "os-reimage", image_id=image).status == 202
    kept = cloud.available(other)["volume_image_metadata"]
    assert (kept["image_id"], kept["os_distro"], cloud.messages(other)) == (image, "nova", [])
    assert cloud.content(other) == data(original)
    sealed = cloud.create(volume_type=cloud.encrypted_type())
    cloud.available(sealed)
    assert cloud.action(sealed, "os-reimage", image_id=image).status == 202
    cloud.available(sealed)
    cloud.holds(cloud.path(sealed), cloud.key_id(sealed), original)
    larger = of_nova(glance, snapshot, tmp_path, size=3)
    answer = cloud.action(other, "os-reimage", image_id=larger)
    assert answer.json()["badRequest"]["message"] == (
        "Volume size must be greater than the image size. (Image: 3, Volume: 2).")
    for each in (copy, other, sealed):
        cloud.delete(each)
    assert cloud.ask("DELETE", f"/snapshots/{snapshot}").status == 202
    wait_until(lambda: cloud.ask("GET", f"/snapshots/{snapshot}").status == 404, "the end of the snapshot", PATIENCE)
    answer = cloud.action(id, "os-reimage", image_id=image)
    assert (answer.status, answer.json()["itemNotFound"]["message"]) == (
        404, f"Nova specific image is found, but boot volume snapshot id:{snapshot} not found.")
    cloud.delete(id)
    assert cloud.leftovers() == []
