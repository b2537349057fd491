"""A real Gnocchi with its indexer on a PostgreSQL of its own, on a free loopback port and in a temporary folder."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from postgresql import Postgresql
from stack import PATH, SOURCES, Answer, free_port, wait_until

AUTHORIZATION = "Basic " + base64.b64encode(b"admin:").decode()


class Gnocchi:
    """Use it as a context manager. What is measured is worked off when it is asked for: there is no metricd."""

    def __init__(self):
        subprocess.run([SOURCES / "scripts/venv", "gnocchi", SOURCES / "benches/peers/gnocchi-requirements.txt"], check=True)
        self.venv = pathlib.Path(os.environ.get("CACHE", SOURCES / "target/test-cache")) / "gnocchi"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-gnocchi-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process, self.exits = None, contextlib.ExitStack()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.exits.close()
        if not os.environ.get("KEEP_STACK"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command):
        done = subprocess.run([str(part) for part in command], cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def spawn(self, name, *command):
        log = open(self.folder / f"{name}.log", "ab")
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            env={"PATH": PATH, "LANG": "C.UTF-8", "PYTHONWARNINGS": "ignore"}, start_new_session=True)
        return process

    def start(self):
        self.database = self.exits.enter_context(Postgresql())
        self.database.create("gnocchi")
        measures = self.folder / "measures"
        measures.mkdir()
        config = self.folder / "gnocchi.conf"
        config.write_text(
            f"[api]\nauth_mode = basic\n[storage]\ndriver = file\nfile_basepath = {measures}\ncoordination_url = file://{measures}/locks\n"
            f"[indexer]\nurl = {self.database.url('gnocchi')}\n")
        self.run(self.venv / "bin/gnocchi-upgrade", "--config-file", config)
        self.process = process = self.spawn(
            "api", self.venv / "bin/uwsgi", "--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps", "--processes", 1,
            "--buffer-size", 65535, "--http-socket", f"127.0.0.1:{self.port}", "--module", "gnocchi.rest.wsgi", "--pyargv", f"--config-file {config}")
        wait_until(lambda: process.poll() is not None or self.ask("GET", "/v1/capabilities").status == 200, "Gnocchi", 120)
        assert process.poll() is None, (self.folder / "api.log").read_text()

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
            return Answer.to(connection, method, path, None if body is None else json.dumps(body), headers)
        finally:
            connection.close()

    def make(self, path, body, status=201):
        answer = self.ask("POST", path, body)
        assert answer.status == status, answer.body
        return answer.json() if answer.body else None
