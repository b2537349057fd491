"""A bounded load that remembers what was acknowledged and what failed."""

import threading
import uuid

from stack import Answer, wait_until


class Load:
    """Clients that create and read volumes, each on a new connection for every request, until told to stop."""

    def __init__(self, stack, clients=6):
        self.stack, self.acknowledged, self.failed, self.requests = stack, set(), [], 0
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.requests > 50, "the load to run")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the load; every request that was sent has been answered then, or has failed."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.stopping.is_set() and self.requests < 200_000:
            name = uuid.uuid4().hex
            self.one("POST", "/volume/v3/volumes", {"volume": {"size": 1, "name": name}}, name)
            for _ in range(5):
                self.one("GET", "/volume/v3/volumes?limit=1", None, None)

    def one(self, method, path, body, name):
        try:
            answer = self.stack.request(method, path, body)
            good = answer.status in (200, 202)
            what = f"{method} {answer.status} {answer.body[:200]}"
        except OSError as error:
            good, what = False, f"{method} {error!r}"
        except Exception as error:  # http.client has exceptions outside of OSError
            good, what = False, f"{method} {error!r}"
        with self.lock:
            self.requests += 1
            if not good:
                self.failed.append(what)
            elif name:
                self.acknowledged.add(name)

    def more(self, count=200):
        """Waits until so many more requests have been answered."""
        goal = self.requests + count
        wait_until(lambda: self.requests >= goal, f"{count} more requests", 60)

    def lost(self):
        """The names of acknowledged volumes that are not there."""
        found, marker = set(), ""
        while True:
            page = self.stack.request("GET", f"/volume/v3/volumes?limit=1000{marker}").json()["volumes"]
            found |= {volume["name"] for volume in page}
            if len(page) < 1000:
                return self.acknowledged - found
            marker = f"&marker={page[-1]['id']}"


__all__ = ["Answer", "Load"]
