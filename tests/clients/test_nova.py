"""The life of attachments as Nova drives it, call by call, at the versions that Nova names, on volumes exported by a real tgtd:
after each call the statuses of the volume and of its attachments, and whether the volume is exported."""

import uuid

import cinderclient.exceptions
import pytest

import exports
from exports import initiate, url
from stack import Stack, wait_until
from test_attachments import client
from test_block_storage import PROJECT

# Nova tries these again, at most five times.
RETRIED = (500, 504)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    if why := exports.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("nova")
    with exports.Tgtd() as tgtd:
        section = tgtd.section("iscsi", folder / "iscsi")
        config = "enabled_backends = iscsi\nrpc_response_timeout = 2\nreport_interval = 1\nquota_volumes = -1\n"
        with Stack("serve", config=config, sections=section) as stack:
            stack.tgtd = tgtd
            yield stack


class Nova:
    """What nova/volume/cinder.py asks for. Each call has its version."""

    def __init__(self, cloud):
        self.cloud, self.clients = cloud, {}

    def at(self, version):
        if version not in self.clients:
            self.clients[version] = client(self.cloud, PROJECT, version)
        return self.clients[version]

    def volume(self, **how):
        made = self.at("3.44").volumes.create(1, **how)
        wait_until(lambda: self.at("3.44").volumes.get(made.id).status == "available", "the volume")
        return made.id

    def attachment_create(self, volume, server, connector=None, mountpoint=None):
        if connector and mountpoint:
            connector = {**connector, "mountpoint": mountpoint}
        return self.at("3.44").attachments.create(volume, connector, server)

    def attachment_update(self, attachment, connector, mountpoint):
        connector = {**connector, "mountpoint": mountpoint}
        return self.again(lambda: self.at("3.44").attachments.update(attachment, connector)).connection_info

    def attachment_complete(self, attachment):
        self.at("3.44").attachments.complete(attachment)

    def attachment_delete(self, attachment):
        try:
            self.again(lambda: self.at("3.44").attachments.delete(attachment))
        except cinderclient.exceptions.NotFound:
            pass

    def again(self, call, attempts=5):
        for left in reversed(range(attempts)):
            try:
                return call()
            except cinderclient.exceptions.ClientException as error:
                if error.code not in RETRIED or not left:
                    raise

    def attached(self, volume, server, name="one"):
        attachment = self.attachment_create(volume, server)["id"]
        told = self.attachment_update(attachment, exports.host(name), "/dev/vdb")
        self.attachment_complete(attachment)
        return attachment, told

    def expect(self, volume, status, attachments, exported):
        """The statuses of a volume and of its attachments, the oldest first, and whether it is exported."""
        now = self.at("3.44").volumes.get(volume)
        mine = self.at("3.44").attachments.list(search_opts={"volume_id": volume})
        found = sorted(self.at("3.44").attachments.show(one.id).status for one in mine)
        assert (now.status, found) == (status, sorted(attachments))
        assert (f"volume-{volume}" in self.cloud.tgtd.targets()) == exported
        return now


@pytest.fixture
def nova(cloud):
    return Nova(cloud)


def server():
    return str(uuid.uuid4())


def test_a_volume_is_attached_used_and_detached(nova):
    volume, mine = nova.volume(), server()
    attachment = nova.attachment_create(volume, mine)["id"]
    nova.expect(volume, "reserved", ["reserved"], False)
    with pytest.raises(cinderclient.exceptions.BadRequest):
        nova.attachment_create(volume, server())
    nova.expect(volume, "reserved", ["reserved"], False)

    told = nova.attachment_update(attachment, exports.host("one"), "/dev/vdb")
    nova.expect(volume, "attaching", ["attaching"], True)
    expected = {"driver_volume_type": "iscsi", "target_discovered": False, "target_lun": 1, "volume_id": volume,
                "target_iqn": f"iqn.2010-10.org.openstack:volume-{volume}", "auth_method": "CHAP", "encrypted": False,
                "target_portal": f"127.0.0.1:{nova.cloud.tgtd.port}", "access_mode": "rw", "qos_specs": None,
                "cacheable": False, "enforce_multipath": False, "attachment_id": attachment}
    assert told == expected | {key: told[key] for key in ("auth_username", "auth_password")}
    # An answer that was lost on its way: Nova asks again, and gets the same.
    assert nova.attachment_update(attachment, exports.host("one"), "/dev/vdb") == told
    initiate(url(told), "write -P 7 0 4096")

    nova.attachment_complete(attachment)
    now = nova.expect(volume, "in-use", ["attached"], True)
    assert [(one["server_id"], one["attachment_id"], one["device"]) for one in now.attachments] == [(mine, attachment, "/dev/vdb")]
    with pytest.raises(cinderclient.exceptions.BadRequest):
        nova.at("3.44").volumes.delete(volume)
    with pytest.raises(cinderclient.exceptions.BadRequest):
        nova.attachment_create(volume, server())

    nova.at("3.44").volumes.begin_detaching(volume)
    nova.expect(volume, "detaching", ["attached"], True)
    nova.at("3.44").volumes.roll_detaching(volume)
    nova.expect(volume, "in-use", ["attached"], True)
    nova.at("3.44").volumes.begin_detaching(volume)
    nova.attachment_delete(attachment)
    nova.expect(volume, "available", [], False)
    # Of two tries of which the first one's answer was lost, the second finds nothing.
    nova.attachment_delete(attachment)
    nova.expect(volume, "available", [], False)
    nova.at("3.44").volumes.delete(volume)


def test_a_reservation_that_comes_to_nothing_leaves_the_volume_free(nova):
    volume = nova.volume()
    attachment = nova.attachment_create(volume, server())["id"]
    nova.attachment_delete(attachment)
    nova.expect(volume, "available", [], False)
    # A host without iSCSI.
    attachment = nova.attachment_create(volume, server())["id"]
    with pytest.raises(cinderclient.exceptions.BadRequest):
        nova.attachment_update(attachment, {"host": "two", "ip": "192.0.2.2"}, "/dev/vdb")
    nova.expect(volume, "reserved", ["reserved"], False)
    nova.attachment_delete(attachment)
    nova.expect(volume, "available", [], False)


def test_a_server_moves_to_another_host_or_stays(nova):
    volume, mine = nova.volume(), server()
    first, told = nova.attached(volume, mine)
    initiate(url(told), "write -P 8 0 4096")
    # The destination can not take the server.
    second = nova.attachment_create(volume, mine, exports.host("two"), "/dev/vdb")["id"]
    nova.expect(volume, "in-use", ["attached", "attaching"], True)
    nova.attachment_delete(second)
    nova.expect(volume, "in-use", ["attached"], True)
    initiate(url(told), "read -P 8 0 4096")
    # It can.
    second = nova.attachment_create(volume, mine, exports.host("two"), "/dev/vdb")
    there = second["connection_info"]
    initiate(url(there), "read -P 8 0 4096", "write -P 9 4096 4096")
    nova.attachment_complete(second["id"])
    nova.expect(volume, "in-use", ["attached", "attached"], True)
    nova.attachment_delete(first)
    nova.expect(volume, "in-use", ["attached"], True)
    initiate(url(there), "read -P 9 4096 4096")
    # The server goes, and the volume with it.
    nova.attachment_delete(second["id"])
    nova.expect(volume, "available", [], False)
    with pytest.raises(OSError):
        initiate(url(there), "read 0 512")


def test_a_volume_of_a_running_server_grows(nova):
    volume, mine = nova.volume(), server()
    attachment, told = nova.attached(volume, mine)
    with pytest.raises(cinderclient.exceptions.ClientException) as refused:
        nova.at("3.41").volumes.extend(volume, 2)
    assert refused.value.code == 400
    nova.at("3.42").volumes.extend(volume, 2)
    wait_until(lambda: nova.at("3.44").volumes.get(volume).size == 2, "more room")
    nova.expect(volume, "in-use", ["attached"], True)
    assert exports.length(url(told)) == 2 << 30
    nova.attachment_delete(attachment)
    nova.expect(volume, "available", [], False)


def test_what_is_attached_for_reading_says_so(nova):
    volume = nova.volume()
    made = nova.at("3.54").attachments.create(volume, exports.host("one"), server(), mode="ro")
    assert made["connection_info"]["access_mode"] == "ro"
    nova.expect(volume, "attaching", ["attaching"], True)
    nova.attachment_delete(made["id"])
    nova.expect(volume, "available", [], False)


def test_two_servers_share_a_volume_and_the_last_one_ends_its_export(nova):
    name = f"shared-{uuid.uuid4().hex[:6]}"
    nova.at("3.44").volume_types.create(name).set_keys({"multiattach": "<is> True"})
    volume = nova.volume(volume_type=name)
    (first, one), (second, two) = nova.attached(volume, server()), nova.attached(volume, server(), "two")
    nova.expect(volume, "in-use", ["attached", "attached"], True)
    initiate(url(one), "write -P 10 0 4096", "flush")
    initiate(url(two), "read -P 10 0 4096")
    nova.at("3.44").volumes.begin_detaching(volume)
    nova.attachment_delete(first)
    nova.expect(volume, "in-use", ["attached"], True)
    initiate(url(two), "read -P 10 0 4096")
    nova.attachment_delete(second)
    nova.expect(volume, "available", [], False)


def test_a_server_exchanges_its_volume_or_keeps_it(nova):
    old, new, mine = nova.volume(), nova.volume(), server()
    before, told = nova.attached(old, mine)
    initiate(url(told), "write -P 11 0 4096")
    # It fails half way.
    nova.at("3.44").volumes.begin_detaching(old)
    after = nova.attachment_create(new, mine)["id"]
    nova.attachment_update(after, exports.host("one"), "/dev/vdb")
    nova.expect(new, "attaching", ["attaching"], True)
    nova.attachment_delete(after)
    nova.at("3.44").volumes.roll_detaching(old)
    nova.expect(old, "in-use", ["attached"], True)
    nova.expect(new, "available", [], False)
    # It does not.
    nova.at("3.44").volumes.begin_detaching(old)
    after = nova.attachment_create(new, mine)["id"]
    there = nova.attachment_update(after, exports.host("one"), "/dev/vdb")
    initiate(url(there), "write -P 11 0 4096")
    nova.attachment_complete(after)
    nova.attachment_delete(before)
    nova.expect(old, "available", [], False)
    nova.expect(new, "in-use", ["attached"], True)
    initiate(url(there), "read -P 11 0 4096")
    nova.attachment_delete(after)


def test_a_detachment_is_tried_again_until_the_target_answers(nova):
    volume = nova.volume()
    attachment, told = nova.attached(volume, server())
    nova.at("3.44").volumes.begin_detaching(volume)
    nova.cloud.tgtd.kill()
    with pytest.raises(cinderclient.exceptions.ClientException) as refused:
        nova.at("3.44").attachments.delete(attachment)
    assert refused.value.code in RETRIED
    assert nova.at("3.44").attachments.show(attachment).status == "attached"
    assert nova.at("3.44").volumes.get(volume).status == "detaching"
    nova.cloud.tgtd.start()
    nova.attachment_delete(attachment)
    nova.expect(volume, "available", [], False)
    with pytest.raises(OSError):
        initiate(url(told), "read 0 512")


def test_a_server_that_is_gone_is_forgotten_with_the_export_of_its_volume(nova):
    volume = nova.volume()
    _, told = nova.attached(volume, server())
    administrator = client(nova.cloud, PROJECT)
    administrator.volumes.reset_state(volume, "available", "detached")
    wait_until(lambda: f"volume-{volume}" not in nova.cloud.tgtd.targets(), "the end of the export")
    nova.expect(volume, "available", [], False)
    with pytest.raises(OSError):
        initiate(url(told), "read 0 512")
