"""A real Keystone for the suites with real clients, and what they make in it."""

import contextlib
import http.client
import json
import os
import subprocess
import uuid

from stack import SOURCES, Answer, free_port, wait_until


class Keystone:
    """Keystone on a free port until closed. Its data lie in `folder`; a second one may share them."""

    def __init__(self, folder, **options):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v3"
        cache = os.environ.get("CACHE", str(SOURCES / "target/test-cache"))
        self.process = subprocess.Popen(
            [SOURCES / "tests/support/keystone.sh", folder, str(self.port)], stdin=subprocess.PIPE,
            env={**os.environ, "HEARTH_TEST_CACHE": cache, **options})
        wait_until(lambda: self.process.poll() is not None or self.ask("GET", "").status == 200, "Keystone", 600)
        assert self.process.poll() is None, "Keystone did not start"

    def close(self):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)

    def ask(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return Answer.to(connection, method, f"/v3{path}", body, {"X-Auth-Token": token} if token else {})
        finally:
            connection.close()

    def token(self, user="admin", project="admin", password="secret"):
        domain = {"id": "default"}
        identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
        answer = self.ask("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}})
        assert answer.status == 201, answer.body
        return answer.headers["X-Subject-Token"]

    def make(self, what, admin, **attributes):
        answer = self.ask("POST", f"/{what}s", {what: attributes}, admin)
        assert answer.status == 201, answer.body
        return answer.json()[what]["id"]

    def revoke(self, token):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"X-Auth-Token": token, "X-Subject-Token": token}
        assert Answer.to(connection, "DELETE", "/v3/auth/tokens", None, headers).status == 204
        connection.close()

    def member(self, admin, project):
        """A new user with the roles member and reader in a new project of this name; answers the user's name."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        project_id = self.make("project", admin, name=project, domain_id="default")
        user_id = self.make("user", admin, name=name, password="secret", domain_id="default", default_project_id=project_id)
        self.grant(admin, project_id, user_id, "member")
        return name, project_id

    def grant(self, admin, project_id, user_id, role):
        roles = {row["name"]: row["id"] for row in self.ask("GET", "/roles", None, admin).json()["roles"]}
        assert self.ask("PUT", f"/projects/{project_id}/users/{user_id}/roles/{roles[role]}", None, admin).status == 204

    def service_user(self, admin):
        """The user with whose token Hearth checks the tokens of others."""
        project = self.make("project", admin, name=f"service-{uuid.uuid4().hex[:8]}", domain_id="default")
        name = f"cinder-{uuid.uuid4().hex[:8]}"
        user = self.make("user", admin, name=name, password="secret", domain_id="default")
        self.grant(admin, project, user, "admin")
        project_name = self.ask("GET", f"/projects/{project}", None, admin).json()["project"]["name"]
        return name, project_name

    def endpoint(self, admin, region, kind, url):
        self.ask("POST", "/regions", {"region": {"id": region}}, admin)
        service = self.make("service", admin, type=kind, name=f"{kind}-{region}")
        for interface in ("public", "internal"):
            self.make("endpoint", admin, interface=interface, region_id=region, service_id=service, url=url)

    def point_to_itself(self, admin):
        """Makes the catalogue's endpoints of Keystone name this server, for clients that take the first they find."""
        for endpoint in self.ask("GET", "/endpoints", None, admin).json()["endpoints"]:
            answer = self.ask("PATCH", f"/endpoints/{endpoint['id']}", {"endpoint": {"url": self.url}}, admin)
            assert answer.status == 200, answer.body


def configuration(keystone, user, project, cache_seconds=0):
    """The sections that make Hearth ask this Keystone: each time anew, or once in so many seconds for each token."""
    return ("auth_strategy = keystone\n",
            f"[keystone_authtoken]\nwww_authenticate_uri = {keystone.url}\nauth_url = {keystone.url}\nusername = {user}\n"
            f"password = secret\nproject_name = {project}\nuser_domain_id = default\nproject_domain_id = default\n"
            f"token_cache_time = {cache_seconds}\n")


def run_json(command, environment):
    """What an `openstack` command prints with -f json."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None
