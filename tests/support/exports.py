"""A real tgtd of a test's own, and hosts that reach volumes by what they are told: QEMU's initiators, in user space."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess

from stack import PATH, free_port, wait_until

ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8"}


def missing():
    """Why this machine can not export by iSCSI; None where it can."""
    if os.getuid() != 0:
        return "tgtd obeys root alone"
    for program in ("tgtd", "qemu-io", "qemu-img"):
        if not shutil.which(program, path=PATH):
            return f"{program} is not installed"
    return None


class Tgtd:
    """The daemon on a free port of loopback. Use it as a context manager."""

    def __init__(self):
        # Away from those of the Rust suites.
        self.control, self.port, self.process = 31_500 + os.getpid() % 1_000, free_port(), None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        for end in ("", ".lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"/run/tgtd/socket.{self.control}{end}")

    def start(self):
        command = ["tgtd", "-D", "-C", str(self.control), "--iscsi", f"portal=127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: self.tell("system").returncode == 0, "tgtd")

    def kill(self):
        """Ends it as a crash would: it forgets everything."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def tell(self, mode, operation="show"):
        command = ["tgtadm", "-C", str(self.control), "--lld", "iscsi", "--mode", mode, "--op", operation]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=30)

    def targets(self):
        """The names of its targets without their prefix."""
        lines = self.tell("target").stdout.splitlines()
        return [line.split("org.openstack:")[1] for line in lines if line.startswith("Target ")]

    def section(self, name, folder, more=""):
        """A backend that it serves."""
        return (f"[{name}]\nvolume_backend_name = {name}\nhearth_file_path = {folder}\ntarget_protocol = iscsi\n"
                f"target_ip_address = 127.0.0.1\ntarget_port = {self.port}\nhearth_tgt_control_port = {self.control}\n{more}\n")


def nbd_section(name, folder, more=""):
    """A backend whose volumes qemu-nbd serves."""
    port = free_port()
    return (f"[{name}]\nvolume_backend_name = {name}\nhearth_file_path = {folder}\ntarget_protocol = nbd\n"
            f"target_ip_address = 127.0.0.1\nhearth_nbd_ports = {port}-{min(port + 50, 65535)}\n{more}\n")


def end_nbd(folder):
    """Ends the servers of NBD of a folder, which outlive the service."""
    for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if (line := place.read_bytes()).startswith(b"qemu-nbd\0") and str(folder).encode() in line:
                os.kill(int(place.parent.name), signal.SIGKILL)


def url(told):
    """Under which QEMU opens what a host was told."""
    if told["driver_volume_type"] == "nbd":
        return told["uri"]
    assert told["driver_volume_type"] == "iscsi" and told["auth_method"] == "CHAP"
    return (f"iscsi://{told['auth_username']}%{told['auth_password']}@{told['target_portal']}"
            f"/{told['target_iqn']}/{told['target_lun']}")


def initiate(place, *commands):
    """Lets QEMU carry out commands on a URL or a file. Raises where one fails or a pattern is not what is there."""
    arguments = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(["qemu-io", "-f", "raw", *arguments, str(place)], env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=120)
    if done.returncode or done.stderr or "failed" in done.stdout:
        raise OSError(done.stdout + done.stderr)


def assert_same(place, expected):
    """Compares every byte of two places, and their lengths."""
    command = ["qemu-img", "compare", "-f", "raw", "-F", "raw", str(place), str(expected)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert length(place) == length(expected)


def length(place):
    command = ["qemu-img", "info", "--output=json", "-f", "raw", str(place)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)["virtual-size"]


def host(name):
    """The connector of a host, as os-brick makes it."""
    return {"host": name, "ip": "192.0.2.1", "initiator": f"iqn.1993-08.org.debian:01:{name}", "multipath": False,
            "os_type": "linux", "platform": "x86_64", "do_local_attach": False}
