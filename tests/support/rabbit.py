"""A RabbitMQ of its own, on free loopback ports and in a temporary folder, with its own port mapper (epmd)."""

import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile

from stack import PATH, free_port, wait_until

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


class Rabbit:
    """Use it as a context manager. `stop()` and `start()` restart it; what is durable stays."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-rabbit-"))
        self.port, self.distribution, self.mapper = free_port(), free_port(), free_port()
        self.processes = []
        (self.folder / "rabbitmq.conf").write_text("loopback_users = none\n")
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "env.conf").write_text("")
        (self.folder / ".erlang.cookie").write_text(secrets.token_hex(16))
        (self.folder / ".erlang.cookie").chmod(0o400)
        self.environment = {
            "PATH": PATH, "HOME": str(self.folder), "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"n{self.port}@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(self.distribution),
            "ERL_EPMD_PORT": str(self.mapper), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/data", "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_PID_FILE": f"{self.folder}/pid", "RABBITMQ_CONF_ENV_FILE": f"{self.folder}/env.conf",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        }

    @property
    def url(self):
        return f"rabbit://guest:guest@127.0.0.1:{self.port}/"

    def spawn(self, name, *command):
        log = open(self.folder / f"{name}.out", "ab")
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)

    def answers(self):
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            # What is no AMQP is answered with the version that is spoken.
            connection.sendall(b"AMQP\x00\x00\x00\x00")
            return connection.recv(4) == b"AMQP"

    def start(self):
        self.spawn("epmd", shutil.which("epmd", path=PATH), "-address", "127.0.0.1", "-port", str(self.mapper))
        wait_until(lambda: socket.create_connection(("127.0.0.1", self.mapper), 1).close() is None, "epmd")
        self.spawn("server", SERVER)
        wait_until(self.answers, f"RabbitMQ; logs in {self.folder}", 90)

    def stop(self):
        """At once, as a crash does; nothing outlives it but what was confirmed."""
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self.processes = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        if not os.environ.get("KEEP_STACK"):
            shutil.rmtree(self.folder, ignore_errors=True)
