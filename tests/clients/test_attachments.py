"""Volumes handed to other projects and attached to hosts, by the real clients and by the real os-brick."""

import os
import uuid

import cinderclient.client
import cinderclient.exceptions
import pytest
from os_brick.initiator import connector as brick

from stack import wait_until
from test_block_storage import PROJECT, available, openstack_cli

OTHER_PROJECT = uuid.UUID(int=0xFEDCBA).hex
SERVER = str(uuid.uuid4())


def client(stack, project, version="3.71"):
    made = cinderclient.client.Client(
        version, "demo", None, project, auth_type="noauth", bypass_url=f"{stack.volume_url}/{project}")
    made.client.auth_token = f"demo:{project}"
    made.client.management_url = f"{stack.volume_url}/{project}"
    return made


@pytest.fixture
def cinder(stack):
    return client(stack, PROJECT)


def status(cinder, volume, expected):
    wait_until(lambda: cinder.volumes.get(volume.id).status == expected, f"status {expected}")


def host(name):
    return {"host": name, "ip": "192.0.2.1", "initiator": f"iqn.1993-08.org.debian:01:{name}", "mountpoint": "/dev/vdb",
            "multipath": False, "os_type": "linux", "platform": "x86_64", "do_local_attach": False}


def test_cinderclient_hands_a_volume_to_another_project(stack, cinder):
    volume = available(cinder, cinder.volumes.create(1, name="gift"))
    offered = cinder.transfers.create(volume.id, "a gift")
    status(cinder, volume, "awaiting-transfer")
    assert [transfer.name for transfer in cinder.transfers.list()] == ["a gift"]
    cinder.transfers.delete(offered.id)
    status(cinder, volume, "available")
    offered = cinder.transfers.create(volume.id, "a gift")
    other = client(stack, OTHER_PROJECT)
    with pytest.raises(cinderclient.exceptions.BadRequest):
        other.transfers.accept(offered.id, "0" * 16)
    assert other.transfers.accept(offered.id, offered.auth_key).volume_id == volume.id
    assert volume.id in [mine.id for mine in other.volumes.list()]
    assert volume.id not in [mine.id for mine in cinder.volumes.list(search_opts={"name": "gift"})]
    other.volumes.delete(volume.id)


# The command asks as the other clients do, which come every way: one is enough.
@pytest.mark.parametrize("stack", ["cgi"], indirect=True)
def test_the_openstack_command_offers_and_takes_volumes(stack):
    volume = openstack_cli(stack, "volume", "create", "--size", "1", "cli", "-f", "json")["id"]

    def shown():
        return openstack_cli(stack, "volume", "show", volume, "-f", "json")["status"]

    wait_until(lambda: shown() == "available", "the volume")
    request = ("volume", "transfer", "request")
    made = openstack_cli(stack, *request, "create", volume, "-f", "json")
    assert shown() == "awaiting-transfer"
    assert made["id"] in [row["ID"] for row in openstack_cli(stack, *request, "list", "-f", "json")]
    taken = openstack_cli(stack, *request, "accept", "--auth-key", made["auth_key"], made["id"], "-f", "json")
    assert taken["volume_id"] == volume and shown() == "available"
    openstack_cli(stack, "volume", "delete", volume)


def test_os_brick_connects_what_an_attachment_tells_and_nova_moves_it(stack, cinder):
    volume = available(cinder, cinder.volumes.create(1))
    first = cinder.attachments.create(volume.id, None, SERVER)
    status(cinder, volume, "reserved")
    connection = cinder.attachments.update(first["id"], host("one")).connection_info
    reached = brick.InitiatorConnector.factory(connection["driver_volume_type"], "sudo", host="one")
    device = reached.connect_volume(connection)
    with open(device["path"], "r+b", buffering=0) as disk:
        disk.write(b"what the guest wrote")
        os.fsync(disk.fileno())
    cinder.attachments.complete(first["id"])
    status(cinder, volume, "in-use")
    assert cinder.volumes.get(volume.id).attachments[0]["attachment_id"] == first["id"]
    with pytest.raises(cinderclient.exceptions.BadRequest):
        cinder.volumes.delete(volume)

    # The server moves to another host: two attachments for a while.
    second = cinder.attachments.create(volume.id, host("two"), SERVER)
    there = brick.InitiatorConnector.factory(second["connection_info"]["driver_volume_type"], "sudo", host="two")
    moved = there.connect_volume(second["connection_info"])
    with open(moved["path"], "rb") as disk:
        assert disk.read(20) == b"what the guest wrote"
    cinder.attachments.complete(second["id"])
    reached.disconnect_volume(connection, device)
    cinder.attachments.delete(first["id"])
    assert [left.id for left in cinder.attachments.list(search_opts={"volume_id": volume.id})] == [second["id"]]
    assert cinder.attachments.show(second["id"]).status == "attached"

    cinder.volumes.begin_detaching(volume)
    there.disconnect_volume(second["connection_info"], moved)
    cinder.attachments.delete(second["id"])
    status(cinder, volume, "available")
    cinder.volumes.delete(volume)


def test_the_old_protocol_attaches_a_volume(stack, cinder):
    volume = available(cinder, cinder.volumes.create(1))
    cinder.volumes.reserve(volume)
    connection = cinder.volumes.initialize_connection(volume, host("one"))
    reached = brick.InitiatorConnector.factory(connection["driver_volume_type"], "sudo", host="one")
    device = reached.connect_volume(connection["data"])
    assert os.path.getsize(device["path"]) == 1 << 30
    cinder.volumes.attach(volume, SERVER, "/dev/vdb", "rw")
    status(cinder, volume, "in-use")
    cinder.volumes.begin_detaching(volume)
    reached.disconnect_volume(connection["data"], device)
    cinder.volumes.terminate_connection(volume, host("one"))
    cinder.volumes.detach(volume)
    status(cinder, volume, "available")
    cinder.volumes.delete(volume)
