"""What is kept of images: the next volume of an image is a copy of it, and Glance's data are not asked for."""

import json

import pytest

from images import KEEPER, PATIENCE, converted, data, disk
from stack import wait_until


@pytest.fixture(scope="module")
def cloud(keeping):
    return keeping


def changed(glance, image):
    """Changes the image until Glance tells another time of it."""
    before = glance.image(image)["updated_at"]

    def change():
        body = json.dumps([{"op": "replace", "path": "/name", "value": "changed"}])
        glance.ask("PATCH", f"/v2/images/{image}", body, {"Content-Type": "application/openstack-images-v2.1-json-patch"})
        return glance.image(image)["updated_at"] != before
    wait_until(change, "another time of the image", PATIENCE)


def made(cloud, image, **attributes):
    id = cloud.create(imageRef=image, **attributes)
    return cloud.available(id)


def assert_exact(cloud):
    """Usage is what is there, and nothing is left."""
    wait_until(cloud.at_rest, "the end of all orders", PATIENCE)
    kept = [cloud.show(id) for id in cloud.kept().values()]
    usage = cloud.ask("GET", f"/os-quota-sets/{KEEPER}?usage=true").json()["quota_set"]
    assert (usage["volumes"]["in_use"], usage["gigabytes"]["in_use"]) == (len(kept), sum(volume["size"] for volume in kept))
    assert cloud.leftovers() == []


def test_the_next_volume_of_an_image_is_a_copy_of_what_is_kept_of_it(cloud, glance, tmp_path):
    original = disk(tmp_path / "disk", seed=41)
    image = glance.make(converted(original, "qcow2"), "qcow2", hw_disk_bus="scsi")
    first = made(cloud, image, size=3)
    kept = cloud.show(cloud.kept()[image])
    assert (kept["name"], kept["size"], kept["status"], kept["bootable"], kept["metadata"]["readonly"]) == (
        f"image-{image}", 1, "available", "true", "True")
    assert kept["os-vol-tenant-attr:tenant_id"] == KEEPER
    assert cloud.content(first["id"]) == cloud.content(kept["id"]) == data(original)
    glance.stored(image).write_bytes(b"nobody reads this")
    second = made(cloud, image)
    assert cloud.content(second["id"]) == data(original)
    assert (second["volume_image_metadata"], second["bootable"], second["source_volid"]) == (
        first["volume_image_metadata"], "true", None)
    sealed = cloud.create(volume_type=cloud.encrypted_type(), imageRef=image)
    assert cloud.settled(sealed)["status"] == "error", "encrypted volumes are made of the image itself"
    cloud.delete(kept["id"])
    third = cloud.create(imageRef=image)
    assert cloud.settled(third)["status"] == "error", "what is gone is not kept"
    assert image not in cloud.kept()
    for id in (first["id"], second["id"], sealed, third):
        cloud.delete(id)
    assert_exact(cloud)


def test_what_was_used_least_recently_goes_and_so_does_what_is_outdated(cloud, glance, tmp_path):
    one, two, three = (glance.make(disk(tmp_path / "disk", seed=seed)) for seed in (42, 43, 44))
    volumes = [made(cloud, image) for image in (one, two, one, three)]
    wait_until(lambda: set(cloud.kept()) == {one, three}, "two that are kept", PATIENCE)
    old = cloud.kept()[one]
    changed(glance, one)
    volumes.append(made(cloud, one))
    wait_until(lambda: cloud.ask("GET", f"/volumes/{old}").status == 404, "the end of what is outdated", PATIENCE)
    assert cloud.kept()[one] != old
    assert cloud.content(volumes[-1]["id"]) == cloud.content(volumes[0]["id"])
    # Where the project is full, a volume comes without.
    quota = f"/os-quota-sets/{KEEPER}"
    assert cloud.ask("PUT", quota, {"quota_set": {"volumes": 2}}).status == 200
    volumes.append(made(cloud, two))
    assert set(cloud.kept()) == {one, three}
    assert cloud.ask("PUT", quota, {"quota_set": {"volumes": -1}}).status == 200
    for volume in volumes:
        cloud.delete(volume["id"])
    assert_exact(cloud)


def test_an_image_that_can_not_be_written_is_not_kept(cloud, glance, tmp_path):
    lie = glance.smuggle(disk(tmp_path / "disk"), "qcow2")
    id = cloud.create(imageRef=lie)
    assert cloud.failed(id) == [
        "copy image to volume:The image's data are not what its disk format says, or refer to other files."]
    wait_until(lambda: lie not in cloud.kept(), "the end of what was to be kept", PATIENCE)
    cloud.delete(id)
    assert_exact(cloud)
