"""Volumes that hold data, with the volume service at work: from the request to `available` beside a real Cinder, what a clone costs, and
how long a snapshot takes."""

import contextlib
import functools
import http.client
import json
import multiprocessing
import os
import signal
import statistics
import subprocess
import time

from . import machine, processes, real_cinder
from .processes import Bench, CouldNotRun
from .webserver import Nginx

CLIENTS = 4
MIB, GIB = 1 << 20, 1 << 30
PROJECT = f"{7:032x}"
# Data of the volume that is cloned, and its size.
DATA_MIB, SIZE_GIB = 100, 10
SNAPSHOT_SIZES_GIB, SNAPSHOT_DATA_GIB = (1, 10, 100), (0, 1)
CLONES = "clones and snapshots"
NAMES = ("hearth, SQLite", "hearth, MariaDB", "cinder, MariaDB", CLONES)
# Create to available to deleted, with four clients, as it was measured before this section was there: nginx, uWSGI with two processes,
# RabbitMQ, MariaDB, and the fake driver of Cinder 29.
QUOTED = 6.3
HEADERS = {"X-Auth-Token": f"bench:{PROJECT}", "OpenStack-API-Version": "volume 3.71", "Content-Type": "application/json"}


class Client:
    """Requests on one kept connection through the web server."""

    def __init__(self, port, base):
        self.base, self.connection = base, http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method, path, body=None):
        """Status and document."""
        self.connection.request(method, f"{self.base}{path}", body=json.dumps(body) if body else None, headers=HEADERS)
        answer = self.connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def make(self, kind, body):
        """Makes something and waits until it can be used. Answers its id and the seconds that it took."""
        began = time.perf_counter()
        status, answer = self.ask("POST", f"/{kind}s", {kind: body})
        if status != 202:
            raise CouldNotRun(f"{kind}: {status} {answer}")
        made = answer[kind]["id"]
        while True:
            status, answer = self.ask("GET", f"/{kind}s/{made}")
            state = answer[kind]["status"] if status == 200 else answer
            if state == "available":
                return made, time.perf_counter() - began
            if state != "creating":
                raise CouldNotRun(f"{kind}: {state}")
            _look_later(began)

    def remove(self, kind, made):
        """Removes it, and waits until it is gone."""
        status, answer = self.ask("DELETE", f"/{kind}s/{made}")
        if status != 202:
            raise CouldNotRun(f"delete: {status} {answer}")
        began = time.perf_counter()
        while self.ask("GET", f"/{kind}s/{made}")[0] == 200:
            _look_later(began)

    def without_quota(self):
        """Lets the project have as much as it likes."""
        status, answer = self.ask("PUT", f"/os-quota-sets/{PROJECT}", {"quota_set": {"volumes": -1, "gigabytes": -1, "snapshots": -1}})
        if status != 200:
            raise CouldNotRun(f"quota: {status} {answer}")


def _look_later(began):
    """Waits half as long as was waited so far: looks cost a slow implementation as many requests as a fast one, or hardly more."""
    time.sleep(max(0.003, (time.perf_counter() - began) / 2))


def _cycles(port, base, seconds, removes):
    """One client that makes volumes one after the other, and removes each where it `removes`; what each took."""
    client, took = Client(port, base), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        made, _ = client.make("volume", {"size": 1})
        if removes:
            client.remove("volume", made)
        took.append(time.perf_counter() - began)
    return took


class Side:
    """One implementation with its volume service, behind nginx."""

    def __init__(self, name, port, base, pids):
        self.name, self.port, self.base, self.pids = name, port, base, pids
        self.rounds = []

    def measure(self, seconds):
        """One round of four clients that only make, and one of four that remove, too."""
        round_ = {}
        for removes, key in ((False, "to available"), (True, "to deleted")):
            cpu, began = processes.cpu_us(self.pids()), time.perf_counter()
            # A client that met the end of its pool with the handler of this process could wait for ever.
            with multiprocessing.Pool(CLIENTS, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
                all_ = pool.starmap(_cycles, [(self.port, self.base, seconds, removes)] * CLIENTS)
            elapsed, took = time.perf_counter() - began, sorted(time_s for one in all_ for time_s in one)
            round_[key] = {
                "per_second": len(took) / elapsed,
                "p50_ms": statistics.median(took) * 1000,
                "p99_ms": took[int(len(took) * 0.99)] * 1000,
                "cpu_ms": (processes.cpu_us(self.pids()) - cpu) / 1000 / len(took),
            }
        self.rounds.append(round_)

    def result(self):
        """Medians over the rounds."""
        middle = lambda key, measure: statistics.median(round_[key][measure] for round_ in self.rounds)
        return {"name": self.name, **{key: {measure: middle(key, measure) for measure in self.rounds[0][key]} for key in self.rounds[0]}}


def _hearth(bench, name, connection, sections, backends="file"):
    """A responder and a volume service of Hearth. Answers the responder's socket and who works for it."""
    folder = bench.folder / name
    (folder / "volumes").mkdir(parents=True)
    connection = connection or f"sqlite:///{folder}/cinder.sqlite"
    sections = sections or f"[file]\nhearth_file_path = {folder}/volumes\n"
    (folder / "hearth.conf").write_text(
        f"[DEFAULT]\nhost = bench\nauth_strategy = noauth\nstate_path = {folder}\nenabled_backends = {backends}\n"
        f"[database]\nconnection = {connection}\n[backend_defaults]\nmax_over_subscription_ratio = 1000000\n{sections}"
    )
    environment = {"HEARTH_CONFIG": str(folder / "hearth.conf")}
    machine.run([machine.hearth(), "db", "sync"], env={**os.environ, **environment})
    api, path = bench.start_on_socket(f"{name}-api", [machine.hearth()], env=environment)
    service = bench.start(f"{name}-volume", [machine.hearth(), "volume"], env=environment)
    processes.wait_for(name, lambda: list((folder / "doorbell").glob("*")), alive=service)
    return path, lambda: processes.tree(api.pid) | processes.tree(service.pid)


def _cinder(bench, venv, url):
    """The real cinder-api, cinder-scheduler and cinder-volume in one process, with volumes as sparse files. Answers port and process."""
    port, folder = processes.free_port(), bench.folder / "cinder"
    folder.mkdir()
    (folder / "cinder.conf").write_text(
        f"[DEFAULT]\nhost = peer\nmy_ip = 127.0.0.1\nauth_strategy = noauth\nstate_path = {folder}\nlog_file = {folder}/cinder.log\n"
        f"transport_url = fake://\nrpc_response_timeout = 60\nservice_down_time = 100000\nenabled_backends = file\n"
        f"osapi_volume_listen_port = {port}\napi_paste_config = {venv}/etc/cinder/api-paste.ini\n"
        f"resource_query_filters_file = {venv}/etc/cinder/resource_filters.json\n"
        f"[file]\nvolume_driver = real_cinder.SparseFileDriver\nvolume_backend_name = file\nvolumes_folder = {folder}/file\n"
        f"max_over_subscription_ratio = 1000\n[database]\nconnection = {url}\n[oslo_concurrency]\nlock_path = {folder}/lock\n"
        f"[coordination]\nbackend_url = file://{folder}/coordination\n"
    )
    command = ["--config-file", folder / "cinder.conf"]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    machine.run([venv / "bin" / "cinder-manage", *command, "db", "sync"], env=quiet)
    script = machine.ROOT / "tests" / "differential" / "real_cinder.py"
    process = bench.start("cinder", [venv / "bin" / "python", script, *command], env={"PYTHONWARNINGS": "ignore"})
    processes.wait_for("cinder", lambda: processes.accepts(port), 120, alive=process)
    return port, process


def section(wanted, rounds, seconds, say):
    """All of it. Answers what was measured, by kind, and the names and reasons of what could not be."""
    found, failed = {}, {}
    if any(wanted(name) for name in NAMES):
        say("==> volumes")
    for kind, measure in (
        ("creations", lambda bench: creations(bench, wanted, rounds, seconds, say)),
        ("copies", lambda bench: copies(bench, say) if wanted(CLONES) else None),
    ):
        with Bench() as bench:
            try:
                found[kind] = measure(bench)
            except CouldNotRun as error:
                failed[kind] = f"{error}\n{bench.logs()}"
    return {kind: result for kind, result in found.items() if result}, failed


def creations(bench, wanted, rounds, seconds, say):
    """Create to available, and to deleted, of all sides in turn."""
    names = [name for name in NAMES if name != CLONES and wanted(name)]
    if not names:
        return []
    server, sides = Nginx(bench), []
    mariadb = real_cinder.mariadb(bench) if any("MariaDB" in name for name in names) else None
    url = lambda base: f"mysql+pymysql://root@localhost/{base}?charset=utf8&unix_socket={mariadb[1]}/mariadb.sock"
    made = []
    for name in names:
        database = functools.partial(processes.tree, mariadb[0].pid) if mariadb and "MariaDB" in name else set
        if name.startswith("hearth"):
            key = name.replace(", ", "-").lower()
            if database is not set:
                real_cinder.mariadb_base(mariadb[1], "hearth")
            path, pids = _hearth(bench, key, None if database is set else url("hearth"), "")
            made.append((name, server.hearth(path, key), "/volume/v3", pids, database))
        else:
            port, process = _cinder(bench, real_cinder.installed(), url("cinder"))
            made.append((name, server.proxy(port), "/v3", functools.partial(processes.tree, process.pid), database))
    server.start()
    for name, port, base, pids, database in made:
        side = Side(name, port, base, lambda pids=pids, database=database: pids() | database() | server.pids())
        Client(port, base).without_quota()
        # What is cold is no part of it.
        Client(port, base).make("volume", {"size": 1})
        sides.append(side)
    for number in range(rounds):
        say(f"    round {number + 1} of {rounds}")
        for side in sides:
            side.measure(seconds)
    return [side.result() for side in sides]


@contextlib.contextmanager
def _xfs(bench, name, reflink):
    """A file system in a file, whose files can share blocks or can not."""
    image, place = bench.folder / f"{name}.image", bench.folder / name
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(12 * GIB)
    machine.run(["mkfs.xfs", "-q", "-m", f"reflink={int(reflink)}", image])
    machine.run(["mount", "-o", "loop", image, place])
    try:
        yield place
    finally:
        # The services that work there end with the run.
        subprocess.run(["umount", "-l", str(place)], check=False)


def _used(place):
    """Bytes that are taken of a file system, when it has given back what was removed: XFS does so a little later."""
    last = []
    while len(last) < 3 or len(set(last[-3:])) > 1:
        subprocess.run(["sync", "-f", str(place)], check=True)
        found = os.statvfs(place)
        last.append((found.f_blocks - found.f_bfree) * found.f_frsize)
        time.sleep(0.2)
    return last[-1]


def _copied(place, source, length):
    """Seconds that the data alone take to be written to another file and to the disk."""
    began = time.perf_counter()
    with open(source, "rb") as read, open(place / "copy", "wb") as write:
        left = length
        while left:
            left -= os.sendfile(write.fileno(), read.fileno(), None, left)
        os.fsync(write.fileno())
    return time.perf_counter() - began


def copies(bench, say):
    """Clones of a sparse volume, and snapshots of qcow2 volumes, on file systems that share blocks and that do not."""
    if os.geteuid() != 0:
        raise CouldNotRun("only root may mount file systems")
    machine.run([machine.ROOT / "scripts" / "install", "volumes", "exports"])
    clones, snapshots = [], []
    for reflink in (True, False):
        with _xfs(bench, "shared" if reflink else "apart", reflink) as place:
            name = place.name
            say(f"    XFS {'with' if reflink else 'without'} reflinks")
            sections = f"[raw]\nhearth_file_path = {place}/raw\nvolume_backend_name = raw\n"
            sections += f"[qcow2]\nhearth_file_path = {place}/qcow2\nvolume_backend_name = qcow2\nnfs_qcow2_volumes = true\n"
            path, _ = _hearth(bench, name, None, sections, "raw,qcow2")
            server_bench = Nginx(bench)
            port = server_bench.hearth(path, name)
            server_bench.start()
            client = Client(port, "/volume/v3")
            client.without_quota()
            for kind in ("raw", "qcow2"):
                status, answer = client.ask("POST", "/types", {"volume_type": {"name": kind, "extra_specs": {"volume_backend_name": kind}}})
                if status != 200:
                    raise CouldNotRun(f"type: {status} {answer}")
            clones.append({"reflinks": reflink, **_clone(client, place)})
            snapshots += [{"reflinks": reflink, **row} for row in _snapshots(client, place)]
            server_bench.process.terminate()
            server_bench.process.wait()
    return {"clones": clones, "snapshots": snapshots}


def _clone(client, place):
    """What a clone takes: seconds, and bytes of the file system; and what its data alone take."""
    source, _ = client.make("volume", {"size": SIZE_GIB, "volume_type": "raw"})
    data = os.urandom(MIB)
    with open(place / "raw" / f"volume-{source}", "r+b") as file:
        # In ten places, with holes between.
        for part in range(10):
            file.seek(part * GIB)
            for _ in range(DATA_MIB // 10):
                file.write(data)
        os.fsync(file.fileno())
    with open(place / "data", "wb") as file:
        for _ in range(DATA_MIB):
            file.write(data)
        os.fsync(file.fileno())
    took, alone, used = [], [], []
    for _ in range(5):
        alone.append(_copied(place, place / "data", DATA_MIB * MIB))
        (place / "copy").unlink()
        before = _used(place)
        made, seconds = client.make("volume", {"size": SIZE_GIB, "source_volid": source})
        used.append(_used(place) - before)
        took.append(seconds)
        client.remove("volume", made)
    middle = statistics.median
    return {"ms": middle(took) * 1000, "data_alone_ms": middle(alone) * 1000, "mib": middle(used) / MIB}


def _snapshots(client, place):
    """What snapshots of qcow2 volumes take, by size and by data."""
    for data_gib in SNAPSHOT_DATA_GIB:
        for size_gib in SNAPSHOT_SIZES_GIB:
            volume, _ = client.make("volume", {"size": size_gib, "volume_type": "qcow2"})
            if data_gib:
                path = place / "qcow2" / f"volume-{volume}"
                write = [part for at in range(0, 1024, 256) for part in ("-c", f"write -q -P 7 {at}M 256M")]
                machine.run(["qemu-io", "-f", "qcow2", *write, "-c", "flush", path])
            took = []
            for _ in range(3 if data_gib else 5):
                made, seconds = client.make("snapshot", {"volume_id": volume})
                took.append(seconds)
                client.remove("snapshot", made)
            client.remove("volume", volume)
            yield {"size_gib": size_gib, "data_gib": data_gib, "ms": statistics.median(took) * 1000}
