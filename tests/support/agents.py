"""Ceilometer's agents and publishers from PyPI, and `hearth collector`, which hears them."""

import json
import pathlib
import sqlite3
import subprocess
import uuid

from server import python_environment
from stack import HEARTH, SOURCES, Stack

SECRET = "shared by agents"
# How soon everybody comes back to RabbitMQ.
QUICK = ("[oslo_messaging_rabbit]\namqp_durable_queues = true\nrabbit_retry_interval = 0.1\nrabbit_retry_backoff = 0.1\n"
         "rabbit_interval_max = 0.5\n")


def agents():
    """The folder of Ceilometer's programs."""
    return python_environment("agents", "tests/clients/agents-requirements.txt") / "bin"


class Agent:
    """Sends what agents and services send: the functions of `agent.py`."""

    def __init__(self, folder):
        self.log = open(folder / "agent.log", "wb")
        self.process = subprocess.Popen([agents() / "python", SOURCES / "tests/support/agent.py"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        assert self.process.stdout.readline() == "ready\n", pathlib.Path(self.log.name).read_text()

    def __getattr__(self, name):
        def do(**arguments):
            self.process.stdin.write(json.dumps({"do": name, **arguments}) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            assert answer, pathlib.Path(self.log.name).read_text()
            return json.loads(answer)
        return do

    def close(self):
        self.process.kill()
        self.process.wait()


class Collector(Stack):
    """Collectors and Telemetry's database, without a web server."""

    def __init__(self, sections, secret=f"[publisher]\ntelemetry_secret = {SECRET}\n"):
        super().__init__("none", sections=f"{secret}{QUICK}{sections}")

    def start(self):
        self.hearth("db", "sync")

    def collect(self, name="collector", **environment):
        """Starts one more of them."""
        kept, self.environment = self.environment, {**self.environment, **environment}
        try:
            return self.spawn(name, [HEARTH, "collector"])
        finally:
            self.environment = kept

    def rows(self, query):
        return rows(self, query)

    def volumes(self):
        """The volumes of all samples, sorted."""
        return [row[0] for row in self.rows("SELECT volume FROM telemetry_sample ORDER BY volume")]

    def events(self):
        """The types of all events, in the order of their times."""
        return [row[0] for row in self.rows(
            "SELECT t.name FROM telemetry_event e JOIN telemetry_event_type t ON t.id = e.type ORDER BY e.generated, e.id")]


def rows(stack, query):
    with sqlite3.connect(f"file:{stack.folder}/telemetry.sqlite?mode=ro", uri=True, timeout=30) as connection:
        return connection.execute(query).fetchall()


def samples(stack):
    """All samples of a database by their ids, in the words of the file publisher; times are microseconds."""
    found = {}
    for tick, origin, node, era, at, volume, name, kind, unit, resource, project, user, source, metadata in rows(stack, """
            SELECT p.tick, p.origin, n.node, n.era, p.at, p.volume, m.name, m.type, m.unit, r.name, j.name, o.user_id, o.source, d.body
            FROM telemetry_sample p JOIN telemetry_series s ON s.id = p.series JOIN telemetry_stream g ON g.id = s.stream
            JOIN telemetry_meter m ON m.id = g.meter JOIN telemetry_resource r ON r.id = s.resource
            JOIN telemetry_owner o ON o.id = g.owner JOIN telemetry_metadata d ON d.id = p.metadata
            LEFT JOIN telemetry_project j ON j.id = o.project LEFT JOIN telemetry_clock n ON n.id = -p.origin"""):
        if node is None:
            identity = uuid.UUID(int=(tick % 2**64) << 64 | origin % 2**64)
        else:
            tick += era << 47
            high = (tick & 0xffffffff) << 32 | (tick >> 32 & 0xffff) << 16 | 0x1000 | tick >> 48
            identity = uuid.UUID(int=high << 64 | node % 2**64)
        found[str(identity)] = {
            "name": name, "type": kind, "unit": unit, "volume": volume, "resource_id": resource, "project_id": project,
            "user_id": user, "source": source, "timestamp": at, "resource_metadata": json.loads(metadata)}
    return found


def events(stack):
    """All events of a database by their ids; traits by name with the numbers of their types; times are microseconds."""
    found = {}
    kinds = {}
    for key, identity, name, generated, raw in rows(stack, """
            SELECT e.id, e.message_id, t.name, e.generated, e.raw
            FROM telemetry_event e JOIN telemetry_event_type t ON t.id = e.type"""):
        kinds[key] = found[identity] = {"event_type": name, "generated": generated, "raw": json.loads(raw or "{}"), "traits": {}}
    for table in ("text", "number", "real"):
        for key, name, kind, value in rows(stack, f"""
                SELECT v.event, n.name, n.kind, v.value FROM telemetry_event_{table} v JOIN telemetry_trait n ON n.id = v.trait"""):
            kinds[key]["traits"][name] = (kind, value.decode() if isinstance(value, bytes) else value)
    return found
