"""What a responder of Telemetry holds while eight clients at once ask for as much as an answer may hold, and afterwards.

The peak is the kernel's (VmHWM), which is set back before each load; the rest is read once the responder had nothing to do for some
seconds. Short lists stand beside the long ones: what spares memory must not cost them anything.
"""

import functools
import json
import os
import pathlib
import socket
import time

from . import hearth, processes
from .gnocchi import BATCH, HEARTH_HEADERS, METER, batch, iso, post_all
from .load import Target
from .webserver import Nginx

# What is stored: so many samples of so many resources, each of which has one meter.
SAMPLES = int(os.environ.get("HEARTH_BENCH_SAMPLES", "200000"))
RESOURCES = 10_000
CLIENTS = 8
# Seconds without a request after which what is left is read.
REST_S = 6
MOST = 10_000
# Name, path below the service, the number of items that the answer holds, and the body of a POST.
_STATISTICS = f"meters/{METER}/statistics"
_EXPRESSION = json.dumps({"limit": MOST, "filter": json.dumps({"=": {"meter": METER}})})
QUESTIONS = (
    ("100 samples", "samples?limit=100", 100, None),
    ("100 meters", "meters?limit=100", 100, None),
    ("100 resources", "resources?limit=100", 100, None),
    ("10,000 samples", f"samples?limit={MOST}", MOST, None),
    ("10,000 old samples", f"meters/{METER}?limit={MOST}", MOST, None),
    ("10,000 meters", f"meters?limit={MOST}", MOST, None),
    ("10,000 resources", f"resources?limit={MOST}", MOST, None),
    ("10,000 samples by an expression", "query/samples", MOST, _EXPRESSION),
    ("2,000 statistics", f"{_STATISTICS}?period=60&q.field=resource_id&q.op=eq&q.value={{one}}", 2_000, None),
    # Of the resource with a sample each minute, too.
    ("10,000 statistics", f"{_STATISTICS}?groupby=resource_id", MOST + 1, None),
    ("10,000 samples, nobody reads", f"samples?limit={MOST}", MOST, None),
)
# The resource with a sample each minute.
ONE, MINUTES = "00000000-0000-0000-0000-00000000feed", 2_000


class Peak(Target):
    """A load after which the peak of the process stands beside what it held in the end, and what it held when it had rested."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.peak = self.rested = 0

    def measure(self, seconds):
        # What the load before has left is not this one's.
        time.sleep(REST_S)
        for pid in self.app():
            # 5: the peak begins anew at what there is now (proc(5)).
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
        super().measure(seconds)
        self.peak = max(self.peak, *(processes.status_kib(pid, "VmHWM") for pid in self.app()))
        time.sleep(REST_S)
        self.rested = max(self.rested, *(processes.resident_kib(pid) for pid in self.app()))

    def result(self):
        return {**super().result(), "peak_kib": self.peak, "rested_kib": self.rested}


class Unread(Peak):
    """The same with clients of FastCGI itself that ask and take nothing of the answer: a dead web server."""

    def __init__(self, name, path, responder, **more):
        super().__init__(name, 0, None, **more)
        self.path, self.responder = path, responder

    def verify(self):
        """Nothing is read."""

    def load(self, seconds):
        clients = []
        for _ in range(CLIENTS):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(self.responder))
            client.sendall(_fastcgi_request(f"/metering/v2/{self.path}"))
            clients.append(client)
        began = time.perf_counter()
        time.sleep(max(seconds, 3))
        took = time.perf_counter() - began
        for client in clients:
            client.close()
        errors = dict.fromkeys(("connect", "read", "write", "timeout", "status"), 0)
        return {"requests": 0, "duration_us": took * 1_000_000, "p50_us": 0, "p99_us": 0, **errors}


def _fastcgi_request(target):
    """The records of one GET (FastCGI specification, sections 3 and 5)."""
    path, _, query = target.partition("?")
    variables = {"REQUEST_METHOD": "GET", "REQUEST_URI": target, "QUERY_STRING": query, "SCRIPT_NAME": path, "HTTP_HOST": "localhost",
                 "HTTP_X_AUTH_TOKEN": HEARTH_HEADERS["X-Auth-Token"], "SERVER_SOFTWARE": "nginx"}  # fmt: skip
    pairs = b"".join(bytes([len(name), len(value)]) + name.encode() + value.encode() for name, value in variables.items())
    record = lambda kind, content: bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") + b"\0\0" + content
    return record(1, b"\0\1\1\0\0\0\0\0") + record(4, pairs) + record(4, b"") + record(5, b"")


def section(bench, wanted):
    """One responder behind nginx."""
    questions = [question for question in QUESTIONS if wanted(question[0])]
    if not questions:
        return []
    server = Nginx(bench)
    process, path = hearth.start_responder(bench)
    port = server.hearth(path)
    server.start()
    _fill(port)
    app = functools.partial(processes.tree, process.pid)
    more = {"web": server.pids, "app": app, "headers": HEARTH_HEADERS, "connections": CLIENTS, "timeout_s": 60}
    targets = []
    for name, asked, items, body in questions:
        if name.endswith("nobody reads"):
            targets.append(Unread(name, asked, path, app=app))
            continue
        url = f"/metering/v2/{asked.format(one=ONE)}"
        post = {"method": "POST", "body": body, "paths": [url]} if body else {}
        holds = lambda status, answer, items=items: status == 200 and len(json.loads(answer)) == items
        targets.append(Peak(name, port, holds, path=url, **more, **post))
    return targets


def _fill(port):
    """Stores the samples, in the order of their times, and those of one resource by the minute."""
    bodies = [batch(first, BATCH, RESOURCES) for first in range(0, SAMPLES, BATCH)]
    minutes = [
        {"counter_name": METER, "counter_type": "gauge", "counter_unit": "%", "counter_volume": minute, "resource_id": ONE,
         "project_id": HEARTH_HEADERS["X-Auth-Token"].partition(":")[2], "user_id": "user", "source": "openstack",
         "timestamp": iso(1_420_000_000 + minute * 60), "resource_metadata": {}}
        for minute in range(MINUTES)
    ]  # fmt: skip
    _, wrong, *_ = post_all(port, f"/metering/v2/meters/{METER}", HEARTH_HEADERS, 201, [json.dumps(minutes).encode(), *bodies])
    if wrong:
        raise processes.CouldNotRun(f"samples: {wrong[0]}")
