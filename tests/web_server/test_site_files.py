"""Every file of nginx/, apache/ and systemd/ as it stands: its ports, its paths, its links."""

import pathlib
import subprocess
import sys

import pytest

from server import python_environment
from stack import PATH, SOURCES

CASES = ("nginx", "nginx_ports", "nginx_tls", "mod_fcgid", "mod_proxy_fcgi", "cgi", "systemd")


def run_inside(case, **variables):
    inside = pathlib.Path(__file__).with_name("inside.py")
    done = subprocess.run(["unshare", "--mount", "--net", sys.executable, inside, case], capture_output=True, text=True, timeout=240,
                          env={"PATH": PATH, **variables})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_the_site_file_serves_as_it_stands(case):
    run_inside(case)


def test_a_share_of_the_callers_goes_to_hearth_beside_a_real_cinder_api():
    run_inside("nginx_canary", CINDER_VENV=str(python_environment("cinder", "tests/peers/cinder-requirements.txt")))


def test_systemd_accepts_the_units(tmp_path):
    """The executable's path is the only thing that is changed: systemd looks whether it is there."""
    for unit in (SOURCES / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/hearth", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())], capture_output=True, text=True, env={"PATH": PATH})
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "hearth" in line]
    assert done.returncode == 0 and complaints == [], done.stderr
