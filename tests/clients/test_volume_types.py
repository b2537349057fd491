"""What operators do to volume types with their own clients: QoS specs and encryption."""

import uuid

import cinderclient.exceptions
import pytest

from test_block_storage import available, cinder, openstack_cli  # noqa: F401


def name(noun):
    return f"{noun}-{uuid.uuid4().hex[:8]}"


def test_cinderclient_gives_qos_specs_to_types(stack, cinder):  # noqa: F811
    volume_type = cinder.volume_types.create(name("gold"))
    specs = cinder.qos_specs.create(name("fast"), {"consumer": "front-end", "total_iops_sec": "500"})
    assert (specs.consumer, specs.specs) == ("front-end", {"total_iops_sec": "500"})
    assert specs.id in [found.id for found in cinder.qos_specs.list()]
    cinder.qos_specs.set_keys(specs.id, {"total_bytes_sec": "1000"})
    cinder.qos_specs.unset_keys(specs.id, ["total_iops_sec"])
    assert cinder.qos_specs.get(specs.id).specs == {"total_bytes_sec": "1000"}

    cinder.qos_specs.associate(specs.id, volume_type.id)
    assert [found.id for found in cinder.qos_specs.get_associations(specs.id)] == [volume_type.id]
    assert cinder.volume_types.get(volume_type.id).qos_specs_id == specs.id
    with pytest.raises(cinderclient.exceptions.BadRequest):
        cinder.qos_specs.delete(specs.id)
    cinder.qos_specs.disassociate(specs.id, volume_type.id)
    cinder.qos_specs.associate(specs.id, volume_type.id)
    cinder.qos_specs.disassociate_all(specs.id)
    assert cinder.qos_specs.get_associations(specs.id) == []
    cinder.qos_specs.delete(specs.id)
    with pytest.raises(cinderclient.exceptions.NotFound):
        cinder.qos_specs.get(specs.id)
    cinder.volume_types.delete(volume_type)


# The command asks as the other clients do, which come every way: one is enough.
@pytest.mark.parametrize("stack", ["nginx"], indirect=True)
def test_the_openstack_command_shows_qos_specs_with_their_types(stack):
    specs, volume_type = name("slow"), name("bronze")
    openstack_cli(stack, "volume", "type", "create", volume_type, "-f", "json")
    openstack_cli(stack, "volume", "qos", "create", specs, "--property", "k=v", "-f", "json")
    openstack_cli(stack, "volume", "qos", "associate", specs, volume_type)
    shown = openstack_cli(stack, "volume", "qos", "show", specs, "-f", "json")
    assert (shown["associations"], shown["properties"]) == ([volume_type], {"k": "v"})
    openstack_cli(stack, "volume", "qos", "delete", "--force", specs)
    openstack_cli(stack, "volume", "type", "delete", volume_type)


def test_cinderclient_encrypts_types_and_asks_how_volumes_are_encrypted(stack, cinder):  # noqa: F811
    volume_type = cinder.volume_types.create(name("vault"))
    method = {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256}
    made = cinder.volume_encryption_types.create(volume_type, method)
    assert (made.volume_type_id, made.key_size) == (volume_type.id, 256)
    assert volume_type.id in [found.volume_type_id for found in cinder.volume_encryption_types.list()]
    cinder.volume_encryption_types.update(volume_type, {"key_size": 512})
    assert cinder.volume_encryption_types.get(volume_type).key_size == 512
    # This cloud has no key manager.
    with pytest.raises(cinderclient.exceptions.BadRequest, match="Key manager error"):
        cinder.volumes.create(1, volume_type=volume_type.id)
    cinder.volume_encryption_types.delete(volume_type)
    assert not hasattr(cinder.volume_encryption_types.get(volume_type), "encryption_id")
    cinder.volume_types.delete(volume_type)

    volume = available(cinder, cinder.volumes.create(1))
    assert cinder.volumes.get_encryption_metadata(volume.id) == {"encryption_key_id": None}
    cinder.volumes.delete(volume)


# The command asks as the other clients do, which come every way: one is enough.
@pytest.mark.parametrize("stack", ["mod_proxy_fcgi"], indirect=True)
def test_the_openstack_command_makes_an_encrypted_type(stack):
    made = name("safe")
    openstack_cli(stack, "volume", "type", "create", made, "--encryption-provider", "luks", "--encryption-cipher",
                  "aes-xts-plain64", "--encryption-key-size", "256", "--encryption-control-location", "front-end", "-f", "json")
    shown = openstack_cli(stack, "volume", "type", "show", "--encryption-type", made, "-f", "json")
    assert shown["encryption"]["provider"] == "luks" and shown["encryption"]["key_size"] == 256
    openstack_cli(stack, "volume", "type", "unset", "--encryption-type", made)
    openstack_cli(stack, "volume", "type", "delete", made)
