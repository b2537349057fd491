"""Writes tests/data/block_storage/states/*.tsv: what the real Cinder answers to every operation on an object of every status, and
the status that the object has right after the answer. Run it by hand when Cinder or operations.tsv has changed:

    scripts/venv cinder tests/peers/cinder-requirements.txt
    CACHE/cinder/bin/python tests/differential/observe_states.py [-v] [OBJECT ...]

It drives Cinder's own router, API and volume manager in one process, on the rows of world.sql. Orders that a service would carry
out later are dropped, so that the status is the one that the API itself sets. The image service is the only stand-in: it has one
image.
"""

import real_cinder  # noqa: F401, I001  (patches threads first)

import collections
import hashlib
import hmac
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import oslo_messaging.rpc.client
import webob
from oslo_log import log as logging

from cinder import coordination, objects, rpc, service, version
from cinder.backup import rpcapi as backup_rpcapi
from cinder.common import constants
from cinder.image import glance
from cinder.objects import base
from cinder.volume import rpcapi as volume_rpcapi
from oslo_config import cfg
from oslo_service import wsgi

CONF = cfg.CONF
STATES = pathlib.Path(__file__).resolve().parents[1] / "data/block_storage/states"
PROJECT = hashlib.md5(b"states").hexdigest()
SALT = "01234567"
KEY = "0123456789abcdef"

Kind = collections.namedtuple("Kind", "file table column id statuses")
VOLUME = ("creating available deleting error error_deleting error_managing managing attaching in-use detaching maintenance "
          "restoring-backup error_restoring reserved awaiting-transfer backing-up error_backing-up error_extending downloading "
          "uploading retyping extending reverting unmanaging error_managing_deleting")
UUID = "00000000-0000-4000-8000-0000000000{}"
KINDS = {
    "volume": Kind("volumes", "volumes", "status", UUID.format("0a"), VOLUME),
    "snapshot": Kind("snapshots", "snapshots", "status", UUID.format("0c"),
                     "error available creating deleting deleted updating error_deleting unmanaging backing-up restoring"),
    "backup": Kind("backups", "backups", "status", UUID.format("0e"),
                   "error error_deleting creating available deleting deleted restoring"),
    "group": Kind("groups", '"groups"', "status", UUID.format("10"),
                  "error available creating deleting deleted updating in-use error_deleting"),
    "group_snapshot": Kind("group_snapshots", "group_snapshots", "status", UUID.format("13"),
                           "error available creating deleting deleted updating error_deleting"),
    "attachment": Kind("attachments", "volume_attachment", "attach_status", UUID.format("16"),
                       "attached attaching detached reserved error_attaching error_detaching deleted"),
    "transfer": Kind("transfers", "volumes", "status", UUID.format("17"), VOLUME),
}
HEADER = """\
# What Cinder {version} answers to each operation on a {noun} of each status, and the status right after the answer where it is
# another one ("gone": the row is deleted). Observed with tests/differential/observe_states.py.
"""


class OneImage:
    """The image service, as far as checks of an image ask it."""

    image = {"id": UUID.format("cc"), "name": "i", "status": "active", "size": 1, "min_disk": 0, "disk_format": "raw",
             "container_format": "bare", "visibility": "private", "protected": False, "properties": {}}

    def show(self, _context, _image_id):
        return dict(self.image)

    def create(self, _context, metadata):
        return {**self.image, **metadata, "id": self.image["id"]}


def rows(name):
    return [line for line in (STATES / name).read_text().splitlines() if not line.startswith(("#", "--"))]


def configure(folder):
    config = folder / "cinder.conf"
    config.write_text(
        f"[DEFAULT]\nhost = node\nmy_ip = 127.0.0.1\nauth_strategy = noauth\nstate_path = {folder}\nlog_file = {folder}/cinder.log\n"
        f"transport_url = fake://\nrpc_response_timeout = 20\nservice_down_time = 100000\nenabled_backends = file,second\n"
        f"api_paste_config = {sys.prefix}/etc/cinder/api-paste.ini\nuse_default_quota_class = false\nenable_force_upload = true\n"
        f"backup_driver = cinder.backup.drivers.posix.PosixBackupDriver\nbackup_posix_path = {folder}/backups\n"
        f"quota_volumes = -1\nquota_gigabytes = -1\nquota_snapshots = -1\nquota_backups = -1\nquota_groups = -1\n"
        + "".join(f"[{name}]\nvolume_driver = real_cinder.SparseFileDriver\nvolume_backend_name = {name}\n"
                  f"volumes_folder = {folder}/{name}\n" for name in ("file", "second"))
        + f"[database]\nconnection = sqlite:///{folder}/cinder.sqlite\n[oslo_concurrency]\nlock_path = {folder}/lock\n"
        f"[coordination]\nbackend_url = file://{folder}/coordination\n")
    subprocess.run([pathlib.Path(sys.prefix) / "bin/cinder-manage", "--config-file", config, "db", "sync"], check=True, capture_output=True)
    return config


def fill(database):
    (volume_type,) = database.execute("SELECT id FROM volume_types WHERE name = '__DEFAULT__'").fetchone()
    crypt_hash = hmac.new(SALT.encode(), KEY.encode(), hashlib.sha1).hexdigest()
    for line in rows("world.sql"):
        for name, value in (("project", PROJECT), ("type", volume_type), ("salt", SALT), ("hash", crypt_hash)):
            line = line.replace(f"${name}", value)
        database.execute(line)
    for binary, api in (("cinder-volume", volume_rpcapi.VolumeAPI), ("cinder-backup", backup_rpcapi.BackupAPI)):
        versions = (api.RPC_API_VERSION, base.OBJ_VERSIONS.get_current())
        database.execute('UPDATE services SET rpc_current_version = ?, object_current_version = ? WHERE "binary" = ?', (*versions, binary))
    database.commit()


def start(config):
    objects.register_all()
    CONF(["--config-file", str(config)], project="cinder")
    logging.setup(CONF, "cinder")
    rpc.init(CONF)
    coordination.COORDINATOR.start()
    for backend in CONF.enabled_backends:
        service.Service.create(host=f"{CONF.host}@{backend}", service_name=backend, binary=constants.VOLUME_BINARY).start()
    scheduler = service.Service.create(binary=constants.SCHEDULER_BINARY)
    for role in (scheduler, service.Service.create(host=CONF.host, binary=constants.BACKUP_BINARY)):
        role.start()
    scheduler.manager.validate_host_capacity = lambda *_, **__: True
    oslo_messaging.rpc.client._BaseCallContext.cast = lambda *_, **__: None
    glance.get_default_image_service = OneImage
    glance.get_remote_image_service = lambda _context, href: (OneImage(), href)
    return wsgi.Loader(CONF).load_app(name="osapi_volume")


def ask(application, version, method, path, body):
    request = webob.Request.blank(f"/v3/{PROJECT}{path}", method=method)
    request.headers["X-Auth-Token"] = f"tester:{PROJECT}"
    request.headers["OpenStack-API-Version"] = f"volume {version}"
    if body:
        request.body, request.content_type = body.encode(), "application/json"
    return request.get_response(application)


def cell(application, file, template, kind, status, request, arranged):
    """Answer and status after it, of one operation on an object of one status."""
    live = sqlite3.connect(file, timeout=30)
    template.backup(live)
    for statement in filter(None, arranged.split("; ")):
        live.execute(statement)
    live.execute(f"UPDATE {kind.table} SET {kind.column} = ? WHERE id = ?", (status, kind.id))
    live.commit()
    answer = ask(application, *request)
    after, deleted = live.execute(f"SELECT {kind.column}, deleted FROM {kind.table} WHERE id = ?", (kind.id,)).fetchone()
    live.close()
    if "-v" in sys.argv and answer.status_int >= 400:
        print(request[1:], status, answer.text[:300])
    text = str(answer.status_int)
    return f"{text} gone" if deleted else text if after == status else f"{text} {after}"


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="observe-states-"))
    try:
        config = configure(folder)
        file = folder / "cinder.sqlite"
        database = sqlite3.connect(file)
        fill(database)
        application = start(config)
        database.close()
        template = sqlite3.connect(":memory:")
        with sqlite3.connect(file) as database:
            database.backup(template)
        operations = [line.split("\t") for line in rows("operations.tsv")[1:]]
        for noun in [name for name in sys.argv[1:] if name in KINDS] or KINDS:
            kind = KINDS[noun]
            statuses = kind.statuses.split()
            lines = ["\t".join(["operation", *statuses])]
            for of, operation, *request, arranged in operations:
                if of == noun:
                    cells = [cell(application, file, template, kind, status, request, arranged) for status in statuses]
                    lines.append("\t".join([operation, *cells]))
                    print(noun, operation, collections.Counter(cells), flush=True)
            head = HEADER.format(version=version.version_string(), noun=noun.replace("_", " "))
            (STATES / f"{kind.file}.tsv").write_text(head + "\n".join(lines) + "\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
