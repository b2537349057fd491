"""Images and encrypted volumes: what is encrypted opens with the key of its volume, and with no other; QEMU looks, as a host would."""

import pytest

from images import GIB, MIB, bytes_of, converted, disk, run


def beginning(path):
    with open(path, "rb") as file:
        return file.read(8 * MIB)


def plain_file(cloud, id):
    """The raw bytes of a volume's file: what its host sees before it decrypts."""
    path = cloud.path(id)
    if path.parent != cloud.second:
        return path
    other = cloud.folder / f"{path.name}.as-raw"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, other)
    return other


@pytest.mark.parametrize("backend, disk_format", (("file", "raw"), ("second", "qcow2"), ("file", "vmdk")))
def test_an_image_is_encrypted_on_its_way_into_a_volume(backend, disk_format, cloud, glance, tmp_path):
    original = disk(tmp_path / "disk", seed=21)
    image = glance.make(original if disk_format == "raw" else converted(original, disk_format), disk_format, os_distro="x")
    id = cloud.create(volume_type=cloud.encrypted_type(backend), imageRef=image)
    volume = cloud.available(id)
    assert (volume["bootable"], volume["encrypted"]) == ("true", True)
    assert (volume["volume_image_metadata"]["image_id"], volume["volume_image_metadata"]["os_distro"]) == (image, "x")
    file = plain_file(cloud, id)
    cloud.holds(file, cloud.key_id(id), original)
    assert bytes_of(21)[:1000] not in beginning(file), "it can be read without the key"
    cloud.delete(id)
    assert cloud.leftovers() == []


def test_an_image_that_fits_only_without_a_header_is_refused_and_not_cut_off(cloud, glance, tmp_path):
    whole = disk(tmp_path / "whole", bytes=GIB)
    image = glance.make(converted(whole, "qcow2"), "qcow2")
    id = cloud.create(volume_type=cloud.encrypted_type(), imageRef=image)
    assert cloud.failed(id) == [
        "copy image to volume:Image used for creating volume exceeds available space."]
    cloud.delete(id)
    assert cloud.leftovers() == []


def test_an_encrypted_volume_is_uploaded_as_it_is_and_its_image_has_a_key_of_its_own(cloud, glance, tmp_path):
    original, other = disk(tmp_path / "disk", seed=22), disk(tmp_path / "other", seed=23, bytes=9 * MIB)
    sealed = cloud.encrypted_type()
    id = cloud.create(volume_type=sealed, imageRef=glance.make(original))
    cloud.available(id)
    for wrong in ({"disk_format": "qcow2"}, {"container_format": "ovf"}):
        answer = cloud.action(id, "os-volume_upload_image", image_name="x", **wrong)
        assert (answer.status, answer.json()["badRequest"]["message"]) == (
            400, "An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which are "
                 "the defaults for these options.")
    told = cloud.action(id, "os-volume_upload_image", image_name="sealed").json()["os-volume_upload_image"]
    key = cloud.key_id(id)
    cloud.available(id)
    image = glance.image(told["image_id"])
    key_of_image = image["cinder_encryption_key_id"]
    assert (image["status"], image["cinder_encryption_key_deletion_policy"]) == ("active", "on_image_deletion")
    assert key_of_image not in (key, None)
    cloud.holds(glance.stored(image["id"]), key_of_image, original)
    copy = cloud.create(volume_type=sealed, imageRef=image["id"])
    assert cloud.available(copy)["volume_image_metadata"]["image_id"] == image["id"]
    assert cloud.key_id(copy) not in (key, key_of_image)
    cloud.holds(cloud.path(copy), cloud.key_id(copy), original)
    # What is written over the volume gets the volume's key, whether it was encrypted before or not.
    for again, content in ((glance.make(converted(other, "qcow2"), "qcow2"), other), (image["id"], original)):
        assert cloud.action(id, "os-reimage", image_id=again).status == 202
        assert cloud.available(id)["volume_image_metadata"]["image_id"] == again
        assert cloud.key_id(id) == key
        cloud.holds(cloud.path(id), key, content)
    for each in (id, copy):
        cloud.delete(each)
    assert cloud.leftovers() == []


def test_what_only_a_host_could_encrypt_is_refused(cloud, glance, tmp_path):
    image = glance.make(disk(tmp_path / "disk"))
    answer = cloud.ask("POST", "/volumes", {"volume": {
        "size": 1, "volume_type": cloud.encrypted_type(provider="luks2"), "imageRef": image}})
    assert answer.status == 501
