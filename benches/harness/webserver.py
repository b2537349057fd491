"""nginx and Apache for the benchmarks: one server, a port for each candidate, nothing written to an access log."""

import functools
import os
import pathlib
import re

from . import processes

NGINX_HEAD = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log warn;
daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
"""

APACHE_HEAD = """
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.error.log
LogLevel warn
ServerName 127.0.0.1
{user}
{modules}
StartServers 2
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
MinSpareThreads 64
MaxSpareThreads 64
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
# As apache/hearth-*.conf has it: else Apache throws the length of every answer away, and sends it in chunks.
SetEnv ap_trust_cgilike_cl 1
"""

APACHE_MODULES = "mpm_event authz_core env proxy proxy_fcgi fcgid"
APACHE_MODULE_FOLDERS = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules")


def parameters(**replaced):
    """nginx's usual FastCGI parameters, one of them possibly with another value."""
    lines = pathlib.Path("/etc/nginx/fastcgi_params").read_text().splitlines()
    kept = [line for line in lines if not any(re.match(rf"fastcgi_param\s+{name}\s", line) for name in replaced)]
    return "\n".join(kept + [f'fastcgi_param {name} "{value}";' for name, value in replaced.items()])


class Nginx:
    """One nginx with one worker."""

    def __init__(self, bench):
        self.bench, self.text, self.process = bench, "", None

    def own_answer(self, document):
        """A port on which nginx itself answers."""
        quoted = document.replace("\\", "\\\\").replace('"', '\\"')
        return self._server(f'default_type application/json; location / {{ return 200 "{quoted}"; }}')

    def fastcgi(self, name, path, kept, extra=""):
        """A port behind which a FastCGI responder listens on a unix socket."""
        keepalive = "keepalive 64; keepalive_requests 100000000;" if kept else ""
        self.text += f"  upstream {name} {{ server unix:{path}; {keepalive} }}\n"
        keep = "on" if kept else "off"
        return self._server(
            f"location / {{ fastcgi_pass {name}; fastcgi_keep_conn {keep};\n{parameters()}\n{extra} }}"
        )

    def hearth(self, path, name="hearth"):
        """A port behind which Hearth stands as nginx/ has it: its own parameters, buffers and kept connections."""
        self.text += f"  upstream {name} {{ server unix:{path}; keepalive 32; }}\n"
        folder = pathlib.Path(__file__).resolve().parents[2] / "nginx"
        locations = (folder / "hearth-locations.conf").read_text().replace("fastcgi_pass hearth;", f"fastcgi_pass {name};")
        return self._server(locations.replace("include hearth_params", f"include {folder}/hearth_params"))

    def uwsgi(self, path):
        """A port behind which a uWSGI server listens on a unix socket. That protocol has a connection for each request."""
        return self._server(
            f'client_max_body_size 8m; client_body_buffer_size 512k; location / {{ uwsgi_pass unix:{path}; include /etc/nginx/uwsgi_params; uwsgi_param SCRIPT_NAME ""; }}'
        )

    def proxy(self, port):
        """A port behind which a server speaks HTTP on another one."""
        self.text += f"  upstream proxied-{port} {{ server 127.0.0.1:{port}; keepalive 32; }}\n"
        return self._server(
            f'location / {{ proxy_pass http://proxied-{port}; proxy_http_version 1.1; proxy_set_header Connection "";'
            f" proxy_set_header Host $http_host; }}"
        )

    def _server(self, content):
        port = processes.free_port()
        self.text += f"  server {{ listen 127.0.0.1:{port} backlog=1024; {content} }}\n"
        return port

    def start(self):
        """Starts it with all the ports that were asked for."""
        folder = self.bench.folder
        user = "user root;" if os.geteuid() == 0 else ""
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_HEAD.format(folder=folder, user=user) + self.text + "}\n")
        self.process = self.bench.start("nginx", ["nginx", "-p", folder, "-c", conf, "-e", folder / "nginx.error.log"])
        self._wait()

    def _wait(self):
        for port in re.findall(r"listen 127.0.0.1:(\d+)", self.text):
            processes.wait_for("nginx", functools.partial(processes.accepts, int(port)), alive=self.process)

    def pids(self):
        """Master and worker."""
        return processes.tree(self.process.pid)


class Apache:
    """One Apache with the event module and two processes of 32 threads."""

    def __init__(self, bench):
        self.bench, self.text, self.process = bench, "", None

    def proxy(self, name, path, reuse):
        """A port behind which mod_proxy_fcgi speaks to a responder on a unix socket."""
        on = "on" if reuse else "off"
        return self._host(f'ProxyPass "/" "unix:{path}|fcgi://{name}-{on}/" enablereuse={on}')

    def fcgid(self, command, environment=None):
        """A port behind which mod_fcgid starts as many processes of a responder as it finds right, at most 40."""
        line = " ".join(str(part) for part in command)
        set_all = "\n".join(f'FcgidInitialEnv {name} "{value}"' for name, value in (environment or {}).items())
        return self._host(
            f'<Location "/">\nSetHandler fcgid-script\nOptions +ExecCGI\nRequire all granted\n'
            f'FcgidWrapper "{line}" virtual\n</Location>\n{set_all}'
        )

    def _host(self, content):
        port = processes.free_port()
        self.text += f'Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot "{self.bench.folder}"\n'
        self.text += f"{content}\n</VirtualHost>\n"
        return port

    def start(self):
        """Starts it with all the ports that were asked for."""
        folder = self.bench.folder
        modules = next(path for path in map(pathlib.Path, APACHE_MODULE_FOLDERS) if path.is_dir())
        load = "\n".join(
            f"LoadModule {name}_module {modules}/mod_{name}.so"
            for name in APACHE_MODULES.split()
            if (modules / f"mod_{name}.so").exists()
        )
        fcgid = f"FcgidIPCDir {folder}\nFcgidProcessTableFile {folder}/fcgid_shm\n"
        fcgid += "FcgidMaxProcesses 200\nFcgidMaxProcessesPerClass 40\nFcgidSpawnScoreUpLimit 1000\n"
        fcgid += "FcgidMaxRequestsPerProcess 0\n"
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        conf = folder / "apache.conf"
        conf.write_text(APACHE_HEAD.format(folder=folder, user=user, modules=load) + fcgid + self.text)
        if user:
            # Apache makes its sockets for mod_fcgid as the user that it becomes.
            folder.chmod(0o777)
        self.process = self.bench.start("apache", ["apache2", "-DFOREGROUND", "-f", conf])
        for port in re.findall(r"Listen 127.0.0.1:(\d+)", self.text):
            processes.wait_for("apache2", functools.partial(processes.accepts, int(port)), alive=self.process)

    def pids(self):
        """Apache's own processes, without the responders that mod_fcgid started."""
        own = processes.executable(self.process.pid)
        return {pid for pid in processes.tree(self.process.pid) if processes.executable(pid) == own}

    def children(self, command):
        """The processes that mod_fcgid started of one executable."""
        path = os.path.realpath(command[0])
        return {pid for pid in processes.tree(self.process.pid) if processes.executable(pid) == path}
