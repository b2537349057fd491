"""Hearth as it is measured: the release executable, noauth, an SQLite database of its own, everything else as it comes."""

import json
import os

from . import machine, processes

# The version document of Block Storage, through the whole pipeline.
PATH = "/volume/v3/"


def right_versions(status, body):
    """Whether Hearth answered with its version document."""
    try:
        return status == 200 and json.loads(body)["versions"][0]["id"] == "v3.0"
    except (ValueError, KeyError, IndexError):
        return False


def installed(bench, connection=None, name="hearth"):
    """Makes configuration and database below the folder of this run. Answers the environment of every Hearth process.

    `connection` is the URL of a database that has its tables already, in place of an SQLite database of its own; another
    `name` is another Hearth, with data of its own.
    """
    folder = bench.folder / name
    environment = {"HEARTH_CONFIG": str(folder / "hearth.conf")}
    if folder.exists():
        return environment
    (folder / "volumes").mkdir(parents=True)
    (folder / "hearth.conf").write_text(
        f"[DEFAULT]\nauth_strategy = noauth\nstate_path = {folder}\nenabled_backends = file\n"
        f"[database]\nconnection = {connection or f'sqlite:///{folder}/cinder.sqlite'}\n"
        f"[hearth_telemetry]\nconnection = sqlite:///{folder}/telemetry.sqlite\n"
        f"[file]\nvolume_backend_name = file\nhearth_file_path = {folder}/volumes\n"
    )
    machine.run([machine.hearth(), "db", "sync"], env={**os.environ, **environment})
    # Apache starts responders as a user of its own, and they share the database.
    for place in [folder, *folder.rglob("*")]:
        place.chmod(0o777 if place.is_dir() else 0o666)
    return environment


def start_responder(bench, name="hearth", connection=None):
    """A FastCGI responder on a listening socket that it was handed."""
    return bench.start_on_socket(name, [machine.hearth()], env=installed(bench, connection, name))


def start_http(bench):
    """`hearth serve` on a free port. Answers the process and the port."""
    port = processes.free_port()
    command = [machine.hearth(), "serve", "--listen", f"127.0.0.1:{port}"]
    return bench.start_on_port("hearth-serve", command, port, env=installed(bench)), port
