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


def reload(stack):
    stack.processes["web"].send_signal(signal.SIGHUP if stack.way == "nginx" else signal.SIGUSR1)


@pytest.fixture(params=["nginx", "mod_proxy_fcgi"])
def kept(request):
    """A web server that does not start responders itself."""
    with Stack(request.param, config=QUOTA, backends=False) as stack, Load(stack) as load:
        yield stack, load


def test_reloading_the_web_server_fails_no_request(kept):
    stack, load = kept
    for _ in range(3):
        reload(stack)
        load.more()
    load.stop()
    assert load.failed == [] and load.lost() == set()


def test_reloading_apache_with_mod_fcgid_loses_nothing_acknowledged():
    """mod_fcgid ends its process manager and its processes at a graceful restart, so that what Apache's old children have in
    their hands may fail; what was acknowledged is there, and it serves on."""
    with Stack("mod_fcgid", config=QUOTA, backends=False) as stack, Load(stack) as load:
        for _ in range(3):
            reload(stack)
            load.more()
        load.stop()
        assert load.lost() == set()
        assert all(stack.request("GET", "/volume/v3/types").status == 200 for _ in range(20))


def test_replacing_nginx_fails_no_request():
    """nginx's own way: a new master on the same sockets (USR2), then the old one leaves (QUIT)."""
    with Stack("nginx", config=QUOTA, backends=False, daemon=True) as stack, Load(stack) as load:
        pid_file = stack.folder / "run/nginx.pid"
        old = int(pid_file.read_text())
        os.kill(old, signal.SIGUSR2)

        def master():
            text = pid_file.read_text().strip() if pid_file.exists() else ""
            return int(text or 0) if text and int(text) != old else 0

        new = wait_until(master, "the new master")
        load.more()
        os.kill(old, signal.SIGQUIT)
        wait_until(lambda: not running(old), "the old master's end", 60)
        load.more()
        load.stop()
        os.kill(new, signal.SIGTERM)
        wait_until(lambda: not running(new), "the new master's end")
        assert load.failed == []


def running(pid):
    try:
        return b") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False


def test_restarting_the_responders_one_by_one_fails_no_request(kept):
    stack, load = kept
    for old in responders(stack):
        os.kill(old, signal.SIGTERM)
        wait_until(lambda: responders(stack) - {old}, "another responder")
        load.more()
    load.stop()
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
        load.stop()
        assert load.failed == [] and load.lost() == set()


@pytest.mark.parametrize("way", ["nginx", "mod_proxy_fcgi", "mod_fcgid"])
def test_killed_responders_are_replaced_and_nothing_acknowledged_is_lost(way):
    with Stack(way, config=QUOTA, backends=False) as stack, Load(stack) as load:
        for _ in range(3):
            before = responders(stack)
            for victim in before:
                os.kill(victim, signal.SIGKILL)
            wait_until(lambda: responders(stack) - before, "new responders", 60)
            load.more()
        load.stop()
        assert load.lost() == set()
        # Killed responders take along only what they had in their hands: at most one request of each client.
        if way != "mod_fcgid":
            assert len(load.failed) <= 3 * len(load.threads), load.failed
        assert all(stack.request("GET", "/volume/v3/types").status == 200 for _ in range(20))
