"""A real Glance for the suites that move images, and what they make in it."""

import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import sqlite3
import subprocess

from stack import SOURCES, Answer, free_port, wait_until


class Glance:
    """Glance on a free port until closed. Its data lie in `folder`; a second one may follow on them. With a Keystone, it
    checks tokens as the user of the project."""

    def __init__(self, folder, port=None, keystone=None, **options):
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        cache = os.environ.get("CACHE", str(SOURCES / "target/test-cache"))
        self.process = subprocess.Popen(
            [SOURCES / "tests/support/glance.sh", folder, str(self.port), *(keystone or ())], stdin=subprocess.PIPE,
            env={**os.environ, "HEARTH_TEST_CACHE": cache, **options})
        wait_until(lambda: self.process.poll() is not None or self.ask("GET", "/healthcheck").status == 200, "Glance", 600)
        assert self.process.poll() is None, "Glance did not start"

    def close(self):
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            return Answer.to(connection, method, path, body, headers)
        finally:
            connection.close()

    def image(self, id, token=None):
        return self.ask("GET", f"/v2/images/{id}", None, {"X-Auth-Token": token} if token else {}).json()

    def make(self, file=None, disk_format="raw", token=None, **attributes):
        """A new image with the bytes of a file, if one is given; its id."""
        headers = {"X-Auth-Token": token} if token else {}
        body = {"name": "image", "disk_format": disk_format, "container_format": "bare", **attributes}
        answer = self.ask("POST", "/v2/images", json.dumps(body), {"Content-Type": "application/json", **headers})
        assert answer.status == 201, answer.body
        id = answer.json()["id"]
        if file:
            answer = self.ask("PUT", f"/v2/images/{id}/file", pathlib.Path(file).read_bytes(), {
                "Content-Type": "application/octet-stream", **headers})
            assert answer.status == 204, answer.body
        return id

    def smuggle(self, file, disk_format):
        """An image as an older Glance would have let it in, which did not look into what it was given."""
        id = self.make(SOURCES / "LICENSE")
        content = pathlib.Path(file).read_bytes()
        self.stored(id).write_bytes(content)
        with contextlib.closing(sqlite3.connect(self.folder / "glance.sqlite", timeout=30)) as database, database:
            database.execute(
                "UPDATE images SET disk_format = ?, size = ?, virtual_size = NULL, checksum = ?, os_hash_value = ? WHERE id = ?",
                (disk_format, len(content), hashlib.md5(content).hexdigest(), hashlib.sha512(content).hexdigest(), id))
        return id

    def delete(self, id):
        assert self.ask("DELETE", f"/v2/images/{id}").status == 204

    def stored(self, id):
        """Where the file store of this Glance keeps the data of an image."""
        found = [place / id for place in (self.folder / "images", self.folder / "more") if (place / id).exists()]
        return found[0]
