"""A listener of oslo.messaging as Ceilometer has one: writes each notification that it gets as a line of JSON.

    CACHE/cinder/bin/python notification_listener.py TRANSPORT_URL FILE [OPTION=VALUE of [oslo_messaging_rabbit]]...

Prints `listening` when it does. The exchange is EXCHANGE of the environment, else `openstack`.
"""

import json
import os
import signal
import sys

import oslo_messaging
from oslo_config import cfg


class Recorder:
    """What is heard, in a file."""

    def __init__(self, path):
        self.stream = open(path, "a", buffering=1)

    def hear(self, priority):
        def heard(ctxt, publisher_id, event_type, payload, metadata):
            self.stream.write(json.dumps({
                "priority": priority, "publisher_id": publisher_id, "event_type": event_type, "payload": payload,
                "metadata": metadata, "context": ctxt}) + "\n")
        return heard

    info = property(lambda self: self.hear("INFO"))
    error = property(lambda self: self.hear("ERROR"))


def listener(conf, path, executor, topics=("notifications",)):
    transport = oslo_messaging.get_notification_transport(conf)
    targets = [oslo_messaging.Target(topic=topic) for topic in topics]
    made = oslo_messaging.get_notification_listener(transport, targets, [Recorder(path)], executor=executor)
    # One after the other, or what was heard would not be written in its order.
    conf.set_override("executor_thread_pool_size", 1)
    return made


def main():
    conf = cfg.ConfigOpts()
    conf([])
    oslo_messaging.set_transport_defaults(os.environ.get("EXCHANGE", "openstack"))
    oslo_messaging.get_notification_transport(conf, sys.argv[1])
    conf.set_override("transport_url", sys.argv[1], "oslo_messaging_notifications")
    for pair in sys.argv[3:]:
        name, _, value = pair.partition("=")
        conf.set_override(name, value == "true", "oslo_messaging_rabbit")
    running = listener(conf, sys.argv[2], "threading")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    running.start()
    print("listening", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
