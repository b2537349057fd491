"""A RabbitMQ of its own, on free loopback ports and in a temporary folder, with its own port mapper (epmd)."""

import contextlib
import json
import secrets
import shutil
import signal
import socket
import subprocess
import threading

from server import PATH, Server, free_port, wait_until

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


# A user and a virtual host whose names can not stand in an address as they are.
USER, PASSWORD, VIRTUAL_HOST = "cloud user", "p@ss:w#ö%rd", "cloud/one"


class Rabbit(Server):
    """`crash()` and `start()` restart it; what is durable stays.

    One that is `secured` speaks TLS, and only to who shows a certificate of `ca.pem`; `user.pem` is one, `other.pem` is another
    authority. It knows USER in VIRTUAL_HOST.
    """

    END = signal.SIGKILL

    def __init__(self, secured=False):
        self.secured = secured
        super().__init__("rabbit")
        self.port, self.distribution, self.mapper = free_port(), free_port(), free_port()
        (self.folder / "rabbitmq.conf").write_text("loopback_users = none\n")
        if secured:
            self.secure()
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "env.conf").write_text("")
        (self.folder / ".erlang.cookie").write_text(secrets.token_hex(16))
        (self.folder / ".erlang.cookie").chmod(0o400)
        self.environment |= {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"n{self.port}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": "" if secured else str(self.port), "RABBITMQ_DIST_PORT": str(self.distribution),
            "ERL_EPMD_PORT": str(self.mapper), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/data", "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_PID_FILE": f"{self.folder}/pid", "RABBITMQ_CONF_ENV_FILE": f"{self.folder}/env.conf",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        }

    @property
    def url(self):
        return f"rabbit://guest:guest@127.0.0.1:{self.port}/"

    def secure(self):
        for authority in ("ca", "other"):
            openssl("req", "-x509", "-subj", f"/CN={authority}", "-addext", "keyUsage=critical,keyCertSign",
                    *key(self.folder / authority), "-out", self.folder / f"{authority}.pem")
        for name, more in (("server", "subjectAltName=DNS:localhost"), ("user", "extendedKeyUsage=clientAuth")):
            openssl("req", "-x509", "-subj", f"/CN={name}", "-addext", more, "-addext", "basicConstraints=critical,CA:FALSE",
                    "-CA", self.folder / "ca.pem", "-CAkey", self.folder / "ca.key",
                    *key(self.folder / name), "-out", self.folder / f"{name}.pem")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{self.port}\nssl_options.cacertfile = {self.folder}/ca.pem\n"
            f"ssl_options.certfile = {self.folder}/server.pem\nssl_options.keyfile = {self.folder}/server.key\n"
            f"ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\nload_definitions = {self.folder}/users.json\n")
        (self.folder / "users.json").write_text(json.dumps({
            "users": [{"name": USER, "password": PASSWORD, "tags": ""}], "vhosts": [{"name": VIRTUAL_HOST}],
            "permissions": [{"user": USER, "vhost": VIRTUAL_HOST, "configure": ".*", "write": ".*", "read": ".*"}]}))

    def answers(self):
        if self.secured:
            return socket.create_connection(("127.0.0.1", self.port), 1).close() is None
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            # What is no AMQP is answered with the version that is spoken.
            connection.sendall(b"AMQP\x00\x00\x00\x00")
            return connection.recv(4) == b"AMQP"

    def start(self):
        self.spawn("epmd", [shutil.which("epmd", path=PATH), "-address", "127.0.0.1", "-port", self.mapper])
        wait_until(lambda: socket.create_connection(("127.0.0.1", self.mapper), 1).close() is None, "epmd")
        self.spawn("server", [SERVER])
        wait_until(self.answers, f"RabbitMQ; logs in {self.folder}", 300)

    def crash(self):
        """Nothing outlives it but what was confirmed."""
        for name in reversed(list(self.processes)):
            self.stop(name)


class Relay:
    """Another address of a server, whose connections can be cut."""

    def __init__(self, port):
        self.to, self.open = port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.to))
                self.open += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=ends, daemon=True).start()

    @staticmethod
    def carry(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def cut(self):
        """Nobody listens there any more."""
        for end in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def key(path):
    return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", f"{path}.key"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
