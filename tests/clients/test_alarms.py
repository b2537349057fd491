"""aodhclient and `openstack alarm` against alarming without Keystone."""

import json
import pathlib
import subprocess
import sys
import uuid

import aodhclient.exceptions
import pytest
from aodhclient.v2 import client
from keystoneauth1 import session, token_endpoint


@pytest.fixture
def aodh(stack):
    return client.Client(session=session.Session(auth=token_endpoint.Token(stack.alarming_url, "demo:demo")))


def cli(stack, *arguments):
    """The answer of one `openstack` command as JSON."""
    command = [pathlib.Path(sys.executable).parent / "openstack", "--os-auth-type", "none", "--os-endpoint", stack.alarming_url, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout) if "json" in arguments else done.stdout


def test_aodhclient_makes_changes_and_finds_alarms(aodh):
    name = f"alarm-{uuid.uuid4()}"
    made = aodh.alarm.create({"name": name, "type": "event", "alarm_actions": ["http://127.0.0.1/"], "severity": "moderate",
                              "event_rule": {"event_type": "volume.*", "query": [{"field": "traits.size", "op": "ge", "type": "integer", "value": "5"}]}})
    other = aodh.alarm.create({"name": f"{name}-b", "type": "prometheus", "prometheus_rule": {"query": "up", "threshold": 1}})
    found = aodh.alarm.list(filters={"severity": "moderate", "name": name})
    assert [row["alarm_id"] for row in found] == [made["alarm_id"]]
    assert aodh.alarm.get(made["alarm_id"])["event_rule"] == made["event_rule"]
    changed = aodh.alarm.update(made["alarm_id"], {"name": f"{name}-a", "enabled": False})
    assert (changed["name"], changed["enabled"], changed["severity"]) == (f"{name}-a", False, "moderate")
    assert aodh.alarm.set_state(made["alarm_id"], "alarm") == "alarm" == aodh.alarm.get_state(made["alarm_id"])
    page = aodh.alarm.list(sorts=["name:asc"], limit=1, filters={"state": "alarm", "name": f"{name}-a"})
    assert [row["name"] for row in page] == [f"{name}-a"]
    searched = aodh.alarm.query(query=f'{{"and": [{{"=": {{"name": "{name}-b"}}}}, {{"=": {{"enabled": true}}}}]}}')
    assert [row["alarm_id"] for row in searched] == [other["alarm_id"]]
    kinds = [row["type"] for row in aodh.alarm_history.get(made["alarm_id"])]
    assert kinds == ["state transition", "rule change", "creation"]
    assert len(aodh.alarm_history.search(query=f'{{"=": {{"alarm_id": "{made["alarm_id"]}"}}}}')) == 3
    assert aodh.capabilities.list()["api"]["alarms:query:complex"] is True
    quota = aodh.quota.create("other", [{"resource": "alarms", "limit": 7}])
    assert quota["quotas"] == aodh.quota.list("other")["quotas"] == [{"resource": "alarms", "limit": 7}]
    for alarm in (made, other):
        aodh.alarm.delete(alarm["alarm_id"])
        with pytest.raises(aodhclient.exceptions.NotFound):
            aodh.alarm.get(alarm["alarm_id"])


def test_the_openstack_command_works_on_alarms(stack):
    if stack.way != "nginx":
        pytest.skip("a new process for each command: once is enough")
    name = f"cli-{uuid.uuid4()}"
    made = cli(stack, "alarm", "create", "--name", name, "--type", "event", "--event-type", "volume.create.end", "--query",
               "traits.size>=integer::5", "--time-constraint", "name=night;start='0 23 * * *';duration=10800;timezone=Europe/Berlin",
               "-f", "json")
    assert made["event_type"] == "volume.create.end" and made["state"] == "insufficient data"
    assert name in [row["name"] for row in cli(stack, "alarm", "list", "-f", "json")]
    assert cli(stack, "alarm", "state", "set", "--state", "ok", made["alarm_id"], "-f", "json")["state"] == "ok"
    assert len(cli(stack, "alarm-history", "show", made["alarm_id"], "-f", "json")) == 2
    cli(stack, "alarm", "delete", made["alarm_id"])
