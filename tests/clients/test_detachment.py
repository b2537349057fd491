"""Who may end an attachment that a server uses: Nova alone, which says so by a token of its own with the role service
(OSSA-2023-003). Keystone is a real one; Nova is played, and tells what it was asked and with whose token."""

import http.server
import json
import threading
import uuid

import pytest

import exports
from keystone import Keystone, configuration
from stack import Stack, wait_until


class Nova:
    """What Nova knows of servers and their volumes: the attachment by which a server uses a volume."""

    def __init__(self):
        self.used, self.asked = {}, []
        nova = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                nova.asked.append((self.path, self.headers["X-Auth-Token"], self.headers["OpenStack-API-Version"]))
                _, _, _, server, _, volume = self.path.split("/")
                found = nova.used.get((server, volume))
                body = json.dumps({"volumeAttachment": {"attachment_id": found}} if found else {"itemNotFound": {"code": 404}})
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v2.1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Cloud:
    """Hearth with a real Keystone, a member, and Nova's own user."""

    def __init__(self, folder):
        self.keystone, self.nova = Keystone(folder / "data"), Nova()
        admin = self.keystone.token()
        config, sections = configuration(self.keystone, *self.keystone.service_user(admin))
        region = f"r-{uuid.uuid4().hex[:6]}"
        self.keystone.endpoint(admin, region, "compute", self.nova.url)
        sections = f"{sections}service_token_roles = service\nservice_token_roles_required = true\n[nova]\nregion_name = {region}\n"
        self.stack = Stack("serve", config=config, sections=sections).__enter__()
        project = f"p-{region}"
        user, self.project = self.keystone.member(admin, project)
        self.token = self.keystone.token(user, project)
        self.other = self.keystone.token(*self.keystone.member(admin, f"q-{region}")[:1], f"q-{region}")
        # As an operator makes it: in the project of the services, with the role service.
        self.service, name = f"nova-{region}", f"services-{region}"
        services = self.keystone.make("project", admin, name=name, domain_id="default")
        own = self.keystone.make("user", admin, name=self.service, password="secret", domain_id="default")
        self.keystone.grant(admin, services, own, "service")
        self.service_token = self.keystone.token(self.service, name)

    def close(self):
        self.stack.__exit__()
        self.nova.close()
        self.keystone.close()

    def ask(self, method, path, body=None, service=None, token=None):
        headers = {"X-Auth-Token": token or self.token, "OpenStack-API-Version": "volume 3.44"}
        if service:
            headers["X-Service-Token"] = service
        return self.stack.request(method, f"/volume/v3{path}", body, headers)

    def attached(self):
        """A volume that a server uses, the server, and the attachment."""
        made = self.ask("POST", "/volumes", {"volume": {"size": 1}})
        assert made.status == 202, made.body
        volume, server = made.json()["volume"]["id"], str(uuid.uuid4())
        wait_until(lambda: self.ask("GET", f"/volumes/{volume}").json()["volume"]["status"] == "available", "the volume")
        wanted = {"attachment": {"volume_uuid": volume, "instance_uuid": server, "connector": exports.host("h")}}
        made = self.ask("POST", "/attachments", wanted)
        assert made.status == 200, made.body
        attachment = made.json()["attachment"]["id"]
        assert self.ask("POST", f"/attachments/{attachment}/action", {"os-complete": {}}).status == 204
        self.nova.used[server, volume] = attachment
        self.nova.asked.clear()
        return volume, server, attachment

    def status(self, volume):
        return self.ask("GET", f"/volumes/{volume}").json()["volume"]["status"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    running = Cloud(tmp_path_factory.mktemp("detachment"))
    yield running
    running.close()


def test_nobody_but_nova_ends_an_attachment_that_a_server_uses(cloud):
    volume, server, attachment = cloud.attached()
    words = f"ConflictNovaUsingAttachment: Detach volume from instance {server} using the Compute API"
    refused = cloud.ask("DELETE", f"/attachments/{attachment}")
    assert (refused.status, [fault["message"] for fault in refused.json().values()]) == (409, [words])
    # Nova is asked as the user, at the version that tells the attachment.
    path = f"/v2.1/servers/{server}/os-volume_attachments/{volume}"
    assert cloud.nova.asked == [(path, cloud.token, "compute 2.89")]
    # Who has a good token without the role is no service.
    for service in (cloud.other, cloud.token):
        assert cloud.ask("DELETE", f"/attachments/{attachment}", service=service).status == 401
    for action in ({"os-detach": {"attachment_id": attachment}}, {"os-terminate_connection": {"connector": exports.host("h")}}):
        assert cloud.ask("POST", f"/volumes/{volume}/action", action).status == 409, action
    assert cloud.status(volume) == "in-use"

    cloud.nova.asked.clear()
    # What the user may not do without Nova, Nova may not do without the user.
    assert cloud.ask("DELETE", f"/attachments/{attachment}", service=cloud.service_token, token=cloud.other).status == 404
    ended = cloud.ask("DELETE", f"/attachments/{attachment}", service=cloud.service_token)
    assert (ended.status, ended.json()) == (200, {"attachments": []})
    assert cloud.nova.asked == [], "a service is believed"
    assert cloud.status(volume) == "available"


def test_a_token_of_a_service_that_is_none_is_refused(cloud):
    volume, _, attachment = cloud.attached()
    for service in ("nonsense", "gAAAAA" + "x" * 180):
        assert cloud.ask("DELETE", f"/attachments/{attachment}", service=service).status == 401
    # One that was good and is revoked.
    revoked = cloud.keystone.token(cloud.service, f"services-{cloud.service.removeprefix('nova-')}")
    cloud.keystone.revoke(revoked)
    assert cloud.ask("DELETE", f"/attachments/{attachment}", service=revoked).status == 401
    assert (cloud.status(volume), cloud.nova.asked) == ("in-use", [])


def test_an_attachment_that_no_server_uses_is_its_owners_affair(cloud):
    volume, server, attachment = cloud.attached()
    # The server uses the volume by another attachment, or not at all.
    cloud.nova.used[server, volume] = str(uuid.uuid4())
    assert cloud.ask("DELETE", f"/attachments/{attachment}").status == 200
    assert cloud.status(volume) == "available"
    volume, server, attachment = cloud.attached()
    del cloud.nova.used[server, volume]
    assert cloud.ask("POST", f"/volumes/{volume}/action", {"os-detach": {"attachment_id": attachment}}).status == 202
    assert cloud.status(volume) == "available"
    # A reservation is not connected: Nova is not even asked.
    cloud.nova.asked.clear()
    made = cloud.ask("POST", "/attachments", {"attachment": {"volume_uuid": volume, "instance_uuid": str(uuid.uuid4())}})
    assert cloud.ask("DELETE", f"/attachments/{made.json()['attachment']['id']}").status == 200
    assert cloud.nova.asked == []
