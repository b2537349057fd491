"""What a cloud's users and operators do in a day, by the real python-cinderclient: the same against Cinder and against Hearth."""

import contextlib
import time

import cinderclient.client
import cinderclient.exceptions

PROJECT = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
SERVER = "5e0c0ffe-1111-4222-8333-944444444444"
HOST = {"host": "compute-1", "ip": "192.0.2.1", "initiator": "iqn.1993-08.org.debian:01:compute-1", "mountpoint": "/dev/vdb",
        "multipath": False, "os_type": "linux", "platform": "x86_64", "do_local_attach": False}


class Cloud:
    """One side: its clients, and the ids of what was made under names that both sides share."""

    def __init__(self, url):
        self.url, self.ids = url, {}
        self.cinder, self.other = self.client(PROJECT), self.client(OTHER)

    def client(self, project):
        made = cinderclient.client.Client("3.71", "demo", None, project, auth_type="noauth", bypass_url=f"{self.url}/{project}")
        made.client.auth_token = f"demo:{project}"
        made.client.management_url = f"{self.url}/{project}"
        return made

    def named(self, name, thing):
        self.ids[name] = thing["id"] if isinstance(thing, dict) else thing.id
        return self.ids[name]

    def until(self, manager, identity, status, seconds=30):
        """Until the resource has the status, or any other that is no transient one; `gone` where it is to go."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = manager.get(identity).status
            except cinderclient.exceptions.NotFound:
                found = "gone"
            if found == status:
                return
            assert time.monotonic() < deadline, f"{identity} is {found} and not {status}"
            time.sleep(0.02)

    def wait(self, holds, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)


def refused():
    """What is refused is told to listeners too."""
    return contextlib.suppress(cinderclient.exceptions.ClientException)


def volumes(cloud):
    cinder, until = cloud.cinder, cloud.until
    one = cloud.named("one", cinder.volumes.create(1, name="one", metadata={"color": "red"}))
    until(cinder.volumes, one, "available")
    cinder.volumes.update(one, name="uno", description="renamed")
    cinder.volumes.extend(one, 2)
    until(cinder.volumes, one, "available")
    snapshot = cloud.named("snapshot", cinder.volume_snapshots.create(one, name="s", metadata={"k": "v"}))
    until(cinder.volume_snapshots, snapshot, "available")
    cinder.volume_snapshots.update(snapshot, name="t")
    cinder.volumes.revert_to_snapshot(one, snapshot)
    until(cinder.volumes, one, "available")
    until(cinder.volume_snapshots, snapshot, "available")
    cinder.volume_snapshots.reset_state(snapshot, "error")
    cinder.volume_snapshots.reset_state(snapshot, "available")
    copy = cloud.named("copy", cinder.volumes.create(2, name="copy", snapshot_id=snapshot))
    until(cinder.volumes, copy, "available")
    clone = cloud.named("clone", cinder.volumes.create(2, source_volid=one))
    until(cinder.volumes, clone, "available")
    cinder.volume_snapshots.delete(snapshot)
    until(cinder.volume_snapshots, snapshot, "gone")
    cinder.volumes.reset_state(clone, "error")
    cinder.volumes.force_delete(clone)
    until(cinder.volumes, clone, "gone")
    # Removed together with a snapshot.
    last = cloud.named("last", cinder.volume_snapshots.create(copy))
    until(cinder.volume_snapshots, last, "available")
    cinder.volumes.delete(copy, cascade=True)
    until(cinder.volumes, copy, "gone")


def nowhere(cloud):
    """What no backend takes: a new volume, another type, another place, more room, a file that is there already."""
    cinder, until = cloud.cinder, cloud.until
    kind = cloud.named("nowhere_type", cinder.volume_types.create("nowhere"))
    cinder.volume_types.get(kind).set_keys({"volume_backend_name": "nowhere"})
    home = cloud.named("home_type", cinder.volume_types.create("home"))
    cinder.volume_types.get(home).set_keys({"volume_backend_name": "file"})
    lost = cloud.named("lost", cinder.volumes.create(1, name="lost", volume_type="nowhere"))
    until(cinder.volumes, lost, "error")
    cinder.volumes.delete(lost)
    until(cinder.volumes, lost, "gone")
    kept = cloud.named("kept", cinder.volumes.create(1, name="kept", volume_type="home", metadata={"k": "v"}))
    until(cinder.volumes, kept, "available")
    for policy in ("never", "on-demand"):
        cinder.volumes.retype(kept, "nowhere", policy)
        until(cinder.volumes, kept, "available")
    for lock in (False, True):
        cinder.volumes.migrate_volume(kept, "peer@second#second", False, lock)
        cloud.wait(lambda: cinder.volumes.get(kept).migration_status == "error", "the end of a move")
        until(cinder.volumes, kept, "available")
    cinder.quotas.update(PROJECT, gigabytes=-1)
    cinder.volumes.extend(kept, 9_000_000)
    until(cinder.volumes, kept, "available")
    cinder.quotas.update(PROJECT, gigabytes=1000)
    cinder.volumes.delete(kept)
    until(cinder.volumes, kept, "gone")
    taken = cloud.named("taken", cinder.volumes.manage("peer@file", {"source-name": "found"}, name="taken", volume_type="nowhere"))
    cloud.wait(lambda: cinder.volumes.get(taken).status.startswith("error"), "the refusal")
    cinder.volumes.delete(taken)
    until(cinder.volumes, taken, "gone")
    cinder.volume_types.delete(kind)
    cinder.volume_types.delete(home)


def attachments(cloud):
    cinder, until = cloud.cinder, cloud.until
    disk = cloud.named("disk", cinder.volumes.create(1, name="disk"))
    until(cinder.volumes, disk, "available")
    attachment = cloud.named("attachment", cinder.attachments.create(disk, None))
    cinder.attachments.update(attachment, HOST)
    cinder.attachments.complete(attachment)
    cinder.attachments.delete(attachment)
    until(cinder.volumes, disk, "available")
    reserved = cloud.named("reserved", cinder.attachments.create(disk, None))
    cinder.attachments.delete(reserved)
    until(cinder.volumes, disk, "available")
    # The old way.
    cinder.volumes.reserve(disk)
    cinder.volumes.initialize_connection(disk, HOST)
    cinder.volumes.attach(disk, SERVER, "/dev/vdc", mode="rw")
    until(cinder.volumes, disk, "in-use")
    cinder.volumes.begin_detaching(disk)
    cinder.volumes.terminate_connection(disk, HOST)
    cinder.volumes.detach(disk, cinder.volumes.get(disk).attachments[0]["attachment_id"])
    until(cinder.volumes, disk, "available")
    cinder.volumes.delete(disk)
    until(cinder.volumes, disk, "gone")


def transfers(cloud):
    cinder, other, until = cloud.cinder, cloud.other, cloud.until
    gift = cloud.named("gift", cinder.volumes.create(1, name="gift"))
    until(cinder.volumes, gift, "available")
    offer = cloud.named("offer", cinder.transfers.create(gift, "offer"))
    cinder.transfers.delete(offer)
    offer = cinder.transfers.create(gift, "again")
    cloud.named("offer2", offer)
    other.transfers.accept(offer.id, offer.auth_key)
    other.volumes.delete(gift)
    until(other.volumes, gift, "gone")


def backups(cloud):
    cinder, until = cloud.cinder, cloud.until
    disk = cloud.named("disk", cinder.volumes.create(1, name="disk"))
    until(cinder.volumes, disk, "available")
    first = cloud.named("first", cinder.backups.create(disk, name="first", description="all of it", metadata={"k": "v"}))
    until(cinder.backups, first, "available")
    until(cinder.volumes, disk, "available")
    more = cloud.named("more", cinder.backups.create(disk, name="more", incremental=True))
    until(cinder.backups, more, "available")
    snapshot = cloud.named("snapshot", cinder.volume_snapshots.create(disk))
    until(cinder.volume_snapshots, snapshot, "available")
    still = cloud.named("still", cinder.backups.create(disk, snapshot_id=snapshot))
    until(cinder.backups, still, "available")
    until(cinder.volume_snapshots, snapshot, "available")
    cinder.backups.update(first, name="renamed")
    cinder.restores.restore(more, disk)
    until(cinder.backups, more, "available")
    until(cinder.volumes, disk, "available")
    anew = cloud.named("anew", {"id": cinder.restores.restore(first, name="anew").volume_id})
    until(cinder.backups, first, "available")
    until(cinder.volumes, anew, "available")
    of = cloud.named("of", cinder.volumes.create(1, name="of", backup_id=first))
    until(cinder.volumes, of, "available")
    until(cinder.backups, first, "available")
    cinder.backups.reset_state(still, "error")
    until(cinder.backups, still, "error")
    cinder.backups.delete(still)
    until(cinder.backups, still, "gone")
    with refused():
        cinder.backups.delete(first)
    lost = cloud.named("lost", cinder.backups.create(disk, availability_zone="nowhere"))
    until(cinder.backups, lost, "error")
    for backup in (more, first):
        cinder.backups.delete(backup)
        until(cinder.backups, backup, "gone")


def groups(cloud):
    cinder, until = cloud.cinder, cloud.until
    kind = cloud.named("group_type", cinder.group_types.create("family", is_public=True))
    cinder.group_types.get(kind).set_keys({"k": "v"})
    cinder.group_types.update(kind, description="d")
    volume_type = cloud.named("member_type", cinder.volume_types.create("member"))
    group = cloud.named("group", cinder.groups.create(kind, volume_type, name="group"))
    until(cinder.groups, group, "available")
    member = cloud.named("member", cinder.volumes.create(1, name="member", volume_type=volume_type, group_id=group))
    until(cinder.volumes, member, "available")
    snapshot = cloud.named("group_snapshot", cinder.group_snapshots.create(group, "gs"))
    until(cinder.group_snapshots, snapshot, "available")
    cinder.group_snapshots.reset_state(snapshot, "error")
    cinder.group_snapshots.reset_state(snapshot, "available")
    copied = cloud.named("group_copy", cinder.groups.create_from_src(snapshot, None, name="copy"))
    until(cinder.groups, copied, "available")
    cinder.groups.delete(copied, delete_volumes=True)
    until(cinder.groups, copied, "gone")
    cinder.group_snapshots.delete(snapshot)
    until(cinder.group_snapshots, snapshot, "gone")
    cinder.groups.update(group, remove_volumes=member)
    until(cinder.groups, group, "available")
    cinder.groups.update(group, add_volumes=member)
    until(cinder.groups, group, "available")
    cinder.groups.reset_state(group, "error")
    cinder.groups.reset_state(group, "available")
    cinder.groups.delete(group, delete_volumes=True)
    until(cinder.groups, group, "gone")
    cinder.group_types.get(kind).unset_keys(["k"])
    cinder.group_types.delete(kind)
    cinder.volume_types.delete(volume_type)


def types(cloud):
    cinder = cloud.cinder
    kind = cloud.named("type", cinder.volume_types.create("gold", is_public=False))
    with refused():
        cinder.volume_types.create("gold")
    cinder.volume_types.get(kind).set_keys({"a": "b", "c": "d"})
    cinder.volume_types.get(kind).unset_keys(["c"])
    cinder.volume_types.update(kind, description="shiny")
    cinder.volume_type_access.add_project_access(kind, OTHER)
    cinder.volume_type_access.remove_project_access(kind, OTHER)
    cinder.volume_encryption_types.create(
        kind, {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256})
    cinder.volume_encryption_types.update(kind, {"key_size": 128})
    cinder.volume_encryption_types.delete(kind)
    qos = cloud.named("qos", cinder.qos_specs.create("fast", {"consumer": "back-end", "x": "1"}))
    with refused():
        cinder.qos_specs.create("fast", {"consumer": "back-end"})
    cinder.qos_specs.set_keys(qos, {"y": "2"})
    cinder.qos_specs.unset_keys(qos, ["y"])
    with refused():
        cinder.qos_specs.unset_keys(qos, ["none"])
    cinder.qos_specs.associate(qos, kind)
    cinder.qos_specs.get_associations(qos)
    with refused():
        cinder.qos_specs.delete(qos)
    cinder.qos_specs.disassociate(qos, kind)
    cinder.qos_specs.disassociate_all(qos)
    cinder.qos_specs.delete(qos)
    with refused():
        cinder.qos_specs.delete(qos)
    cinder.volume_types.delete(kind)
    with refused():
        cinder.volume_types.delete(kind)
    with refused():
        cinder.volume_types.update(kind, name="x")


STORIES = [volumes, nowhere, attachments, transfers, backups, groups, types]
