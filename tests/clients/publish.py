"""Publishes with the HTTP publisher of Ceilometer's agents: `publish.py samples|events URL`, the items as JSON on standard
input. Prints the statuses of the answers."""

import json
import sys

from ceilometer import sample
from ceilometer.event import models
from ceilometer.publisher import http
from oslo_config import cfg
from oslo_utils import netutils, timeutils

what, url = sys.argv[1:]
conf = cfg.ConfigOpts()
conf.register_opts([cfg.IntOpt("max_parallel_requests", default=8)])
publisher = http.HttpPublisher(conf, netutils.urlsplit(url))
statuses = []
publisher.session.hooks["response"].append(lambda answer, *_, **__: statuses.append(answer.status_code))
items = json.load(sys.stdin)
if what == "samples":
    publisher.publish_samples([sample.Sample(**item) for item in items])
else:
    def event(item):
        traits = [models.Trait(name, kind, models.Trait.convert_value(kind, value)) for name, kind, value in item["traits"]]
        generated = timeutils.parse_isotime(item["generated"]).replace(tzinfo=None)
        return models.Event(item["message_id"], item["event_type"], generated, traits, item.get("raw", {}))
    publisher.publish_events([event(item) for item in items])
print(json.dumps(statuses))
