"""Load on one URL, and what it cost: requests a second, latency, errors, CPU of the web server and of the application."""

import http.client
import json
import os
import pathlib
import resource
import statistics
import subprocess

from . import processes

SCRIPT = pathlib.Path(__file__).with_name("load.lua")
CONNECTIONS = 32


def ask(port, path="/", headers=None, method="GET", body=None, timeout_s=10):
    """One request on a connection of its own: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise processes.CouldNotRun(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()


def wrk(target, seconds):
    """Runs wrk once: one thread, kept connections to the web server."""
    command = ["wrk", "-t1", f"-c{target.connections}", f"-d{seconds}s", "--timeout", f"{target.timeout_s}s", "-s", str(SCRIPT)]
    for name, value in target.headers.items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://127.0.0.1:{target.port}{target.path}")
    if target.body is not None:
        command += ["--", target.method, target.body, *target.paths]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + target.timeout_s + 30,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    raise processes.CouldNotRun(f"wrk: {done.stdout}{done.stderr}")


class Target:
    """One candidate behind one way of reaching it.

    `web`, `app` and `database` are functions that answer the process ids of the web server, of the application and of its
    database server (all may be empty); `check` is given status and body and answers whether they are right. With `paths` they
    are asked in turn, and `{number}` in the body is another number in each request.
    """

    def __init__(self, name, port, check, web=None, app=None, path="/", headers=None, method="GET", body=None,
                 connections=CONNECTIONS, timeout_s=5, database=None, paths=()):
        self.name, self.port, self.check, self.path, self.timeout_s = name, port, check, path, timeout_s
        self.web, self.app, self.database, self.paths = web or set, app or set, database or set, paths
        self.method, self.body, self.headers = method, body, headers or {}
        self.connections = connections
        self.rounds = []
        self.resident = (0, 0)

    def verify(self):
        """One request, whose answer has to be right."""
        sent = self.body and self.body.replace("{number}", "0")
        status, body = ask(self.port, self.path, self.headers, self.method, sent, self.timeout_s * 2)
        if not self.check(status, body):
            raise processes.CouldNotRun(f"{self.name}: wrong answer: {status} {body[:200]!r}")

    def load(self, seconds):
        """Requests for so many seconds, and what wrk says of them."""
        return wrk(self, seconds)

    def measure(self, seconds):
        """One round."""
        web, app = self.web(), self.app()
        database = self.database()
        groups = lambda: (*(processes.cpu_us(group) for group in (web, app, database)), processes.machine_busy_us(), _children_us())
        before = groups()
        result = self.load(seconds)
        # Processes that the load itself made are new: ask again who belongs to the group.
        web, app = web | self.web(), app | self.app()
        web_us, app_us, database_us, machine_us, load_us = (b - a for a, b in zip(before, groups()))
        requests = max(result["requests"], 1)
        self.rounds.append(
            {
                "requests_per_second": result["requests"] * 1_000_000 / result["duration_us"],
                "p50_ms": result["p50_us"] / 1000,
                "p99_ms": result["p99_us"] / 1000,
                "errors": {kind: result[kind] for kind in ("connect", "read", "write", "timeout", "status")},
                "web_cpu_us": web_us / requests,
                "application_cpu_us": app_us / requests,
                "database_cpu_us": database_us / requests,
                "other_load": max(0, machine_us - web_us - app_us - database_us - load_us) / (result["duration_us"] * _cores()),
            }
        )
        resident = sorted(processes.resident_kib(pid) for pid in app)
        if resident:
            self.resident = max(self.resident[0], resident[-1]), max(self.resident[1], sum(resident))

    def result(self):
        """Medians over the rounds; errors are summed up."""
        middle = {
            key: statistics.median(round[key] for round in self.rounds)
            for key in self.rounds[0]
            if key != "errors"
        }
        errors = {kind: sum(round["errors"][kind] for round in self.rounds) for kind in self.rounds[0]["errors"]}
        return {
            "name": self.name,
            **middle,
            "errors": errors,
            "resident_kib": self.resident[0],
            "resident_kib_all_processes": self.resident[1],
            "rounds": self.rounds,
        }


def _children_us():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1_000_000


def _cores():
    return os.cpu_count() or 1


def interleave(targets, rounds, seconds, warm_up, say):
    """Warms each candidate up, then measures all of them in turn, `rounds` times, so that noise hits all alike.

    A single request after each load waits for what that left in a queue, which else would run beside the next candidate.

    Answers the results, and the names and reasons of those that failed.
    """
    failed = {}

    def attempt(target, step):
        if target.name in failed:
            return
        try:
            step(target)
        except (processes.CouldNotRun, subprocess.TimeoutExpired) as error:
            failed[target.name] = str(error)
            say(f"    {target.name} FAILED: {error}")

    for target in targets:
        attempt(target, lambda t: (t.verify(), t.load(warm_up), t.verify()))
    for number in range(rounds):
        say(f"    round {number + 1} of {rounds}")
        for target in targets:
            attempt(target, lambda t: (t.measure(seconds), t.verify()))
    return [target.result() for target in targets if target.rounds and target.name not in failed], failed
