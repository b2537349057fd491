"""Starts Hearth behind a real web server in a folder of its own, with the files of nginx/ and apache/ unchanged.

A Stack is one way of arriving: nginx + spawn-fcgi, mod_fcgid, mod_proxy_fcgi, CGI, or `hearth serve`. Everything that it
starts listens on free loopback ports or on sockets in its folder, and is stopped by its process id.
"""

import http.client
import json
import os
import pathlib
import shutil
import subprocess

from server import PATH, SOURCES, Server, free_port, wait_until

HEARTH = pathlib.Path(os.environ.get("HEARTH_BIN", SOURCES / "target/debug/hearth")).absolute()
WAYS = ("nginx", "mod_fcgid", "mod_proxy_fcgi", "cgi", "serve")
MODULES = "/usr/lib/apache2/modules"


class Stack(Server):
    """Hearth behind a web server."""

    def __init__(self, way, config="", sections="", backends=True, responders=2, daemon=False):
        self.way, self.responders, self.backends, self.daemon = way, responders, backends, daemon
        super().__init__("stack")
        self.folder.chmod(0o755)
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.volume_url, self.metering_url = f"{self.base}/volume/v3", f"{self.base}/metering"
        self.alarming_url = f"{self.base}/alarming"
        self.socket = self.folder / "run/hearth.sock"
        for name in ("run", "log", "volumes", "web", "web/bin"):
            (self.folder / name).mkdir()
        self.config = self.folder / "hearth.conf"
        if "auth_strategy" not in config:
            config = f"auth_strategy = noauth\n{config}"
        if "enabled_backends" not in config:
            config = f"enabled_backends = file\n{config}"
        self.config.write_text(
            f"[DEFAULT]\nstate_path = {self.folder}\n{config}\n"
            f"[database]\nconnection = sqlite:///{self.folder}/cinder.sqlite\n"
            f"[hearth_telemetry]\nconnection = sqlite:///{self.folder}/telemetry.sqlite\n"
            f"[file]\nvolume_backend_name = file\nhearth_file_path = {self.folder}/volumes\n{sections}\n"
        )
        self.environment["HEARTH_CONFIG"] = str(self.config)

    def start(self):
        self.hearth("db", "sync")
        if self.way == "serve":
            self.spawn("serve", [HEARTH, "serve", "--listen", f"127.0.0.1:{self.port}"])
        else:
            if self.backends:
                self.spawn("volume", [HEARTH, "volume"])
            getattr(self, f"start_{self.way}")()
        self.wait_for_answer()

    def hearth(self, *arguments):
        """Runs one command of the executable to its end."""
        done = subprocess.run([HEARTH, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"hearth {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start_responders(self):
        """Responders on one socket: spawn-fcgi opens it, multiwatch keeps them alive."""
        self.spawn("responders", ["spawn-fcgi", "-n", "-s", self.socket, "-M", "0666", "--", shutil.which("multiwatch", path=PATH),
                                  "-f", str(self.responders), "-r", "100", "--", HEARTH])
        wait_until(self.socket.exists, "the responders' socket")

    def start_nginx(self):
        self.start_responders()
        for name in ("hearth_params", "hearth-locations.conf"):
            shutil.copy(SOURCES / "nginx" / name, self.folder / "web")
        temp = "".join(f"{kind}_temp_path {self.folder}/web/{kind};\n" for kind in ("client_body", "fastcgi", "proxy", "uwsgi", "scgi"))
        (self.folder / "web/nginx.conf").write_text(
            f"worker_processes 1; daemon {'on' if self.daemon else 'off'}; pid {self.folder}/run/nginx.pid; error_log {self.folder}/log/nginx-error.log;\n"
            f"{'user root;' if os.getuid() == 0 else ''}\n"
            f"events {{ worker_connections 1024; }}\nhttp {{ access_log off;\n{temp}"
            f"upstream hearth {{ server unix:{self.socket}; keepalive 32; keepalive_timeout 10s; }}\n"
            f"server {{ listen 127.0.0.1:{self.port}; include hearth-locations.conf; }}\n}}\n")
        self.spawn("web", [shutil.which("nginx", path=PATH), "-p", self.folder / "web", "-c", self.folder / "web/nginx.conf"])

    def start_apache(self, modules, site):
        loads = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in modules)
        (self.folder / "web/apache.conf").write_text(
            f"ServerRoot {self.folder}/web\nServerName 127.0.0.1\nListen 127.0.0.1:{self.port}\n"
            f"PidFile {self.folder}/run/apache.pid\nErrorLog {self.folder}/log/apache-error.log\n"
            f"LoadModule mpm_event_module {MODULES}/mod_mpm_event.so\nLoadModule authz_core_module {MODULES}/mod_authz_core.so\n"
            f"{loads}Define HEARTH_PROGRAMS {self.folder}/web/bin\nDefine HEARTH_CONFIG {self.config}\n"
            f"Define HEARTH_SOCKET {self.socket}\n{site}\n")
        for name in ("hearth.fcgi", "hearth.cgi"):
            (self.folder / "web/bin" / name).symlink_to(HEARTH)
        self.open_to_web_server()
        self.spawn("web", ["apache2", "-D", "FOREGROUND", "-f", self.folder / "web/apache.conf"])

    def open_to_web_server(self):
        """Apache's children run as its own user: the database and the folder must be theirs too."""
        for place in [self.folder, *self.folder.rglob("*")]:
            if not place.is_symlink():
                place.chmod(0o777 if place.is_dir() else 0o666)

    def start_mod_fcgid(self):
        (self.folder / "run/fcgid").mkdir()
        site = (f"FcgidIPCDir {self.folder}/run/fcgid\nFcgidProcessTableFile {self.folder}/run/fcgid_shm\n"
                f"Include {SOURCES}/apache/hearth-mod_fcgid.conf")
        self.start_apache(("alias", "env", "fcgid"), site)

    def start_mod_proxy_fcgi(self):
        self.start_responders()
        self.start_apache(("env", "proxy", "proxy_fcgi"), f"Include {SOURCES}/apache/hearth-mod_proxy_fcgi.conf")

    def start_cgi(self):
        site = f"ScriptSock {self.folder}/run/cgisock\nInclude {SOURCES}/apache/hearth-cgi.conf"
        self.start_apache(("alias", "env", "cgid"), site)

    def wait_for_answer(self):
        wait_until(lambda: self.request("GET", "/volume/v3/").status == 200, f"an answer behind {self.way}; logs in {self.folder}/log")

    def request(self, method, path, body=None, headers=None, timeout=30):
        """One request on a connection of its own. The answer has .status, .headers, .body and .json()."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            return Answer.to(connection, method, path, body, headers)
        finally:
            connection.close()


class Answer:
    """The answer to one request."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @classmethod
    def to(cls, connection, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return cls(response.status, response.headers, response.read())

    def json(self):
        return json.loads(self.body)
