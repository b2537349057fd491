"""A PostgreSQL of its own, on a free loopback port and in a temporary folder. `stop()` and `start()` take it away and bring it back."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from stack import free_port, wait_until


class Postgresql:
    """Use it as a context manager. What is committed outlives `stop()`."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-postgresql-"))
        self.programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.port, self.process = free_port(), None
        # It refuses to run as root.
        self.other = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.other = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def run(self, *command):
        done = subprocess.run([str(part) for part in command], cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self):
        log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(
            [*self.other, str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port),
             "-c", "listen_addresses=127.0.0.1"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        ready = [self.programs / "pg_isready", "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, f"PostgreSQL; logs in {self.folder}", 60)

    def stop(self):
        """At once, with all its connections."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)

    def create(self, database):
        self.run(self.programs / "createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", database)

    def rows(self, database, query):
        """The lines of an answer."""
        return self.run(self.programs / "psql", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-AtX", "-c", query, database).split("\n")[:-1]

    def __enter__(self):
        try:
            self.run(*self.other, self.programs / "initdb", "--no-sync", "-D", self.folder / "data", "-U", "postgres", "-A", "trust")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGQUIT)
            self.process.wait()
        if not os.environ.get("KEEP_STACK"):
            shutil.rmtree(self.folder, ignore_errors=True)
