"""Sequences of requests as text files, and what an answer says once ids, times and addresses are taken out.

A line of a sequence is one of

    METHOD PATH [@VERSION] [BODY] [=> NAME]     one request; NAME then stands for the id in the answer, as $NAME,
                                                NAME_key for its auth_key and NAME_url for its backup_url
    version VERSION                             the microversion of the requests that follow; `-` sends no header
    as PROJECT                                  the project that asks from here on (a word; its id is made from it)
    who ROLE                                    the caller's role from here on: a key of ROLES; at first `admin`
    token NAME                                  the token that is sent from here on, where the test has named some; `-` for none
    file NAME BYTES                             a file of zeroes that nobody manages, on the backend `file` of both sides
    await PATH STATUS                           until the resource has this status, or is gone
    await PATH KEY=VALUE                        until the resource has this value
    header NAME: VALUE                          sent with the next request only
    # ...                                       said to the reader

PATH starts below the project (`/volumes`), or at the host where it begins with `!` (`!/v3/volumes`). BODY is what is sent,
byte for byte, in one line; $NAME and $project are replaced in it. A line that begins with a space continues the one before.
"""

import base64
import hashlib
import http.client
import json
import pathlib
import re
import time
import urllib.parse

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/differential"
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
REQUEST = re.compile(r"(?P<method>[A-Z]+) (?P<path>\S+)(?: @(?P<version>\S+))?(?: (?P<body>(?!=> ).*?))?(?: => (?P<name>\w+))?$")
# A record of a backup is JSON in base 64.
RECORD = re.compile(r'("backup_url": ?)"([\w+/=]+)"')
# Where the objects of a backup lie: the beginnings of its id, and its id.
CONTAINER = re.compile(r"\b[0-9a-f]{2}/[0-9a-f]{2}/(?=[0-9a-f]{8}-)")
# The time in the names of its objects.
STAMP = re.compile(r"(?<=_)\d{14}(?=_backup_)")
# The headers that clients read. The rest belongs to the web server, or differs from request to request.
HEADERS = ("content-type", "location", "openstack-api-version", "retry-after", "vary", "www-authenticate", "etag")
# What a role implies, as a Keystone that is set up for OpenStack has it.
ROLES = {"admin": "admin,member,reader", "member": "member,reader", "reader": "reader", "nobody": "nobody"}
# So many objects of a backup make one GiB on both sides: see real_cinder.py.
OBJECTS = 32
PRESENT = ("x-openstack-request-id", "x-compute-request-id")


def sequences():
    return sorted(path.stem for path in DATA.glob("*.seq"))


def lines(name):
    text = (DATA / f"{name}.seq").read_text()
    return [line for line in re.sub(r"\n +", " ", text).splitlines() if line.strip() and not line.startswith("#")]


def project_id(word):
    return hashlib.md5(word.encode()).hexdigest()


class Side:
    """One of the two servers: keeps its own ids of what a sequence named."""

    def __init__(self, base, **bases):
        """With an address for each role, where one server believes in one; else the server reads X-Roles."""
        self.base, self.bases = base, {role: bases.get(role, base) for role in ROLES}
        # What a sequence may name from its beginning on.
        self.given = {}
        self.reset("")

    def reset(self, sequence):
        self.sequence, self.names, self.version, self.extra, self.role = sequence, dict(self.given), "3.71", {}, "admin"
        self.token = None
        self.project = project_id(sequence)

    def filled(self, text):
        text = text.replace("$project", self.project)
        return re.sub(r"\$(\w+)", lambda found: self.names.get(found[1], found[0]), text)

    def ask(self, method, path, body=None, version=None):
        parts = urllib.parse.urlsplit(self.bases[self.role])
        path = self.filled(path)
        path = parts.path + (path[1:] if path.startswith("!") else f"/v3/{self.project}{path}")
        token = f"tester:{self.project}" if self.token is None else self.token
        headers = {"X-Auth-Token": token, "Accept": "application/json", **self.extra}
        if self.role != "admin":
            headers["X-Roles"] = ROLES[self.role]
        self.extra = {}
        version = version or self.version
        if version != "-":
            headers["OpenStack-API-Version"] = f"volume {version}" if version[0].isdigit() else version
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = self.filled(body).encode()
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        try:
            connection.request(method, path, body, {name: value for name, value in headers.items() if value})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode(errors="replace")
        finally:
            connection.close()

    def keep(self, name, body):
        try:
            value = json.loads(body)
            value = value if "id" in value else next(iter(value.values()))
            for key, kind in (("auth_key", "key"), ("backup_url", "url")):
                if key in value:
                    self.names[f"{name}_{kind}"] = value[key]
            self.names[name] = str(value["id"])
        except (ValueError, KeyError, TypeError, StopIteration):
            self.names[name] = "00000000-0000-0000-0000-000000000000"

    def wait(self, path, wanted, seconds=60):
        """Until the resource has the status, or `gone` is true of it. Says which status it ended with."""
        deadline = time.monotonic() + seconds
        key, _, wanted = wanted.rpartition("=")
        first = None
        while True:
            status, _, body = self.ask("GET", path, version="3.71")
            found = "gone" if status == 404 else None
            if status == 200:
                found = next(iter(json.loads(body).values())).get(key or "status")
            first = first or found
            # What has been in error before it was told anything may leave it.
            if found == wanted or found != first and (found or "").startswith("error") or time.monotonic() > deadline:
                return f"{key}={found}" if key else found
            time.sleep(0.05)

    def plain(self, text):
        """A text without what is of this run and this side only."""
        base = self.bases[self.role]
        text = STAMP.sub("TIME", CONTAINER.sub("XX/XX/", text))
        text = text.replace(base, "BASE").replace(urllib.parse.quote(base, safe=""), "BASE")
        for name, value in sorted(self.names.items(), key=lambda item: -len(item[1])):
            if len(value) > 8:
                text = text.replace(value, f"${name}")
        return TIME.sub("TIME", UUID.sub("UUID", text))

    def outcome(self, status, headers, body):
        """The answer as a flat dictionary from a place to a value."""
        found = {"status": status}
        for header in HEADERS:
            if header == "vary" or headers.get(header) is not None:
                found[f"header {header}"] = self.plain(", ".join(headers.get_all(header, [])))
        for header in PRESENT:
            found[f"header {header}"] = header in headers
        text = self.plain(RECORD.sub(lambda found: found[1] + base64.b64decode(found[2]).decode(), body))
        try:
            value = json.loads(text)
            if isinstance(value, dict) and isinstance(value.get("host"), list):
                # Cinder tells the projects of a host in the order of a set.
                value["host"].sort(key=lambda part: json.dumps(part, sort_keys=True))
            flatten("body", value, found)
        except ValueError:
            found["text"] = re.sub(r"\s+", " ", text).strip()
        return found


def flatten(place, value, found):
    if isinstance(value, dict):
        found[place] = "{}"
        for key, inner in value.items():
            flatten(f"{place}.{key}", inner, found)
    elif isinstance(value, list):
        found[place] = f"[{len(value)}]"
        for index, inner in enumerate(value):
            flatten(f"{place}[{index}]", inner, found)
    else:
        found[place] = json.dumps(value)


def differences(cinder, hearth):
    """What differs between two answers: (place, Cinder's, Hearth's), shortest place first."""
    rows = []
    for place in sorted(cinder.keys() | hearth.keys()):
        theirs, ours = cinder.get(place, "(absent)"), hearth.get(place, "(absent)")
        # What is inside of something absent needs no line of its own.
        if theirs != ours and not any(place.startswith(f"{outer}.") or place.startswith(f"{outer}[") for outer, *_ in rows):
            rows.append((place, str(theirs), str(ours)))
    return rows


def play(name, cinder, hearth):
    """Plays a sequence on both sides. Yields (line, place, Cinder's, Hearth's) for each difference; returns nothing."""
    for side in (cinder, hearth):
        side.reset(name)
    for line in lines(name):
        word, _, rest = line.partition(" ")
        if word == "version":
            cinder.version = hearth.version = rest
        elif word == "as":
            cinder.project = hearth.project = project_id(f"{name} {rest}")
        elif word == "token":
            cinder.token = hearth.token = "" if rest == "-" else cinder.names[rest]
        elif word == "who":
            cinder.role = hearth.role = rest
        elif word == "file":
            name_of_file, _, size = rest.partition(" ")
            for side in (cinder, hearth):
                with open(side.volumes / name_of_file, "wb") as file:
                    file.truncate(int(size))
        elif word == "header":
            key, _, value = rest.partition(": ")
            for side in (cinder, hearth):
                side.extra[key] = side.filled(value)
        elif word == "await":
            path, _, wanted = rest.partition(" ")
            theirs, ours = (side.wait(path, wanted) for side in (cinder, hearth))
            if (theirs, ours) != (wanted, wanted):
                yield line, "await", str(theirs), str(ours)
        else:
            found = REQUEST.match(line)
            assert found, f"{name}: {line!r} is no line of a sequence"
            outcomes = []
            for side in (cinder, hearth):
                answer = side.ask(found["method"], found["path"], found["body"], found["version"])
                if found["name"]:
                    side.keep(found["name"], answer[2])
                outcomes.append(side.outcome(*answer))
            shown = line if found["version"] else f"{line} (at {cinder.version})"
            for row in differences(*outcomes):
                yield shown, *row


def accepted():
    """The rows of accepted.tsv: sequence, request, place, Cinder's and Hearth's as patterns, and the reason."""
    rows = []
    for number, line in enumerate((DATA / "accepted.tsv").read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            parts = line.split("\t")
            assert len(parts) == 6, f"accepted.tsv:{number}: six columns are meant, {len(parts)} are there"
            rows.append((number, *[re.compile(part, re.DOTALL) for part in parts[:5]], parts[5]))
    return rows
