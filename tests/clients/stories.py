"""Stories: the commands of a client in a text file, run in this process by the client's own main function.

A line of a story is one of

    COMMAND [~ PATTERN]             one command that must succeed; the regular expression is found in what it prints
    NAME = COMMAND [~ PATTERN]      the same; $NAME then stands for the `id` that it prints, $NAME.FIELD for another field
    ! COMMAND ~ PATTERN             one command that must be refused
    await PATH VALUE                until the status of the resource is VALUE, or it is gone
    await PATH KEY=VALUE            until another field of the resource has the value
    post NAME PATH BODY             what no command does, or only badly: a request, and NAME stands for the `id` in its answer
    file NAME                       a sparse file of 1 GiB on the backend `file` that nobody manages
    # ...                           said to the reader

Commands run as `--os-auth-type none` does, one process for all of them: starting Python for each would cost a second.
"""

import contextlib
import io
import json
import logging
import pathlib
import re
import shlex
import sys

import cinderclient.shell
import openstackclient.shell
from osc_lib.clientmanager import ClientCache

from stack import wait_until

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/clients"
OTHER = "fedcba9876543210fedcba9876543210"
SERVER = "5e0c0ffe-1111-4222-8333-944444444444"
LINE = re.compile(r"(?P<refused>! )?(?:(?P<name>\w+) = )?(?P<command>.*?)(?: ~ (?P<pattern>.*))?$")


class Cinder:
    """The command `cinder`."""

    def __init__(self, url):
        self.options = ["--os-auth-type", "none", "--os-endpoint", url, "--os-project-id", "none", "--os-volume-api-version", "3.71"]

    def commands(self):
        import cinderclient.v3.shell
        return {name[3:].replace("_", "-") for name in dir(cinderclient.v3.shell) if name.startswith("do_")}

    def named(self, words):
        return words[0]

    def run(self, words, _named):
        try:
            cinderclient.shell.OpenStackCinderShell().main(self.options + words)
        except (Exception, SystemExit) as refusal:
            print(refusal)
            return False
        return True

    def fields(self, text):
        """The fields of a table of properties, or of the first row of another table; names in small letters."""
        rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("|")]
        if rows and rows[0][0] == "Property":
            return {row[0]: row[-1] for row in rows}
        return {name.lower(): value for name, value in zip(*rows[:2])}


class OpenStack:
    """The command `openstack`, its shell started once as for an interactive user."""

    def __init__(self, url):
        self.shell = openstackclient.shell.OpenStackShell()
        self.shell.interact = lambda: 0
        self.shell.run(["--os-auth-type", "none", "--os-endpoint", url, "--os-volume-api-version", "3.71"])
        assert self.shell.client_manager
        # Clients of a service are kept with the class: those of the cloud before this one would be asked.
        for holder in type(self.shell.client_manager).__mro__:
            for kept in vars(holder).values():
                if isinstance(kept, ClientCache):
                    kept._handle = None

    def commands(self):
        from importlib.metadata import entry_points
        return {entry.name.replace("_", " ") for entry in entry_points(group="openstack.volume.v3")}

    def named(self, words):
        return max((name for name in self.commands() if words[:name.count(" ") + 1] == name.split(" ")), key=len)

    def run(self, words, named):
        self.shell.stdout, self.shell.stderr = sys.stdout, sys.stderr
        return self.shell.run_subcommand(words + (["-f", "json"] if named else [])) == 0

    def fields(self, text):
        found = json.loads(text[re.search(r"^[\[{]", text, re.MULTILINE).start():])
        return {name.lower(): value for name, value in (found[0] if isinstance(found, list) else found).items()}


class Story:
    """One story on one cloud."""

    def __init__(self, stack, client):
        self.stack, self.client, self.driven = stack, client, set()
        self.names = {"other": {"id": OTHER}, "server": {"id": SERVER}}

    def filled(self, text):
        def value(found):
            return str(self.names[found[1]][found[2] or "id"]) if found[1] in self.names else found[0]
        return re.sub(r"\$([a-z_0-9]+)(?:\.(\w+))?", value, text)

    def play(self, name):
        for number, line in enumerate((DATA / f"{name}.story").read_text().splitlines(), 1):
            if line and not line.startswith("#"):
                try:
                    self.step(line)
                except Exception as error:
                    raise AssertionError(f"{name}.story:{number}: {line}\n{error}") from error

    def step(self, line):
        word, _, rest = line.partition(" ")
        if word == "await":
            self.wait(*rest.rsplit(" ", 1))
        elif word == "post":
            name, path, body = rest.split(" ", 2)
            answer = self.stack.request("POST", f"/volume/v3/{self.filled(path)}", self.filled(body), {
                "Content-Type": "application/json", "OpenStack-API-Version": "volume 3.71"})
            assert answer.status < 300, answer.body
            self.names[name] = next(iter(answer.json().values())) if answer.body else {}
        elif word == "file":
            with open(self.stack.folder / "volumes" / rest, "wb") as file:
                file.truncate(1 << 30)
        else:
            self.command(**LINE.match(line).groupdict())

    def command(self, refused, name, command, pattern):
        words = [self.filled(word) for word in shlex.split(command)]
        printed = io.StringIO()
        logs = logging.StreamHandler(printed)
        logs.setLevel(logging.WARNING)
        logging.getLogger().addHandler(logs)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                done = self.client.run(words, name)
        finally:
            logging.getLogger().removeHandler(logs)
        text = printed.getvalue()
        assert done != bool(refused), text
        assert pattern is None or re.search(self.filled(pattern), text), f"{text}\nhas no {self.filled(pattern)}"
        self.driven.add(self.client.named(words))
        if name:
            self.names[name] = self.client.fields(text)

    def wait(self, path, wanted):
        key, _, wanted = wanted.rpartition("=")
        found = None

        def reached():
            nonlocal found
            answer = self.stack.request("GET", f"/volume/v3/{self.filled(path)}", headers={"OpenStack-API-Version": "volume 3.71"})
            found = "gone" if answer.status == 404 else next(iter(answer.json().values()))[key or "status"]
            assert found == wanted or found != "error", f"it is {found}"
            return str(found) == wanted
        try:
            wait_until(reached, f"{path} {wanted}", 60)
        except TimeoutError as late:
            raise TimeoutError(f"{late}: it is {found}") from late
