"""The same clients with a real Keystone: tokens, projects, catalogue."""

import os
import pathlib
import sys
import uuid

import aodhclient.exceptions
import aodhclient.v2.client
import cinderclient.client
import cinderclient.exceptions
import openstack
import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3

from keystone import Keystone, configuration, run_json
from stack import WAYS, Stack, wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keystone")


@pytest.fixture(scope="module")
def keystone(folder):
    server = Keystone(folder / "data")
    yield server
    server.close()


@pytest.fixture(scope="module")
def hasty_keystone(keystone, folder):
    """Shares the other's users and keys; its tokens are valid for a second."""
    server = Keystone(folder / "data", OS_TOKEN__EXPIRATION="1")
    yield server
    server.close()


@pytest.fixture(scope="module", params=WAYS)
def cloud(request, keystone):
    """Hearth with this Keystone, two members of different projects, and the catalogue's endpoints."""
    admin = keystone.token()
    user, project = keystone.service_user(admin)
    config, sections = configuration(keystone, user, project)
    region = f"{request.param}-{uuid.uuid4().hex[:6]}"
    with Stack(request.param, config=config, sections=sections) as stack:
        keystone.endpoint(admin, region, "identity", keystone.url)
        keystone.endpoint(admin, region, "block-storage", stack.volume_url)
        keystone.endpoint(admin, region, "metering", stack.metering_url)
        keystone.endpoint(admin, region, "alarming", stack.alarming_url)
        stack.region = region
        stack.projects = [f"{name}-{region}" for name in ("a", "b")]
        stack.users = [keystone.member(admin, name)[0] for name in stack.projects]
        yield stack


def client(cloud, keystone, who):
    auth = v3.Password(auth_url=keystone.url, username=cloud.users[who], password="secret", user_domain_id="default",
                       project_name=cloud.projects[who], project_domain_id="default")
    return cinderclient.client.Client("3.71", session=session.Session(auth=auth), region_name=cloud.region)


def test_alarms_are_found_by_the_catalogue_and_belong_to_their_project(cloud, keystone):
    def alarms(who):
        auth = v3.Password(auth_url=keystone.url, username=cloud.users[who], password="secret", user_domain_id="default",
                           project_name=cloud.projects[who], project_domain_id="default")
        return aodhclient.v2.client.Client(session=session.Session(auth=auth), region_name=cloud.region)
    mine, other = alarms(0), alarms(1)
    made = mine.alarm.create({"name": "mine", "type": "event", "event_rule": {}})
    assert [row["alarm_id"] for row in mine.alarm.list()] == [made["alarm_id"]] and other.alarm.list() == []
    for act in (other.alarm.get, other.alarm.delete, lambda alarm: other.alarm.set_state(alarm, "ok")):
        with pytest.raises(aodhclient.exceptions.NotFound):
            act(made["alarm_id"])
    with pytest.raises(aodhclient.exceptions.Forbidden):
        mine.quota.create("p", [{"resource": "alarms", "limit": 1}])
    mine.alarm.delete(made["alarm_id"])


def show(cloud, token):
    return cloud.request("GET", "/volume/v3/volumes", headers={"X-Auth-Token": token} if token else {})


def test_a_member_has_volumes_and_another_projects_are_not_there(cloud, keystone):
    mine, other = client(cloud, keystone, 0), client(cloud, keystone, 1)
    volume = mine.volumes.create(1, name="mine")
    wait_until(lambda: mine.volumes.get(volume.id).status == "available", "the volume")
    assert volume.id in [row.id for row in mine.volumes.list()]
    assert other.volumes.list() == [] and other.volumes.list(search_opts={"all_tenants": 1}) == []
    for act in (lambda: other.volumes.get(volume.id), lambda: other.volumes.delete(volume.id),
                lambda: other.volumes.extend(volume.id, 2), lambda: other.volumes.set_metadata(volume.id, {"a": "b"})):
        with pytest.raises(cinderclient.exceptions.NotFound):
            act()
    with pytest.raises(cinderclient.exceptions.Forbidden):
        mine.volume_types.create("not-mine")
    mine.volumes.delete(volume)


def test_tokens_that_are_missing_wrong_expired_or_revoked_get_401(cloud, keystone, hasty_keystone):
    for token in (None, "nonsense", "gAAAAA" + "x" * 180):
        answer = show(cloud, token)
        assert answer.status == 401 and "Keystone" in answer.headers["WWW-Authenticate"], token
    token = keystone.token(cloud.users[0], cloud.projects[0])
    assert show(cloud, token).status == 200
    keystone.revoke(token)
    assert show(cloud, token).status == 401
    brief = hasty_keystone.token(cloud.users[0], cloud.projects[0])
    wait_until(lambda: show(cloud, brief).status == 401, "the token to expire")


def test_default_types_are_for_projects_that_keystone_knows(cloud, keystone):
    known, headers = client(cloud, keystone, 0).client.get_project_id(), {"OpenStack-API-Version": "volume 3.62"}
    body = {"default_type": {"volume_type": "__DEFAULT__"}}

    def ask(method, project, token, body=None):
        path = f"/volume/v3/default-types/{project}"
        return cloud.request(method, path, body, {**headers, "X-Auth-Token": token})
    admin, member = keystone.token(), keystone.token(cloud.users[0], cloud.projects[0])
    assert ask("PUT", known, admin, body).json()["default_type"]["project_id"] == known
    assert ask("GET", known, admin).status == 200
    for project in (uuid.uuid4().hex, "no%20id"):
        for method, sent in (("PUT", body), ("GET", None), ("DELETE", None)):
            answer = ask(method, project, admin, sent)
            assert answer.status == 404, method
            assert answer.json()["itemNotFound"]["message"].startswith("Project with id "), method
    assert ask("DELETE", known, admin).status == 204
    assert ask("GET", known, member).status == 403


def test_the_version_document_needs_no_token(cloud):
    assert cloud.request("GET", "/volume/").status == 300
    assert cloud.request("GET", "/volume/v3/").status == 200


def test_openstacksdk_and_the_openstack_command_find_hearth_in_the_catalogue(cloud, keystone):
    connection = openstack.connection.Connection(
        region_name=cloud.region,
        auth={"auth_url": keystone.url, "username": cloud.users[0], "password": "secret", "project_name": cloud.projects[0],
              "user_domain_id": "default", "project_domain_id": "default"})
    volume = connection.block_storage.create_volume(size=1, name="sdk")
    connection.block_storage.wait_for_status(volume, "available", ["error"], interval=0.1, wait=30)
    connection.close()
    command = [pathlib.Path(sys.executable).parent / "openstack", "volume", "list", "-f", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(cloud.folder), "PYTHONWARNINGS": "ignore", "OS_AUTH_URL": keystone.url,
                   "OS_USERNAME": cloud.users[0], "OS_PASSWORD": "secret", "OS_PROJECT_NAME": cloud.projects[0],
                   "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_IDENTITY_API_VERSION": "3",
                   "OS_REGION_NAME": cloud.region}
    assert "sdk" in [row["Name"] for row in run_json(command, environment)]


def test_samples_belong_to_the_project_that_posts_them(cloud, keystone):
    tokens = [keystone.token(cloud.users[who], cloud.projects[who]) for who in (0, 1)]
    sample = {"counter_name": "room", "counter_type": "gauge", "counter_unit": "C", "counter_volume": 20, "resource_id": cloud.region}
    posted = cloud.request("POST", "/metering/v2/meters/room", [sample], {"X-Auth-Token": tokens[0]})
    assert posted.status == 201
    counts = [len(cloud.request("GET", "/metering/v2/meters/room", headers={"X-Auth-Token": token}).json()) for token in tokens]
    assert counts == [1, 0]
    assert cloud.request("GET", "/metering/v2/meters/room").status == 401
