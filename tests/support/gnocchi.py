"""A real Gnocchi with its indexer on a PostgreSQL of its own, on a free loopback port and in a temporary folder."""

import base64
import http.client
import json

from postgresql import Postgresql
from server import Server, free_port, python_environment, wait_until
from stack import Answer

AUTHORIZATION = "Basic " + base64.b64encode(b"admin:").decode()


class Gnocchi(Server):
    """What is measured is worked off when it is asked for: there is no metricd."""

    def __init__(self):
        super().__init__("gnocchi")
        self.venv = python_environment("gnocchi", "benches/peers/gnocchi-requirements.txt")
        self.environment["PYTHONWARNINGS"] = "ignore"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = Postgresql()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.database.__exit__()

    def start(self):
        self.database.__enter__()
        self.database.create("gnocchi")
        measures = self.folder / "measures"
        measures.mkdir()
        config = self.folder / "gnocchi.conf"
        config.write_text(
            f"[api]\nauth_mode = basic\n[storage]\ndriver = file\nfile_basepath = {measures}\ncoordination_url = file://{measures}/locks\n"
            f"[indexer]\nurl = {self.database.url('gnocchi')}\n")
        self.run(self.venv / "bin/gnocchi-upgrade", "--config-file", config)
        process = self.spawn("api", [
            self.venv / "bin/uwsgi", "--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps", "--processes", 1,
            "--buffer-size", 65535, "--http-socket", f"127.0.0.1:{self.port}", "--module", "gnocchi.rest.wsgi", "--pyargv", f"--config-file {config}"])
        wait_until(lambda: process.poll() is not None or self.ask("GET", "/v1/capabilities").status == 200, "Gnocchi", 120)
        assert process.poll() is None, self.log("api")

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
