"""Alarms that act for whom made them, with a real Keystone, and services that its catalogue tells of: a real Gnocchi, and with
HEARTH_ZAQAR=1 a real Zaqar; else a server that keeps what it is sent."""

import contextlib
import datetime
import http.client
import http.server
import json
import os
import queue
import signal
import sqlite3
import threading
import uuid

import pytest

from crash import tell
from gnocchi import Gnocchi
from keystone import Keystone, configuration
from server import wait_until
from stack import HEARTH, Answer, Stack
from zaqar import Zaqar

PATIENCE = 60
REAL_ZAQAR = os.environ.get("HEARTH_ZAQAR")
ALARMS = "[hearth_alarms]\npoll_interval = 0.05\naction_retry_interval = 0.1\ntimeout = 60\n[evaluator]\nevaluation_interval = 1\n"


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is sent: path, headers, body. Answers 201; a pool of Octavia has one member in error."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hears)
        self.told, self.refuse = queue.Queue(), 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Hears(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.put((self.path, self.headers, json.loads(body)))
        self.answer(201, b"{}")

    def do_GET(self):
        self.server.told.put((self.path, self.headers, None))
        if self.server.refuse:
            self.server.refuse -= 1
            return self.answer(401, b"")
        member = {"id": "m", "operating_status": "ERROR", "admin_state_up": True, "created_at": "2026-01-01T00:00:00"}
        return self.answer(200, json.dumps({"members": [member], "members_links": []}).encode())

    def log_message(self, *_):
        pass


class Cloud:
    def __init__(self, folder, exits):
        self.exits = exits
        self.keystone = keystone = Keystone(folder / "keystone")
        exits.callback(keystone.close)
        self.admin = keystone.token()
        self.service, self.service_project = keystone.service_user(self.admin)
        self.receiver = Receiver()
        exits.callback(self.receiver.shutdown)
        self.user, self.project_id = keystone.member(self.admin, f"project-{uuid.uuid4().hex[:6]}")
        self.project = keystone.ask("GET", f"/projects/{self.project_id}", None, self.admin).json()["project"]["name"]
        keystone.endpoint(self.admin, "R", "identity", keystone.url)
        self.zaqar = None
        if REAL_ZAQAR:
            self.zaqar = exits.enter_context(Zaqar(keystone, self.service, self.service_project))
        keystone.endpoint(self.admin, "R", "messaging", self.zaqar.url if self.zaqar else self.receiver.url)
        keystone.endpoint(self.admin, "R", "load-balancer", self.receiver.url)
        self.stack = self.start("nginx")
        self.stack.spawn("alarms", [HEARTH, "alarms"])

    def start(self, way, environment=None):
        config, sections = configuration(self.keystone, self.service, self.service_project)
        stack = Stack(way, config=config, sections=f"{sections}{ALARMS}[service_credentials]\nregion_name = R\n", backends=False)
        stack.environment |= environment or {}
        return self.exits.enter_context(stack)

    def token(self):
        return self.keystone.token(self.user, self.project)

    def ask(self, method, path, body=None, stack=None):
        stack = stack or self.stack
        return stack.request(method, path, body, {"X-Auth-Token": self.token()})

    def service_is_known(self):
        """Whether a new token of the service's user counts: Keystone also revokes those of the same second."""
        token = self.keystone.token(self.service, self.service_project)
        return self.keystone.ask("GET", "/users", None, token).status != 401

    def make(self, **more):
        answer = self.ask("POST", "/alarming/v2/alarms", {"name": f"alarm-{uuid.uuid4()}", **more})
        assert answer.status == 201, answer.body
        return answer.json()

    def trusts(self):
        """The trusts of the service's user, by their ids."""
        user = self.keystone.ask("GET", f"/users?name={self.service}", None, self.admin).json()["users"][0]["id"]
        found = self.keystone.ask("GET", f"/OS-TRUST/trusts?trustee_user_id={user}", None, self.admin).json()["trusts"]
        return {trust["id"]: trust for trust in found}

    def happen(self):
        event = {"message_id": str(uuid.uuid4()), "event_type": "x.y", "generated": "2026-01-01T00:00:00", "raw": {},
                 "traits": [["project_id", 1, self.project_id]]}
        answer = self.stack.request("POST", "/metering/v2/events", [event], {"X-Auth-Token": self.keystone.token()})
        assert answer.status in (200, 201), answer.body

    def hears(self):
        return self.receiver.told.get(timeout=PATIENCE)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with contextlib.ExitStack() as exits:
        yield Cloud(tmp_path_factory.mktemp("trusts"), exits)


def event_alarm(**more):
    return {"type": "event", "event_rule": {"event_type": "x.*"}, "repeat_actions": True, **more}


def test_an_action_acts_for_whom_made_the_alarm_until_it_goes(cloud):
    hooks = [f"trust+{cloud.receiver.url}/a?b=c", f"trust+{cloud.receiver.url}/b"]
    made = cloud.make(**event_alarm(alarm_actions=hooks, ok_actions=hooks[:1]))
    url = f"/alarming/v2/alarms/{made['alarm_id']}"
    (trust_id, trust), = cloud.trusts().items()
    roles = {role["name"] for role in cloud.keystone.ask("GET", f"/OS-TRUST/trusts/{trust_id}", None, cloud.admin).json()["trust"]["roles"]}
    assert (trust["impersonation"], trust["project_id"], roles) == (True, cloud.project_id, {"member", "reader"})
    # Nobody sees it.
    shown = [made, cloud.ask("GET", url).json(), *cloud.ask("GET", f"{url}/history").json(), *cloud.ask("POST", "/alarming/v2/query/alarms", {}).json()]
    assert trust_id not in json.dumps(shown) and (made["alarm_actions"], made["ok_actions"]) == (hooks, hooks[:1])
    cloud.happen()
    for path in sorted([cloud.hears(), cloud.hears()], key=lambda told: told[0]):
        told_path, headers, body = path
        assert told_path in ("/a?b=c", "/b") and body["alarm_id"] == made["alarm_id"] and "@" not in headers["Host"]
        whose = cloud.keystone.ask("GET", "/auth/tokens", None, headers["X-Auth-Token"])
        answer = check(cloud, headers["X-Auth-Token"])
        assert (answer["user"]["name"], answer["project"]["id"], answer["OS-TRUST:trust"]["id"]) == (cloud.user, cloud.project_id, trust_id), whose
    # A change keeps the trust as long as an action needs it.
    changed = cloud.ask("PUT", url, {**made, "alarm_actions": hooks[1:], "ok_actions": []})
    assert changed.status == 200 and changed.json()["alarm_actions"] == hooks[1:] and list(cloud.trusts()) == [trust_id]
    cloud.happen()
    assert cloud.hears()[0] == "/b"
    assert cloud.ask("PUT", url, {**made, "alarm_actions": [], "ok_actions": []}).status == 200
    wait_until(lambda: not cloud.trusts(), "the end of the trust", PATIENCE)
    assert cloud.ask("PUT", url, made).status == 200 and len(cloud.trusts()) == 1
    assert cloud.ask("DELETE", url).status == 204
    wait_until(lambda: not cloud.trusts(), "the end of the trust", PATIENCE)


def check(cloud, token):
    """What Keystone says of a token."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.keystone.port, timeout=60)
    try:
        answer = Answer.to(connection, "GET", "/v3/auth/tokens?nocatalog", None, {"X-Auth-Token": cloud.keystone.token(), "X-Subject-Token": token})
        assert answer.status == 200, answer.body
        return answer.json()["token"]
    finally:
        connection.close()


def test_what_is_not_made_leaves_no_trust(cloud):
    hook = f"trust+{cloud.receiver.url}/"
    named = event_alarm(name="n", alarm_actions=["trust+http://x:delete@host/"])
    refused = cloud.ask("POST", "/alarming/v2/alarms", named)
    assert refused.status == 400 and "trust URL cannot contain a trust ID." in refused.body.decode()
    assert cloud.ask("POST", "/alarming/v2/alarms", event_alarm(name="n", alarm_actions=["trust+heat://x/"])).status == 400
    assert cloud.stack.request("POST", "/alarming/v2/quotas", {"project_id": cloud.project_id, "quotas": [{"resource": "alarms", "limit": 0}]},
                               {"X-Auth-Token": cloud.keystone.token()}).status == 201
    assert cloud.ask("POST", "/alarming/v2/alarms", event_alarm(name="n", alarm_actions=[hook])).status == 403
    wait_until(lambda: not cloud.trusts(), "the end of a trust that no alarm has", PATIENCE)
    assert cloud.stack.request("DELETE", f"/alarming/v2/quotas/{cloud.project_id}", None, {"X-Auth-Token": cloud.keystone.token()}).status == 204


@pytest.mark.parametrize("point", ["alarm.trust.made", "alarm.create.before_commit"])
def test_a_trust_whose_maker_was_killed_ends(cloud, point):
    stack = cloud.start("serve", {"HEARTH_FAULT": point})
    body = event_alarm(name="n", alarm_actions=[f"trust+{cloud.receiver.url}/"])
    with contextlib.suppress(OSError, http.client.HTTPException):
        answer = cloud.ask("POST", "/alarming/v2/alarms", body, stack)
        pytest.fail(f"answered {answer.status}")
    assert stack.processes["serve"].wait(PATIENCE) == -signal.SIGKILL
    assert len(cloud.trusts()) == 1
    with contextlib.closing(sqlite3.connect(stack.folder / "telemetry.sqlite")) as database, database:
        assert database.execute("SELECT COUNT(*) FROM telemetry_alarm").fetchone() == (0,)
        # The time for which its maker might still be at work goes by.
        assert database.execute("UPDATE telemetry_alarm_trust SET due_at = 0").rowcount == 1
    # Who ends it is killed before it is forgotten, and another one finds it gone.
    stack.environment["HEARTH_FAULT"] = "alarm.trust.ended"
    assert stack.spawn("alarms", [HEARTH, "alarms"]).wait(PATIENCE) == -signal.SIGKILL
    assert not cloud.trusts()
    with contextlib.closing(sqlite3.connect(stack.folder / "telemetry.sqlite")) as database, database:
        database.execute("UPDATE telemetry_alarm_trust SET due_at = 0, lease_until = 0")
    del stack.environment["HEARTH_FAULT"]
    stack.stop("alarms")
    stack.spawn("alarms", [HEARTH, "alarms"])

    def forgotten():
        with contextlib.closing(sqlite3.connect(stack.folder / "telemetry.sqlite")) as database:
            return database.execute("SELECT COUNT(*) FROM telemetry_alarm_trust").fetchone() == (0,)

    wait_until(forgotten, "a trust is forgotten", PATIENCE)
    tell("killed", point)
    tell("killed", "alarm.trust.ended")


def signed(cloud, name):
    """What the owner of a queue gives away to let others put messages into it."""
    given = {"project": cloud.project_id, "expires": "2100-01-01T00:00:00", "signature": "s", "paths": [f"/v2/queues/{name}/messages"], "methods": ["POST"]}
    if cloud.zaqar:
        given = zaqar(cloud, f"/v2/queues/{name}/share", cloud.token(), {"paths": ["messages"], "methods": ["POST"]})
    return (f"zaqar://?queue_name={name}&project_id={given['project']}&paths={','.join(given['paths'])}&methods={','.join(given['methods'])}"
            f"&expires={given['expires']}&signature={given['signature']}")


def test_messages_are_put_into_queues(cloud):
    actions = ["zaqar://?topic=t&subscriber=http%3A//127.0.0.1%3A9/x&ttl=100", signed(cloud, "signed"), "trust+zaqar://?queue_name=mine"]
    made = cloud.make(**event_alarm(alarm_actions=actions))
    assert made["alarm_actions"] == actions
    cloud.happen()
    own = f"{made['alarm_id']}-t"
    if cloud.zaqar:
        service = cloud.keystone.token(cloud.service, cloud.service_project)
        for name, token in ((own, service), ("signed", cloud.token()), ("mine", cloud.token())):
            found = wait_until(lambda: messages(cloud, name, token), lambda: f"a message in {name}: {cloud.stack.log('alarms')}", PATIENCE)
            assert [message["body"]["alarm_id"] for message in found] == [made["alarm_id"]]
        subscriptions = zaqar(cloud, f"/v2/queues/{own}/subscriptions", service)["subscriptions"]
        assert [(row["subscriber"], row["ttl"]) for row in subscriptions] == [("http://127.0.0.1:9/x", 100)]
    else:
        told = {path: (headers, body) for path, headers, body in (cloud.hears() for _ in range(4))}
        assert set(told) == {f"/v2/queues/{own}/subscriptions", f"/v2/queues/{own}/messages", "/v2/queues/signed/messages", "/v2/queues/mine/messages"}
        assert told[f"/v2/queues/{own}/subscriptions"][1] == {"subscriber": "http://127.0.0.1:9/x", "ttl": 100, "options": {}}
        for name, user in ((own, cloud.service), ("signed", None), ("mine", cloud.user)):
            headers, body = told[f"/v2/queues/{name}/messages"]
            assert uuid.UUID(headers["Client-ID"]) and [list(message) for message in body["messages"]] == [["body"]]
            assert body["messages"][0]["body"]["alarm_id"] == made["alarm_id"]
            assert (check(cloud, headers["X-Auth-Token"])["user"]["name"] if user else headers["X-Auth-Token"]) == user
        assert told["/v2/queues/signed/messages"][0]["X-Project-ID"] == cloud.project_id
    assert cloud.ask("DELETE", f"/alarming/v2/alarms/{made['alarm_id']}").status == 204


def zaqar(cloud, path, token, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.zaqar.port, timeout=60)
    try:
        headers = {"X-Auth-Token": token, "Client-ID": str(uuid.uuid4()), "Accept": "application/json"}
        answer = Answer.to(connection, "GET" if body is None else "POST", path, body, headers)
        return answer.json() if answer.status == 200 else {}
    finally:
        connection.close()


def messages(cloud, name, token):
    return zaqar(cloud, f"/v2/queues/{name}/messages?echo=true", token).get("messages")


def state(cloud, alarm_id):
    return cloud.ask("GET", f"/alarming/v2/alarms/{alarm_id}/state").json()


def test_octavia_of_the_catalogue_is_asked_with_a_token_that_is_renewed(cloud):
    # The first token is refused: it might have been revoked.
    cloud.receiver.refuse = 1
    made = cloud.make(type="loadbalancer_member_health", loadbalancer_member_health_rule={"pool_id": "p", "stack_id": "s", "autoscaling_group_id": "g"})
    wait_until(lambda: state(cloud, made["alarm_id"]) == "alarm", lambda: f"an alarm: {cloud.stack.log('alarms')}", PATIENCE)
    (path, first, _), (again, second, _) = cloud.hears(), cloud.hears()
    assert path == again == "/v2.0/lbaas/pools/p/members" and first["X-Auth-Token"] != second["X-Auth-Token"]
    assert check(cloud, second["X-Auth-Token"])["user"]["name"] == cloud.service
    assert cloud.ask("DELETE", f"/alarming/v2/alarms/{made['alarm_id']}").status == 204


def test_gnocchi_of_the_catalogue_is_asked_with_a_token_that_is_renewed(cloud):
    with Gnocchi((cloud.keystone, cloud.service, cloud.service_project, "R")) as gnocchi:
        cloud.keystone.endpoint(cloud.admin, "R", "metric", gnocchi.url)
        token = cloud.keystone.token(cloud.service, cloud.service_project)
        make = lambda path, body, status=201: gnocchi.make(path, body, status, {"X-Auth-Token": token})  # noqa: E731
        make("/v1/archive_policy", {"name": "p", "back_window": 0, "aggregation_methods": ["mean"],
                                    "definition": [{"granularity": 3600, "timespan": "30d"}]})
        resource = make("/v1/resource/generic", {"id": str(uuid.uuid4()), "project_id": cloud.project_id, "metrics": {"load": {"archive_policy_name": "p"}}})
        metric = resource["metrics"]["load"]
        make(f"/v1/metric/{metric}/measures", [{"timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(), "value": 7}], 202)
        measured = gnocchi.ask("GET", f"/v1/metric/{metric}/measures?refresh=true&aggregation=mean", None, {"X-Auth-Token": token})
        assert [value for _, _, value in measured.json()] == [7.0], measured.body
        rule = {"aggregation_method": "mean", "granularity": 3600, "comparison_operator": "gt", "threshold": 6}
        by_resource = {**rule, "resource_id": resource["id"], "resource_type": "generic", "metric": "load"}
        one = cloud.make(type="gnocchi_resources_threshold", gnocchi_resources_threshold_rule=by_resource)
        wait_until(lambda: state(cloud, one["alarm_id"]) == "alarm", lambda: f"an alarm: {cloud.stack.log('alarms')}", PATIENCE)
        # Whatever token it has is revoked; what is made next is evaluated with another one.
        user = cloud.keystone.ask("GET", f"/users?name={cloud.service}", None, cloud.admin).json()["users"][0]["id"]
        for enabled in (False, True):
            assert cloud.keystone.ask("PATCH", f"/users/{user}", {"user": {"enabled": enabled}}, cloud.admin).status == 200
        wait_until(cloud.service_is_known, "a token that is not of the second of the revocation")
        searched = {**rule, "resource_type": "generic", "metric": "load", "query": json.dumps({"=": {"id": resource["id"]}})}
        for kind, body in (("gnocchi_aggregation_by_metrics_threshold", {**rule, "metrics": [metric]}),
                           ("gnocchi_aggregation_by_resources_threshold", searched)):
            one = cloud.make(type=kind, **{f"{kind}_rule": body})
            wait_until(lambda: state(cloud, one["alarm_id"]) == "alarm", lambda: f"{kind}: {cloud.stack.log('alarms')}", PATIENCE)
