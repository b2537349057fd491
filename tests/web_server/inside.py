"""Runs one site file exactly as it stands, in mount and network namespaces of its own: there port 80 and /run/hearth are free.

    unshare --mount --net python inside.py CASE

Prints nothing and exits with 0 where all is well; a traceback says what is not.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from stack import HEARTH, MODULES, PATH, SOURCES, wait_until  # noqa: E402

CONFIG = """[DEFAULT]
auth_strategy = noauth
state_path = /run/hearth
[database]
connection = sqlite:////run/hearth/cinder.sqlite
[hearth_telemetry]
connection = sqlite:////run/hearth/telemetry.sqlite
"""
running = []


def loopback_up():
    """Sets the flag UP of `lo` (SIOCSIFFLAGS of netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 1 | 0x40))


def over(folder, place):
    """Lays a folder of this test over a place of the system, seen in this namespace only."""
    pathlib.Path(place).mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", folder, place], check=True)


def spawn(*command, **environment):
    command = [str(part) for part in command]
    process = subprocess.Popen(command, env={"PATH": PATH, **environment}, stdin=subprocess.DEVNULL, start_new_session=True)
    running.append(process)
    return process


def prepare():
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    loopback_up()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="hearth-site-"))
    for name in ("run", "etc", "nginx", "programs"):
        (scratch / name).mkdir()
    over(scratch / "run", "/run/hearth")
    os.chmod("/run/hearth", 0o777)
    (scratch / "etc/hearth.conf").write_text(CONFIG)
    over(scratch / "etc", "/etc/hearth")
    (scratch / "programs/hearth.fcgi").symlink_to(HEARTH)
    (scratch / "programs/hearth.cgi").symlink_to(HEARTH)
    over(scratch / "programs", "/usr/lib/hearth")
    subprocess.run([HEARTH, "db", "sync"], check=True, stdout=subprocess.DEVNULL)
    for database in pathlib.Path("/run/hearth").glob("*.sqlite*"):
        database.chmod(0o666)
    return scratch


def nginx(scratch, site):
    for file in (SOURCES / "nginx").iterdir():
        shutil.copy(file, scratch / "nginx")
    shutil.copy("/etc/nginx/uwsgi_params", scratch / "nginx")
    over(scratch / "nginx", "/etc/nginx")
    pathlib.Path("/etc/nginx/nginx.conf").write_text(
        f"user root; daemon off; worker_processes 1; pid /run/hearth/nginx.pid; error_log /run/hearth/nginx.log;\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log off; include {site}; }}\n")
    spawn("nginx")


def apache(modules, site):
    loads = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in ("mpm_event", "authz_core", *modules))
    pathlib.Path("/run/hearth/apache.conf").write_text(
        f"ServerRoot /run/hearth\nServerName localhost\nListen 80\nPidFile /run/hearth/apache.pid\nErrorLog /run/hearth/apache.log\n"
        f"User www-data\nGroup www-data\n{loads}Include {SOURCES}/apache/{site}\n")
    spawn("apache2", "-D", "FOREGROUND", "-f", "/run/hearth/apache.conf")


def responders(count=2):
    spawn("spawn-fcgi", "-n", "-s", "/run/hearth/hearth.sock", "-M", "0666", "--", shutil.which("multiwatch", path=PATH),
          "-f", str(count), "--", HEARTH)
    wait_until(pathlib.Path("/run/hearth/hearth.sock").exists, "the socket")


def fetch(url, headers=None, context=None):
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def expect_all_services(base="http://127.0.0.1"):
    wait_until(lambda: fetch(f"{base}/volume/v3/")[0] == 200, f"an answer of {base}")
    status, body, _ = fetch(f"{base}/volume/")
    assert status == 300 and f'"{base}/volume/v3/"' in body, (status, body)
    for service in ("metering", "alarming"):
        status, body, _ = fetch(f"{base}/{service}/")
        assert status == 200 and f'"{base}/{service}/v2' in body, (status, body)
    status, body, _ = fetch(f"{base}/volume/v3/volumes/x%2Fy")
    assert status == 404 and "x/y" in body, (status, body)
    assert fetch(f"{base}/elsewhere")[0] == 404


def case_nginx(scratch):
    responders()
    nginx(scratch, "hearth.conf")
    expect_all_services()


def case_nginx_ports(scratch):
    responders()
    nginx(scratch, "hearth-ports.conf")
    wait_until(lambda: fetch("http://127.0.0.1:8776/v3/")[0] == 200, "Block Storage on its port")
    for port, word in ((8776, "v3/"), (8777, "v2"), (8042, "v2")):
        status, body, _ = fetch(f"http://127.0.0.1:{port}/")
        assert status in (200, 300) and f'"http://127.0.0.1:{port}/{word}' in body, (status, body)
    assert fetch("http://127.0.0.1:8777/v2/meters")[0] == 200


def case_nginx_tls(scratch):
    hosts = scratch / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 hearth-1\n127.0.0.3 hearth-2\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    (scratch / "etc/tls").mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", "/etc/hearth/tls/key.pem", "-out", "/etc/hearth/tls/cert.pem"], check=True, capture_output=True)
    hosts = [spawn(HEARTH, "api", "--listen", f"127.0.0.{number}:9000", FCGI_WEB_SERVER_ADDRS="127.0.0.1") for number in (2, 3)]
    nginx(scratch, "hearth-tls.conf")
    context = ssl.create_default_context(cafile="/etc/hearth/tls/cert.pem")
    context.check_hostname = False
    ask = lambda: fetch("https://127.0.0.1/volume/", context=context)  # noqa: E731
    wait_until(lambda: ask()[0] == 300, "an answer over TLS")
    assert '"https://127.0.0.1/volume/v3/"' in ask()[1]
    # One of the two hosts goes away: nobody notices.
    hosts[0].send_signal(signal.SIGTERM)
    assert {ask()[0] for _ in range(50)} == {300}
    # From an address that is not named a responder takes nothing.
    with socket.create_connection(("127.0.0.3", 9000), source_address=("127.0.0.9", 0)) as stranger:
        stranger.settimeout(10)
        try:
            assert stranger.recv(1) == b""
        except ConnectionResetError:
            pass


def case_mod_fcgid(_):
    pathlib.Path("/run/hearth/fcgid").mkdir()
    os.chmod("/run/hearth/fcgid", 0o777)
    over(tempfile.mkdtemp(), "/var/lib/apache2/fcgid")
    os.chmod("/var/lib/apache2/fcgid", 0o777)
    apache(("alias", "env", "fcgid"), "hearth-mod_fcgid.conf")
    expect_all_services()


def case_mod_proxy_fcgi(_):
    responders()
    apache(("env", "proxy", "proxy_fcgi"), "hearth-mod_proxy_fcgi.conf")
    expect_all_services()


def case_cgi(_):
    pathlib.Path("/var/run/apache2").mkdir(parents=True, exist_ok=True)
    apache(("alias", "env", "cgid"), "hearth-cgi.conf")
    expect_all_services()


def case_systemd(_):
    """The socket is handed over as systemd does it (LISTEN_FDS), by systemd's own program."""
    spawn("systemd-socket-activate", "-l", "/run/hearth/hearth.sock", "--setenv=HEARTH_CONFIG=/etc/hearth/hearth.conf", HEARTH, "api")
    wait_until(pathlib.Path("/run/hearth/hearth.sock").exists, "the socket")
    os.chmod("/run/hearth/hearth.sock", 0o666)
    apache(("env", "proxy", "proxy_fcgi"), "hearth-mod_proxy_fcgi.conf")
    expect_all_services()


def cinder_api():
    """A real cinder-api under uWSGI on Hearth's own database, without Keystone. It needs no message broker to answer reads."""
    venv = pathlib.Path(os.environ["CINDER_VENV"])
    pathlib.Path("/run/cinder").mkdir(exist_ok=True)
    over(tempfile.mkdtemp(), "/run/cinder")
    os.chmod("/run/cinder", 0o777)
    config = pathlib.Path("/run/cinder/cinder.conf")
    config.write_text(
        f"[DEFAULT]\nauth_strategy = noauth\nstate_path = /run/cinder\nlog_dir = /run/cinder\ntransport_url = fake://\n"
        f"api_paste_config = {venv}/etc/cinder/api-paste.ini\nresource_query_filters_file = {venv}/etc/cinder/resource_filters.json\n"
        f"[database]\nconnection = sqlite:////run/hearth/cinder.sqlite\n[oslo_concurrency]\nlock_path = /run/cinder/lock\n"
        f"[coordination]\nbackend_url = file:///run/cinder/coordination\n")
    spawn(venv / "bin/uwsgi", "--master", "--die-on-term", "--need-app", "--enable-threads", "--lazy-apps", "--buffer-size", "65535",
          "--socket", "/run/cinder/cinder-api.sock", "--chmod-socket=666", "--module", "cinder.wsgi.api:application",
          "--pyargv", f"--config-file {config}", "--disable-logging", "--logto", "/run/hearth/cinder-api.log")


def case_nginx_canary(scratch):
    """Both APIs on one database behind one port: what one makes, the other shows; a caller stays on its side."""
    project = "0123456789abcdef0123456789abcdef"
    responders()
    cinder_api()
    nginx(scratch, "hearth-canary.conf")
    served = {}

    def ask(path, caller, body=None):
        headers = {"X-Auth-Token": f"{caller}:{project}", "OpenStack-API-Version": "volume 3.71"}
        if body:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"http://127.0.0.1:8776/v3/{project}{path}", headers=headers, data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers["X-Served-By"], json.loads(answer.read())

    def both_sides():
        for number in range(200):
            side, _ = ask("/types", f"caller{number}")
            served.setdefault(side, []).append(f"caller{number}")
        return len(served) == 2

    wait_until(both_sides, "both sides", 90)
    hearths, cinders = served["hearth"], served["cinder-api"]
    assert len(hearths) < len(cinders), "a tenth of the callers goes to Hearth"
    body = json.dumps({"volume": {"size": 1, "name": "made by Hearth", "metadata": {"k": "v"}}}).encode()
    side, made = ask("/volumes", hearths[0], body)
    assert side == "hearth"
    side, shown = ask(f"/volumes/{made['volume']['id']}", cinders[0])
    _, own = ask(f"/volumes/{made['volume']['id']}", hearths[0])
    assert side == "cinder-api"
    shown, own = shown["volume"], own["volume"]
    differences = {key: (shown.get(key), own.get(key)) for key in shown.keys() | own.keys() if shown.get(key) != own.get(key)}
    assert differences == {}, f"what Cinder shows and what Hearth shows: {differences}"


def main(case):
    scratch = prepare()
    try:
        globals()[f"case_{case}"](scratch)
    except BaseException:
        for log in pathlib.Path("/run/hearth").glob("*.log"):
            print(log, log.read_text(errors="replace")[-3000:], file=sys.stderr)
        raise
    finally:
        for process in reversed(running):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0)
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
