"""`hearth collector`: what Ceilometer's own publishers and OpenStack's own notifiers send, by UDP and by a real RabbitMQ, is stored
once; what nobody can store stops nothing; `kill -9` anywhere loses and doubles nothing."""

import datetime
import itertools
import json
import socket
import subprocess
import uuid

import pytest

import crash
from agents import SECRET, Agent, Collector
from postgresql import Postgresql
from rabbit import Rabbit
from stack import HEARTH, free_port, wait_until


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    agent = Agent(tmp_path_factory.mktemp("agent"))
    yield agent
    agent.close()


@pytest.fixture(scope="module")
def rabbit():
    with Rabbit() as rabbit:
        yield rabbit


NUMBERS = itertools.count(1)


def sample(volume, **more):
    return {"name": "cpu", "type": "cumulative", "unit": "ns", "volume": volume, "user_id": "u", "project_id": "p",
            "resource_id": "r", "timestamp": "2026-11-22T13:45:00.250000+00:00", "id": str(uuid.uuid1()),
            "resource_metadata": {"name": "vm", "nested": {"list": [1, 0.1, "ä'", {"deep": None}], "yes": True}}, **more}


def event(event_type="volume.create.end", **more):
    return {"message_id": str(uuid.uuid4()), "event_type": event_type, "generated": f"2026-11-22T13:45:{next(NUMBERS) % 60:02}+00:00",
            "traits": [["size", 2, 5], ["rate", 3, 0.1], ["display_name", 1, "ä'"], ["project_id", 1, "p"],
                       ["created_at", 4, "2026-11-22T13:44:00+00:00"]], **more}


def payload(name):
    return {"volume_id": name, "tenant_id": "p", "user_id": "u", "size": 3, "display_name": name}


def on(rabbit, more=""):
    return f"[hearth_collector]\nsources = notifications\nsources = metering\nsources = events\n{more}\n[DEFAULT]\ntransport_url = {rabbit.url}\n"


QUEUES = ["notifications.info", "notifications.error", "notifications.sample", "metering.sample", "event.sample"]


def settled(agent, rabbit, collector):
    """Stops a collector; whether it left nothing in the queues."""
    collector.stop("collector")
    return [waiting for waiting, _ in agent.waiting(url=rabbit.url, queues=QUEUES)] == [0] * len(QUEUES)


def listening(agent, rabbit, readers=1):
    wait_until(lambda: all(count == readers for _, count in agent.waiting(url=rabbit.url, queues=QUEUES)), "those that listen", 60)


def test_samples_by_udp_are_kept_where_they_are_signed(agent):
    port = free_port()
    with Collector(f"[hearth_collector]\nsources = udp\n[collector]\nudp_address = 127.0.0.1\nudp_port = {port}\n") as collector:
        collector.collect()
        wait_until(lambda: "are taken on" in collector.log("collector"), "the collector")
        url = f"udp://127.0.0.1:{port}"
        numbers = [0.0, 1, 0.1, 1e16, -2.5e-7, 12345678901234567890.0]
        good = [sample(number) for number in numbers]
        agent.udp(url=url, secret=SECRET, samples=good)
        agent.udp(url=url, secret="another", samples=[sample(99), sample(98)])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            for datagram in (b"", b"\xc1", b"[]", b"\x91" * 2000, b"\x80", bytes(65000)):
                raw.sendto(datagram, ("127.0.0.1", port))
        # Those that came already, and one that is too late for none of the others.
        agent.udp(url=url, secret=SECRET, samples=[*good, sample("strange"), sample(7, name="x" * 300), sample(50)])
        wait_until(lambda: 50.0 in collector.volumes(), "the last sample")
        assert collector.volumes() == sorted([*map(float, numbers), 50.0])
        [(metadata,)] = collector.rows("SELECT body FROM telemetry_metadata")
        assert json.loads(metadata) == good[0]["resource_metadata"]
        assert collector.log("collector").count("not signed with telemetry_secret") == 1
        collector.stop("collector")


def test_an_open_port_wants_a_secret_that_not_everybody_knows():
    with Collector(f"[hearth_collector]\nsources = udp\n[collector]\nudp_port = {free_port()}\n", secret="") as stack:
        done = subprocess.run([HEARTH, "collector"], env=stack.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "telemetry_secret is the one that everybody knows" in done.stderr, done


def test_a_process_of_its_own_removes_what_is_too_old(agent):
    port = free_port()
    with Collector(f"[hearth_collector]\nsources = udp\n[collector]\nudp_address = 127.0.0.1\nudp_port = {port}\n"
                   "[database]\nmetering_time_to_live = 86400\n") as collector:
        done = subprocess.run([HEARTH, "telemetry", "expire"], env=collector.environment, capture_output=True, text=True, timeout=60)
        assert done.stdout == "0 samples, 0 events and 0 changes of alarms removed\n", done
        collector.collect()
        wait_until(lambda: "are taken on" in collector.log("collector"), "the collector")
        now = datetime.datetime.now(datetime.timezone.utc)
        times = [(now - datetime.timedelta(days=days)).isoformat() for days in (9, 9, 0)]
        agent.udp(url=f"udp://127.0.0.1:{port}", secret=SECRET, samples=[sample(at, timestamp=time) for at, time in enumerate(times)])
        wait_until(lambda: 2.0 in collector.volumes(), "the samples")
        collector.spawn("expire", [HEARTH, "telemetry", "expire", "--every", "1"])
        wait_until(lambda: collector.volumes() == [2.0], lambda: f"the end of the old ones; {collector.log('expire')}")
        # What comes late goes too, at the next look.
        agent.udp(url=f"udp://127.0.0.1:{port}", secret=SECRET, samples=[sample(3, timestamp=times[0]), sample(4, timestamp=times[2])])
        wait_until(lambda: collector.volumes() == [2.0, 4.0], "the end of the late one")
        collector.stop("expire")


def test_notifications_samples_and_events_of_rabbitmq_become_those_of_telemetry(agent, rabbit):
    with Collector(on(rabbit)) as collector:
        collector.collect()
        listening(agent, rabbit)
        told = [["info", "volume.create.end", payload("v1"), {"request_id": "req-1", "project_id": "p"}],
                ["error", "scheduler.create_volume", {"reason": "no place"}, {"request_id": "req-2", "project_id": "t"}]]
        agent.notify(url=rabbit.url, exchange="cinder", notifications=told)
        agent.notify(url=rabbit.url, exchange="nova", driver="messaging", notifications=[
            ["info", "compute.instance.update", {"instance_id": "i"}, {"request_id": "req-3"}],
                ["sample", "strange.sample", {}, {"request_id": "req-4"}]])
        samples, events = [sample(volume) for volume in (10, 10.5, 0.1)], [event("image.update"), event("image.delete")]
        agent.metering(url=rabbit.url, secret="another", samples=[sample(99)])
        agent.metering(url=rabbit.url, secret=SECRET, samples=samples)
        agent.polled(url=rabbit.url, samples=[sample(20), *samples])
        agent.events(url=rabbit.url, secret="another", events=[event("not.signed")])
        agent.events(url=rabbit.url, secret=SECRET, events=events)
        # The last one of its queue tells that those before it came too.
        agent.events(url=rabbit.url, secret=SECRET, events=[*events, event("image.upload")])
        types = ["volume.create.end", "scheduler.create_volume", "compute.instance.update", "strange.sample", "image.update",
                 "image.delete", "image.upload"]
        wait_until(lambda: set(collector.volumes()) >= {0.1, 3.0, 20.0} and set(collector.events()) >= set(types), "all of it", 60)
        assert settled(agent, rabbit, collector)
        assert collector.volumes() == [0.1, 3.0, 10.0, 10.5, 20.0]
        assert sorted(collector.events()) == sorted(types)
        assert collector.rows("SELECT name FROM telemetry_resource ORDER BY name") == [("r",), ("v1",)]
        requests = collector.rows("SELECT t.value FROM telemetry_event_text t JOIN telemetry_trait n ON n.id = t.trait "
                                  "WHERE n.name = 'request_id' ORDER BY t.value")
        assert requests == [(f"req-{number}".encode(),) for number in (1, 2, 3, 4)]


def test_what_can_not_be_stored_stops_nothing_and_goes_to_the_dead_letters(agent, rabbit):
    with Collector(on(rabbit, "[oslo_messaging_notifications]\ntopics = poisoned\n")) as collector:
        agent.dead_letters(url=rabbit.url, queue="poisoned.info", place="dead")
        collector.collect()
        queues = ["poisoned.info", "poisoned.error", "poisoned.sample", "metering.sample", "event.sample"]

        def counts():
            return agent.waiting(url=rabbit.url, queues=queues)

        wait_until(lambda: "RabbitMQ on" in collector.log("collector") and all(count == 1 for _, count in counts()), "the collector")
        good = {"event_type": "volume.create.end", "message_id": "m1", "timestamp": "2026-11-22 13:45:01", "payload": payload("v1")}
        poison = ["", "{", "[]", '"x"', "\u0000", json.dumps({"oslo.message": "{"}), json.dumps({"event_type": "x"}),
                  json.dumps({**good, "timestamp": "soon"}), "[" * 5000, json.dumps({"payload": "[" * 100})]
        agent.raw(url=rabbit.url, exchange="", key="poisoned.info", bodies=[*poison, json.dumps(good)])
        strange = {"event_type": "metering", "payload": [1, None, {}, sample(1)]}
        agent.raw(url=rabbit.url, exchange="", key="metering.sample", bodies=[json.dumps(strange), json.dumps({"payload": 5})])
        wait_until(lambda: len(collector.events()) == 1 and counts()[0][0] == 0, "what is good")
        agent.metering(url=rabbit.url, secret=SECRET, samples=[sample(7)])
        wait_until(lambda: collector.volumes() == [3.0, 7.0], "the sample behind")
        wait_until(lambda: agent.waiting(url=rabbit.url, queues=["dead"]) == [[len(poison), 0]], "the dead letters")
        assert collector.log("collector").count("a message of poisoned.info is refused") == len(poison)
        assert collector.processes["collector"].poll() is None
        collector.stop("collector")


# Where a kill tells most. The points of the log are those of the whole program.
SAMPLE = ["collector.after_receive", "telemetry.after_samples", "telemetry.after_events", "collector.before_ack", "collector.after_ack"]


def test_a_crash_anywhere_loses_and_doubles_nothing(agent, rabbit, tmp_path):
    with Collector(on(rabbit)) as collector:
        expected, types = [], []
        rounds = itertools.count(1)

        def play(fate):
            """Tells a little of everything, lets the collector meet its fate, and another one do the rest."""
            number = next(rounds)
            name = f"v{number}"
            agent.notify(url=rabbit.url, exchange="cinder", notifications=[
                ["info", f"volume.{word}", {**payload(name), "size": number * 10}, {}] for word in ("create.end", "delete.end")])
            agent.metering(url=rabbit.url, secret=SECRET, samples=[sample(number * 10 + 0.5)])
            agent.events(url=rabbit.url, secret=SECRET, events=[event("image.update")])
            expected.extend([number * 10.0] * 2 + [number * 10 + 0.5])
            types.extend(["volume.create.end", "volume.delete.end", "image.update"])
            process = collector.collect(**fate)
            if "HEARTH_FAULT" in fate:
                process.wait(60)
                assert process.returncode == -9, collector.log("collector")
                collector.stop("collector")
                collector.collect()
            wait_until(lambda: collector.volumes() == sorted(expected) and sorted(collector.events()) == sorted(types),
                       f"everything, once; logs in {collector.folder}/log", 60)
            # What came again and is not settled yet is for the collector of the next round.
            collector.stop("collector")

        # How many messages come together depends on who is faster.
        crash.everywhere("collector", SAMPLE, tmp_path / "trace", play, passes=1)
        play({})
        assert [waiting for waiting, _ in agent.waiting(url=rabbit.url, queues=QUEUES)] == [0] * len(QUEUES)


def test_what_comes_while_the_database_is_away_waits_in_its_queues(agent, rabbit):
    with Postgresql() as database:
        database.create("telemetry")
        where = f"[hearth_telemetry]\nconnection = {database.url('telemetry')}\n"
        with Collector(on(rabbit, where)) as collector:
            collector.collect()
            listening(agent, rabbit)
            agent.metering(url=rabbit.url, secret=SECRET, samples=[sample(1)])
            query = "SELECT volume FROM telemetry_sample ORDER BY volume"
            wait_until(lambda: database.rows("telemetry", query) == ["1"], f"a sample; logs in {collector.folder}/log", 60)
            database.crash()
            agent.metering(url=rabbit.url, secret=SECRET, samples=[sample(2), sample(3)])
            agent.events(url=rabbit.url, secret=SECRET, events=[event("image.update")])
            wait_until(lambda: "waits there" in collector.log("collector"), "the collector to see it", 120)
            assert collector.processes["collector"].poll() is None
            database.start()
            wait_until(lambda: database.rows("telemetry", query) == ["1", "2", "3"], f"all; logs in {collector.folder}/log", 120)
            events = "SELECT t.name FROM telemetry_event e JOIN telemetry_event_type t ON t.id = e.type"
            wait_until(lambda: database.rows("telemetry", events) == ["image.update"], f"the event; logs in {collector.folder}/log", 120)
            assert settled(agent, rabbit, collector)


def test_several_collectors_share_the_queues_and_outlive_rabbitmq(agent, rabbit):
    with Collector(on(rabbit)) as collector:
        collector.collect()
        collector.collect("second")
        listening(agent, rabbit, 2)
        volumes = [number + 0.5 for number in range(60)]
        for at in range(0, 60, 3):
            agent.metering(url=rabbit.url, secret=SECRET, samples=[sample(one) for one in volumes[at:at + 3]])
            if at == 30:
                rabbit.crash()
                rabbit.start()
            if at == 45:
                collector.processes["second"].kill()
        wait_until(lambda: collector.volumes() == volumes, f"all samples; logs in {collector.folder}/log", 90)
        assert "waits there" in collector.log("collector")
        collector.stop("second")
        collector.stop("collector")
