"""What hosts read and write through exports, and what becomes of it in snapshots, clones, backups and restored volumes: every
byte compared, by the initiators of QEMU with the real tgtd and the real qemu-nbd."""

import shutil
import subprocess
import uuid

import pytest

import exports
from exports import assert_same, initiate, url
from stack import Stack, wait_until
from test_attachments import client
from test_block_storage import PROJECT

SERVER = str(uuid.uuid4())
MIB = 1 << 20
WRITES = {
    "first": ("write -P 17 0 64k", "write -P 18 300M 1M", "write -P 19 1073610752 128k"),
    "second": ("write -P 33 32k 96k", "write -P 34 301M 3M", "write -z 1073610752 64k"),
    "third": ("write -P 49 700M 2M", "write -P 50 0 512"),
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    if why := exports.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("exports")
    with exports.Tgtd() as tgtd:
        reflinks = mounted(folder / "xfs")
        names = ["iscsi", "nbd", "qcow2"] + (["shared"] if reflinks else [])
        sections = (tgtd.section("iscsi", folder / "iscsi", "report_discard_supported = true") + exports.nbd_section("nbd", folder / "nbd")
                    + exports.nbd_section("qcow2", folder / "qcow2", "nfs_qcow2_volumes = true")
                    + tgtd.section("shared", folder / "xfs", "report_discard_supported = true"))
        sections += "[backend_defaults]\nmax_over_subscription_ratio = 1000\n"
        config = (f"enabled_backends = {','.join(names)}\nbackup_file_size = 52428800\nquota_volumes = -1\n"
                  "quota_gigabytes = -1\nquota_backups = -1\n")
        try:
            with Stack("serve", config=config, sections=sections) as stack:
                stack.tgtd, stack.reflinks = tgtd, reflinks
                yield stack
        finally:
            exports.end_nbd(folder)
            if reflinks:
                subprocess.run(["umount", "-l", folder / "xfs"], check=True)


def mounted(place):
    """A file system that shares blocks between files; whether this machine can."""
    place.mkdir()
    image = place.with_suffix(".image")
    with open(image, "wb") as file:
        file.truncate(400 * MIB)
    if not shutil.which("mkfs.xfs", path=exports.ENVIRONMENT["PATH"]):
        return False
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], env=exports.ENVIRONMENT, check=True)
    return subprocess.run(["mount", "-o", "loop", image, place], capture_output=True).returncode == 0


@pytest.fixture
def cinder(cloud):
    return client(cloud, PROJECT)


class Bench:
    """Volumes of one backend, and beside them files that hold what the volumes should."""

    def __init__(self, cinder, backend, folder):
        self.cinder, self.folder = cinder, folder
        name = f"{backend}-{uuid.uuid4().hex[:6]}"
        cinder.volume_types.create(name).set_keys({"volume_backend_name": backend})
        self.volume_type = name

    def available(self, what, thing, expected="available"):
        def settled():
            status = what.get(thing.id).status
            assert not status.startswith("error"), f"{thing.id} is {status}"
            return status == expected
        wait_until(settled, f"status {expected}", 60)
        return what.get(thing.id)

    def volume(self, size=1, **of):
        volume_type = None if of else self.volume_type
        return self.available(self.cinder.volumes, self.cinder.volumes.create(size, volume_type=volume_type, **of))

    def expect(self, name, size, of=None):
        """A file of this size with the content of another one."""
        path = self.folder / name
        if of:
            subprocess.run(["cp", "--sparse=always", self.folder / of, path], check=True)
        with open(path, "ab") as file:
            file.truncate(size << 30)
        return path

    def attached(self, volume):
        """Opens a volume as a server does; what is told of it and the attachment's id."""
        made = self.cinder.attachments.create(volume.id, exports.host("one"), SERVER)
        self.cinder.attachments.complete(made["id"])
        return made["connection_info"], made["id"]

    def detach(self, volume, attachment):
        self.cinder.attachments.delete(attachment)
        self.available(self.cinder.volumes, volume)

    def write(self, volume, expected, commands):
        told, attachment = self.attached(volume)
        initiate(url(told), *commands, "flush")
        self.detach(volume, attachment)
        initiate(expected, *commands)

    def compare(self, volume, expected):
        told, attachment = self.attached(volume)
        assert_same(url(told), expected)
        self.detach(volume, attachment)

    def backup(self, volume, **how):
        made = self.cinder.backups.create(volume.id, **how)
        return self.available(self.cinder.backups, made)


@pytest.mark.parametrize("backend", ["iscsi", "nbd", "qcow2"])
def test_every_byte_is_where_it_was_written(cinder, backend, tmp_path):
    bench = Bench(cinder, backend, tmp_path)
    volume = bench.volume()
    first = bench.expect("first", 1)
    bench.write(volume, first, WRITES["first"])
    snapshot = bench.available(cinder.volume_snapshots, cinder.volume_snapshots.create(volume.id))
    second = bench.expect("second", 1, "first")
    bench.write(volume, second, WRITES["second"])
    clone = bench.volume(2, source_volid=volume.id)
    whole = bench.backup(volume)
    third = bench.expect("third", 1, "second")
    bench.write(volume, third, WRITES["third"])
    part = bench.backup(volume, incremental=True)
    assert part.is_incremental
    cinder.volumes.revert_to_snapshot(volume, snapshot)
    bench.available(cinder.volumes, volume)
    bench.compare(volume, first)
    bench.compare(clone, bench.expect("larger", 2, "second"))
    restored = cinder.restores.restore(part.id)
    bench.available(cinder.volumes, cinder.volumes.get(restored.volume_id))
    bench.compare(cinder.volumes.get(restored.volume_id), third)
    # Back into the volume itself, after it has grown.
    cinder.volumes.extend(volume, 2)
    bench.available(cinder.volumes, volume)
    cinder.restores.restore(whole.id, volume.id)
    bench.available(cinder.volumes, volume)
    bench.compare(volume, bench.expect("restored", 2, "second"))


def test_what_servers_use_is_kept_as_it_was_at_one_moment(cloud, cinder, tmp_path):
    if not cloud.reflinks:
        pytest.skip("this machine can not mount XFS")
    bench = Bench(cinder, "shared", tmp_path)
    volume = bench.volume()
    first = bench.expect("first", 1)
    told, attachment = bench.attached(volume)
    assert told["discard"] is True
    for place in (url(told), first):
        initiate(place, *WRITES["first"], "flush")
    snapshot = bench.available(cinder.volume_snapshots, cinder.volume_snapshots.create(volume.id, force=True))
    backup = bench.backup(volume, force=True)
    second = bench.expect("second", 1, "first")
    for place in (url(told), second):
        initiate(place, *WRITES["second"], "flush")
    clone = bench.volume(1, source_volid=volume.id)
    bench.compare(bench.volume(1, snapshot_id=snapshot.id), first)
    bench.compare(clone, second)
    restored = cinder.restores.restore(backup.id)
    bench.available(cinder.volumes, cinder.volumes.get(restored.volume_id))
    bench.compare(cinder.volumes.get(restored.volume_id), first)
    assert_same(url(told), second)
    bench.detach(volume, attachment)


def test_a_server_sees_its_volume_grow_and_loses_nothing(cloud, cinder, tmp_path):
    bench = Bench(cinder, "iscsi", tmp_path)
    volume = bench.volume()
    expected = bench.expect("first", 1)
    told, attachment = bench.attached(volume)
    for place in (url(told), expected):
        initiate(place, *WRITES["first"], "flush")
    cinder.volumes.extend(volume, 2)
    bench.available(cinder.volumes, volume, "in-use")
    larger = bench.expect("larger", 2, "first")
    for place in (url(told), larger):
        initiate(place, "write -P 65 1536M 64k", "flush")
    assert_same(url(told), larger)
    # The daemon loses everything it knew while the server uses the volume.
    cloud.tgtd.kill()
    cloud.tgtd.start()
    wait_until(lambda: initiate(url(told), "read -P 65 1536M 64k") or True, "the export", 60)
    bench.detach(volume, attachment)
    assert f"volume-{volume.id}" not in cloud.tgtd.targets()
