"""Groups of volumes with their own clients: types, members, snapshots, copies, and the older form of all that."""

import uuid

import cinderclient.exceptions
import pytest

from test_block_storage import available, cinder, gone, openstack_cli  # noqa: F401
from stack import wait_until


def name(noun):
    return f"{noun}-{uuid.uuid4().hex[:8]}"


def ready(find, what):
    wait_until(lambda: find().status not in ("creating", "updating"), what)
    assert find().status == "available"
    return find()


def test_cinderclient_drives_a_group_through_its_life(stack, cinder):  # noqa: F811
    kind = cinder.group_types.create(name("kind"))
    kind.set_keys({"k": "v"})
    assert cinder.group_types.get(kind.id).group_specs == {"k": "v"}
    volume_type = cinder.volume_types.create(name("gold"))
    made = cinder.groups.create(kind.id, volume_type.id, name="life")
    group = ready(lambda: cinder.groups.get(made.id), "the group")
    assert (group.group_type, group.volume_types) == (kind.id, [volume_type.id])

    inside = available(cinder, cinder.volumes.create(1, volume_type=volume_type.id, group_id=group.id))
    beside = available(cinder, cinder.volumes.create(1, volume_type=volume_type.id))
    cinder.groups.update(group.id, add_volumes=beside.id, name="renamed")
    ready(lambda: cinder.groups.get(group.id), "the entry")
    shown = cinder.groups.get(group.id, list_volume=True)
    assert (shown.name, set(shown.volumes)) == ("renamed", {inside.id, beside.id})
    cinder.groups.update(group.id, remove_volumes=beside.id)
    ready(lambda: cinder.groups.get(group.id), "the leave")
    assert cinder.volumes.get(beside.id).group_id is None

    snapshot = cinder.group_snapshots.create(group.id, name="snap")
    ready(lambda: cinder.group_snapshots.get(snapshot.id), "the group snapshot")
    parts = [part for part in cinder.volume_snapshots.list() if part.group_snapshot_id == snapshot.id]
    assert [part.volume_id for part in parts] == [inside.id]
    restored = cinder.groups.create_from_src(snapshot.id, None, name="restored")["id"]
    copy = cinder.groups.create_from_src(None, group.id, name="copy")["id"]
    for made in (restored, copy):
        ready(lambda: cinder.groups.get(made), "a copy")
        assert len(cinder.groups.get(made, list_volume=True).volumes) == 1

    cinder.group_snapshots.delete(snapshot.id)
    gone(lambda: cinder.group_snapshots.get(snapshot.id), cinderclient.exceptions.NotFound, "the group snapshot")
    for made in (group.id, restored, copy):
        cinder.groups.delete(made, delete_volumes=True)
        gone(lambda: cinder.groups.get(made), cinderclient.exceptions.NotFound, "a group")
    assert not (stack.folder / f"volumes/volume-{inside.id}").exists()
    cinder.volumes.delete(beside)
    gone(lambda: cinder.volumes.get(beside.id), cinderclient.exceptions.NotFound, "the volume")
    cinder.group_types.delete(kind)
    cinder.volume_types.delete(volume_type)


def test_cinderclient_still_works_with_consistency_groups(stack, cinder):  # noqa: F811
    made = cinder.consistencygroups.create("__DEFAULT__", name="cg")
    group = ready(lambda: cinder.consistencygroups.get(made.id), "the consistency group")
    volume = available(cinder, cinder.volumes.create(1, consistencygroup_id=group.id, volume_type="__DEFAULT__"))
    # The client sends null for the description.
    snapshot = cinder.cgsnapshots.create(group.id, name="snap")
    ready(lambda: cinder.cgsnapshots.get(snapshot.id), "its snapshot")
    cinder.cgsnapshots.delete(snapshot.id)
    gone(lambda: cinder.cgsnapshots.get(snapshot.id), cinderclient.exceptions.NotFound, "its snapshot")
    cinder.consistencygroups.delete(group.id, force=True)
    gone(lambda: cinder.consistencygroups.get(group.id), cinderclient.exceptions.NotFound, "the consistency group")
    gone(lambda: cinder.volumes.get(volume.id), cinderclient.exceptions.NotFound, "its volume")


# The command asks as the other clients do, which come every way: one is enough.
@pytest.mark.parametrize("stack", ["mod_fcgid"], indirect=True)
def test_the_openstack_command_makes_a_group_type_and_a_group(stack):
    version = ("--os-volume-api-version", "3.71")
    kind = openstack_cli(stack, *version, "volume", "group", "type", "create", name("kind"), "-f", "json")
    group = openstack_cli(stack, *version, "volume", "group", "create", "--volume-group-type", kind["ID"], "--volume-type",
                          "__DEFAULT__", "--name", "cli", "-f", "json")
    listed = openstack_cli(stack, *version, "volume", "group", "list", "-f", "json")
    assert group["ID"] in [row["ID"] for row in listed]
    wait_until(lambda: openstack_cli(stack, *version, "volume", "group", "show", group["ID"], "-f", "json")["Status"] == "available",
               "the group")
    openstack_cli(stack, *version, "volume", "group", "delete", "--force", group["ID"])
    wait_until(lambda: openstack_cli(stack, *version, "volume", "group", "list", "-f", "json") == [] or group["ID"] not in
               [row["ID"] for row in openstack_cli(stack, *version, "volume", "group", "list", "-f", "json")], "the end of the group")
    openstack_cli(stack, *version, "volume", "group", "type", "delete", kind["ID"])
