"""The same requests about alarms to a real Aodh and to Hearth: statuses, `Location`, bodies and what listeners of notifications
hear are the same, or the difference is accepted below, with its reason."""

import json
import pathlib
import re
import signal

import pytest

from listening import Listener, heard, until_heard
from server import Server, free_port, python_environment, wait_until
from stack import HEARTH, SOURCES, Answer, Stack
import http.client

SEQUENCE = SOURCES / "tests/data/differential/alarms.txt"
ADMIN = {"X-Auth-Token": "u1:p1", "X-User-Id": "u1", "X-Project-Id": "p1", "X-Roles": "admin,member,reader"}
# The beginning of the request, what Aodh answers and what Hearth does (regular expressions of status and body), the reason.
ACCEPTED = [
    (r'PUT /v2/alarms', r"405.*", r"405.*", "the text of a known path with another method is the web framework's"),
    (r'GET /v2(/bogus)?$', r"40[04].*", r"404.*", "the page of an unknown path is the web framework's"),
    (r'POST /v2/alarms .*"ok_actions": \["trust', r"5..*", r"400.*Unsupported action.*", "there Keystone is asked, here there is none"),
    (r'POST /v2/alarms \[\]', r"(400|500).*", r"400.*", "there the body's lack of keys is a defect"),
    (r'POST /v2/query/alarms \{"(filter|orderby)', r"400.*(Filter|Order-by) expression not valid.*", r"400.*(Filter|Order-by) expression not valid.*",
     "clients read the first words; there a whole schema follows"),
    (r'POST /v2/alarms .*"type": "event", "event_type"', r"400.*", r"400.*'threshold'\].*",
     "rules on samples may stand in composite ones here"),
    (r'GET /v2/alarms\?q.field=name$', r"500.*", r"400.*Mandatory field missing.*", "there the database is asked for what is not set"),
    (r'GET /v2/alarms\?limit=x', r"400.*unable to convert to int.*", r"400.*unable to convert to int.*", "later releases of WSME say more"),
    (r'GET /v2/alarms/{a}/history\?q.field=severity', r"200.*", r"200.*", "there changes that leave the severity alone have none"),
]


class Aodh(Server):
    """A real Aodh's API with a database of its own, which keeps its notifications in a file."""

    END = signal.SIGKILL

    def start(self):
        venv, port = python_environment("aodh", "tests/peers/aodh-requirements.txt"), free_port()
        self.address, self.notifications = f"127.0.0.1:{port}", self.folder / "notifications"
        self.environment |= {"PYTHONWARNINGS": "ignore", "NOTIFICATIONS": str(self.notifications)}
        config = self.folder / "aodh.conf"
        config.write_text(
            f"[DEFAULT]\ntransport_url = fake://\nlog_file = {self.folder}/aodh.log\nenable_evaluation_results_metrics = true\n"
            f"[oslo_messaging_notifications]\ndriver = messagingv2\n[api]\nauth_mode = noauth\n"
            f"[database]\nconnection = sqlite:///{self.folder}/aodh.sqlite\n")
        process = self.spawn("api", [venv / "bin/python", pathlib.Path(__file__).with_name("real_aodh.py"), "--config-file", config, port])
        wait_until(lambda: process.poll() is not None or "serving" in self.log("api"), "the real Aodh", 120)
        assert process.poll() is None, self.log("api")


@pytest.fixture(scope="module")
def aodh():
    with Aodh("aodh") as aodh:
        yield aodh.address, "", aodh.notifications


@pytest.fixture(scope="module")
def hearth(rabbit):
    sending = (f"[oslo_messaging_notifications]\ndriver = messagingv2\ntransport_url = {rabbit.url}\n"
               "[hearth_notifications]\npoll_interval = 0.1\n[hearth_alarms]\nevaluator_threads = 0\noctavia_url = http://127.0.0.1:1\n")
    with Stack("nginx", config="enable_evaluation_results_metrics = true", sections=sending, backends=False) as stack:
        with Listener(rabbit.url, stack.folder / "heard", exchange="aodh") as listener:
            stack.spawn("alarms", [HEARTH, "alarms"])
            yield f"127.0.0.1:{stack.port}", "/alarming", listener.path


def ask(side, method, path, body):
    place, prefix, _ = side
    connection = http.client.HTTPConnection(place, timeout=60)
    try:
        headers = dict(ADMIN)
        if body:
            headers["Content-Type"] = "application/json"
        return Answer.to(connection, method, prefix + path, body or None, headers)
    finally:
        connection.close()


def shown(answer, side, ids):
    """Status, Location and body as one text, without what is new in every run."""
    place, prefix, _ = side
    try:
        body = json.dumps(plain(json.loads(answer.body)), sort_keys=True) if answer.body else ""
    except ValueError:
        body = answer.body.decode()
    return anonymous(f"{answer.status} {answer.headers.get('Location', '')} {body}".replace(f"http://{place}{prefix}", ""), ids)


def anonymous(text, ids):
    for name, own in ids.items():
        text = text.replace(own, f"<{name}>")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", "<time>", text)
    text = re.sub(r"Value should be one of: [^\"]*", lambda words: " ".join(sorted(words[0].replace(",", "").split())), text)
    return re.sub(r"\{('[a-z_]+'(, )?)+\}", "<set>", text)


def plain(value):
    """Details of history are JSON in a text. Aodh shows the scope of rules for Prometheus, forgets when an alarm was evaluated last
    when it is changed, and writes URLs without a host in another way."""
    if isinstance(value, dict):
        pairs = {key: plain(json.loads(item) if key == "detail" and isinstance(item, str) else item) for key, item in value.items()}
        if "evaluate_timestamp" in pairs:
            pairs["evaluate_timestamp"] = "<time>"
        pairs.pop("scope_to_project", None)
        return pairs
    if value in ("log:", "test:"):
        return f"{value}//"
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def test_hearth_answers_as_aodh_does(aodh, hearth):
    lines = [line for line in SEQUENCE.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) > 100
    known = ({}, {})
    used = set()
    unexpected = []
    for line in lines:
        name, _, request = line.rpartition(" = ") if re.match(r"[a-z] = ", line) else ("", "", line)
        if name:
            name, request = line[0], line[4:]
        answers = []
        for side, ids in zip((aodh, hearth), known):
            text = request
            for key, own in ids.items():
                text = text.replace("{%s}" % key, own)
            method, path, *rest = text.split(" ", 2)
            answer = ask(side, method, path, "".join(rest))
            if name:
                assert answer.status == 201, (line, answer.body)
                ids[name] = answer.json()["alarm_id"]
            answers.append(shown(answer, side, ids))
        if answers[0] == answers[1]:
            continue
        for number, (start, *patterns, _reason) in enumerate(ACCEPTED):
            if re.match(start, request) and all(re.fullmatch(one, text, re.S) for one, text in zip(patterns, answers)):
                used.add(number)
                break
        else:
            unexpected.append("{:.200}\n    Aodh   {:.600}\n    Hearth {:.600}".format(line, *answers))
    if unexpected:
        pytest.fail(f"{len(unexpected)} differences\n" + "\n".join(unexpected), pytrace=False)
    assert [ACCEPTED[number] for number in range(len(ACCEPTED)) if number not in used] == [], "no answer needs these"
    # What is heard of one that is made now comes after all of these.
    end = 'POST /v2/alarms {"name": "the end", "type": "event", "event_rule": {}}'
    told = []
    for side, ids in zip((aodh, hearth), known):
        assert ask(side, *end.split(" ", 2)).status == 201
        until_heard(side[2], lambda one: isinstance(one["payload"]["detail"], dict) and one["payload"]["detail"].get("name") == "the end")
        told.append([notification(one, ids) for one in heard(side[2])])
    assert len(told[0]) > 10
    other = [f"\n    Aodh   {theirs}\n    Hearth {ours}" for theirs, ours in zip(*told) if theirs != ours]
    assert not other, "".join(other)
    assert len(told[0]) == len(told[1])


def notification(one, ids):
    """A notification as text, without what is new in every run. There, changes that leave the severity alone have none."""
    payload = plain({**one["payload"], "severity": None} if "severity" not in one["payload"]["detail"] else one["payload"])
    # RabbitMQ's driver adds how long it waits for a listener, and the one in memory does not.
    context = {key: value for key, value in one["context"].items() if key != "client_timeout"}
    whole = {**one, "payload": payload, "metadata": sorted(one["metadata"]), "context": context}
    return anonymous(json.dumps(whole, sort_keys=True), ids)
