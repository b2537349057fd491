"""The volume service is killed at every point at which it can be while it moves an image, and started again. Then the volume,
the image and the files must be what they would have been without that. A sample runs always; HEARTH_CRASHES=all: all of them."""

import os

import pytest

from images import converted, data, disk, raw
from stack import wait_until

# The points of one operation on its way, those that a sample leaves out in brackets.
CREATE = ("image.downloading", "image.after_download", "file.after_rename:2", "create_volume.before_commit", "[order.after_take]",
          "[create_volume.begun]", "[create_volume.after_step]", "[file.after_part]", "[file.after_part:2]", "[file.after_fill:2]",
          "[create_volume.after_commit]")
UPLOAD = ("image.before_upload", "upload_volume.after_step", "[upload_volume.begun]", "[upload_volume.before_commit]",
          "[upload_volume.after_commit]")
REIMAGE = ("image.after_download", "file.after_fill", "[reimage_volume.begun]", "[file.after_part]", "[file.after_rename]",
           "[reimage_volume.after_step]", "[reimage_volume.before_commit]", "[reimage_volume.after_commit]")


def chosen(points):
    everything = os.environ.get("HEARTH_CRASHES") == "all"
    return [point.strip("[]") for point in points if everything or not point.startswith("[")]


@pytest.fixture
def doomed(cloud):
    """Starts a volume service that dies at a point, and then, by calling what is given, another one."""
    def start(fault):
        cloud.stop("volume")
        cloud.environment["HEARTH_FAULT"] = fault
        process = cloud.spawn("volume", cloud.volume_command)

        def again():
            wait_until(lambda: process.poll() is not None, f"death at {fault}", 60)
            assert process.returncode == -9, f"it ended otherwise than by the fault: {process.returncode}"
            revive()
        return again

    def revive():
        cloud.environment.pop("HEARTH_FAULT", None)
        cloud.stop("volume")
        cloud.spawn("volume", cloud.volume_command)

    yield start
    if "HEARTH_FAULT" in cloud.environment:
        revive()


@pytest.mark.parametrize("point", chosen(CREATE))
def test_a_volume_is_made_of_its_image_after_a_crash(point, cloud, glance, doomed, tmp_path):
    original = disk(tmp_path / "disk", seed=7)
    image = glance.make(converted(original, "qcow2"), "qcow2")
    again = doomed(point)
    id = cloud.create(imageRef=image)
    again()
    volume = cloud.available(id)
    assert (volume["bootable"], volume["volume_image_metadata"]["image_id"]) == ("true", image)
    assert cloud.content(id) == data(original)
    cloud.delete(id)
    assert cloud.leftovers() == []


@pytest.mark.parametrize("point", chosen(UPLOAD))
def test_an_image_is_made_of_its_volume_after_a_crash(point, cloud, glance, doomed, tmp_path):
    original = disk(tmp_path / "disk", seed=8)
    id = cloud.create(imageRef=glance.make(original))
    cloud.available(id)
    again = doomed(point)
    answer = cloud.action(id, "os-volume_upload_image", image_name="made", disk_format="qcow2")
    again()
    cloud.available(id)
    image = glance.image(answer.json()["os-volume_upload_image"]["image_id"])
    assert (image["status"], cloud.messages(id)) == ("active", [])
    assert data(raw(glance.stored(image["id"]), "qcow2")) == data(original)
    cloud.delete(id)
    assert cloud.leftovers() == []


@pytest.mark.parametrize("point", chosen(REIMAGE))
def test_a_volume_is_reimaged_after_a_crash(point, cloud, glance, doomed, tmp_path):
    original = disk(tmp_path / "disk", seed=9)
    id = cloud.create(imageRef=glance.make(disk(tmp_path / "old")))
    cloud.available(id)
    again = doomed(point)
    assert cloud.action(id, "os-reimage", image_id=glance.make(original)).status == 202
    again()
    cloud.available(id)
    assert cloud.content(id) == data(original)
    cloud.delete(id)
    assert cloud.leftovers() == []
