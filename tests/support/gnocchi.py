"""A real Gnocchi with its indexer on a PostgreSQL of its own, on a free loopback port and in a temporary folder."""

import base64
import http.client
import json

from postgresql import Postgresql
from server import Server, free_port, python_environment, wait_until
from stack import Answer

AUTHORIZATION = "Basic " + base64.b64encode(b"admin:").decode()


class Gnocchi(Server):
    """What is measured is worked off when it is asked for: there is no metricd. With a Keystone, and the user, its project and the
    region by which it checks tokens, it takes tokens of that one; else anybody's name."""

    def __init__(self, keystone=None):
        self.keystone = keystone
        super().__init__("gnocchi")
        self.venv = python_environment("gnocchi", "benches/peers/gnocchi-requirements.txt")
        # The part that checks tokens looks for the file of options where oslo.config does.
        self.environment |= {"PYTHONWARNINGS": "ignore", "HOME": str(self.folder)}
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
        mode, sections = "basic", ""
        if self.keystone:
            keystone, user, project, region = self.keystone
            mode = "keystone"
            sections = (f"[keystone_authtoken]\nwww_authenticate_uri = {keystone.url}\nauth_url = {keystone.url}\nauth_type = password\n"
                        f"username = {user}\npassword = secret\nproject_name = {project}\nuser_domain_id = default\n"
                        f"project_domain_id = default\nregion_name = {region}\ninterface = public\n")
        config.write_text(
            f"[api]\nauth_mode = {mode}\n{sections}[storage]\ndriver = file\nfile_basepath = {measures}\ncoordination_url = file://{measures}/locks\n"
            f"[indexer]\nurl = {self.database.url('gnocchi')}\n")
        self.run(self.venv / "bin/gnocchi-upgrade", "--config-file", config)
        process = self.spawn("api", [
            self.venv / "bin/uwsgi", "--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps", "--processes", 1,
            "--buffer-size", 65535, "--http-socket", f"127.0.0.1:{self.port}", "--module", "gnocchi.rest.wsgi", "--pyargv", f"--config-file {config}"])
        wait_until(lambda: process.poll() is not None or self.ask("GET", "/").status == 200, "Gnocchi", 120)
        assert process.poll() is None, self.log("api")

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", **(headers or {"Authorization": AUTHORIZATION})}
            return Answer.to(connection, method, path, None if body is None else json.dumps(body), headers)
        finally:
            connection.close()

    def make(self, path, body, status=201, headers=None):
        answer = self.ask("POST", path, body, headers)
        assert answer.status == status, answer.body
        return answer.json() if answer.body else None
