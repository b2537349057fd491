"""python-cinderclient, python-openstackclient and openstacksdk against Block Storage without Keystone."""

import json
import os
import pathlib
import subprocess
import sys
import uuid

import cinderclient.client
import cinderclient.exceptions
import openstack
import pytest

from stack import wait_until

PROJECT = uuid.UUID(int=0xABCDEF).hex


@pytest.fixture
def cinder(stack):
    """A cinderclient of version 3.71 in noauth's own form, user:project."""
    client = cinderclient.client.Client(
        "3.71", "demo", None, PROJECT, auth_type="noauth", bypass_url=f"{stack.volume_url}/{PROJECT}")
    client.client.auth_token = f"demo:{PROJECT}"
    client.client.management_url = f"{stack.volume_url}/{PROJECT}"
    return client


@pytest.fixture
def sdk(stack):
    connection = openstack.connection.Connection(
        auth_type="none", block_storage_endpoint_override=stack.volume_url, volume_endpoint_override=stack.volume_url,
        endpoint=stack.volume_url)
    yield connection
    connection.close()


def openstack_cli(stack, *arguments):
    """The answer of one `openstack` command as JSON."""
    command = [pathlib.Path(sys.executable).parent / "openstack", "--os-auth-type", "none", "--os-endpoint", stack.volume_url,
               *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120,
                          env={"PATH": os.environ["PATH"], "HOME": str(stack.folder), "PYTHONWARNINGS": "ignore"})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def available(client, volume):
    wait_until(lambda: client.volumes.get(volume.id).status != "creating", f"volume {volume.id}")
    volume = client.volumes.get(volume.id)
    assert volume.status == "available"
    return volume


def gone(find, error, what):
    def missing():
        try:
            find()
        except error:
            return True
        return False
    wait_until(missing, f"the end of {what}")


def test_cinderclient_drives_a_volume_through_its_life(stack, cinder):
    volume = available(cinder, cinder.volumes.create(1, name="life", description="é", metadata={"k": "v"}))
    file = stack.folder / f"volumes/volume-{volume.id}"
    size = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", file]))["virtual-size"]
    assert size == 1 << 30
    assert volume.metadata == {"k": "v"} and volume.description == "é" and volume.bootable == "false"

    cinder.volumes.update(volume, name="renamed")
    cinder.volumes.set_metadata(volume, {"a": "b"})
    cinder.volumes.delete_metadata(volume, ["k"])
    assert cinder.volumes.get(volume.id).metadata == {"a": "b"}
    assert [found.id for found in cinder.volumes.list(search_opts={"name": "renamed"})] == [volume.id]

    cinder.volumes.extend(volume, 2)
    wait_until(lambda: cinder.volumes.get(volume.id).status == "available", "the extension")
    assert cinder.volumes.get(volume.id).size == 2
    size = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", file]))["virtual-size"]
    assert size == 2 << 30

    cinder.volumes.set_bootable(volume, True)
    cinder.volumes.update_readonly_flag(volume, True)
    assert cinder.volumes.get(volume.id).bootable == "true"

    cinder.volumes.delete(volume)
    gone(lambda: cinder.volumes.get(volume.id), cinderclient.exceptions.NotFound, "the volume")
    assert not file.exists()


def test_cinderclient_makes_snapshots_and_volumes_from_them(stack, cinder):
    source = available(cinder, cinder.volumes.create(1, name="source"))
    snapshot = cinder.volume_snapshots.create(source.id, name="snap", metadata={"s": "1"})
    wait_until(lambda: cinder.volume_snapshots.get(snapshot.id).status == "available", "the snapshot")
    cinder.volume_snapshots.update(snapshot, name="snap2")
    assert cinder.volume_snapshots.get(snapshot.id).name == "snap2"
    copy = available(cinder, cinder.volumes.create(2, snapshot_id=snapshot.id))
    clone = available(cinder, cinder.volumes.create(1, source_volid=source.id))
    assert (copy.snapshot_id, copy.size, clone.source_volid) == (snapshot.id, 2, source.id)
    with pytest.raises(cinderclient.exceptions.BadRequest):
        cinder.volumes.delete(source)
    cinder.volume_snapshots.delete(snapshot)
    gone(lambda: cinder.volume_snapshots.get(snapshot.id), cinderclient.exceptions.NotFound, "the snapshot")
    for volume in (copy, clone, source):
        cinder.volumes.delete(volume)
        gone(lambda: cinder.volumes.get(volume.id), cinderclient.exceptions.NotFound, "a volume")


def test_cinderclient_reads_types_quotas_limits_services_and_pools(stack, cinder):
    assert cinder.volume_types.default().name == "__DEFAULT__"
    made = cinder.volume_types.create(f"gold-{uuid.uuid4().hex[:8]}", description="fast")
    made.set_keys({"volume_backend_name": "file"})
    assert made.get_keys() == {"volume_backend_name": "file"}
    volume = available(cinder, cinder.volumes.create(1, volume_type=made.name))
    assert volume.volume_type == made.name
    with pytest.raises(cinderclient.exceptions.BadRequest):
        cinder.volume_types.delete(made)
    cinder.volumes.delete(volume)
    gone(lambda: cinder.volumes.get(volume.id), cinderclient.exceptions.NotFound, "the volume")
    cinder.volume_types.delete(made)

    other = uuid.uuid4().hex
    cinder.quotas.update(other, volumes=3)
    assert cinder.quotas.get(other).volumes == 3
    cinder.quotas.delete(other)
    assert cinder.quotas.get(other).volumes == cinder.quotas.defaults(other).volumes == 10
    assert {limit.name: limit.value for limit in cinder.limits.get().absolute}["maxTotalVolumes"] == 10
    services = cinder.services.list(binary="cinder-volume")
    assert [service.state for service in services] == ["up"]
    pools = cinder.pools.list(detailed=True)
    assert pools[0].name.startswith(services[0].host) and pools[0].free_capacity_gb > 0
    assert [zone.zoneName for zone in cinder.availability_zones.list()] == ["nova"]


def test_an_error_is_the_clients_own_exception_with_a_request_id(stack, cinder):
    with pytest.raises(cinderclient.exceptions.NotFound) as caught:
        cinder.volumes.get(str(uuid.uuid4()))
    assert caught.value.request_id.startswith("req-")
    with pytest.raises(cinderclient.exceptions.OverLimit):
        cinder.volumes.create(100000)


def test_openstacksdk_finds_versions_and_pages_through_volumes(stack, sdk):
    made = [sdk.block_storage.create_volume(size=1, name=f"page-{number}") for number in range(3)]
    for volume in made:
        sdk.block_storage.wait_for_status(volume, "available", ["error"], interval=0.1, wait=30)
    found = list(sdk.block_storage.volumes(details=True, limit=1))
    assert {volume.id for volume in made} <= {volume.id for volume in found}
    for volume in made:
        sdk.block_storage.delete_volume(volume)
    for volume in made:
        sdk.block_storage.wait_for_delete(volume, interval=0.1, wait=30)


def test_the_openstack_command_works_without_keystone(stack):
    made = openstack_cli(stack, "volume", "create", "--size", "1", "demo", "-f", "json")
    assert made["name"] == "demo"
    wait_until(lambda: openstack_cli(stack, "volume", "show", made["id"], "-f", "json")["status"] == "available", "the volume")
    listed = openstack_cli(stack, "volume", "list", "-f", "json")
    assert made["id"] in [row["ID"] for row in listed]
    openstack_cli(stack, "volume", "delete", made["id"])
