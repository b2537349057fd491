"""Tokens that end while an order waits: with a token of its own beside the caller's, the volume service is still let in by Glance."""

import json

import pytest

from glance import Glance
from images import data, disk
from keystone import Keystone, configuration
from stack import HEARTH, Stack, wait_until

# Seconds for which the tokens of the hasty Keystone are valid.
BRIEF = 15


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keystone") / "data"
    server = Keystone(folder)
    server.point_to_itself(server.token())
    server.hasty = Keystone(folder, OS_TOKEN__EXPIRATION=str(BRIEF))
    yield server
    server.hasty.close()
    server.close()


@pytest.fixture(scope="module")
def service(keystone):
    """The user of the services, who may also say for whom it acts."""
    admin = keystone.token()
    name, project = keystone.service_user(admin)
    user = keystone.ask("GET", f"/users?name={name}", None, admin).json()["users"][0]["id"]
    project_id = keystone.ask("GET", f"/projects?name={project}", None, admin).json()["projects"][0]["id"]
    keystone.grant(admin, project_id, user, "service")
    return name, project


@pytest.fixture(scope="module")
def glance(keystone, service, tmp_path_factory):
    running = Glance(tmp_path_factory.mktemp("glance"), keystone=(keystone.url, *service))
    yield running
    running.close()


def test_a_token_that_ends_while_an_order_waits_is_no_matter_where_the_service_sends_its_own(
        keystone, service, glance, tmp_path):
    config, sections = configuration(keystone, *service)
    name, project = service
    own = (f"[service_user]\nsend_service_user_token = true\nauth_type = password\nauth_url = {keystone.url}\n"
           f"username = {name}\npassword = secret\nproject_name = {project}\nuser_domain_id = default\n"
           "project_domain_id = default\n")
    member, _ = keystone.member(keystone.token(), "waiting")
    original = disk(tmp_path / "disk", seed=61)
    image = glance.make(original, token=keystone.token(member, "waiting"))
    with Stack("nginx", config=f"glance_api_servers = {glance.url}\nglance_num_retries = 0\n{config}",
               sections=f"{sections}{own}") as stack:
        def ask(method, path, body=None):
            token = keystone.token(member, "waiting")
            return stack.request(method, f"/volume/v3{path}", body, {"X-Auth-Token": token})
        stack.stop("volume")

        def ordered():
            # It must last for this one request.
            token = keystone.hasty.token(member, "waiting")
            answer = stack.request("POST", "/volume/v3/volumes", {"volume": {"size": 1, "imageRef": image}},
                                   {"X-Auth-Token": token})
            return answer.status == 202 and (token, answer.json()["volume"]["id"])
        token, id = wait_until(ordered, "an order with a token that is about to end", 300)
        wait_until(lambda: glance.ask("GET", f"/v2/images/{image}", None, {"X-Auth-Token": token}).status == 401,
                   "the end of the token", 300)
        stack.spawn("volume", [HEARTH, "volume"])
        ended = ("available", "error")
        volume = wait_until(lambda: (found := ask("GET", f"/volumes/{id}").json()["volume"])["status"] in ended and found,
                            "the volume", 300)
        assert volume["status"] == "available", json.dumps(volume)
        assert data(stack.folder / "volumes" / f"volume-{id}") == data(original)
