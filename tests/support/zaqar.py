"""A real Zaqar with its messages in a Redis of its own, behind a real Keystone, on free loopback ports."""

from server import Server, free_port, python_environment, wait_until

SERVER = """
import sys, waitress
conf, port = sys.argv[1:3]
sys.argv = ["zaqar"]
from oslo_config import cfg
from oslo_log import log
from zaqar import bootstrap
from zaqar.common import consts
log.register_options(cfg.CONF)
cfg.CONF(project="zaqar", args=["--config-file", conf])
log.setup(cfg.CONF, "zaqar")
boot = bootstrap.Bootstrap(cfg.CONF)
cfg.CONF.drivers.transport = consts.TRANSPORT_WSGI
waitress.serve(boot.transport.app, host="127.0.0.1", port=int(port), threads=1, ident=None)
"""
SECRET = "the key of signed addresses"


class Zaqar(Server):
    """Zaqar that checks tokens as `user` of `project`."""

    def __init__(self, keystone, user, project):
        super().__init__("zaqar")
        self.venv = python_environment("zaqar", "tests/support/zaqar-requirements.txt")
        self.environment |= {"HOME": str(self.folder), "PYTHONWARNINGS": "ignore"}
        self.redis, self.port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        store = f"[drivers:{{}}_store:redis]\nuri = redis://127.0.0.1:{self.redis}\n"
        self.config = self.folder / "zaqar.conf"
        self.config.write_text(
            "[DEFAULT]\nadmin_mode = true\nunreliable = true\nauth_strategy = keystone\n"
            "[drivers]\ntransport = wsgi\nmessage_store = redis\nmanagement_store = redis\n"
            f"{store.format('message')}{store.format('management')}[signed_url]\nsecret_key = {SECRET}\n"
            f"[keystone_authtoken]\nwww_authenticate_uri = {keystone.url}\nauth_url = {keystone.url}\nauth_type = password\n"
            f"username = {user}\npassword = secret\nproject_name = {project}\nuser_domain_id = default\nproject_domain_id = default\n"
            "interface = public\nregion_name = R\n")

    def start(self):
        self.spawn("redis", ["redis-server", "--port", self.redis, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder])
        server = self.spawn("zaqar", [self.venv / "bin/python", "-c", SERVER, self.config, self.port])
        wait_until(lambda: server.poll() is not None or "Serving on" in self.log("zaqar"), "Zaqar", 120)
        assert server.poll() is None, self.log("zaqar")
