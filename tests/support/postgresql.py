"""A PostgreSQL of its own, on a free loopback port and in a temporary folder."""

import os
import pathlib
import pwd
import signal
import subprocess

from server import Server, free_port, wait_until


class Postgresql(Server):
    """What is committed outlives `crash()`."""

    # At once, with all its connections.
    END = signal.SIGQUIT

    def __init__(self):
        super().__init__("postgresql")
        self.programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.port = free_port()
        # It refuses to run as root.
        self.other = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.other = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self):
        if not (self.folder / "data").exists():
            self.run(*self.other, self.programs / "initdb", "--no-sync", "-D", self.folder / "data", "-U", "postgres", "-A", "trust")
        self.spawn("server", [*self.other, self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-p", self.port,
                              "-c", "listen_addresses=127.0.0.1"])
        ready = [self.programs / "pg_isready", "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, f"PostgreSQL; logs in {self.folder}", 60)

    def crash(self):
        """`start()` brings it back."""
        self.stop("server")

    def create(self, database):
        self.run(self.programs / "createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", database)

    def rows(self, database, query):
        """The lines of an answer."""
        return self.run(self.programs / "psql", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-AtX", "-c", query, database).split("\n")[:-1]
