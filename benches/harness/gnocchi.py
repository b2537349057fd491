"""Telemetry behind nginx, beside Gnocchi: samples by the batch and one by one, and questions on a million of them.

Gnocchi is as its documentation hosts it: uWSGI, the indexer on PostgreSQL, measures in files. Its metricd computes while the
million is stored, and rests while requests are measured, so that Gnocchi's figures are those of its API alone; what it
acknowledges still waits for the computation then, and of a raw value only what its archive policy keeps is left.
"""

import base64
import functools
import http.client
import json
import os
import pathlib
import pwd
import subprocess
import threading
import time
import uuid

from . import hearth, machine, processes
from .load import Target, ask
from .webserver import Nginx

REQUIREMENTS = machine.PEERS / "gnocchi-requirements.txt"
UWSGI_PROCESSES = 4
# What is stored before anything is measured: as many samples of each resource, one every ten minutes.
SAMPLES = int(os.environ.get("HEARTH_BENCH_SAMPLES", "1000000"))
RESOURCES, MANY_RESOURCES = 100, 10_000
BEGIN, STEP = 1_420_070_400, 600
BATCH, CLIENTS = 1_000, 4
# Bodies that are ready when a round of batches begins: it ends with them, or with its time.
READY = 250
METER = "cpu"
PROJECT = f"{7:032x}"
HEARTH_HEADERS = {"X-Auth-Token": f"bench:{PROJECT}", "Content-Type": "application/json"}
GNOCCHI_HEADERS = {"Authorization": "Basic " + base64.b64encode(b"admin:").decode(), "Content-Type": "application/json"}
NAMES = ("batches of 1,000", "one by one", "one resource, a day by the hour", "statistics, whole meter", "statistics by resource",
         *(f"{what} of {count:,}" for what in ("resources", "meters", "samples") for count in (RESOURCES, MANY_RESOURCES)))  # fmt: skip


def _resource(number):
    return str(uuid.UUID(int=(1 << 100) + number))


def iso(seconds):
    """An instant as samples have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def batch(first, count, resources, meter=METER):
    """Samples as an agent posts them: number `first` and those after it, the resources in turn."""
    return json.dumps(
        [
            {"counter_name": meter, "counter_type": "gauge", "counter_unit": "%", "counter_volume": number * 7 % 1000 / 10,
             "resource_id": _resource(number % resources), "project_id": PROJECT, "user_id": "user", "source": "openstack",
             "timestamp": iso(BEGIN + number // resources * STEP),
             "resource_metadata": {"display_name": f"vm-{number % resources}", "flavor": "m1.small", "status": "active"}}
            for number in range(first, first + count)
        ]
    ).encode()  # fmt: skip


def _gnocchi_batch(first, count, resources, meter=METER):
    """The same samples as measures of one metric for each resource."""
    batch = {}
    for number in range(first, first + count):
        measure = {"timestamp": iso(BEGIN + number // resources * STEP), "value": number * 7 % 1000 / 10}
        batch.setdefault(_resource(number % resources), {}).setdefault(meter, []).append(measure)
    return json.dumps(batch).encode()


def post_all(port, path, headers, expected, bodies, seconds=None):
    """Posts the bodies with `CLIENTS` clients until there are none left, or so many seconds are over.

    Answers how many were answered with the expected status, how many were not, and the latencies in seconds.
    """
    left, began, latencies, wrong = iter(bodies), time.perf_counter(), [], []
    lock = threading.Lock()

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while seconds is None or time.perf_counter() - began < seconds:
            with lock:
                body = next(left, None)
            if body is None:
                break
            asked = time.perf_counter()
            try:
                connection.request("POST", path, body=body, headers=headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException) as error:
                wrong.append(repr(error))
                connection.close()
                continue
            latencies.append(time.perf_counter() - asked)
            if answer.status != expected:
                wrong.append(f"{answer.status} {text[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(latencies), wrong, sorted(latencies), time.perf_counter() - began


class Batches(Target):
    """Batches of 1,000 samples, each with its own times and values, from four clients: wrk would send one body again and again."""

    def __init__(self, name, port, path, headers, expected, make, **more):
        super().__init__(name, port, lambda status, _: status == expected, path=path, headers=headers, method="POST",
                         body="[]", connections=CLIENTS, **more)  # fmt: skip
        self.expected, self.make, self.next = expected, make, 0

    def verify(self):
        """One batch, which has to be taken."""
        self.load(1, ready=1)

    def load(self, seconds, ready=READY):
        """As wrk reports it. What is sent is made before."""
        bodies = [self.make(self.next + number * BATCH, BATCH) for number in range(ready)]
        self.next += ready * BATCH
        done, wrong, latencies, took = post_all(self.port, self.path, self.headers, self.expected, bodies, seconds)
        if wrong:
            raise processes.CouldNotRun(f"{self.name}: {wrong[0]}")
        at = lambda share: latencies[min(int(len(latencies) * share), len(latencies) - 1)] * 1_000_000
        errors = dict.fromkeys(("connect", "read", "write", "timeout", "status"), 0)
        return {"requests": done, "duration_us": took * 1_000_000, "p50_us": at(0.5), "p99_us": at(0.99), **errors}


def section(bench, wanted):
    """Both sides on one nginx; Hearth with few resources, with many, and one that takes samples while it is measured, so that lists
    of the others show what was stored first."""
    names = [name for name in NAMES if wanted(name)]
    if not names:
        return []
    venv = _installed()
    server = Nginx(bench)
    few, few_path = hearth.start_responder(bench)
    many, many_path = hearth.start_responder(bench, "many")
    taking, taking_path = hearth.start_responder(bench, "taking")
    gnocchi = Gnocchi(bench, venv)
    ports = server.hearth(few_path), server.hearth(many_path, "many"), server.uwsgi(gnocchi.path)
    taking_port = server.hearth(taking_path, "taking")
    server.start()
    _fill(ports, taking_port, gnocchi, any(name.endswith(f"{MANY_RESOURCES:,}") for name in names))
    web = server.pids
    processes_of = lambda process: functools.partial(processes.tree, process.pid)
    made = {name: [] for name in NAMES}
    for count, port, process in ((RESOURCES, ports[0], few), (MANY_RESOURCES, ports[1], many)):
        ours = functools.partial(_question, port, web, processes_of(process), HEARTH_HEADERS, label=", hearth")
        for what, path in (("resources", "resources"), ("meters", "meters"), ("samples", "samples")):
            made[f"{what} of {count:,}"].append(ours(f"{what} of {count:,}", f"/metering/v2/{path}?limit=100"))
    ours = functools.partial(_question, ports[0], web, processes_of(few), HEARTH_HEADERS, label=", hearth")
    theirs = functools.partial(_question, ports[2], web, gnocchi.pids, GNOCCHI_HEADERS, label=", gnocchi")
    meter = f"/metering/v2/meters/{METER}/statistics"
    made["statistics, whole meter"].append(ours("statistics, whole meter", meter))
    made["statistics by resource"].append(ours("statistics by resource", f"{meter}?groupby=resource_id"))
    _day(made["one resource, a day by the hour"], ours, theirs, meter, gnocchi)
    _ingestion(made, taking_port, ports[2], web, processes_of(taking), gnocchi)
    return [target for name in names for target in made[name]]


def _question(port, web, app, headers, name, path, label):
    holds_something = lambda status, body: status == 200 and len(body) > 10
    return Target(name + label, port, holds_something, web=web, app=app, path=path, headers=headers, connections=1, timeout_s=30)


def _day(made, ours, theirs, meter, gnocchi):
    """A day in the middle of what is stored, of one resource."""
    first = BEGIN + SAMPLES // RESOURCES // 2 * STEP // 86_400 * 86_400
    begin, end = iso(first), iso(first + 86_400)
    limits = f"q.field=timestamp&q.op=ge&q.value={begin}&q.field=timestamp&q.op=lt&q.value={end}"
    name = "one resource, a day by the hour"
    made.append(ours(name, f"{meter}?q.field=resource_id&q.op=eq&q.value={_resource(7)}&{limits}&period=3600"))
    made.append(theirs(name, f"/v1/metric/{gnocchi.metrics[7]}/measures?start={begin}&stop={end}&granularity=3600&aggregation=mean"))


def _ingestion(made, port, gnocchi_port, web, app, gnocchi):
    """Samples of another meter than the one that is asked for."""
    mine = functools.partial(batch, resources=RESOURCES, meter="disk")
    other = functools.partial(_gnocchi_batch, resources=RESOURCES, meter="disk")
    made["batches of 1,000"] += [
        Batches("batches of 1,000, hearth", port, "/metering/v2/meters/disk", HEARTH_HEADERS, 201, mine, web=web, app=app),
        Batches("batches of 1,000, gnocchi", gnocchi_port, GNOCCHI_BATCH, GNOCCHI_HEADERS, 202, other, web=web, app=gnocchi.pids,
                timeout_s=60),
    ]  # fmt: skip
    single = {"counter_name": "single", "counter_type": "gauge", "counter_unit": "%", "resource_id": _resource(1), "user_id": "user",
              "project_id": PROJECT, "resource_metadata": {}, "counter_volume": "{number}"}  # fmt: skip
    hearth_body = json.dumps([single]).replace('"{number}"', "{number}")
    gnocchi_path = f"/v1/metric/{gnocchi.single}/measures"
    gnocchi_body = '[{"timestamp": {number}, "value": {number}}]'
    post = functools.partial(Target, web=web, method="POST", connections=CLIENTS)
    made["one by one"] += [
        post("one by one, hearth", port, lambda status, _: status == 201, app=app, path="/metering/v2/meters/single",
             headers=HEARTH_HEADERS, body=hearth_body, paths=["/metering/v2/meters/single"]),
        post("one by one, gnocchi", gnocchi_port, lambda status, _: status == 202, app=gnocchi.pids, path=gnocchi_path,
             headers=GNOCCHI_HEADERS, body=gnocchi_body, paths=[gnocchi_path], timeout_s=30),
    ]  # fmt: skip


GNOCCHI_BATCH = "/v1/batch/resources/metrics/measures"


def _fill(ports, taking_port, gnocchi, with_many):
    """Stores the samples on every side, in the order of their times."""
    sides = [(ports[0], RESOURCES), (taking_port, RESOURCES)] + ([(ports[1], MANY_RESOURCES)] if with_many else [])
    for port, resources in sides:
        bodies = (batch(first, BATCH, resources) for first in range(0, SAMPLES, BATCH))
        _, wrong, *_ = post_all(port, f"/metering/v2/meters/{METER}", HEARTH_HEADERS, 201, bodies)
        if wrong:
            raise processes.CouldNotRun(f"samples: {wrong[0]}")
    gnocchi.prepare(ports[2])
    size = min(25_000, SAMPLES)
    bodies = (_gnocchi_batch(first, min(size, SAMPLES - first), RESOURCES) for first in range(0, SAMPLES, size))
    _, wrong, *_ = post_all(ports[2], GNOCCHI_BATCH, GNOCCHI_HEADERS, 202, bodies)
    if wrong:
        raise processes.CouldNotRun(f"measures: {wrong[0]}")
    gnocchi.compute(ports[2])


def _installed():
    """The environment with Gnocchi, made where it is missing."""
    machine.run([machine.ROOT / "scripts" / "install", "databases"])
    return machine.environment("gnocchi", REQUIREMENTS)


def _postgresql(bench):
    """A PostgreSQL on a socket of its own whose commits wait for the disk. Answers the folder of that socket."""
    folder = bench.folder / "postgresql"
    folder.mkdir()
    programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    # It refuses to run as root.
    as_other = []
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_other = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    machine.run([*as_other, programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust"], cwd=folder)
    command = [*as_other, programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
    process = bench.start("postgresql", command)
    is_ready = [str(programs / "pg_isready"), "-q", "-U", "postgres", "-h", str(folder)]
    processes.wait_for("postgresql", lambda: subprocess.run(is_ready, check=False).returncode == 0, 60, alive=process)
    machine.run([programs / "createdb", "-h", folder, "-U", "postgres", "gnocchi"])
    return folder


class Gnocchi:
    """The API under uWSGI, and what was made in it."""

    def __init__(self, bench, venv):
        self.bench, self.venv, self.path, self.metrics, self.single = bench, venv, bench.folder / "gnocchi.sock", [], None
        database, data = _postgresql(bench), bench.folder / "gnocchi"
        data.mkdir()
        self.configuration = bench.folder / "gnocchi.conf"
        self.configuration.write_text(
            f"[DEFAULT]\nlog_dir = {data}\n[api]\nauth_mode = basic\n[metricd]\nworkers = 2\nmetric_processing_delay = 1\n"
            f"[storage]\ndriver = file\nfile_basepath = {data}\ncoordination_url = file://{data}/locks\n"
            f"[indexer]\nurl = postgresql://postgres@/gnocchi?host={database}\n"
        )
        machine.run([venv / "bin" / "gnocchi-upgrade", "--config-file", self.configuration])
        command = [venv / "bin" / "uwsgi", "--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps"]
        command += ["--processes", UWSGI_PROCESSES, "--buffer-size", 65535, "--socket", self.path, "--chmod-socket=666", "--listen", 100]
        command += ["--disable-logging", "--module", "gnocchi.rest.wsgi", "--pyargv", f"--config-file {self.configuration}"]
        self.process = bench.start("gnocchi-api", command)
        bench.wait_for_socket("gnocchi-api", self.process, self.path)

    def pids(self):
        """The processes of the API."""
        return processes.tree(self.process.pid)

    def prepare(self, port):
        """Makes the archive policy, and a resource with its metrics for each one of the samples."""
        definition = [{"granularity": step, "timespan": "3650d"} for step in ("10m", "1h")]
        policy = {"name": "bench", "back_window": 0, "definition": definition,
                  "aggregation_methods": ["mean", "min", "max", "sum", "count"]}  # fmt: skip
        self._make(port, "/v1/archive_policy", policy)
        for number in range(RESOURCES):
            metrics = {name: {"archive_policy_name": "bench"} for name in (METER, "disk", "single")}
            made = self._make(port, "/v1/resource/generic", {"id": _resource(number), "project_id": PROJECT, "metrics": metrics})
            self.metrics.append(made["metrics"][METER])
            self.single = made["metrics"]["single"]

    @staticmethod
    def _make(port, path, body):
        status, answer = ask(port, path, GNOCCHI_HEADERS, "POST", json.dumps(body), timeout_s=60)
        if status != 201:
            raise processes.CouldNotRun(f"{path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def compute(self, port):
        """Runs metricd until nothing waits for it any more."""
        metricd = self.bench.start("gnocchi-metricd", [self.venv / "bin" / "gnocchi-metricd", "--config-file", self.configuration])

        def is_done():
            time.sleep(1)
            status, answer = ask(port, "/v1/status?details=False", GNOCCHI_HEADERS, timeout_s=60)
            return status == 200 and json.loads(answer)["storage"]["summary"]["measures"] == 0

        processes.wait_for("gnocchi-metricd", is_done, 900, alive=metricd)
        metricd.terminate()
        metricd.wait(30)
