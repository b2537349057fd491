"""What a program does with openstacksdk: every method of its Block Storage proxy, one function for each kind of resource."""

import contextlib
import inspect
import uuid

import openstack.connection
import openstack.exceptions
import pytest
from openstack.block_storage.v3._proxy import Proxy
from openstack.block_storage.v3.cluster import Cluster

PROJECT, OTHER = "0a1d7e94c3b84f6f9d52e8a6b7c4f310", "fedcba9876543210fedcba9876543210"
SERVER = "5e0c0ffe-1111-4222-8333-944444444444"
HOST = {"host": "compute-1", "ip": "192.0.2.1", "mountpoint": "/dev/vdb", "multipath": False, "os_type": "linux", "platform": "x86_64",
        "do_local_attach": False}


def methods():
    return {name for name, value in vars(Proxy).items() if inspect.isfunction(value) and name[0] != "_"}


class Recorder:
    """The Block Storage proxy of a connection; `driven` has the names of the methods that were called."""

    def __init__(self, connection):
        self.proxy, self.driven = connection.block_storage, set()

    def __getattr__(self, name):
        method = getattr(self.proxy, name)

        def called(*arguments, **options):
            answer = method(*arguments, **options)
            answer = list(answer) if inspect.isgenerator(answer) else answer
            self.driven.add(name)
            return answer
        return called

    @contextlib.contextmanager
    def refused(self, name, error, match):
        """The method `name`, called within, is refused as it is to be."""
        with pytest.raises(error, match=match):
            yield getattr(self, name)
        self.driven.add(name)

    def until(self, resource, status="available", attribute="status"):
        # What it is handed may have been read before the last change, and it would believe that.
        resource = resource.fetch(self.proxy, skip_cache=True)
        return self.wait_for_status(resource, status, ["error"], interval=0.05, wait=30, attribute=attribute)

    def gone(self, resource):
        self.wait_for_delete(resource, interval=0.05, wait=30)

    def names(self, resources):
        return {resource.name for resource in resources}

    def ids(self, resources):
        return {resource.id for resource in resources}


@contextlib.contextmanager
def recorder(url, image_url):
    connection = openstack.connection.Connection(
        auth_type="none", endpoint=url, block_storage_endpoint_override=url, volume_endpoint_override=url,
        image_endpoint_override=image_url, block_storage_default_microversion="3.71")
    with contextlib.closing(connection):
        yield Recorder(connection)


def service(sdk, _cloud):
    assert sdk.get_limits().absolute.max_total_volumes == 10
    assert sdk.names(sdk.availability_zones()) == {"nova"}
    assert "peer@file#file" in sdk.names(sdk.backend_pools())
    assert sdk.get_capabilities("peer@file").volume_backend_name == "file"
    assert "os-quota-sets" in {found.alias for found in sdk.extensions()}
    assert "volume" in {found.resource for found in sdk.resource_filters()}
    second = next(found for found in sdk.services() if found.host == "peer@second")
    assert sdk.find_service("cinder-backup").host == "peer"
    assert sdk.disable_service(second, reason="repair").status == "disabled"
    assert sdk.enable_service(second).status == "enabled"
    sdk.freeze_service(second)
    sdk.thaw_service(second)
    with sdk.refused("failover_service", openstack.exceptions.BadRequestException, "failover") as failover:
        failover(second, backend_id="elsewhere")
    sdk.set_service_log_levels(level="WARNING", binary="cinder-volume", server="peer@second", prefix="hearth::metrics")
    found = sdk.get_service_log_levels(binary="cinder-volume", server="peer@second", prefix="hearth::metrics")
    assert [dict(level.levels) for level in found] == [{"hearth::metrics": "WARNING"}]
    assert sdk.cleanup_service_workers(binary="cinder-volume", host="nobody", cluster_name="nowhere", disabled=False) == {"cleaning": [], "unavailable": []}
    assert sdk.clusters() == [] and sdk.find_cluster("nowhere") is None
    nowhere = Cluster.new(id="nowhere", name="nowhere", binary="cinder-volume")
    for name in ("get_cluster", "enable_cluster", "disable_cluster"):
        with sdk.refused(name, openstack.exceptions.NotFoundException, "nowhere") as method:
            method(nowhere)


def quotas(sdk, _cloud):
    assert sdk.update_quota_set(OTHER, volumes=7).volumes == 7
    assert sdk.get_quota_set(OTHER, usage=True).volumes == 7
    assert sdk.get_quota_set_defaults(OTHER).volumes == 10
    sdk.revert_quota_set(OTHER)
    assert sdk.get_quota_set(OTHER).volumes == 10
    assert sdk.update_quota_class_set("bronze", volumes=4).volumes == 4
    assert sdk.get_quota_class_set("bronze").volumes == 4


def types(sdk, _cloud):
    kind = sdk.create_type(name="sdk-type", is_public=False, extra_specs={"a": "b"})
    assert sdk.update_type(kind, description="shiny").description == "shiny"
    sdk.update_type_extra_specs(kind, c="d", e="f")
    sdk.delete_type_extra_specs(kind, ["e"])
    assert sdk.get_type(kind).extra_specs == {"a": "b", "c": "d"}
    assert kind.id in sdk.ids(sdk.types(is_public=False)) and sdk.find_type("sdk-type").id == kind.id
    sdk.add_type_access(kind, OTHER)
    assert [access["project_id"] for access in sdk.get_type_access(kind)] == [OTHER]
    sdk.remove_type_access(kind, OTHER)
    encryption = sdk.create_type_encryption(kind, provider="luks", cipher="aes-xts-plain64", key_size=256, control_location="front-end")
    sdk.update_type_encryption(volume_type=kind, key_size=128)
    assert sdk.get_type_encryption(kind).key_size == 128 and encryption.provider == "luks"
    sdk.delete_type_encryption(volume_type=kind)
    sdk.set_default_type(OTHER, "__DEFAULT__")
    assert OTHER in {found.project_id for found in sdk.default_types()}
    assert sdk.show_default_type(OTHER).volume_type_id == sdk.find_type("__DEFAULT__").id
    sdk.unset_default_type(OTHER)
    qos = sdk.create_qos_spec(name="sdk-qos", consumer="back-end", iops="100")
    sdk.update_qos_spec(qos, iops="200", other="1")
    sdk.delete_qos_spec_metadata(qos, ["other"])
    assert sdk.get_qos_spec(qos).specs == {"iops": "200"}
    assert sdk.find_qos_spec("sdk-qos").id == qos.id and qos.id in sdk.ids(sdk.qos_specs())
    sdk.associate_qos_spec(qos, kind.id)
    assert sdk.names(sdk.qos_spec_associations(qos)) == {"sdk-type"}
    sdk.disassociate_qos_spec(qos, kind.id)
    sdk.disassociate_all_qos_spec(qos)
    sdk.delete_qos_spec(qos)
    sdk.delete_type(kind)


def volumes(sdk, cloud):
    volume = sdk.until(sdk.create_volume(size=1, name="sdk", metadata={"a": "b"}))
    assert sdk.update_volume(volume, description="renamed").description == "renamed"
    sdk.set_volume_metadata(volume, c="d", e="f")
    sdk.delete_volume_metadata(volume, ["e"])
    assert sdk.get_volume_metadata(volume).metadata == sdk.fetch_volume_metadata(volume).metadata == {"a": "b", "c": "d"}
    sdk.set_volume_image_metadata(volume, os_distro="debian", os_version="13")
    sdk.delete_volume_image_metadata(volume, ["os_version"])
    sdk.set_volume_bootable_status(volume, True)
    sdk.set_volume_readonly(volume, False)
    found = sdk.get_volume(volume)
    assert found.volume_image_metadata == {"os_distro": "debian"} and found.is_bootable
    assert sdk.find_volume("sdk").id == volume.id and volume.id in sdk.ids(sdk.volumes(name="sdk"))
    assert sdk.summary(True).total_count >= 1
    sdk.extend_volume(volume, 2)
    assert sdk.until(volume).size == 2
    sdk.reset_volume_status(volume, status="error")
    sdk.reset_volume_status(volume, status="available")
    here = sdk.create_type(name="sdk-here", extra_specs={"volume_backend_name": "file"})
    anywhere = sdk.create_type(name="sdk-anywhere")
    sdk.retype_volume(volume, here.id, "on-demand")
    sdk.until(volume, "sdk-here", "volume_type")
    sdk.until(volume)
    sdk.retype_volume(volume, anywhere.id)
    sdk.until(volume, "sdk-anywhere", "volume_type")
    sdk.until(volume)
    sdk.migrate_volume(volume, host="peer@second#second")
    sdk.until(volume, "peer@second#second", "host")
    assert sdk.until(volume).migration_status == "success"
    with sdk.refused("complete_volume_migration", openstack.exceptions.BadRequestException, "igration") as complete:
        complete(volume.id, str(volume.id))
    with sdk.refused("complete_volume_extend", openstack.exceptions.BadRequestException, "extend") as complete:
        complete(volume)
    image = sdk.upload_volume_to_image(volume, "sdk", disk_format="qcow2", container_format="bare")
    assert uuid.UUID(image["image_id"])
    sdk.until(volume)
    assert sdk.create_image("sdk again", volume, False, "bare", "qcow2", False, 60).id
    sdk.until(volume)
    snapshots(sdk, volume)
    attached(sdk, volume)
    transferred(sdk, volume)
    sdk.delete_volume(volume, cascade=True)
    sdk.gone(volume)
    with open(cloud.folder / "volumes/sdk-strange", "wb") as file:
        file.truncate(1 << 30)
    assert "sdk-strange" in {found.reference["source-name"] for found in sdk.manageable_volumes(host="peer@file#file")}
    taken = sdk.until(sdk.manage_volume(host="peer@file#file", ref={"source-name": "sdk-strange"}, name="taken"))
    sdk.unmanage_volume(taken)
    sdk.gone(taken)
    for kind in (here, anywhere):
        sdk.delete_type(kind)


def snapshots(sdk, volume):
    snapshot = sdk.until(sdk.create_snapshot(volume_id=volume.id, name="sdk", metadata={"a": "b"}))
    assert sdk.update_snapshot(snapshot, description="renamed").description == "renamed"
    sdk.set_snapshot_metadata(snapshot, c="d", e="f")
    sdk.delete_snapshot_metadata(snapshot, ["e"])
    assert sdk.get_snapshot_metadata(snapshot).metadata == sdk.fetch_snapshot_metadata(snapshot).metadata == {"a": "b", "c": "d"}
    assert sdk.find_snapshot("sdk").id == snapshot.id and snapshot.id in sdk.ids(sdk.snapshots(volume_id=volume.id))
    sdk.reset_snapshot(snapshot, "error")
    sdk.reset_snapshot_status(snapshot, "creating")
    sdk.set_snapshot_status(snapshot, "available", "100%")
    assert sdk.get_snapshot(snapshot).status == "available"
    sdk.revert_volume_to_snapshot(volume, snapshot)
    sdk.until(volume)
    sdk.until(snapshot)
    sdk.unmanage_snapshot(snapshot)
    sdk.gone(snapshot)
    names = {found.reference["source-name"] for found in sdk.manageable_snapshots(host="peer@second#second")}
    assert f"snapshot-{snapshot.id}" in names
    taken = sdk.until(sdk.manage_snapshot(volume_id=volume.id, ref={"source-name": f"snapshot-{snapshot.id}"}, name="taken"))
    sdk.delete_snapshot(taken)
    sdk.gone(taken)


def attached(sdk, volume):
    attachment = sdk.create_attachment(volume, connector=HOST, instance=SERVER)
    sdk.complete_attachment(attachment)
    assert sdk.get_attachment(attachment).status == "attached"
    assert attachment.id in sdk.ids(sdk.attachments())
    sdk.delete_attachment(attachment)
    reserved = sdk.create_attachment(volume, instance=SERVER)
    sdk.update_attachment(reserved, connector=HOST)
    sdk.delete_attachment(reserved)
    # The old way.
    sdk.reserve_volume(volume)
    sdk.unreserve_volume(volume)
    assert sdk.init_volume_attachment(volume, HOST)["driver_volume_type"]
    sdk.attach_volume(volume, "/dev/vdc", instance=SERVER)
    sdk.begin_volume_detaching(volume)
    sdk.abort_volume_detaching(volume)
    sdk.terminate_volume_attachment(volume, HOST)
    sdk.detach_volume(volume, sdk.get_volume(volume).attachments[0]["attachment_id"])
    sdk.until(volume)


def transferred(sdk, volume):
    offer = sdk.create_transfer(volume_id=volume.id, name="sdk")
    assert sdk.find_transfer("sdk").id == offer.id and offer.id in sdk.ids(sdk.transfers())
    assert sdk.get_transfer(offer).volume_id == volume.id
    sdk.delete_transfer(offer)
    offer = sdk.create_transfer(volume_id=volume.id)
    assert sdk.accept_transfer(offer.id, offer.auth_key).volume_id == volume.id


def backups(sdk, _cloud):
    volume = sdk.until(sdk.create_volume(size=1, name="sdk-backed"))
    backup = sdk.until(sdk.create_backup(volume_id=volume.id, name="sdk", metadata={"a": "b"}))
    sdk.until(volume)
    assert sdk.update_backup(backup, name="renamed").name == "renamed"
    # Cinder has no such routes: the metadata are told and changed with the backup.
    for method in ("set_backup_metadata", "delete_backup_metadata", "get_backup_metadata", "fetch_backup_metadata"):
        with sdk.refused(method, openstack.exceptions.NotFoundException, "404") as call:
            call(backup)
    assert sdk.find_backup("renamed").id == backup.id and backup.id in sdk.ids(sdk.backups(volume_id=volume.id))
    sdk.reset_backup(backup, "error")
    sdk.reset_backup_status(backup, "available")
    assert sdk.get_backup(backup).status == "available"
    sdk.restore_backup(backup, volume=volume.id)
    backup = sdk.until(backup)
    sdk.until(volume)
    record = sdk.export_record(backup).json()["backup-record"]
    assert sdk.export_backup(backup)["backup-record"] == record
    # It posts to the route that exports.
    with sdk.refused("import_backup", openstack.exceptions.NotFoundException, "404") as import_backup:
        import_backup(record["backup_service"], record["backup_url"])
    sdk.delete_backup(backup)
    sdk.gone(backup)
    sdk.delete_volume(volume)
    sdk.gone(volume)


def messages(sdk, _cloud):
    nowhere = sdk.create_type(name="sdk-nowhere", extra_specs={"volume_backend_name": "nowhere"})
    lost = sdk.create_volume(size=1, volume_type=nowhere.id)
    sdk.until(lost, "error")
    message = next(found for found in sdk.messages() if found.resource_uuid == lost.id)
    assert sdk.get_message(message).id == message.id
    sdk.delete_message(message)
    sdk.delete_volume(lost, force=True)
    sdk.gone(lost)
    sdk.delete_type(nowhere)


def groups(sdk, _cloud):
    kind = sdk.create_group_type(name="sdk-family", description="d")
    assert sdk.update_group_type(kind, description="e").description == "e"
    sdk.create_group_type_group_specs(kind, {"a": "b", "c": "d"})
    sdk.update_group_type_group_specs_property(kind, "a", "x")
    assert sdk.get_group_type_group_specs_property(kind, "a") == "x"
    sdk.delete_group_type_group_specs_property(kind, "c")
    assert sdk.fetch_group_type_group_specs(kind).group_specs == {"a": "x"}
    assert sdk.find_group_type("sdk-family").id == kind.id == sdk.get_group_type(kind).id and kind.id in sdk.ids(sdk.group_types())
    default = sdk.find_type("__DEFAULT__")
    group = sdk.until(sdk.create_group(name="sdk", group_type=kind.id, volume_types=[default.id]))
    member = sdk.until(sdk.create_volume(size=1, volume_type=default.id, group_id=group.id))
    assert sdk.get_group(group, list_volume=True).volumes == [member.id]
    assert sdk.find_group("sdk").id == group.id and group.id in sdk.ids(sdk.groups())
    sdk.update_group(group, description="renamed")
    sdk.until(group)
    snapshot = sdk.until(sdk.create_group_snapshot(group_id=group.id, name="sdk"))
    assert sdk.find_group_snapshot("sdk").id == snapshot.id == sdk.get_group_snapshot(snapshot).id
    assert snapshot.id in sdk.ids(sdk.group_snapshots())
    sdk.reset_group_snapshot_state(snapshot, "error")
    sdk.reset_group_snapshot_status(snapshot, "available")
    copied = sdk.until(sdk.create_group_from_source(group_snapshot_id=snapshot.id, source_group_id=None, name="copied"))
    sdk.delete_group(copied, delete_volumes=True)
    sdk.gone(copied)
    sdk.delete_group_snapshot(snapshot)
    sdk.gone(snapshot)
    sdk.reset_group_state(group, "error")
    sdk.reset_group_status(group, "available")
    for name in ("enable_group_replication", "disable_group_replication"):
        with sdk.refused(name, openstack.exceptions.BadRequestException, "eplication") as method:
            method(group)
    # It sends the name of an action that no service has.
    with sdk.refused("failover_group_replication", openstack.exceptions.BadRequestException, "modify_body_for_action") as failover:
        failover(group)
    sdk.delete_group(group, delete_volumes=True)
    sdk.gone(group)
    sdk.delete_group_type(kind)


def consistency_groups(sdk, _cloud):
    group = sdk.until(sdk.create_consistency_group(name="sdk-old", volume_types="__DEFAULT__"))
    assert sdk.find_consistency_group("sdk-old").id == group.id == sdk.get_consistency_group(group).id
    assert group.id in sdk.ids(sdk.consistency_groups())
    sdk.update_consistency_group(group, name="renamed")
    member = sdk.until(sdk.create_volume(size=1, volume_type="__DEFAULT__", consistency_group_id=group.id))
    snapshot = sdk.until(sdk.create_consistency_group_snapshot(consistencygroup_id=group.id, name="sdk-old"))
    assert sdk.find_consistency_group_snapshot("sdk-old").id == snapshot.id == sdk.get_consistency_group_snapshot(snapshot).id
    assert snapshot.id in sdk.ids(sdk.consistency_group_snapshots())
    copied = sdk.until(sdk.create_consistency_group_from_source(consistency_group_snapshot=snapshot, name="copied"))
    sdk.delete_consistency_group_snapshot(snapshot)
    sdk.gone(snapshot)
    for made in (copied, group):
        # It sends its request under a name that Cinder's schema does not have.
        with sdk.refused("delete_consistency_group", openstack.exceptions.BadRequestException, "given schemas") as delete:
            delete(made, force=True)
        sdk.proxy.post(f"/consistencygroups/{made.id}/delete", json={"consistencygroup": {"force": True}})
        sdk.gone(made)
    sdk.gone(member)


STORIES = [service, quotas, types, volumes, backups, messages, groups, consistency_groups]
