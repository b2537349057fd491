"""Hearth beside a real cinder-api under uWSGI, on one MariaDB with one set of rows, behind one nginx."""

import functools
import os

from . import hearth, machine, peers, processes
from .block_storage import BODIES, READS, SIZES, Rows, Side, is_many, is_one
from .webserver import Nginx

UWSGI_PROCESSES = 2
REQUIREMENTS = machine.ROOT / "tests" / "peers" / "cinder-requirements.txt"
NAMES = ("show", *BODIES, *READS)
# What Hearth's details read of a volume, for a responder that does nothing but that.
COLUMNS = """id, project_id, user_id, created_at, updated_at, display_name, display_description, size, status, previous_status,
attach_status, migration_status, replication_status, host, cluster_name, service_uuid, availability_zone, volume_type_id, snapshot_id,
source_volid, group_id, consistencygroup_id, _name_id, provider_location, provider_auth, provider_id, encryption_key_id, bootable,
multiattach, shared_targets, use_quota"""


def section(bench, wanted):
    """The same requests to both, in turn. Neither has its services running: what is measured is the API and its database."""
    names = [name for name in NAMES if wanted(name)]
    if not names:
        return []
    venv = installed()
    server, folder = mariadb(bench)
    database = functools.partial(processes.tree, server.pid)
    url = f"mysql+pymysql://root@localhost/cinder?charset=utf8&unix_socket={folder}/mariadb.sock"
    configuration = _configured(bench, venv, url)
    server = Nginx(bench)
    responder, path = hearth.start_responder(bench, connection=url)
    api, api_path = _cinder_api(bench, venv, configuration)
    hearth_port, cinder_port = server.hearth(path), server.uwsgi(api_path)
    bare = {name: server.hearth(bench.folder / f"{_process(name)}.sock", _process(name)) for name in BARE if name in names}
    server.start()
    rows = Rows(hearth_port, names)
    sides = (
        Side(hearth_port, "/volume/v3", server.pids, functools.partial(processes.tree, responder.pid), ", hearth", database=database),
        Side(cinder_port, "/v3", server.pids, functools.partial(processes.tree, api.pid), ", cinder", 30, database),
    )
    made = [rows.targets(side) for side in sides]
    made.append({name: _bare(bench, name, port, rows, folder, server.pids, database) for name, port in bare.items()})
    return [targets[name] for name in names for targets in made if name in targets]


# What is asked of the responder that does one statement and no more: the statement's columns, and what of.
BARE = {
    "show": (COLUMNS, None),
    **{f"list of {size}": ("id, display_name", size) for size in SIZES},
    **{f"detail of {size}": (COLUMNS, size) for size in SIZES},
}


def _bare(bench, name, port, rows, folder, web, database):
    """The floor of a request: the rows of one statement of the bare driver as JSON, behind the same nginx."""
    columns, size = BARE[name]
    if size is None:
        statement, value, check = f"SELECT {columns} FROM volumes WHERE id = ? AND deleted = false", rows.few[0], is_one
    else:
        # Along the index of the project, as Hearth does: without it MariaDB compares the indexes anew each time.
        along = "FORCE INDEX (hearth_volumes_project) WHERE deleted = false AND project_id = ?"
        statement = f"SELECT {columns} FROM volumes {along} ORDER BY created_at DESC, id DESC LIMIT 1000"
        value, check = rows.projects[size], functools.partial(is_many, size)
    command = [*peers.bare_rows(), folder / "mariadb.sock", " ".join(statement.split()), value, "one" if size is None else "many"]
    process, _ = bench.start_on_socket(_process(name), command)
    side = Side(port, "/volume/v3", web, functools.partial(processes.tree, process.pid), ", bare rows", database=database)
    return side.target(name, rows.projects[SIZES[0]], "/", check)


def _process(name):
    return f"bare-{name.replace(' ', '-')}"


def installed():
    """The environment with the real Cinder, made where it is missing."""
    machine.run([machine.ROOT / "scripts" / "install", "databases"])
    return machine.environment("cinder", REQUIREMENTS)


def mariadb(bench):
    """A MariaDB on a socket of its own whose commits wait for the disk. Answers the process and the folder of that socket."""
    folder = bench.folder / "mariadb"
    folder.mkdir()
    root = ["--user=root"] if os.geteuid() == 0 else []
    machine.run(["mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", *root,
                 f"--datadir={folder}/data"])  # fmt: skip
    process = bench.start("mariadb", ["mariadbd", "--no-defaults", "--skip-networking", "--innodb-buffer-pool-size=256M", *root,
                                      f"--datadir={folder}/data", f"--socket={folder}/mariadb.sock", f"--pid-file={folder}/pid"])  # fmt: skip
    processes.wait_for("mariadb", lambda: processes.accepts(folder / "mariadb.sock"), 60, alive=process)
    mariadb_base(folder, "cinder")
    return process, folder


def mariadb_base(folder, name):
    """An empty database of the MariaDB whose socket is in this folder."""
    machine.run(["mariadb", "--no-defaults", f"--socket={folder}/mariadb.sock", "-uroot", "-e",
                 f"CREATE DATABASE {name} CHARACTER SET utf8mb3"])  # fmt: skip


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
