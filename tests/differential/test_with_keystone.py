"""Who a caller is: the same tokens of one real Keystone to a real Cinder, behind keystonemiddleware, and to Hearth."""

import http.client

import pytest

from conftest import running, serve_with
from keystone import Keystone, configuration
from sequence import Side, accepted, play
from stack import free_port, wait_until
from test_against_real_cinder import unexpected, used

SEQUENCE = "keystone/tokens"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A Keystone, the user with whom both services ask it, and the tokens and projects of the sequence by name."""
    folder = tmp_path_factory.mktemp("keystone")
    keystone = Keystone(folder / "data")
    hasty = Keystone(folder / "data", OS_TOKEN__EXPIRATION="1")
    try:
        admin = keystone.token()
        keystone.point_to_itself(admin)
        user = keystone.service_user(admin)
        roles = {row["name"]: row["id"] for row in keystone.ask("GET", "/roles", None, admin).json()["roles"]}
        roles["nobody"] = keystone.make("role", admin, name="nobody")
        names = {f"{project}_project": keystone.make("project", admin, name=project, domain_id="default") for project in ("own", "other")}
        for project, who in (("own", "reader"), ("own", "member"), ("own", "admin"), ("own", "service"), ("own", "nobody"), ("other", "member"),
                             ("other", "admin")):
            name = f"{project}_{who}"
            person = keystone.make("user", admin, name=name, password="secret", domain_id="default")
            path = f"/projects/{names[f'{project}_project']}/users/{person}/roles/{roles[who]}"
            assert keystone.ask("PUT", path, None, admin).status == 204
            names[name] = keystone.token(name, project)
        names["system"] = scoped(keystone, "admin", {"system": {"all": True}})
        people = keystone.ask("GET", "/users?name=admin", None, admin).json()["users"]
        assert keystone.ask("PUT", f"/domains/default/users/{people[0]['id']}/roles/{roles['admin']}", None, admin).status == 204
        names["domain"] = scoped(keystone, "admin", {"domain": {"id": "default"}})
        names["unscoped"] = scoped(keystone, "own_member", "unscoped")
        names["revoked"] = keystone.token("own_member", "own")
        keystone.revoke(names["revoked"])
        names["expired"] = hasty.token("own_member", "own")
        names["wrong"], names["long"] = "nonsense", "x" * 4000
        wait_until(lambda: ended(keystone, admin, names["expired"]), "the end of a token")
        yield keystone, user, names
    finally:
        hasty.close()
        keystone.close()


def scoped(keystone, user, scope):
    identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": {"id": "default"}, "password": "secret"}}}
    answer = keystone.ask("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
    assert answer.status == 201, answer.body
    return answer.headers["X-Subject-Token"]


def ended(keystone, admin, token):
    """Whether Keystone no longer knows a token."""
    connection = http.client.HTTPConnection("127.0.0.1", keystone.port, timeout=60)
    connection.request("GET", "/v3/auth/tokens", headers={"X-Auth-Token": admin, "X-Subject-Token": token})
    try:
        return connection.getresponse().status == 404
    finally:
        connection.close()


@pytest.fixture(scope="module")
def sides(people, cinder, hearth):
    """Another API on each side's database, which asks Keystone."""
    keystone, user, _ = people
    strategy, section = configuration(keystone, *user, cache_seconds=300)
    section += "auth_type = password\nservice_token_roles = service\n"
    port, config = free_port(), cinder.folder / "with_keystone.conf"
    text = cinder.config.read_text().replace("auth_strategy = noauth\n", f"{strategy}osapi_volume_listen_port = {port}\n")
    lines = [line for line in text.splitlines() if not line.startswith("enabled_backends")
             and (not line.startswith("osapi_volume_listen_port") or str(port) in line)]
    config.write_text("\n".join(lines) + f"\n{section}")
    environment = dict(cinder.environment)
    environment.pop("NOTIFICATIONS")
    with running(cinder.folder, config, environment):
        text = hearth.stack.config.read_text().replace("auth_strategy = noauth\n", strategy) + f"\n{section}"
        yield Side(f"http://127.0.0.1:{port}"), Side(serve_with(hearth.stack, "with_keystone", text))


def test_callers_are_who_keystone_says_they_are(people, sides, cinder, hearth):
    names = people[2]
    made = [volume_of(side, names["own_project"]) for side in (cinder, hearth)]
    for side, volume in zip(sides, made):
        side.given = {"volume": volume, **names}
    rest = unexpected(SEQUENCE, play(SEQUENCE, *sides))
    if rest:
        pytest.fail(f"{len(rest)} differences\n" + "\n".join(rest), pytrace=False)
    own = {number for number, sequence, *_ in accepted() if sequence.pattern.startswith("keystone/")}
    assert own <= used, "lines of accepted.tsv that no answer needs"


def volume_of(side, project):
    """A volume of the project, made by who needs no Keystone."""
    side.reset(SEQUENCE)
    side.project = project
    status, _, body = side.ask("POST", "/volumes", '{"volume": {"size": 1, "name": "own"}}')
    assert status == 202, body
    side.keep("volume", body)
    assert side.wait("/volumes/$volume", "available") == "available"
    return side.names["volume"]
