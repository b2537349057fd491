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


def section(bench, wanted):
    """Requests on volumes. The volume service does not run: what is measured is the API and its database."""
    bodies = {
        "update metadata": ("POST", json.dumps({"metadata": {"owner": "bench"}})),
        "create": ("POST", json.dumps({"volume": {"name": "bench", "size": 1}})),
    }
    reads = [f"{kind} of {size}" for size in SIZES for kind in ("list", "detail")]
    names = [name for name in ("version document", "show", *reads, *bodies) if wanted(name)]
    if not names:
        return []
    server = Nginx(bench)
    process, path = hearth.start_responder(bench)
    port = server.hearth(path)
    server.start()
    app = functools.partial(processes.tree, process.pid)

    def target(name, project, where, check, **more):
        return Target(name, port, check, web=server.pids, app=app, path=f"/volume/v3{where}",
                      headers=_headers(project), connections=CONNECTIONS, **more)  # fmt: skip

    projects, one, creating = {size: f"{size:032x}" for size in SIZES}, "", f"{9:032x}"
    for project in (*projects.values(), creating):
        _without_quota(port, project)
    for size, project in projects.items():
        # Show and update take a volume of the small project.
        if size == SIZES[0] or any(name.endswith(f" of {size}") for name in names):
            volumes = [_create(port, project, f"volume-{number}") for number in range(size)]
            one = volumes[0] if size == SIZES[0] else one
    first = projects[SIZES[0]]
    made = {
        "version document": target("version document", first, "/", _is(200, "versions")),
        "show": target("show", first, f"/volumes/{one}", _is(200, "volume")),
        "update metadata": target("update metadata", first, f"/volumes/{one}/metadata", _is(200, "metadata"),
                                  method="POST", body=bodies["update metadata"][1]),
        "create": target("create", creating, "/volumes", _is(202, "volume"), method="POST", body=bodies["create"][1]),
    }  # fmt: skip
    for size, project in projects.items():
        made[f"list of {size}"] = target(f"list of {size}", project, "/volumes", _is(200, "volumes", size))
        made[f"detail of {size}"] = target(f"detail of {size}", project, "/volumes/detail", _is(200, "volumes", size))
    return [made[name] for name in names]
