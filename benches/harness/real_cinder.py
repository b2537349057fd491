"""Hearth beside a real cinder-api under uWSGI, on one MariaDB with one set of rows, behind one nginx."""

import functools
import os
import pathlib

from . import hearth, machine, processes
from .block_storage import BODIES, READS, Rows, Side
from .webserver import Nginx

UWSGI_PROCESSES = 2
REQUIREMENTS = machine.ROOT / "tests" / "peers" / "cinder-requirements.txt"
NAMES = ("show", *BODIES, *READS)


def section(bench, wanted):
    """The same requests to both, in turn. Neither has its services running: what is measured is the API and its database."""
    names = [name for name in NAMES if wanted(name)]
    if not names:
        return []
    venv = _installed()
    folder = _mariadb(bench)
    url = f"mysql+pymysql://root@localhost/cinder?charset=utf8&unix_socket={folder}/mariadb.sock"
    configuration = _configured(bench, venv, url)
    server = Nginx(bench)
    responder, path = hearth.start_responder(bench, connection=url)
    api, api_path = _cinder_api(bench, venv, configuration)
    hearth_port, cinder_port = server.hearth(path), server.uwsgi(api_path)
    server.start()
    rows = Rows(hearth_port, names)
    sides = (
        Side(hearth_port, "/volume/v3", server.pids, functools.partial(processes.tree, responder.pid), ", hearth"),
        Side(cinder_port, "/v3", server.pids, functools.partial(processes.tree, api.pid), ", cinder", 30),
    )
    made = [rows.targets(side) for side in sides]
    return [targets[name] for name in names for targets in made]


def _installed():
    """The environment with the real Cinder, made where it is missing."""
    machine.run([machine.ROOT / "scripts" / "install", "databases"])
    cache = os.environ.get("CACHE", str(machine.TARGET / "test-cache"))
    machine.run([machine.ROOT / "scripts" / "venv", "cinder", REQUIREMENTS], env={**os.environ, "CACHE": cache}, cwd=machine.ROOT)
    return pathlib.Path(cache) / "cinder"


def _mariadb(bench):
    """A MariaDB on a socket of its own whose commits wait for the disk. Answers the folder of that socket."""
    folder = bench.folder / "mariadb"
    folder.mkdir()
    root = ["--user=root"] if os.geteuid() == 0 else []
    machine.run(["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", *root,
                 f"--datadir={folder}/data"])  # fmt: skip
    process = bench.start("mariadb", ["mariadbd", "--no-defaults", "--skip-networking", "--innodb-buffer-pool-size=256M", *root,
                                      f"--datadir={folder}/data", f"--socket={folder}/mariadb.sock", f"--pid-file={folder}/pid"])  # fmt: skip
    processes.wait_for("mariadb", lambda: processes.accepts(folder / "mariadb.sock"), 60, alive=process)
    machine.run(["mariadb", "--no-defaults", f"--socket={folder}/mariadb.sock", "-uroot", "-e",
                 "CREATE DATABASE cinder CHARACTER SET utf8mb3"])  # fmt: skip
    return folder


def _configured(bench, venv, url):
    """The configuration of the real Cinder, whose tables are made."""
    path, state = bench.folder / "cinder.conf", bench.folder / "cinder"
    state.mkdir()
    path.write_text(
        f"[DEFAULT]\nauth_strategy = noauth\nstate_path = {state}\nlog_dir = {state}\ntransport_url = fake://\n"
        f"api_paste_config = {venv}/etc/cinder/api-paste.ini\nresource_query_filters_file = {venv}/etc/cinder/resource_filters.json\n"
        f"[database]\nconnection = {url}\n[oslo_concurrency]\nlock_path = {state}/lock\n"
        f"[coordination]\nbackend_url = file://{state}/coordination\n"
    )
    machine.run([venv / "bin" / "cinder-manage", "--config-file", path, "db", "sync"], env={**os.environ, "PYTHONWARNINGS": "ignore"})
    # Tables of Hearth's own, beside Cinder's.
    machine.run([machine.hearth(), "db", "sync"], env={**os.environ, **hearth.installed(bench, url)})
    return path


def _cinder_api(bench, venv, configuration):
    """The real cinder-api in two processes, as its documentation hosts it. Answers the process and its socket."""
    path = bench.folder / "cinder-api.sock"
    command = [venv / "bin" / "uwsgi", "--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps"]
    command += ["--processes", UWSGI_PROCESSES, "--buffer-size", 65535, "--socket", path, "--chmod-socket=666", "--listen", 100]
    command += ["--disable-logging", "--module", "cinder.wsgi.api:application", "--pyargv", f"--config-file {configuration}"]
    process = bench.start("cinder-api", command, env={"PYTHONWARNINGS": "ignore"})
    bench.wait_for_socket("cinder-api", process, path)
    return process, path
