"""A server that a test starts for itself: a temporary folder, processes of its own, and their end."""

import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

SOURCES = pathlib.Path(__file__).resolve().parents[2]
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds, what, seconds=30):
    """Asks again until `holds()` is true; says what it waited for where it never is: a text, or what makes one then."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if result := holds():
                return result
        time.sleep(0.02)
    raise TimeoutError(f"waited {seconds} s for {what() if callable(what) else what}")


def python_environment(name, requirements):
    """The folder of a Python environment with these packages."""
    cache = pathlib.Path(os.environ.get("CACHE") or SOURCES / "target/test-cache")
    subprocess.run([SOURCES / "scripts/venv", name, SOURCES / requirements], check=True, env={**os.environ, "CACHE": str(cache)})
    return cache / name


class Server:
    """Use it as a context manager: `start()` on entering, and the end of every process and of the folder on leaving.

    KEEP_STACK=1 in the environment keeps the folder.
    """

    # What tells its processes to end.
    END = signal.SIGTERM

    def __init__(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"hearth-{name}-"))
        self.environment = {"PATH": PATH, "LANG": "C.UTF-8"}
        self.processes = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(list(self.processes)):
            self.stop(name)
        if not os.environ.get("KEEP_STACK"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command):
        """Runs a program to its end. Answers what it prints."""
        done = subprocess.run([str(part) for part in command], env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def spawn(self, name, command):
        log = self.log_file(name)
        log.parent.mkdir(exist_ok=True)
        with open(log, "ab") as output:
            self.processes[name] = subprocess.Popen(
                [str(part) for part in command], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True)
        return self.processes[name]

    def stop(self, name, how=None, seconds=20):
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(how or self.END)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # What a supervisor or a web server left behind is of the same session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def log_file(self, name):
        return self.folder / f"log/{name}.log"

    def log(self, name):
        return self.log_file(name).read_text(errors="replace")
