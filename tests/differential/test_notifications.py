"""What listeners of oslo.messaging hear of Hearth behind nginx, by a real RabbitMQ, is what they hear of the real Cinder: the
same clients do the same to both, and the notifications are compared object by object and field by field."""

import contextlib
import json
import re
import sqlite3
import urllib.parse

import pytest

import operations
from rabbit import PASSWORD, USER, VIRTUAL_HOST, Rabbit, Relay
from listening import Listener, until_heard
from sequence import DATA, OBJECTS, STAMP, TIME, UUID, differences, flatten
from stack import HEARTH, Stack, wait_until

# Where a payload names what it is about; the most special first.
ABOUT = ("group_snapshot_id", "backup_id", "snapshot_id", "volume_id", "group_id", "type_id", "volume_type_id", "id", "name")
THE_END = "the end"
QUICK = ("[oslo_messaging_notifications]\ndriver = messagingv2\n[hearth_notifications]\npoll_interval = 0.1\nlease = 2\n"
         "[oslo_messaging_rabbit]\nrabbit_retry_interval = 0.1\nrabbit_retry_backoff = 0.1\nrabbit_interval_max = 0.5\n")


def sending(rabbit, more=""):
    return (f"[oslo_messaging_notifications]\ndriver = messagingv2\ntransport_url = {rabbit.url}\n"
            f"[hearth_notifications]\npoll_interval = 0.1\nlease = 2\n{more}")


@pytest.fixture(scope="session")
def cloud(rabbit, tmp_path_factory):
    """Hearth, and what is heard of it."""
    second = f"[second]\nvolume_backend_name = second\nhearth_file_path = {tmp_path_factory.mktemp('second')}\nreserved_percentage = 50\n"
    config = f"host = peer\nenabled_backends = file,second\nbackup_file_size = {(1 << 30) // OBJECTS}"
    with Stack("nginx", config=config, sections=sending(rabbit, second)) as stack:
        stack.spawn("backup", [HEARTH, "backup"])
        with Listener(rabbit.url, stack.folder / "heard") as listener:
            stack.heard = listener.path
            yield stack


def told(cloud, notification):
    """One notification without what is of this run and this side only: what it is about, and its fields."""
    text = json.dumps(notification)
    for name, identity in sorted(cloud.ids.items(), key=lambda item: -len(item[1])):
        text = text.replace(identity, f"${name}")
    # The schedulers may choose either of two backends that are alike.
    text = re.sub(r"peer@(file|second)(#\w+)?", lambda found: "peer@backend" + ("#pool" if found[2] else ""), text)
    text = STAMP.sub("TIME", text)
    text = TIME.sub("TIME", UUID.sub("UUID", text))
    one = json.loads(text)
    payload = one["payload"]
    inner = payload.get("volume_types") or payload.get("group_types") or payload
    service = one["event_type"].partition(".")[0]
    keys = ("volume_id",) if service == "volume" else ABOUT
    about = next((inner[key] for key in keys if inner.get(key)), "")
    fields = {}
    flatten("notification", {key: one[key] for key in ("priority", "publisher_id", "event_type")}, fields)
    flatten("payload", payload, fields)
    flatten("metadata", one["metadata"], fields)
    # RabbitMQ's driver adds how long it waits for a listener, and the one in memory does not.
    flatten("context", {key: value for key, value in one["context"].items() if key != "client_timeout"}, fields)
    # Each priority has a queue of its own: between queues there is no order.
    return f"{one['priority']} {service} {about}", one["event_type"], fields


def by_object(cloud, notifications):
    """The notifications about each object, in their order."""
    found = {}
    for notification in notifications:
        about, event, fields = told(cloud, notification)
        found.setdefault(about, []).append((event, fields))
    return found


def accepted():
    rows = []
    for number, line in enumerate((DATA / "accepted_notifications.tsv").read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            parts = line.split("\t")
            assert len(parts) == 5, f"accepted_notifications.tsv:{number}: five columns are meant, {len(parts)} are there"
            rows.append((number, *[re.compile(part, re.DOTALL) for part in parts[:4]], parts[4]))
    return rows


def compare(theirs, ours):
    """(event, place, Cinder's, Hearth's) for each difference."""
    for about in sorted(theirs.keys() | ours.keys()):
        left, right = theirs.get(about, []), ours.get(about, [])
        events = [" ".join(event for event, _ in side) for side in (left, right)]
        if events[0] != events[1]:
            yield about, "events", *events
        # An event that one of the sides does not know is told above; the others are compared one by one.
        for (event, cinder), (_, hearth) in pairs(left, right):
            for place, one, other in differences(cinder, hearth):
                yield event, place, one, other


def pairs(left, right):
    rest = list(right)
    for event, fields in left:
        place = next((place for place, (other, _) in enumerate(rest) if other == event), None)
        if place is not None:
            yield (event, fields), rest.pop(place)


@pytest.fixture(scope="module")
def enabled(cinder):
    """Every service of the real Cinder, which has no request that enables again what a sequence before this has disabled."""
    with contextlib.closing(sqlite3.connect(cinder.folder / "cinder.sqlite", timeout=30)) as database, database:
        database.execute("UPDATE services SET disabled = 0, disabled_reason = NULL")


@pytest.mark.usefixtures("enabled")
@pytest.mark.parametrize("story", operations.STORIES, ids=lambda story: story.__name__)
def test_listeners_hear_of_hearth_what_they_hear_of_cinder(cinder, cloud, story):
    sides = []
    for url, path in ((f"{cinder.base}/v3", cinder.notifications), (cloud.volume_url, cloud.heard)):
        start = len(path.read_text())
        side = operations.Cloud(url)
        story(side)
        end = side.cinder.qos_specs.create(THE_END, {"consumer": "both"})
        notifications = until_heard(path, lambda one: one["payload"].get("name") == THE_END, start)
        side.cinder.qos_specs.delete(end)
        until_heard(path, lambda one: one["event_type"] == "qos_specs.delete" and one["payload"]["id"] == end.id, start)
        sides.append(by_object(side, notifications))
    rows = accepted()
    unexplained = [
        row for row in compare(*sides)
        if not any(all(pattern.fullmatch(part) for pattern, part in zip(patterns[1:5], row)) for patterns in rows)]
    assert not unexplained, "\n" + "\n".join("  ".join(row) for row in unexplained)


def test_a_restart_of_rabbitmq_loses_nothing(tmp_path):
    durable = "[oslo_messaging_rabbit]\namqp_durable_queues = true\nrabbit_retry_interval = 0.1\nrabbit_retry_backoff = 0.1\nrabbit_interval_max = 0.5\n"
    with Rabbit() as rabbit, Stack("nginx", config="host = peer", sections=sending(rabbit, durable)) as stack:
        side = operations.Cloud(stack.volume_url)
        names = [f"spec {number}" for number in range(9)]
        for number, name in enumerate(names):
            # Nobody has listened yet: the queue keeps what was sent before. In the middle RabbitMQ is not there at all.
            if number == 3:
                rabbit.crash()
            if number == 6:
                rabbit.start()
            side.cinder.qos_specs.create(name, {"consumer": "both"})
            if number == 2:
                wait_until(lambda: waiting(stack) == 0, "the delivery of what was told before the crash")
        assert stack.request("GET", "/volume/").status == 300
        wait_until(lambda: waiting(stack) == 0, f"the delivery of everything; logs in {stack.folder}/log")
        with Listener(rabbit.url, tmp_path / "heard", "amqp_durable_queues=true") as listener:
            found = until_heard(listener.path, lambda one: one["payload"]["name"] == names[-1])
        assert [one["payload"]["name"] for one in found] == names
        assert "guest:guest" not in stack.log("volume"), "the password is in the log"


def test_tls_quorum_queues_virtual_hosts_and_the_failure_of_a_server_are_as_with_oslo_messaging(tmp_path):
    def quote(text):
        return urllib.parse.quote(text, safe="")

    with Rabbit(secured=True) as rabbit, Stack("nginx", backends=False, sections=QUICK) as stack:
        side = operations.Cloud(stack.volume_url)
        relays = [Relay(rabbit.port), Relay(rabbit.port)]

        def url(*ports, **more):
            options = {"ssl": "true", "ssl_ca_file": rabbit.folder / "ca.pem", "ssl_cert_file": rabbit.folder / "user.pem",
                       "ssl_key_file": rabbit.folder / "user.key", "rabbit_quorum_queue": "true",
                       "rabbit_quorum_delivery_limit": "3", "rabbit_quorum_max_memory_length": "100", **more}
            servers = ",".join(f"{quote(USER)}:{quote(PASSWORD)}@localhost:{port}" for port in ports)
            return f"rabbit://{servers}/{quote(VIRTUAL_HOST)}?{urllib.parse.urlencode(options)}"

        def told(name):
            """It waits, since nobody delivers on this host but whom the test starts."""
            side.cinder.qos_specs.create(name, {"consumer": "both"})

        def deliver(address):
            stack.environment["OS_OSLO_MESSAGING_NOTIFICATIONS__TRANSPORT_URL"] = address
            stack.spawn("notify", [HEARTH, "notify"])

        told("one")
        for address, words in (
                (url(rabbit.port, ssl_ca_file=rabbit.folder / "other.pem"), "UnknownIssuer"),
                (url(rabbit.port, ssl_cert_file=rabbit.folder / "other.pem", ssl_key_file=rabbit.folder / "other.key"), "wait"),
                (url(rabbit.port, ssl="false"), "wait")):
            start = len(stack.log("notify")) if "notify" in str(list((stack.folder / "log").iterdir())) else 0
            deliver(address)
            wait_until(lambda: words in stack.log("notify")[start:], f"{words} in the log: {stack.folder}/log/notify.log")
            stack.stop("notify")
            assert waiting(stack) == 1
        # Of three servers the first one is not there, and the second one goes.
        deliver(url(1, *(relay.port for relay in relays)))
        wait_until(lambda: waiting(stack) == 0, "the delivery by the second server")
        relays[0].cut()
        told("two")
        wait_until(lambda: waiting(stack) == 0, "the delivery by the third server")
        with Listener(url(rabbit.port), tmp_path / "heard") as listener:
            found = until_heard(listener.path, lambda one: one["payload"]["name"] == "two")
        assert [one["payload"]["name"] for one in found] == ["one", "two"]
        log = stack.log("notify")
        assert PASSWORD not in log and quote(PASSWORD) not in log
        assert "is used as others have declared it" not in log


def waiting(stack):
    """How many notifications are in Hearth's outbox."""
    with contextlib.closing(sqlite3.connect(f"file:{stack.folder}/cinder.sqlite?mode=ro", uri=True)) as database:
        return database.execute("SELECT count(*) FROM hearth_notifications").fetchone()[0]
