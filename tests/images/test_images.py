"""Volumes of images, images of volumes: every byte is compared, and whatever is wrong is told."""

import json
import os
import uuid

import pytest

from images import GIB, MIB, converted, data, disk, raw
from stack import wait_until

FORMATS = ("raw", "qcow2", "vmdk", "vdi", "vhdx", "vhd")


@pytest.mark.parametrize("backend", ("file", "second"))
@pytest.mark.parametrize("disk_format", FORMATS)
def test_a_volume_of_an_image_holds_its_disk(disk_format, backend, cloud, glance, tmp_path):
    original = disk(tmp_path / "disk", seed=len(disk_format))
    image = glance.make(original if disk_format == "raw" else converted(original, disk_format), disk_format)
    id = cloud.create(backend, imageRef=image)
    volume = cloud.available(id)
    assert volume["bootable"] == "true"
    assert volume["volume_image_metadata"]["image_id"] == image
    assert cloud.content(id) == data(original)
    info = json.loads(run_info(cloud.path(id), "qcow2" if backend == "second" else "raw"))
    assert info["virtual-size"] == GIB
    cloud.delete(id)
    assert cloud.leftovers() == []


def run_info(path, disk_format):
    from images import run
    return run("qemu-img", "info", "-U", "--output=json", "-f", disk_format, path)


def test_a_volume_keeps_what_its_image_says_and_hands_it_on(cloud, glance, tmp_path):
    image = glance.make(disk(tmp_path / "disk"), name="the name", min_ram=7, hw_disk_bus="scsi", os_distro="debian")
    told = glance.image(image)
    id = cloud.create(image_id=image)
    volume = cloud.available(id)
    expected = {
        "signature_verified": "False", "hw_disk_bus": "scsi", "os_distro": "debian", "image_id": image,
        "image_name": "the name", "checksum": told["checksum"], "container_format": "bare", "disk_format": "raw",
        "min_disk": "0", "min_ram": "7", "size": str(3 * MIB)}
    assert volume["volume_image_metadata"] == expected
    clone = cloud.create(source_volid=id)
    assert cloud.available(clone)["volume_image_metadata"] == expected
    answer = cloud.ask("POST", "/snapshots", {"snapshot": {"volume_id": id}})
    snapshot = answer.json()["snapshot"]["id"]
    wait_until(lambda: cloud.ask("GET", f"/snapshots/{snapshot}").json()["snapshot"]["status"] == "available", "the snapshot")
    copy = cloud.create(snapshot_id=snapshot)
    volume = cloud.available(copy)
    assert (volume["volume_image_metadata"], volume["bootable"]) == (expected, "true")
    assert cloud.content(copy) == cloud.content(id)


# A raw image has the length of its volume, which takes a while on its way.
@pytest.mark.parametrize("backend, disk_format", (
    ("file", "raw"), ("file", "qcow2"), ("second", "qcow2"), ("file", "vmdk"), ("second", "vdi"), ("file", "vhdx"), ("second", "vhd")))
def test_an_image_of_a_volume_holds_its_content(disk_format, backend, cloud, glance, tmp_path):
    original = disk(tmp_path / "disk", seed=len(backend))
    id = cloud.create(backend, imageRef=glance.make(original, hw_disk_bus="scsi"))
    cloud.available(id)
    assert cloud.action(id, "os-set_image_metadata", metadata={"os_glance_x": "y"}).status == 200
    answer = cloud.action(id, "os-volume_upload_image", image_name="made", disk_format=disk_format, visibility="shared",
                          protected=False)
    assert answer.status == 202, answer.body
    told = answer.json()["os-volume_upload_image"]
    assert list(told) == ["id", "updated_at", "status", "display_description", "size", "volume_type", "image_id",
                          "container_format", "disk_format", "image_name", "protected", "visibility"]
    assert (told["id"], told["status"], told["disk_format"], told["image_name"]) == (id, "uploading", disk_format, "made")
    assert list(told["volume_type"]) == ["id", "name", "description", "is_public", "extra_specs", "qos_specs_id",
                                         "created_at", "updated_at", "deleted_at", "deleted"]
    cloud.available(id)
    image = glance.image(told["image_id"])
    assert (image["status"], image["visibility"], image["hw_disk_bus"]) == ("active", "shared", "scsi")
    assert "image_id" not in image and "os_glance_x" not in image and "signature_verified" not in image
    assert data(raw(glance.stored(image["id"]), disk_format)) == data(original)
    glance.delete(image["id"])
    cloud.delete(id)
    assert cloud.leftovers() == []


def test_an_image_goes_into_the_store_that_the_type_names(cloud, glance):
    answer = cloud.ask("POST", "/types", {"volume_type": {"name": "stored"}})
    type_id = answer.json()["volume_type"]["id"]
    specs = f"/types/{type_id}/extra_specs"
    answer = cloud.ask("POST", specs, {"extra_specs": {"image_service:store_id": "third"}})
    assert (answer.status, answer.json()["itemNotFound"]["message"]) == (404, "Store third not enabled in glance.")
    assert cloud.ask("PUT", f"{specs}/image_service:store_id", {"image_service:store_id": "third"}).status == 404
    assert cloud.ask("POST", specs, {"extra_specs": {"image_service:store_id": "second"}}).status == 200
    id = cloud.ask("POST", "/volumes", {"volume": {"size": 1, "volume_type": "stored"}}).json()["volume"]["id"]
    cloud.available(id)
    told = cloud.action(id, "os-volume_upload_image", image_name="made", disk_format="qcow2").json()
    cloud.available(id)
    assert glance.image(told["os-volume_upload_image"]["image_id"])["stores"] == "second"


@pytest.mark.parametrize("backend", ("file", "second"))
def test_reimaging_replaces_everything(backend, cloud, glance, tmp_path):
    first = glance.make(disk(tmp_path / "first", bytes=9 * MIB), os_distro="old")
    second = converted(disk(tmp_path / "second", seed=2), "qcow2")
    second = glance.make(second, "qcow2", hw_disk_bus="virtio")
    id = cloud.create(backend, imageRef=first)
    cloud.available(id)
    assert cloud.action(id, "os-reimage", image_id=second).status == 202
    kept = cloud.available(id)["volume_image_metadata"]
    assert (kept["image_id"], kept["hw_disk_bus"]) == (second, "virtio") and "os_distro" not in kept
    assert cloud.content(id) == data(tmp_path / "second")
    lie = glance.smuggle(tmp_path / "second.qcow2", "vdi")
    assert cloud.action(id, "os-reimage", image_id=lie).status == 202
    assert cloud.failed(id) == [
        "reimage volume:The image's data are not what its disk format says, or refer to other files."]
    assert cloud.content(id) == data(tmp_path / "second"), "what was there stays"
    assert cloud.action(id, "os-reimage", image_id=second).status == 202
    assert cloud.settled(id)["status"] == "error", "it goes back to the status that it had"
    assert cloud.leftovers() == []


def test_what_is_wrong_with_an_image_is_told_in_the_answer(cloud, glance, tmp_path):
    content = disk(tmp_path / "disk")
    good, unborn = glance.make(content), glance.make()
    large = glance.make(content, min_disk=5)
    empty = tmp_path / "empty"
    empty.touch()
    os.truncate(empty, 3 * GIB)
    wide = glance.make(converted(empty, "qcow2"), "qcow2")
    twins = [glance.make(name="twins") for _ in range(2)]
    nobody = str(uuid.uuid4())
    for reference, status, text in (
            (unborn, 400, f"Invalid input received: Image {unborn} is not active."),
            (large, 400, "Invalid input received: Volume size 1GB cannot be smaller than the image minDisk size 5GB."),
            (wide, 400, f"Image {wide} is unacceptable: Image virtual size is 3GB and doesn't fit in a volume of size 1GB."),
            ("twins", 409, "Multiple matches found for 'twins', use an ID to be more specific."),
            (nobody, 400, "Invalid image identifier or unable to access requested image."),
            ("no such name", 400, "Invalid image identifier or unable to access requested image."),
            ("", 400, "Invalid image identifier or unable to access requested image.")):
        answer = cloud.ask("POST", "/volumes", {"volume": {"size": 1, "imageRef": reference}})
        assert (answer.status, next(iter(answer.json().values()))["message"]) == (status, text)
    assert cloud.ask("POST", "/volumes", {"volume": {"imageRef": good}}).status == 400, "an image has no size of a volume"
    for reference in (f"http://anywhere/v2/images/{good}", good):
        cloud.delete(cloud.create(imageRef=reference))
    id = cloud.create()
    cloud.available(id)
    for reference, status, text in (
            (unborn, 400, f"Invalid input received: Image {unborn} is not active."),
            (large, 400, "Invalid input received: Volume size 1GB cannot be smaller than the image minDisk size 5GB."),
            (nobody, 404, f"Image {nobody} could not be found.")):
        answer = cloud.action(id, "os-reimage", image_id=reference)
        assert (answer.status, next(iter(answer.json().values()))["message"]) == (status, text)
        assert cloud.show(id)["status"] == "available"
    answer = cloud.action(id, "os-volume_upload_image", image_name="x", visibility="public")
    assert answer.json()["badRequest"]["message"] == (
        "HTTP 403 Forbidden: You are not authorized to complete publicize_image action.")
    answer = cloud.action(id, "os-volume_upload_image", image_name="x", container_format="compressed")
    assert "compressed" in answer.json()["badRequest"]["message"]
    assert cloud.show(id)["status"] == "available"
    del twins


UNSAFE = "copy image to volume:The image's data are not what its disk format says, or refer to other files."


def test_images_that_lie_or_refer_to_other_files_are_refused(cloud, glance, tmp_path):
    original = disk(tmp_path / "disk")
    qcow2 = converted(original, "qcow2")
    backed = tmp_path / "backed.qcow2"
    from images import run
    run("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", original, backed)
    outside = tmp_path / "outside.qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-o", f"data_file={tmp_path}/elsewhere,data_file_raw=on", outside, "3M")
    flat = tmp_path / "flat.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-o", "subformat=monolithicFlat", flat, "3M")
    for file, disk_format in ((qcow2, "raw"), (qcow2, "vmdk"), (original, "qcow2"), (backed, "qcow2"), (outside, "qcow2"),
                              (flat, "vmdk")):
        id = cloud.create(imageRef=glance.smuggle(file, disk_format))
        assert cloud.failed(id) == [UNSAFE], f"{file.name} as {disk_format}"
        cloud.delete(id)
    assert cloud.leftovers() == []


def test_data_that_are_not_those_that_glance_promised_never_become_a_volume(cloud, glance, tmp_path):
    for disk_format in ("raw", "qcow2"):
        original = disk(tmp_path / "disk")
        image = glance.make(original if disk_format == "raw" else converted(original, disk_format), disk_format)
        with open(glance.stored(image), "r+b") as stored:
            stored.seek(1000)
            stored.write(b"other")
        id = cloud.create(imageRef=image)
        assert cloud.failed(id) == [
            "copy image to volume:The image's data are not those that the image service promised."]
        os.truncate(glance.stored(image), 1000)
        other = cloud.create(imageRef=image)
        assert cloud.failed(other) == ["copy image to volume:The image service did not give the image."]
        cloud.delete(id)
        cloud.delete(other)
    assert cloud.leftovers() == []
