"""The HTTP publisher of Ceilometer's agents against Hearth behind nginx, and Block Storage's own notifications as samples and
events."""

import json
import os
import pathlib
import sqlite3
import subprocess
import uuid

import ceilometerclient.v2.client
import pytest

from stack import Stack, wait_until

SOURCES = pathlib.Path(__file__).resolve().parents[2]
CEILOMETER = "ceilometer==27.0.0"


@pytest.fixture(scope="module")
def python():
    """A Python that has Ceilometer and of its needs those of the publisher alone, which are a fifth of all."""
    cache = pathlib.Path(os.environ.get("CACHE") or SOURCES / "target/test-cache")
    environment = {**os.environ, "CACHE": str(cache)}
    subprocess.run([SOURCES / "scripts/venv", "agents", SOURCES / "tests/clients/agents-requirements.txt"], check=True,
                   env=environment)
    python = cache / "agents/bin/python"
    if subprocess.run([python, "-c", "import ceilometer"], capture_output=True).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", CEILOMETER],
                       check=True)
    return python


@pytest.fixture(scope="module")
def closed():
    """Where a token is needed and Keystone does not answer."""
    keystone = "[keystone_authtoken]\nwww_authenticate_uri = http://127.0.0.1:9\nauth_url = http://127.0.0.1:9\n" \
        "auth_type = password\nusername = u\npassword = p\nproject_name = p\n"
    with Stack("nginx", config="auth_strategy = keystone", backends=False,
               sections=f"{keystone}[hearth_telemetry]\npublishers = agent:secret\n") as running:
        yield running


def publish(python, what, url, items):
    done = subprocess.run([python, SOURCES / "tests/clients/publish.py", what, url], input=json.dumps(items), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(stack, query):
    with sqlite3.connect(f"file:{stack.folder}/telemetry.sqlite?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchall()


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


def test_a_volume_that_comes_and_goes_leaves_meters_and_events():
    with Stack("nginx", sections="[oslo_messaging_notifications]\ndriver = hearth_telemetry\n") as stack:
        ceilometer = ceilometerclient.client.get_client("2", os_endpoint=stack.metering_url, os_token="demo:demo")
        headers = {"X-Auth-Token": "demo:demo"}
        made = stack.request("POST", "/volume/v3/volumes", {"volume": {"size": 1, "name": "data"}}, headers)
        assert made.status == 202, made.body
        volume = made.json()["volume"]["id"]
        path = f"/volume/v3/volumes/{volume}"
        wait_until(lambda: stack.request("GET", path, headers=headers).json()["volume"]["status"] == "available", "the volume")
        assert stack.request("DELETE", path, headers=headers).status == 202
        query = [{"field": "resource_id", "op": "eq", "value": volume, "type": ""}]

        def types():
            return [event.event_type for event in ceilometer.events.list(q=query)]

        expected = ["volume.create.start", "volume.create.end", "volume.delete.start", "volume.delete.end"]
        wait_until(lambda: len(types()) == len(expected), "the events")
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
