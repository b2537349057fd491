"""A real Cinder and a Hearth, each with a database of its own, two file backends and the same host name."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from rabbit import Rabbit  # noqa: E402
from sequence import OBJECTS, ROLES, Side  # noqa: E402
from server import python_environment  # noqa: E402
from stack import HEARTH, PATH, SOURCES, Stack, free_port, wait_until  # noqa: E402

VENV = pathlib.Path(os.environ.get("CACHE", SOURCES / "target/test-cache")) / "cinder"
KEYS = "[key_manager]\nbackend = cinder.keymgr.conf_key_mgr.ConfKeyManager\nfixed_key = 00112233445566778899aabbccddeeff\n"
# Less may be placed there, so that both sides prefer the backend `file` whatever else the machine's disk takes.
LESS = "reserved_percentage = 50\n"
SECOND = "[second]\nvolume_backend_name = second\nhearth_file_path = {folder}\n" + LESS


@pytest.fixture(scope="session")
def cinder():
    python_environment("cinder", "tests/peers/cinder-requirements.txt")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="real-cinder-"))
    port = free_port()
    config = folder / "cinder.conf"
    config.write_text(
        f"[DEFAULT]\nhost = peer\nmy_ip = 127.0.0.1\nauth_strategy = noauth\nstate_path = {folder}\nlog_file = {folder}/cinder.log\n"
        f"transport_url = fake://\nrpc_response_timeout = 20\nservice_down_time = 100000\nperiodic_interval = 2\nperiodic_fuzzy_delay = 0\n"
        f"backup_driver = cinder.backup.drivers.posix.PosixBackupDriver\nbackup_posix_path = {folder}/backups\n"
        f"backup_use_same_host = true\nbackup_compression_algorithm = none\n"
        f"backup_file_size = {(1 << 20) // OBJECTS}\n"
        f"enabled_backends = file,second\nosapi_volume_listen_port = {port}\n"
        f"api_paste_config = {VENV}/etc/cinder/api-paste.ini\n"
        f"resource_query_filters_file = {VENV}/etc/cinder/resource_filters.json\n"
        + "".join(f"[{name}]\nvolume_driver = real_cinder.SparseFileDriver\nvolume_backend_name = {name}\n"
                  f"volumes_folder = {folder}/{name}\n" for name in ("file", "second"))
        + LESS + f"[database]\nconnection = sqlite:///{folder}/cinder.sqlite\n[oslo_concurrency]\nlock_path = {folder}/lock\n"
        f"[coordination]\nbackend_url = file://{folder}/coordination\n"
        f"[oslo_messaging_notifications]\ndriver = messagingv2\n{KEYS}")
    notifications = folder / "notifications"
    # With this seed the order of Cinder's sets is the same in every run.
    environment = {"PATH": PATH, "PYTHONWARNINGS": "ignore", "LANG": "C.UTF-8", "NOTIFICATIONS": str(notifications), "PYTHONHASHSEED": "2"}
    subprocess.run([VENV / "bin/cinder-manage", "--config-file", config, "db", "sync"], check=True, capture_output=True, env=environment)
    with running(folder, config, environment):
        side = Side(f"http://127.0.0.1:{port}")
        side.folder, side.volumes, side.notifications = folder, folder / "file", notifications
        side.config, side.environment = config, environment
        yield side
    if not os.environ.get("KEEP_STACK"):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(folder, config, environment):
    """A process of the real Cinder with this configuration, once it answers."""
    output = folder / f"{config.stem}.output"
    with open(output, "wb") as stream:
        process = subprocess.Popen(
            [VENV / "bin/python", pathlib.Path(__file__).with_name("real_cinder.py"), "--config-file", config],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment, start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or b"serving" in output.read_bytes(), "the real Cinder", 120)
        assert process.poll() is None, output.read_text()
        yield
    finally:
        process.kill()
        process.wait()


def serve_as(stack, role):
    """The address of another process on the same database, to which every caller has this role."""
    return serve_with(stack, role, f"{stack.config.read_text()}\n[hearth]\nnoauth_roles = {ROLES[role]}\n")


def serve_with(stack, name, text):
    """The address of another process with this configuration."""
    port, config = free_port(), stack.folder / f"{name}.conf"
    config.write_text(text)
    stack.spawn(name, [HEARTH, "serve", "--without-volume-service", "--without-backup-service", "--config-file", config,
                       "--listen", f"127.0.0.1:{port}"])

    def answers():
        with socket.create_connection(("127.0.0.1", port)):
            return True
    wait_until(answers, f"the server {name}")
    return f"http://127.0.0.1:{port}/volume"


@pytest.fixture(scope="session")
def rabbit():
    python_environment("cinder", "tests/peers/cinder-requirements.txt")
    with Rabbit() as rabbit:
        yield rabbit


@pytest.fixture(scope="session")
def hearth(tmp_path_factory):
    second = tmp_path_factory.mktemp("second")
    config = f"host = peer\nenabled_backends = file,second\nbackup_file_size = {(1 << 30) // OBJECTS}"
    with Stack("nginx", config=config, sections=SECOND.format(folder=second) + KEYS) as stack:
        stack.spawn("backup", [HEARTH, "backup"])
        side = Side(f"{stack.base}/volume", **{role: serve_as(stack, role) for role in ROLES if role != "admin"})
        side.folder, side.volumes, side.stack = stack.folder, stack.folder / "volumes", stack
        yield side
