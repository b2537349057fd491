"""The volume service is killed at every point at which it can be while it moves an image, and started again. Then the volume,
the image and the files must be what they would have been without that. A sample runs always; HEARTH_CRASH=all: all of them."""

import pytest

from crash import everywhere
from images import KEEPER, PATIENCE, converted, data, disk, raw
from stack import wait_until


@pytest.fixture
def doomed(cloud):
    yield from doom(cloud)


def doom(cloud):
    """Starts a volume service with this environment, and then, by calling what is given, another one in its place when it has
    died of it."""
    def start(environment):
        cloud.stop("volume")
        forget()
        cloud.environment.update(environment)
        process = cloud.spawn("volume", cloud.volume_command)

        def again():
            if fault := environment.get("HEARTH_FAULT"):
                wait_until(lambda: process.poll() is not None, f"death at {fault}", PATIENCE)
                assert process.returncode == -9, f"it ended otherwise than by the fault: {process.returncode}"
                revive()
        return again

    def forget():
        for name in ("HEARTH_FAULT", "HEARTH_FAULT_TRACE"):
            cloud.environment.pop(name, None)

    def revive():
        forget()
        cloud.stop("volume")
        cloud.spawn("volume", cloud.volume_command)

    yield start
    revive()


def test_a_volume_is_made_of_its_image_after_a_crash(cloud, glance, doomed, tmp_path):
    original = disk(tmp_path / "disk", seed=7)
    image = glance.make(converted(original, "qcow2"), "qcow2")

    def play(environment):
        again = doomed(environment)
        id = cloud.create(imageRef=image)
        again()
        volume = cloud.available(id)
        assert (volume["bootable"], volume["volume_image_metadata"]["image_id"]) == ("true", image)
        assert cloud.content(id) == data(original)
        doomed({})
        cloud.delete(id)
        assert cloud.leftovers() == []
    everywhere("create_volume of an image", ["image.downloading", "image.after_download", "create_volume.before_commit"],
               tmp_path / "trace", play)


def test_an_image_is_made_of_its_volume_after_a_crash(cloud, glance, doomed, tmp_path):
    original = disk(tmp_path / "disk", seed=8)
    id = cloud.create(imageRef=glance.make(original))
    cloud.available(id)

    def play(environment):
        again = doomed(environment)
        answer = cloud.action(id, "os-volume_upload_image", image_name="made", disk_format="qcow2")
        again()
        cloud.available(id)
        image = glance.image(answer.json()["os-volume_upload_image"]["image_id"])
        assert (image["status"], cloud.messages(id)) == ("active", [])
        assert data(raw(glance.stored(image["id"]), "qcow2")) == data(original)
    everywhere("upload_volume", ["image.before_upload", "upload_volume.after_step"], tmp_path / "trace", play)
    cloud.delete(id)
    assert cloud.leftovers() == []


def test_a_volume_is_reimaged_after_a_crash(cloud, glance, doomed, tmp_path):
    original = disk(tmp_path / "disk", seed=9)
    old, new = glance.make(disk(tmp_path / "old")), glance.make(original)

    def play(environment):
        id = cloud.create(imageRef=old)
        cloud.available(id)
        again = doomed(environment)
        assert cloud.action(id, "os-reimage", image_id=new).status == 202
        again()
        cloud.available(id)
        assert cloud.content(id) == data(original)
        doomed({})
        cloud.delete(id)
        assert cloud.leftovers() == []
    everywhere("reimage_volume", ["image.after_download", "file.after_fill"], tmp_path / "trace", play)


@pytest.fixture
def doomed_keeping(keeping):
    yield from doom(keeping)


def test_what_is_kept_of_an_image_is_whole_after_a_crash(keeping, glance, doomed_keeping, tmp_path):
    original = disk(tmp_path / "disk", seed=10)
    converted(original, "qcow2")
    for other in keeping.kept().values():
        keeping.delete(other)

    def usage():
        told = keeping.ask("GET", f"/os-quota-sets/{KEEPER}?usage=true").json()["quota_set"]
        return told["volumes"]["in_use"], told["gigabytes"]["in_use"]

    def play(environment):
        image = glance.make(tmp_path / "disk.qcow2", "qcow2")
        again = doomed_keeping(environment)
        id = keeping.create(imageRef=image)
        again()
        keeping.available(id)
        kept = keeping.kept()[image]
        assert keeping.content(id) == keeping.content(kept) == data(original)
        assert usage() == (1, 1)
        doomed_keeping({})
        for each in (id, kept):
            keeping.delete(each)
        wait_until(keeping.at_rest, "the end of all orders", PATIENCE)
        assert (keeping.leftovers(), usage()) == ([], (0, 0))
    everywhere("create_volume that keeps its image", ["image_cache.before_order", "image_cache.ordered", "create_volume.after_commit"],
               tmp_path / "trace", play)
