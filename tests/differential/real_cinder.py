"""The real Cinder in one process, to compare with: cinder-api, cinder-scheduler, cinder-volume and cinder-backup of the release
in tests/peers/cinder-requirements.txt, their messages in memory (oslo.messaging's own fake:// transport), volumes as sparse files,
of which backups read and write a MiB for each GiB: Python takes seconds for a whole one.

    CACHE/cinder/bin/python real_cinder.py --config-file cinder.conf

Serves on [DEFAULT] osapi_volume_listen_port of loopback (without enabled_backends the API alone, beside another such process), and prints `serving` on standard output. Where the environment variable
NOTIFICATIONS names a file and a driver sends notifications, each is written there as a line of JSON.
"""

from cinder import monkey_patch
monkey_patch.patch()

import os  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402

import eventlet  # noqa: E402
import eventlet.wsgi  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402

from cinder import exception, i18n  # noqa: E402
i18n.enable_lazy()
from cinder import context, coordination, objects, rpc, service, version  # noqa: E402
from cinder.api.middleware import auth  # noqa: E402
from cinder.common import config, constants  # noqa: E402
from cinder.volume import driver, volume_utils  # noqa: E402
from oslo_service import wsgi  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import notification_listener  # noqa: E402

CONF = cfg.CONF
GIB, MIB = 1 << 30, 1 << 20
BACKUP_HOST = "the backup service"


class SparseFileDriver(driver.VolumeDriver):
    """Volumes and snapshots as sparse files of [backend] volumes_folder."""

    VERSION = "1.0"

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.configuration.append_config_values([cfg.StrOpt("volumes_folder")])
        self.folder = pathlib.Path(self.configuration.volumes_folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def check_for_setup_error(self):
        pass

    def place(self, name):
        return self.folder / name

    def size_of(self, name):
        return -(-self.place(name).stat().st_size // GIB)

    def make(self, name, size_gib):
        with open(self.place(name), "ab") as file:
            file.truncate(size_gib * GIB)

    def create_volume(self, volume):
        self.make(volume.name, volume.size)

    def create_volume_from_snapshot(self, volume, snapshot):
        self.make(volume.name, volume.size)

    def create_cloned_volume(self, volume, source):
        self.make(volume.name, volume.size)

    def delete_volume(self, volume):
        self.place(volume.name).unlink(missing_ok=True)
        self.beginning(volume).unlink(missing_ok=True)

    def beginning(self, volume):
        """What backups know of a volume."""
        return self.folder.parent / f"{self.folder.name}-beginnings" / volume.name

    def extend_volume(self, volume, new_size):
        self.make(volume.name, new_size)

    def create_snapshot(self, snapshot):
        self.make(snapshot.name, snapshot.volume_size)

    def delete_snapshot(self, snapshot):
        self.place(snapshot.name).unlink(missing_ok=True)

    def revert_to_snapshot(self, context, volume, snapshot):
        pass

    def ensure_export(self, context, volume):
        pass

    create_export = remove_export = lambda self, *_, **__: None
    create_export_snapshot = remove_export_snapshot = lambda self, *_, **__: None
    terminate_connection = terminate_connection_snapshot = validate_connector = lambda self, *_, **__: None

    def initialize_connection(self, volume, connector):
        place = self.place(volume.name)
        if connector.get("host") == BACKUP_HOST:
            place = self.beginning(volume)
            place.parent.mkdir(exist_ok=True)
            with open(place, "ab") as file:
                file.truncate(volume.size * MIB)
        return {"driver_volume_type": "local", "data": {"device_path": str(place), "volume_id": volume.id}}

    def found(self, reference):
        name = reference.get("source-name")
        if name is None:
            raise exception.ManageExistingInvalidReference(existing_ref=reference, reason="Reference must contain source-name element.")
        if "/" in name or not self.place(name).is_file():
            raise exception.ManageExistingInvalidReference(existing_ref=reference, reason="Specified file does not exist.")
        return name

    def listed(self, known, prefix, page):
        ids = {item["id"] for item in known}
        entries = []
        for place in self.folder.iterdir():
            if place.name.startswith("snapshot-") != (prefix == "snapshot-"):
                continue
            own = place.name.removeprefix(prefix)
            of = {"source_reference": {"source-name": None}} if prefix == "snapshot-" else {}
            entries.append({
                **of, "reference": {"source-name": place.name}, "size": self.size_of(place.name), "safe_to_manage": own not in ids,
                "reason_not_safe": "already managed" if own in ids else None, "cinder_id": own if own in ids else None,
                "extra_info": None})
        return volume_utils.paginate_entries_list(entries, *page)

    def get_manageable_volumes(self, known, *page):
        return self.listed(known, "volume-", page)

    def get_manageable_snapshots(self, known, *page):
        return self.listed(known, "snapshot-", page)

    def manage_existing_get_size(self, volume, existing_ref):
        return self.size_of(self.found(existing_ref))

    def manage_existing(self, volume, existing_ref):
        self.place(self.found(existing_ref)).rename(self.place(volume.name))

    def manage_existing_snapshot_get_size(self, snapshot, existing_ref):
        return self.size_of(self.found(existing_ref))

    def manage_existing_snapshot(self, snapshot, existing_ref):
        self.place(self.found(existing_ref)).rename(self.place(snapshot.name))

    def unmanage(self, volume):
        pass

    def unmanage_snapshot(self, snapshot):
        pass

    def retype(self, context, volume, new_type, diff, host):
        return True

    def migrate_volume(self, context, volume, host):
        """To the folder of the other backend of this process, which lies beside the own one."""
        backend = volume_utils.extract_host(host["host"], "backend").partition("@")[2]
        self.place(volume.name).rename(self.folder.parent / backend / volume.name)
        return True, {}

    def update_migrated_volume(self, context, volume, new_volume, original_volume_status):
        self.place(new_volume.name).rename(self.place(volume.name))
        return {"_name_id": None, "provider_location": None}

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": self.configuration.volume_backend_name, "vendor_name": "Hearth", "driver_version": self.VERSION,
            "storage_protocol": "file", "total_capacity_gb": 1000.0, "free_capacity_gb": 900.0,
            "reserved_percentage": self.configuration.reserved_percentage,
            "provisioned_capacity_gb": 0.0, "max_over_subscription_ratio": "20.0", "thin_provisioning_support": True,
            "thick_provisioning_support": False, "multiattach": True, "QoS_support": False, "consistent_group_snapshot_enabled": False}


def believe_roles():
    """A caller with a header X-Roles has those roles and no more; without one, noauth makes everybody an administrator."""
    set_context = auth._set_request_context

    def set_request_context(request, **options):
        if "X-Roles" in request.headers:
            options["is_admin"] = None
        return set_context(request, **options)
    auth._set_request_context = set_request_context


def attach_as_ourselves():
    """The backup service attaches without asking the machine, as root, who it is to iSCSI and to Fibre Channel."""
    volume_utils.brick_get_connector_properties = lambda *_, **__: {"host": BACKUP_HOST, "ip": CONF.my_ip}


def services():
    """The scheduler, the volume service of each backend, the backup service."""
    roles = [service.Service.create(binary=constants.SCHEDULER_BINARY)]
    for backend in CONF.enabled_backends:
        host = f"{CONF.host}@{backend}"
        roles.append(service.Service.create(host=host, service_name=backend, binary=constants.VOLUME_BINARY))
    roles.append(service.Service.create(binary=constants.BACKUP_BINARY, service_name="backup", process_number=1))
    return roles


def main():
    believe_roles()
    attach_as_ourselves()
    objects.register_all()
    CONF(sys.argv[1:], project="cinder", version=version.version_string())
    logging.setup(CONF, "cinder")
    config.set_middleware_defaults()
    rpc.init(CONF)
    coordination.COORDINATOR.start()
    if path := os.environ.get("NOTIFICATIONS"):
        notification_listener.listener(CONF, path, "eventlet").start()
    roles = services() if CONF.enabled_backends else []
    # Services of one process share the row that they report themselves up with: see service_down_time in conftest.py.
    for role in roles[1:] + roles[:1]:
        role.start()
    for role in roles[1:-1]:
        role.manager.publish_service_capabilities(context.get_admin_context())
    listener = eventlet.listen(("127.0.0.1", CONF.osapi_volume_listen_port))
    application = wsgi.Loader(CONF).load_app(name="osapi_volume")
    print("serving", flush=True)
    eventlet.wsgi.server(listener, application, log_output=False)


if __name__ == "__main__":
    sys.modules["real_cinder"] = sys.modules["__main__"]
    main()
