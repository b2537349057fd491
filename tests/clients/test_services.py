"""What operators do to services with their own clients: freezing, thawing, failing over, levels of logs,
cleaning up."""

import cinderclient.exceptions
import pytest

from test_block_storage import available, cinder, sdk  # noqa: F401


def test_cinderclient_freezes_and_thaws_a_backend(stack, cinder):  # noqa: F811
    volume = available(cinder, cinder.volumes.create(1))
    host = cinder.services.list(binary="cinder-volume")[0].host
    cinder.services.freeze_host(host)
    try:
        frozen = cinder.services.list(binary="cinder-volume")[0]
        assert (frozen.frozen, frozen.status, frozen.disabled_reason) == (True, "disabled", "frozen")
        with pytest.raises(cinderclient.exceptions.BadRequest, match="frozen"):
            cinder.volumes.delete(volume)
    finally:
        cinder.services.thaw_host(host)
    thawed = cinder.services.list(binary="cinder-volume")[0]
    assert (thawed.frozen, thawed.status) == (False, "enabled")
    with pytest.raises(cinderclient.exceptions.BadRequest, match="to failover"):
        cinder.services.failover_host(host, "elsewhere")
    cinder.volumes.delete(volume)


def test_openstacksdk_freezes_and_thaws_and_finds_no_cluster(stack, sdk, cinder):  # noqa: F811
    service = next(found for found in sdk.block_storage.services() if found.binary == "cinder-volume")
    sdk.block_storage.freeze_service(service)
    sdk.block_storage.thaw_service(service)
    assert cinder.clusters.list() == []
    with pytest.raises(cinderclient.exceptions.NotFound):
        cinder.clusters.show("nowhere")


def test_cinderclient_changes_levels_of_logs_and_cleans_up(stack, cinder):  # noqa: F811
    def levels(binary):
        return [(found.prefix, found.level) for found in cinder.services.get_log_levels(binary, "", "hearth::telemetry")]
    host = cinder.services.list(binary="cinder-volume")[0].host
    cinder.services.set_log_levels("ERROR", "cinder-volume", host, "hearth::telemetry")
    assert levels("cinder-volume") == [("hearth::telemetry", "ERROR")]
    assert {found.binary for found in cinder.services.get_log_levels("*", "", "")} == {"cinder-api", "cinder-volume"}
    with pytest.raises(cinderclient.exceptions.BadRequest, match="loud is not a valid log level"):
        cinder.services.set_log_levels("loud", "*", "", "")

    cleaning, unavailable = cinder.workers.clean(is_up=True, binary="cinder-volume")
    assert ([found.host for found in cleaning], unavailable) == ([host], [])
