"""A real Barbican, with a real Keystone before it: where the keys of encrypted volumes are."""

import base64
import contextlib
import http.client
import os
import subprocess

from server import free_port, python_environment, wait_until
from stack import Answer

PASTE = """
[composite:main]
use = egg:Paste#urlmap
/v1: v1
[pipeline:v1]
pipeline = authtoken context microversion apiapp
[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app
[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory
[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
"""

SERVER = """
import sys, waitress
from paste import deploy
waitress.serve(deploy.loadapp("config:" + sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), threads=1, ident=None)
"""


class Barbican:
    """Barbican on a free port until closed. Its data lie in `folder`; it checks tokens as `user` of `project`, with the
    Keystone that the catalogue names in `region`."""

    def __init__(self, folder, keystone, user, project, region):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        venv = python_environment("barbican", "tests/support/barbican-requirements.txt")
        # Where oslo.config looks for a user's own files.
        home = folder / "home"
        (home / ".barbican").mkdir(parents=True)
        kek = base64.urlsafe_b64encode(b"k" * 32).decode()
        (home / ".barbican/barbican.conf").write_text(
            f"[DEFAULT]\nhost_href =\ndb_auto_create = true\nlog_file = {folder}/barbican.log\ntransport_url = fake://\n"
            f"[database]\nconnection = sqlite:///{folder}/barbican.sqlite\n[simple_crypto_plugin]\nkek = {kek}\n"
            f"[keystone_authtoken]\nwww_authenticate_uri = {keystone.url}\nauth_url = {keystone.url}\nauth_type = password\n"
            f"username = {user}\npassword = secret\nproject_name = {project}\nuser_domain_id = default\n"
            f"project_domain_id = default\nregion_name = {region}\ninterface = public\n[oslo_messaging_notifications]\ndriver = noop\n")
        (folder / "paste.ini").write_text(PASTE)
        out = open(folder / "barbican.out", "ab")
        self.process = subprocess.Popen(
            [venv / "bin/python", "-c", SERVER, folder / "paste.ini", str(self.port)], stdin=subprocess.DEVNULL,
            stdout=out, stderr=out, env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONWARNINGS": "ignore"})
        try:
            wait_until(lambda: self.process.poll() is not None or self.ask("GET", "/secrets", "none").status == 401, "Barbican", 60)
        except TimeoutError:
            self.close()
            raise
        assert self.process.poll() is None, (folder / "barbican.out").read_text()

    def close(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)

    def ask(self, method, path, token, accept="application/json"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return Answer.to(connection, method, f"/v1{path}", None, {"X-Auth-Token": token, "Accept": accept})
        finally:
            connection.close()

    def secrets(self, token):
        """Ids of the secrets of a project."""
        answer = self.ask("GET", "/secrets?limit=100", token)
        assert answer.status == 200, answer.body
        return {row["secret_ref"].rpartition("/")[2] for row in answer.json()["secrets"]}

    def payload(self, token, key):
        """The bytes of a key; None where the token may not have them."""
        answer = self.ask("GET", f"/secrets/{key}/payload", token, "application/octet-stream")
        return answer.body if answer.status == 200 else None
