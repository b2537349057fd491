"""A real Aodh API in one process, to compare with: callers are told by the headers that Keystone's middleware would set.

    CACHE/aodh/bin/python real_aodh.py --config-file aodh.conf PORT

Serves on PORT of loopback, and prints `serving` on standard output. Where the environment variable NOTIFICATIONS names a file and
a driver sends notifications, each is written there as a line of JSON.
"""

import os
import pathlib
import sqlite3
import sys
from wsgiref import simple_server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import notification_listener
from aodh import service, storage
from aodh.api import app


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    *arguments, port = sys.argv[1:]
    conf = service.prepare_service(argv=arguments, with_gmr=False, prog="aodh-api")
    storage.get_connection_from_config(conf).upgrade()
    # It leaves readers open, which would lock writers out of a file without a log of its own for them.
    with sqlite3.connect(conf.database.connection.removeprefix("sqlite:///")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    if path := os.environ.get("NOTIFICATIONS"):
        notification_listener.listener(conf, path, "threading").start()
    server = simple_server.make_server("127.0.0.1", int(port), app.load_app(conf), handler_class=Quiet)
    print("serving", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
