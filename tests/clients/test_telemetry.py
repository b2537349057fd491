"""python-ceilometerclient against Telemetry without Keystone."""

import uuid

import ceilometerclient.v2.client
import pytest


@pytest.fixture
def ceilometer(stack):
    return ceilometerclient.client.get_client("2", os_endpoint=stack.metering_url, os_token="demo:demo")


def sample(resource, volume, time):
    return {"counter_name": "volume.size", "counter_type": "gauge", "counter_unit": "GiB", "counter_volume": volume,
            "resource_id": resource, "timestamp": time, "resource_metadata": {"display_name": "demo"}}


def test_ceilometerclient_posts_samples_and_reads_statistics(stack, ceilometer):
    resource = str(uuid.uuid4())
    body = [sample(resource, volume, f"2026-01-01T0{hour}:00:00") for hour, volume in enumerate((1.0, 2.0, 6.0))]
    answer = stack.request("POST", "/metering/v2/meters/volume.size", body)
    assert answer.status == 201 and len({row["message_id"] for row in answer.json()}) == 3
    query = [{"field": "resource_id", "op": "eq", "value": resource}]
    assert [meter.name for meter in ceilometer.meters.list(q=query)] == ["volume.size"]
    assert [row.counter_volume for row in ceilometer.samples.list("volume.size", q=query)] == [6.0, 2.0, 1.0]
    assert [row.volume for row in ceilometer.new_samples.list(q=query)] == [6.0, 2.0, 1.0]
    assert ceilometer.resources.get(resource).metadata == {"display_name": "demo"}
    [whole] = ceilometer.statistics.list("volume.size", q=query)
    assert (whole.count, whole.min, whole.max, whole.sum, whole.avg) == (3, 1.0, 6.0, 9.0, 3.0)
    periods = ceilometer.statistics.list("volume.size", q=query, period=3600)
    assert [row.sum for row in periods] == [1.0, 2.0, 6.0]
    [grouped] = ceilometer.statistics.list("volume.size", q=query, groupby=["resource_id"])
    assert grouped.groupby == {"resource_id": resource}


def test_an_error_has_the_services_own_form(stack):
    answer = stack.request("GET", "/metering/v2/samples?limit=0")
    assert answer.status == 400 and answer.json()["error_message"]["faultstring"] == "Limit must be positive"
