"""CGI: from starting a process to the end of its answer, beside a program that does nothing else."""

import os
import resource
import statistics
import subprocess
import time

from . import hearth, machine, processes

TIMES = 200
WARM_UP = 10


def _requests():
    """Name, executable, path, and what the answer has to hold."""
    empty, own = machine.OUT / "empty", machine.hearth()
    return (
        ("empty program", empty, "/", machine.DOCUMENT),
        ("hearth, version document", own, hearth.PATH, '"v3.0"'),
        ("hearth, list from the database", own, "/volume/v3/volumes", '"volumes"'),
    )


def _once(executable, environment, expected):
    """Milliseconds from the start to the end of one process, and of CPU."""
    used, began = _children_ms(), time.perf_counter()
    try:
        done = subprocess.run([executable], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise processes.CouldNotRun(str(error)) from error
    took, used = (time.perf_counter() - began) * 1000, _children_ms() - used
    head, _, body = done.stdout.decode(errors="replace").replace("\r\n", "\n").partition("\n\n")
    if done.returncode != 0 or expected not in body or not head.startswith(("Content-Type", "Status: 200")):
        raise processes.CouldNotRun(f"{executable}: {done.returncode} {done.stdout[:300]!r} {done.stderr[:500]!r}")
    return took, used


def _children_ms():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def section(bench, wanted, times=TIMES):
    """The median and the 99th of a hundred, for each request, in turn; None where nothing is wanted."""
    requests = [request for request in _requests() if wanted(request[0]) or request[0].startswith("empty")]
    if len(requests) < 2:
        return None
    own = hearth.installed(bench)
    took = {name: [] for name, *_ in requests}
    for number in range(WARM_UP + times):
        for name, executable, path, expected in requests:
            environment = {
                **own,
                **{"PATH": os.environ["PATH"], "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1"},
                **{"REQUEST_METHOD": "GET", "REQUEST_URI": path, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": ""},
                **{"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "REMOTE_ADDR": "127.0.0.1"},
                **{"HTTP_X_AUTH_TOKEN": "bench:bench", "HTTP_HOST": "127.0.0.1"},
            }
            measured = _once(executable, environment, expected)
            if number >= WARM_UP:
                took[name].append(measured)
    base = statistics.median(wall for wall, _ in took["empty program"])
    return [
        {
            "name": name,
            "median_ms": statistics.median(wall for wall, _ in values),
            "p99_ms": sorted(wall for wall, _ in values)[int(len(values) * 0.99)],
            "cpu_ms": statistics.median(cpu for _, cpu in values),
            "beyond_empty_ms": statistics.median(wall for wall, _ in values) - base,
        }
        for name, values in took.items()
    ]
