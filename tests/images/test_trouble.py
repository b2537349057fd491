"""Whatever goes wrong while an image is on its way into a volume: its owner is told, a new volume is in error, one that was there keeps
its content, and nothing is left. A table of troubles, each for a new volume and for one that is written over."""

import contextlib
import os
import sqlite3
import subprocess

import pytest

from images import GIB, MIB, Cloud, converted, data, disk, run
from wire import Wire

UNREADABLE = "The image service did not give the image."
NO_ROOM = "Image used for creating volume exceeds available space."
UNSAFE = "The image's data are not what its disk format says, or refer to other files."


def small(place, mib):
    """A small file system in memory; whether this user may mount one."""
    place.mkdir()
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", place], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def cloud(glance, tmp_path_factory):
    """One whose way to Glance can be cut, and whose disks can be full."""
    folder, wire = tmp_path_factory.mktemp("trouble"), Wire(glance.port)
    mounted = [place for place in (folder / "conversion", folder / "second") if small(place, 24)]
    try:
        with Cloud(wire, folder) as running:
            running.wire, running.is_small = wire, len(mounted) == 2
            yield running
    finally:
        for place in mounted:
            subprocess.run(["umount", "-l", place], check=False)
        wire.close()


def noise(path, bytes):
    path.write_bytes(os.urandom(bytes))
    return path


def gone(cloud, glance, folder):
    image = glance.make(disk(folder / "gone"))
    return image, lambda: glance.delete(image)


def down(cloud, glance, folder):
    return glance.make(disk(folder / "down")), lambda: setattr(cloud.wire, "down", True)


def breaking(cloud, glance, folder):
    # Each of the two is asked for twice.
    return glance.make(noise(folder / "breaking", 6 * MIB)), lambda: cloud.wire.cut_after(2 * MIB, 4)


def bomb(cloud, glance, folder):
    run("qemu-img", "create", "-q", "-f", "qcow2", folder / "bomb", f"{3 * GIB}")
    return glance.smuggle(folder / "bomb", "qcow2"), lambda: None


def shortened(cloud, glance, folder):
    image = glance.make(converted(noise(folder / "shortened", 4 * MIB), "qcow2"), "qcow2")
    return image, lambda: os.truncate(glance.stored(image), MIB)


def damaged(cloud, glance, folder):
    """A disk whose first table lies where no table can be."""
    content = bytearray(converted(noise(folder / "damaged", 4 * MIB), "qcow2").read_bytes())
    at = int.from_bytes(content[40:48], "big")
    content[at:at + 8] = (1 << 63 | 0x30200).to_bytes(8, "big")
    (folder / "part").write_bytes(content)
    return glance.smuggle(folder / "part", "qcow2"), lambda: None


def stream(cloud, glance, folder):
    """A kind of VMDK whose last bytes may say something else than its first ones."""
    original = disk(folder / "stream")
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", original, folder / "stream.vmdk")
    content = bytearray((folder / "stream.vmdk").read_bytes())
    content[56:64] = b"\xff" * 8
    (folder / "footer.vmdk").write_bytes(content)
    return glance.smuggle(folder / "footer.vmdk", "vmdk"), lambda: None


def full_conversion(cloud, glance, folder):
    return glance.make(converted(noise(folder / "wide", 30 * MIB), "qcow2"), "qcow2"), lambda: None


def full_backend(cloud, glance, folder):
    return glance.make(noise(folder / "full", 40 * MIB)), lambda: None


# What is wrong, on which backend, what the owner is told.
TROUBLES = (
    (gone, "file", UNREADABLE),
    (down, "file", UNREADABLE),
    (breaking, "file", UNREADABLE),
    (bomb, "file", NO_ROOM),
    (shortened, "file", UNREADABLE),
    (damaged, "file", "The image could not be converted or written."),
    (stream, "file", UNSAFE),
    (full_conversion, "file", NO_ROOM),
    (full_backend, "second", NO_ROOM),
)


@pytest.mark.parametrize("trouble, backend, told", TROUBLES, ids=[row[0].__name__ for row in TROUBLES])
def test_an_owner_is_told_what_is_wrong_and_nothing_is_left(trouble, backend, told, cloud, glance, tmp_path):
    if "full" in trouble.__name__ and not cloud.is_small:
        pytest.skip("this user may not mount file systems")
    old = disk(tmp_path / "old", seed=51)
    there = cloud.create(backend, imageRef=glance.make(old))
    cloud.available(there)
    image, begin = trouble(cloud, glance, tmp_path)
    # The orders wait for the service, and so for the trouble.
    cloud.stop("volume")
    new = cloud.create(backend, imageRef=image)
    assert cloud.action(there, "os-reimage", image_id=image).status == 202
    begin()
    try:
        cloud.spawn("volume", cloud.volume_command)
        assert cloud.failed(new) == [f"copy image to volume:{told}"]
        assert cloud.failed(there) == [f"reimage volume:{told}"]
    finally:
        cloud.wire.down = False
        cloud.wire.cut_after(0, 0)
    assert cloud.content(there) == data(old), "what was there stays"
    for id in (new, there):
        cloud.delete(id)
    assert cloud.leftovers() == []


def test_a_connection_that_breaks_is_made_again(cloud, glance, tmp_path):
    content = noise(tmp_path / "noise", 6 * MIB)
    image = glance.make(content)
    cloud.wire.cut_after(2 * MIB, 1)
    id = cloud.create(imageRef=image)
    cloud.available(id)
    assert (cloud.wire.cut, cloud.content(id)) == (1, data(content))
    cloud.delete(id)


def test_an_encrypted_volume_whose_key_is_gone_is_told_apart(cloud, glance, tmp_path):
    image = glance.make(disk(tmp_path / "disk"))
    id = cloud.create(volume_type=cloud.encrypted_type())
    cloud.available(id)
    with contextlib.closing(sqlite3.connect(cloud.folder / "cinder.sqlite", timeout=30)) as database, database:
        database.execute("DELETE FROM hearth_sealed_keys WHERE id = ?", (cloud.key_id(id),))
    assert cloud.action(id, "os-reimage", image_id=image).status == 202
    assert cloud.failed(id) == ["reimage volume:An unknown error occurred."]
    cloud.delete(id)
    assert cloud.leftovers() == []
