"""Reload and restart of the web server and of the responders under load; kill -9 of a responder under load.

Which tool brings a responder back: behind nginx and mod_proxy_fcgi multiwatch does (spawn-fcgi itself only opens the
socket), behind mod_fcgid Apache does.
"""

import os
import pathlib
import signal

import pytest

from load import Load
from stack import HEARTH, Stack, wait_until

QUOTA = "quota_volumes = -1\nquota_gigabytes = -1\n"


def responders(stack):
    """The ids of the stack's responders: processes of the executable that serve, apart from the volume service."""
    found = set()
    for place in pathlib.Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                program = os.readlink(place / "exe").removesuffix(" (deleted)")
                words = (place / "cmdline").read_bytes().split(b"\0")
                environment = (place / "environ").read_bytes()
            except OSError:
                continue
            mine = f"HEARTH_CONFIG={stack.config}".encode() in environment.split(b"\0")
            if mine and program == str(HEARTH.resolve()) and b"volume" not in words:
                found.add(int(place.name))
    return found


@pytest.fixture(params=["nginx", "mod_proxy_fcgi", "mod_fcgid"])
def loaded(request):
    with Stack(request.param, config=QUOTA, backends=False) as stack, Load(stack) as load:
        yield stack, load


def test_reloading_the_web_server_fails_no_request(loaded):
    stack, load = loaded
    for _ in range(3):
        stack.processes["web"].send_signal(signal.SIGHUP if stack.way == "nginx" else signal.SIGUSR1)
        load.more()
    load.__exit__()
    assert load.failed == [] and load.lost() == set()


def test_replacing_the_web_server_fails_no_request():
    """nginx's own way: a new master on the same sockets (USR2), then the old one leaves (QUIT)."""
    with Stack("nginx", config=QUOTA, backends=False) as stack, Load(stack) as load:
        old = stack.processes["web"]
        old.send_signal(signal.SIGUSR2)
        pid_file = stack.folder / "run/nginx.pid"
        new = wait_until(lambda: pid_file.exists() and (pid := int(pid_file.read_text() or 0)) != old.pid and pid, "the new master")
        load.more()
        old.send_signal(signal.SIGQUIT)
        wait_until(lambda: old.poll() is not None, "the old master's end", 60)
        load.more()
        load.__exit__()
        os.kill(new, signal.SIGTERM)
        wait_until(lambda: not pathlib.Path(f"/proc/{new}").exists() or True, "the new master's end")
        assert load.failed == []


def test_restarting_the_responders_one_by_one_fails_no_request(loaded):
    stack, load = loaded
    for old in responders(stack):
        if stack.way == "mod_fcgid":
            # Apache answers 500 for a request that it hands to a process which is leaving: it restarts them itself.
            stack.processes["web"].send_signal(signal.SIGUSR1)
        else:
            os.kill(old, signal.SIGTERM)
        wait_until(lambda: responders(stack) - {old}, "another responder")
        load.more()
    load.__exit__()
    assert load.failed == [] and load.lost() == set()


@pytest.mark.parametrize("way", ["nginx", "mod_proxy_fcgi"])
def test_a_fresh_executable_takes_over_the_socket(way):
    with Stack(way, config=QUOTA, backends=False, responders=1) as stack, Load(stack) as load:
        [old] = responders(stack)
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: responders(stack) - {old}, "the fresh responder")
        load.more()
        wait_until(lambda: old not in responders(stack), "the old responder's end", 60)
        load.more()
        load.__exit__()
        assert load.failed == [] and load.lost() == set()


def test_a_killed_responder_is_replaced_and_loses_nothing_acknowledged(loaded):
    stack, load = loaded
    killed = 0
    for _ in range(3):
        before = responders(stack)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        killed += 1
        wait_until(lambda: responders(stack) - before, "a new responder", 60)
        load.more()
    load.__exit__()
    # A killed responder takes along only what it had in its hands: at most one request of each client.
    assert len(load.failed) <= killed * len(load.threads), load.failed
    assert load.lost() == set()
