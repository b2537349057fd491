"""The HTTP publisher of Ceilometer's agents against Hearth behind nginx, and Block Storage's own notifications as samples and
events."""

import contextlib
import datetime
import json
import subprocess
import uuid

import ceilometerclient.v2.client
import pytest

from agents import SECRET, Collector, agents, events, rows, samples
from rabbit import Rabbit
from stack import HEARTH, SOURCES, Stack, free_port, wait_until


@pytest.fixture(scope="module")
def python():
    """A Python that has Ceilometer."""
    return agents() / "python"


@pytest.fixture(scope="module")
def closed():
    """Where a token is needed and Keystone does not answer."""
    keystone = "[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:9\nauth_url = http://127.0.0.1:9\n" \
        "auth_type = password\nusername = u\npassword = p\nproject_name = p\n"
    with Stack("nginx", config="auth_strategy = keystone", backends=False,
               sections=f"{keystone}[hearth_telemetry]\npublishers = agent:secret\n") as running:
        yield running


@pytest.fixture(scope="module")
def rabbit():
    with Rabbit() as rabbit:
        yield rabbit


def publish(python, what, url, items):
    done = subprocess.run([python, SOURCES / "tests/clients/publish.py", what, url], input=json.dumps(items), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_agents_publish_samples_and_events_once(python, closed):
    base = f"{closed.base}/metering/v2".replace("//", "//agent:secret@", 1)
    samples = [{"name": "cpu", "type": "cumulative", "unit": "ns", "volume": volume, "user_id": "u", "project_id": "p",
                "resource_id": f"r{volume}", "timestamp": "2026-11-22T13:45:00.000000+00:00", "id": str(uuid.uuid1()),
                "resource_metadata": {"display_name": "vm", "nested": {"a": [1, 2]}}} for volume in range(3)]
    assert publish(python, "samples", f"{base}/samples", samples) == [201]
    assert publish(python, "samples", f"{base}/samples?batch=False", samples) == [201] * 3
    assert rows(closed, "SELECT volume FROM telemetry_sample ORDER BY volume") == [(0.0,), (1.0,), (2.0,)]
    events = [{"message_id": str(uuid.uuid4()), "event_type": "volume.create.end", "generated": "2026-11-22T13:45:01+00:00",
               "traits": [["size", 2, 5], ["rate", 3, 1.5], ["name", 1, "x"], ["created_at", 4, "2026-11-22T13:44:00+00:00"]],
               "raw": {"payload": {"volume_id": f"raw{number}", "size": 1}}} for number in range(2)]
    assert publish(python, "events", f"{base}/events", events) == [201]
    assert publish(python, "events", f"{base}/events?batch=False", events) == [201] * 2
    assert len(rows(closed, "SELECT * FROM telemetry_event")) == 2
    assert publish(python, "events", f"{base}/events?raw_only=True&event_type=volume.delete.end", events) == [201]
    assert len(rows(closed, "SELECT * FROM telemetry_event")) == 4
    wrong = base.replace("secret", "guess")
    for refused in (wrong, f"{closed.base}/metering/v2"):
        assert publish(python, "samples", f"{refused}/samples", samples) == [401]
        assert publish(python, "events", f"{refused}/events", events) == [401]


@pytest.mark.parametrize("way", ["outbox", "collector"])
def test_a_volume_that_comes_and_goes_leaves_meters_and_events_and_an_alarm(way, request):
    """By the outbox alone, and by RabbitMQ and a collector."""
    telling = "[oslo_messaging_notifications]\ndriver = hearth_telemetry\n"
    if way == "collector":
        url = request.getfixturevalue("rabbit").url
        telling = f"[oslo_messaging_notifications]\ndriver = messagingv2\ntransport_url = {url}\ntopics = alone\n" \
            "[hearth_notifications]\npoll_interval = 0.1\n[hearth_collector]\nsources = notifications\n" \
            "[oslo_messaging_rabbit]\namqp_durable_queues = true\n"
    with Stack("nginx", sections=telling) as stack:
        if way == "collector":
            stack.spawn("collector", [HEARTH, "collector"])
        ceilometer = ceilometerclient.client.get_client("2", os_endpoint=stack.metering_url, os_token="demo:demo")
        headers = {"X-Auth-Token": "demo:demo"}
        made = stack.request("POST", "/volume/v3/volumes", {"volume": {"size": 1, "name": "data"}}, headers)
        assert made.status == 202, made.body
        volume = made.json()["volume"]["id"]
        path = f"/volume/v3/volumes/{volume}"
        wait_until(lambda: stack.request("GET", path, headers=headers).json()["volume"]["status"] == "available", "the volume")
        rule = {"event_type": "volume.delete.*", "query": [{"field": "traits.resource_id", "op": "eq", "value": volume}]}
        alarm = stack.request("POST", "/alarming/v2/alarms", {"name": "gone", "type": "event", "event_rule": rule}, headers)
        assert alarm.status == 201, alarm.body
        alarm = f"/alarming/v2/alarms/{alarm.json()['alarm_id']}"
        assert stack.request("GET", alarm, headers=headers).json()["state"] == "insufficient data"
        assert stack.request("DELETE", path, headers=headers).status == 202
        query = [{"field": "resource_id", "op": "eq", "value": volume, "type": ""}]

        def types():
            return [event.event_type for event in ceilometer.events.list(q=query)]

        expected = ["volume.create.start", "volume.create.end", "volume.delete.start", "volume.delete.end"]
        wait_until(lambda: len(types()) == len(expected), f"the events; logs in {stack.folder}/log", 60)
        assert types() == expected
        [meter] = ceilometer.meters.list(q=query)
        assert (meter.name, meter.unit, meter.project_id) == ("volume.size", "GiB", "demo")
        [statistics] = ceilometer.statistics.list("volume.size", q=query)
        assert (statistics.count, statistics.max) == (4, 1.0)
        event = ceilometer.events.list(q=[*query, {"field": "size", "op": "ge", "value": "1", "type": "integer"}])[0]
        traits = {trait["name"]: (trait["type"], trait["value"]) for trait in event.traits}
        assert traits["size"] == ("integer", "1") and traits["display_name"] == ("string", "data")
        assert ceilometer.events.get(event.message_id).event_type == event.event_type
        assert "volume.create.end" in [one.event_type for one in ceilometer.event_types.list()]
        names = [trait.name for trait in ceilometer.trait_descriptions.list("volume.create.end")]
        assert "resource_id" in names
        values = ceilometer.traits.list("volume.create.end", "display_name")
        assert [trait.value for trait in values] == ["data"]
        wait_until(lambda: stack.request("GET", alarm, headers=headers).json()["state"] == "alarm", "the alarm")


AGENT = """[DEFAULT]
transport_url = {rabbit}
pipeline_cfg_file = {folder}/pipeline.yaml
event_pipeline_cfg_file = {folder}/event_pipeline.yaml
host = agent
pollsters_definitions_dirs = {folder}/pollsters
[oslo_messaging_rabbit]
amqp_durable_queues = true
[publisher]
telemetry_secret = {secret}
[event]
store_raw = info
[polling]
cfg_file = {folder}/polling.yaml
"""
MEASURED = [{"disk": disk, "bytes": count, "name": name, "owner": owner} for disk, count, name, owner in (
    ("a", 5, "first", "p"), ("b", 1e16, "ä", "p"), ("c", 0.1, None, None))]
POLLSTER = """---
- name: host.disk
  namespaces: ["ipmi"]
  sample_type: gauge
  unit: B
  host_command: cat {folder}/measured.json
  response_handlers: ["json"]
  value_attribute: bytes
  resource_id_attribute: disk
  user_id_attribute: owner
  project_id_attribute: owner
  metadata_fields: [disk, name]
"""


def pipeline(kind, *publishers):
    return json.dumps({"sources": [{"name": "all", kind: ["*"], "sinks": ["all"]}],
                       "sinks": [{"name": "all", "publishers": list(publishers)}]})


def micros(text):
    """A time of the file publisher as Telemetry keeps it."""
    at = datetime.datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=datetime.timezone.utc)
    return (at - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def samples_of_file(path):
    names = ("name", "type", "unit", "volume", "resource_id", "project_id", "user_id", "source", "resource_metadata")
    return {one["id"]: {**{name: one[name] for name in names}, "volume": float(one["volume"]), "timestamp": micros(one["timestamp"])}
            for one in lines(path)}


def events_of_file(path):
    found = {}
    for one in lines(path):
        traits = {row["name"]: (row["dtype"], micros(row["value"]) if row["dtype"] == 4 else row["value"]) for row in one["traits"]}
        found[one["message_id"]] = {"event_type": one["event_type"], "generated": micros(one["generated"]), "traits": traits, "raw": one["raw"]}
    return found


def without_ids(found):
    return sorted(json.dumps(one, sort_keys=True) for one in found.values())


def test_what_the_real_agents_publish_is_what_their_file_publisher_writes(rabbit, tmp_path):
    """A volume of Hearth's Block Storage comes and goes, and a polling agent measures. The notification agent publishes by http://
    to Hearth behind nginx, by udp:// to a collector, and to files. A collector of its own reads what Block Storage tells."""
    port = free_port()
    telling = "[oslo_messaging_notifications]\ndriver = messagingv2\ntopics = notifications,own\n"
    with contextlib.ExitStack() as stacks:
        broker = f"[oslo_messaging_rabbit]\namqp_durable_queues = true\n[DEFAULT]\ntransport_url = {rabbit.url}\ncontrol_exchange = cinder\n"
        hearth = stacks.enter_context(Stack(
            "nginx", sections=f"{telling}{broker}[hearth_notifications]\npoll_interval = 0.1\n"
                              "[hearth_telemetry]\npublisher_networks = 127.0.0.0/8\n"))
        udp = stacks.enter_context(Collector(f"[hearth_collector]\nsources = udp\n[collector]\nudp_address = 127.0.0.1\nudp_port = {port}\n"))
        own = stacks.enter_context(Collector(
            f"[hearth_collector]\nsources = notifications\n[oslo_messaging_notifications]\ntopics = own\n[event]\nstore_raw = info\n{broker}"))
        udp.collect()
        own.collect()
        wait_until(lambda: "are taken on" in udp.log("collector"), "the collector")
        url = f"{hearth.metering_url}/v2"
        (tmp_path / "pipeline.yaml").write_text(pipeline(
            "meters", f"{url}/samples", f"udp://127.0.0.1:{port}", f"file://{tmp_path}/samples?json"))
        (tmp_path / "event_pipeline.yaml").write_text(pipeline("events", f"{url}/events", f"file://{tmp_path}/events?json"))
        (tmp_path / "polling.yaml").write_text(json.dumps({"sources": [{"name": "all", "interval": 3600, "meters": ["*"]}]}))
        (tmp_path / "pollsters").mkdir()
        (tmp_path / "pollsters/disk.yaml").write_text(POLLSTER.format(folder=tmp_path))
        (tmp_path / "measured.json").write_text(json.dumps(MEASURED))
        (tmp_path / "ceilometer.conf").write_text(AGENT.format(rabbit=rabbit.url, folder=tmp_path, secret=SECRET))
        configured = ["--config-file", tmp_path / "ceilometer.conf"]
        hearth.spawn("notification", [agents() / "ceilometer-agent-notification", *configured])
        hearth.spawn("polling", [agents() / "ceilometer-polling", "--polling-namespaces", "ipmi", *configured])
        headers = {"X-Auth-Token": "demo:demo"}
        made = hearth.request("POST", "/volume/v3/volumes", {"volume": {"size": 1, "name": "ä"}}, headers)
        assert made.status == 202, made.body
        path = f"/volume/v3/volumes/{made.json()['volume']['id']}"
        wait_until(lambda: hearth.request("GET", path, headers=headers).json()["volume"]["status"] == "available", "the volume", 60)
        assert hearth.request("DELETE", path, headers=headers).status == 202
        told = ["volume.create.end", "volume.create.start", "volume.delete.end", "volume.delete.start"]
        written = tmp_path / "samples"
        where = f"logs in {hearth.folder}/log"
        wait_until(lambda: len(lines(written)) == len(told) + len(MEASURED), f"the samples of the agents; {where}", 300)
        wait_until(lambda: len(lines(tmp_path / "events")) == len(told), f"the events of the agents; {where}", 300)
        expected = samples_of_file(written)
        assert sorted({one["name"] for one in expected.values()}) == ["host.disk", "volume.size"]
        wait_until(lambda: len(samples(hearth)) == len(expected), f"the samples by http://; {where}", 60)
        assert samples(hearth) == expected
        wait_until(lambda: len(samples(udp)) == len(expected), f"the samples by udp://; {udp.folder}/log", 60)
        assert samples(udp) == expected
        happened = events_of_file(tmp_path / "events")
        assert sorted(one["event_type"] for one in happened.values()) == told
        wait_until(lambda: len(events(hearth)) == len(happened), f"the events by http://; {where}", 60)
        assert events(hearth) == happened
        said = subprocess.run([HEARTH, "doctor"], env=hearth.environment, capture_output=True, text=True, timeout=60).stdout
        assert f"Telemetry keeps {len(expected)} samples in " in said and " MB per million samples\n" in said, said
        # Hearth's own definitions mean the same, without an agent. Only the ids of samples are its own.
        wait_until(lambda: len(events(own)) == len(happened) and len(samples(own)) == len(told), f"its own; {own.folder}/log", 60)
        for one in happened.values():
            # RabbitMQ's driver adds how long it waits for a listener.
            one["raw"]["ctxt"].pop("client_timeout", None)
        assert events(own) == happened
        volumes = {key: one for key, one in expected.items() if one["name"] == "volume.size"}
        assert without_ids(samples(own)) == without_ids(volumes)
