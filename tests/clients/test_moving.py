"""Volumes that get another type and another backend, by the commands of operators, in a set-up with two backends."""

import uuid

import cinderclient.exceptions
import pytest

from stack import Stack, wait_until
from test_block_storage import available, cinder, openstack_cli, sdk  # noqa: F401


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    second = tmp_path_factory.mktemp("second")
    sections = f"[second]\nhearth_file_path = {second}\nnfs_qcow2_volumes = true\n"
    with Stack("nginx", config="host = here\nenabled_backends = file,second", sections=sections) as running:
        running.second = second
        yield running


@pytest.fixture(scope="module")
def types(stack):
    """A type for each backend, made by the openstack command."""
    names = {}
    for backend in ("file", "second"):
        name = f"{backend}-{uuid.uuid4().hex[:8]}"
        openstack_cli(stack, "volume", "type", "create", "--property", f"volume_backend_name={backend}", "-f", "json", name)
        names[backend] = name
    return names


def moved(client, volume, **wanted):
    def there():
        found = client.volumes.get(volume.id)
        return all(getattr(found, key.replace("HOST", "os-vol-host-attr:host")) == value for key, value in wanted.items())
    wait_until(there, f"{volume.id} to be {wanted}")
    return client.volumes.get(volume.id)


def test_the_openstack_command_retypes_and_migrates(stack, types, cinder):  # noqa: F811
    volume = available(cinder, cinder.volumes.create(1, name="v", volume_type=types["file"]))
    with open(stack.folder / "volumes" / f"volume-{volume.id}", "r+b") as file:
        file.write(b"what the user wrote")
    openstack_cli(stack, "volume", "set", "--type", types["second"], "--retype-policy", "on-demand", volume.id)
    found = moved(cinder, volume, volume_type=types["second"], status="available")
    assert found.migration_status == "success"
    assert getattr(found, "os-vol-host-attr:host") == "here@second#second"
    # The old file goes when the row tells of the new one.
    wait_until(lambda: not list((stack.folder / "volumes").glob("volume-*")), "the end of the old file")
    name = getattr(found, "os-vol-mig-status-attr:name_id")
    assert (stack.second / f"volume-{name}").read_bytes()[:4] == b"QFI\xfb"

    # Its type forbids the other backend: the filters have the last word.
    openstack_cli(stack, "volume", "migrate", "--host", "here@file#file", volume.id)
    moved(cinder, volume, migration_status="error", HOST="here@second#second")
    anywhere = cinder.volume_types.create(f"any-{uuid.uuid4().hex[:8]}")
    openstack_cli(stack, "volume", "set", "--type", anywhere.name, volume.id)
    moved(cinder, volume, volume_type=anywhere.name, status="available")
    openstack_cli(stack, "volume", "migrate", "--host", "here@file#file", "--lock-volume", volume.id)
    found = moved(cinder, volume, migration_status="success", status="available", HOST="here@file#file")
    name = getattr(found, "os-vol-mig-status-attr:name_id")
    content = stack.folder / "volumes" / f"volume-{name}"
    assert content.read_bytes()[:20] == b"what the user wrote\0" and content.stat().st_size == 1 << 30
    cinder.volumes.delete(volume)
    wait_until(lambda: not content.exists(), "the end of the volume")


def test_cinderclient_and_openstacksdk_retype_and_migrate(stack, types, cinder, sdk):  # noqa: F811
    volume = available(cinder, cinder.volumes.create(1, volume_type=types["file"]))
    with pytest.raises(cinderclient.exceptions.BadRequest, match="No available service named 'nowhere'"):
        cinder.volumes.migrate_volume(volume.id, "nowhere", False, False)
    with pytest.raises(cinderclient.exceptions.NotFound):
        cinder.volumes.retype(volume, "nope", "never")
    cinder.volumes.retype(volume, types["second"], "on-demand")
    moved(cinder, volume, volume_type=types["second"], HOST="here@second#second")
    anywhere = cinder.volume_types.create(f"any-{uuid.uuid4().hex[:8]}")
    sdk.block_storage.retype_volume(volume.id, anywhere.name, migration_policy="never")
    moved(cinder, volume, volume_type=anywhere.name)
    sdk.block_storage.migrate_volume(volume.id, host="here@file#file", force_host_copy=True, lock_volume=True)
    moved(cinder, volume, HOST="here@file#file", migration_status="success", status="available")
    with pytest.raises(cinderclient.exceptions.BadRequest, match="destination host/cluster must be different"):
        cinder.volumes.migrate_volume(volume.id, "here@file#file", False, False)
    cinder.volumes.delete(volume)
