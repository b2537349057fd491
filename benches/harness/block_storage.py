"""Hearth's Block Storage API on SQLite behind nginx, by kind of request."""

import functools
import json

from . import hearth, processes
from .load import Target, ask
from .webserver import Nginx

# As many clients as the figures of other implementations in docs/benchmarks.md were taken with.
CONNECTIONS = 8
SIZES = (10, 1000)


def _headers(project):
    return {"X-Auth-Token": f"bench:{project}", "OpenStack-API-Version": "volume 3.71", "Content-Type": "application/json"}


def _create(port, project, name):
    body = json.dumps({"volume": {"name": name, "size": 1}})
    status, answer = ask(port, "/volume/v3/volumes", _headers(project), "POST", body)
    if status != 202:
        raise processes.CouldNotRun(f"create: {status} {answer[:300]!r}")
    return json.loads(answer)["volume"]["id"]


def _without_quota(port, project):
    body = json.dumps({"quota_set": {"volumes": -1, "gigabytes": -1}})
    status, answer = ask(port, f"/volume/v3/os-quota-sets/{project}", _headers(project), "PUT", body)
    if status != 200:
        raise processes.CouldNotRun(f"quota: {status} {answer[:300]!r}")


def _is(expected, key, length=None):
    """A check of status, and of what stands in the answer under `key`."""

    def check(status, body):
        try:
            found = json.loads(body)[key]
        except (ValueError, KeyError):
            return False
        return status == expected and (length is None or len(found) == length)

    return check


def is_one(status, body):
    """Whether a volume was answered."""
    return _is(200, "volume")(status, body)


def is_many(size, status, body):
    """Whether so many volumes were answered."""
    return _is(200, "volumes", size)(status, body)


class Side:
    """One implementation of the API: the port of the web server, the path before its resources, and its processes."""

    def __init__(self, port, base, web, app, label="", timeout_s=5, database=None):
        self.port, self.base, self.web, self.app, self.label, self.timeout_s = port, base, web, app, label, timeout_s
        self.database = database

    def target(self, name, project, where, check, **more):
        """A request of a project to be measured."""
        return Target(name + self.label, self.port, check, web=self.web, app=self.app, path=self.base + where,
                      headers=_headers(project), connections=CONNECTIONS, timeout_s=self.timeout_s, database=self.database,
                      **more)  # fmt: skip


class Rows:
    """The volumes that are asked for: a project with few, one with many, and one to create in."""

    def __init__(self, port, names):
        self.projects, self.creating, self.few = {size: f"{size:032x}" for size in SIZES}, f"{9:032x}", []
        for project in (*self.projects.values(), self.creating):
            _without_quota(port, project)
        for size, project in self.projects.items():
            # Show takes a volume of the small project, and updates of metadata take all of them in turn.
            if size == SIZES[0] or any(name.endswith(f" of {size}") for name in names):
                volumes = [_create(port, project, f"volume-{number}") for number in range(size)]
                self.few = volumes if size == SIZES[0] else self.few

    def targets(self, side):
        """What is measured of one side, by name."""
        first = self.projects[SIZES[0]]
        metadata = [f"/volumes/{volume}/metadata" for volume in self.few]
        made = {
            "version document": side.target("version document", first, "/", _is(200, "versions")),
            "show": side.target("show", first, f"/volumes/{self.few[0]}", _is(200, "volume")),
            "update metadata": side.target("update metadata", first, metadata[0], _is(200, "metadata"), method="POST",
                                           body=BODIES["update metadata"], paths=[side.base + path for path in metadata]),
            "create": side.target("create", self.creating, "/volumes", _is(202, "volume"), method="POST", body=BODIES["create"]),
        }  # fmt: skip
        for size, project in self.projects.items():
            made[f"list of {size}"] = side.target(f"list of {size}", project, "/volumes", _is(200, "volumes", size))
            made[f"detail of {size}"] = side.target(f"detail of {size}", project, "/volumes/detail", _is(200, "volumes", size))
        return made


BODIES = {
    # Another value each time: else nothing would be written.
    "update metadata": json.dumps({"metadata": {"owner": "{number}"}}),
    "create": json.dumps({"volume": {"name": "bench", "size": 1}}),
}
READS = [f"{kind} of {size}" for size in SIZES for kind in ("list", "detail")]


def section(bench, wanted):
    """Requests on volumes. The volume service does not run: what is measured is the API and its database."""
    names = [name for name in ("version document", "show", *READS, *BODIES) if wanted(name)]
    if not names:
        return []
    server = Nginx(bench)
    process, path = hearth.start_responder(bench)
    port = server.hearth(path)
    server.start()
    side = Side(port, "/volume/v3", server.pids, functools.partial(processes.tree, process.pid))
    made = Rows(port, names).targets(side)
    return [made[name] for name in names]
