"""Alarms on what a real Gnocchi has measured: each type of rule, what Gnocchi does not have, and one that lets nobody in."""

import datetime
import uuid

import pytest
from aodhclient.v2 import client
from keystoneauth1 import session, token_endpoint

from gnocchi import Gnocchi
from stack import HEARTH, Stack, wait_until

# Each alarm is evaluated once, when it is made: on a busy machine Gnocchi takes its time.
OPTIONS = "[hearth_alarms]\npoll_interval = 0.1\ntimeout = 60\n"
GRANULARITY = 3600


@pytest.fixture(scope="module")
def gnocchi():
    with Gnocchi() as running:
        running.make("/v1/archive_policy", {"name": "p", "back_window": 0, "aggregation_methods": ["mean", "max", "count", "rate:mean"],
                                            "definition": [{"granularity": GRANULARITY, "timespan": "30d"}]})
        yield running


@pytest.fixture(scope="module")
def volumes(gnocchi):
    """Two resources whose metric `load` has the values 10 and 20, and 30 and 40, an hour ago and now."""
    made = []
    now = datetime.datetime.now(datetime.timezone.utc)
    for first in (10, 30):
        metrics = {name: {"archive_policy_name": "p"} for name in ("load", "idle")}
        one = gnocchi.make("/v1/resource/generic", {"id": str(uuid.uuid4()), "project_id": "p1", "metrics": metrics})
        metric = one["metrics"]["load"]
        measures = [{"timestamp": (now - datetime.timedelta(hours=ago)).isoformat(), "value": first + 10 * (1 - ago)} for ago in (1, 0)]
        gnocchi.make(f"/v1/metric/{metric}/measures", measures, 202)
        # Asked so, it has worked them off when it answers.
        answer = gnocchi.ask("GET", f"/v1/metric/{metric}/measures?refresh=true&aggregation=mean")
        assert [value for _, _, value in answer.json()] == [first, first + 10], answer.body
        made.append(one)
    return made


@pytest.fixture(scope="module")
def cloud(gnocchi):
    sections = f"{OPTIONS}gnocchi_auth = basic\ngnocchi_url = {gnocchi.url}\n"
    with Stack("nginx", sections=sections, backends=False) as stack:
        stack.spawn("alarms", [HEARTH, "alarms"])
        stack.aodh = client.Client(session=session.Session(auth=token_endpoint.Token(stack.alarming_url, "demo:demo")))
        yield stack


def rule(kind, **more):
    return kind, {"aggregation_method": "mean", "granularity": GRANULARITY, "comparison_operator": "gt", **more}


def alarm(stack, kind, rule, **more):
    body = rule if kind == "composite" else {key: value for key, value in rule.items() if key != "type"}
    made = stack.aodh.alarm.create({"name": f"alarm-{uuid.uuid4()}", "type": kind, f"{kind}_rule": body, **more})
    return made["alarm_id"]


def becomes(stack, alarm_id, state):
    wait_until(lambda: stack.aodh.alarm.get_state(alarm_id) == state, lambda: f"{state} of {stack.aodh.alarm.get(alarm_id)}: {stack.log('alarms')}", 60)
    return stack.aodh.alarm.get(alarm_id)["state_reason"]


def test_each_type_of_rule_is_evaluated_by_what_gnocchi_measured(cloud, volumes):
    first, second = volumes
    of_one = {"resource_id": first["id"], "resource_type": "generic", "metric": "load"}
    metrics = [one["metrics"]["load"] for one in volumes]
    found = {"resource_type": "generic", "metric": "load", "query": f'{{"in": {{"id": ["{first["id"]}", "{second["id"]}"]}}}}'}
    # What is newest of one is 20, of both 30.
    for (kind, body), value in (
            (rule("gnocchi_resources_threshold", **of_one), 20.0),
            (rule("gnocchi_aggregation_by_metrics_threshold", metrics=metrics), 30.0),
            (rule("gnocchi_aggregation_by_resources_threshold", **found), 30.0)):
        beyond = alarm(cloud, kind, {**body, "threshold": value - 1})
        within = alarm(cloud, kind, {**body, "threshold": value})
        assert becomes(cloud, beyond, "alarm") == f"Transition to alarm due to 1 samples outside threshold, most recent: {value}", kind
        assert becomes(cloud, within, "ok") == f"Transition to ok due to 1 samples inside threshold, most recent: {value}", kind
    # Both periods count: of one the values are 10 and 20.
    both = alarm(cloud, *rule("gnocchi_resources_threshold", **of_one, threshold=9, evaluation_periods=2))
    assert becomes(cloud, both, "alarm") == "Transition to alarm due to 2 samples outside threshold, most recent: 20.0"
    rate = alarm(cloud, *rule("gnocchi_resources_threshold", **{**of_one, "aggregation_method": "rate:mean"}, threshold=9))
    assert becomes(cloud, rate, "alarm").endswith("most recent: 10.0")
    leaves = [{"type": kind, **body, "threshold": threshold} for (kind, body), threshold in (
        (rule("gnocchi_resources_threshold", **of_one), 19), (rule("gnocchi_aggregation_by_metrics_threshold", metrics=metrics), 29))]
    tree = alarm(cloud, "composite", {"and": leaves})
    assert "due to rules: rule1, rule2 outside their threshold." in becomes(cloud, tree, "alarm")


def test_what_gnocchi_does_not_have_is_unknown_and_the_reason_says_so(cloud, volumes):
    first = volumes[0]["id"]
    of_one = {"resource_id": first, "resource_type": "generic", "metric": "load"}
    nobody = str(uuid.uuid4())
    for (kind, body), reason in (
            (rule("gnocchi_resources_threshold", **{**of_one, "metric": "none"}), f"metric none for resource {first} does not exists"),
            (rule("gnocchi_resources_threshold", **{**of_one, "resource_id": nobody}), f"metric load for resource {nobody} does not exists"),
            (rule("gnocchi_resources_threshold", **{**of_one, "metric": "idle"}), f"No datapoint for granularity {GRANULARITY}"),
            (rule("gnocchi_aggregation_by_metrics_threshold", metrics=[nobody]), "At least of metrics in"),
            (rule("gnocchi_aggregation_by_resources_threshold", resource_type="generic", metric="none", query='{"=": {"project_id": "p1"}}'),
             "metric none does not exists")):
        one = alarm(cloud, kind, {**body, "threshold": 1}, state="ok")
        assert becomes(cloud, one, "insufficient data").startswith(reason), kind


def test_a_gnocchi_that_lets_nobody_in_leaves_alarms_unknown(gnocchi, volumes):
    sections = f"{OPTIONS}gnocchi_auth = none\ngnocchi_url = {gnocchi.url}\n"
    with Stack("nginx", sections=sections, backends=False) as stack:
        stack.spawn("alarms", [HEARTH, "alarms"])
        stack.aodh = client.Client(session=session.Session(auth=token_endpoint.Token(stack.alarming_url, "demo:demo")))
        kind, body = rule("gnocchi_resources_threshold", resource_id=volumes[0]["id"], resource_type="generic", metric="load", threshold=1)
        one = alarm(stack, kind, body, state="ok")
        assert becomes(stack, one, "insufficient data").startswith("alarm statistics retrieval failed")
