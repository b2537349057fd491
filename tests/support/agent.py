"""What Ceilometer's agents and OpenStack's services send, sent by their own code. Takes a command a line, as JSON, and answers each
with a line: the names of the functions below with their arguments.

    CACHE/agents/bin/python agent.py
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import amqp.exceptions  # noqa: E402
import kombu  # noqa: E402
import oslo_messaging  # noqa: E402
from ceilometer import messaging, opts, sample  # noqa: E402
from ceilometer.event import models  # noqa: E402
from ceilometer.publisher import messaging as notifier  # noqa: E402
from ceilometer.publisher import udp as datagrams  # noqa: E402
from ceilometer.publisher import utils  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_context.context import RequestContext  # noqa: E402
from oslo_utils import netutils, timeutils  # noqa: E402


def configured(url=None, secret=None, exchange="ceilometer", options=None):
    conf = cfg.ConfigOpts()
    for group, rows in opts.list_opts():
        conf.register_opts(list(rows), group=None if group == "DEFAULT" else group)
    conf([], project="ceilometer", default_config_files=[], default_config_dirs=[])
    messaging.setup()
    oslo_messaging.set_transport_defaults(exchange)
    # Makes the options of RabbitMQ known.
    oslo_messaging.get_notification_transport(conf, url or "rabbit://")
    if url:
        conf.set_override("transport_url", url)
    if secret is not None:
        conf.set_override("telemetry_secret", secret, "publisher")
    for name, value in (options or {}).items():
        conf.set_override(name, value, "oslo_messaging_rabbit")
    messaging.TRANSPORTS.clear()
    return conf


def as_samples(items):
    return [sample.Sample(**item) for item in items]


def as_events(items):
    def event(item):
        traits = [models.Trait(name, kind, models.Trait.convert_value(kind, value)) for name, kind, value in item["traits"]]
        generated = timeutils.parse_isotime(item["generated"]).replace(tzinfo=None)
        return models.Event(item["message_id"], item["event_type"], generated, traits, item.get("raw", {}))
    return [event(item) for item in items]


# What is durable outlives a restart of RabbitMQ.
DURABLE = {"amqp_durable_queues": True}


def udp(url, samples, secret=None):
    datagrams.UDPPublisher(configured(secret=secret), netutils.urlsplit(url)).publish_samples(as_samples(samples))


def metering(url, samples, secret=None):
    """The publisher notifier:// of samples."""
    publisher = notifier.SampleNotifierPublisher(configured(url, secret, options=DURABLE), netutils.urlsplit("notifier://"))
    publisher.publish_samples(as_samples(samples))


def events(url, events, secret=None):
    """The publisher notifier:// of events."""
    publisher = notifier.EventNotifierPublisher(configured(url, secret, options=DURABLE), netutils.urlsplit("notifier://"))
    publisher.publish_events(as_events(events))


def polled(url, samples, secret=None):
    """What a polling agent sends."""
    conf = configured(url, secret, options=DURABLE)
    telling = oslo_messaging.Notifier(messaging.get_transport(conf), driver="messagingv2", publisher_id="polling", topics=["notifications"])
    messages = [utils.meter_message_from_counter(one, conf.publisher.telemetry_secret) for one in as_samples(samples)]
    telling.sample({}, "telemetry.polling", {"samples": messages})


def notify(url, exchange, notifications, driver="messagingv2"):
    """What a service sends: (priority, event_type, payload, context) for each."""
    conf = configured(url, exchange=exchange, options=DURABLE)
    telling = oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(conf), driver=driver, publisher_id="volume.host@file", topics=["notifications"])
    for priority, event_type, payload, context in notifications:
        getattr(telling, priority)(RequestContext(**context, overwrite=False), event_type, payload)


def raw(url, exchange, key, bodies):
    """Whatever else somebody may send."""
    with kombu.Connection(url.replace("rabbit://", "amqp://") + "/") as connection:
        producer = connection.Producer()
        for body in bodies:
            producer.publish(body, exchange=exchange, routing_key=key, content_type="text/plain", content_encoding="utf-8")


def waiting(url, queues):
    """How many messages wait in each of some queues, and how many read it; nothing for one that is not there."""
    found = []
    with kombu.Connection(url.replace("rabbit://", "amqp://") + "/") as connection:
        for queue in queues:
            try:
                found.append(list(connection.channel().queue_declare(queue, passive=True))[1:])
            except amqp.exceptions.NotFound:
                found.append([0, 0])
    return found


def dead_letters(url, queue, place):
    """Declares a queue whose refused messages go to another one."""
    with kombu.Connection(url.replace("rabbit://", "amqp://") + "/") as connection:
        channel = connection.channel()
        channel.queue_declare(place, durable=False, auto_delete=False)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": place}
        channel.queue_declare(queue, durable=False, auto_delete=False, arguments=arguments)


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer = globals()[command.pop("do")](**command)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
