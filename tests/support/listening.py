"""A real listener of oslo.messaging in a process of its own, and what it has heard."""

import json
import os
import pathlib
import subprocess

from stack import SOURCES, wait_until


class Listener:
    """A real listener in a process of its own."""

    def __init__(self, url, path, *options, exchange="openstack"):
        python = pathlib.Path(os.environ.get("CACHE", SOURCES / "target/test-cache")) / "cinder/bin/python"
        self.path = pathlib.Path(path)
        self.path.touch()
        self.process = subprocess.Popen(
            [python, SOURCES / "tests/support/notification_listener.py", url, path, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(f"{path}.log", "wb"), env={**os.environ, "EXCHANGE": exchange})
        assert self.process.stdout.readline() == b"listening\n", pathlib.Path(f"{path}.log").read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def heard(path, start=0):
    return [json.loads(line) for line in pathlib.Path(path).read_text()[start:].splitlines()]


def until_heard(path, wanted, start=0, seconds=30):
    """Until a notification is there for which `wanted` is true; all of them."""
    wait_until(lambda: any(wanted(one) for one in heard(path, start)), f"a notification in {path}", seconds)
    return heard(path, start)
