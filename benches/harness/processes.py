"""Processes of one run: started in a folder of their own, measured through /proc, stopped by their process id."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


class CouldNotRun(Exception):
    """A candidate that did not start, or does not answer as it should."""


def _stat(pid):
    """Parent, CPU ticks (its own and those of children that it has waited for), or None where it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command, in parentheses, may hold anything; the numbers start behind the last one.
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[1]), sum(int(ticks) for ticks in fields[11:15])


def tree(root):
    """The process and all that descend from it."""
    parents = {int(name): stat[0] for name in os.listdir("/proc") if name.isdigit() and (stat := _stat(name))}
    members, found = {root} & parents.keys(), {root}
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - members
        members |= found
    return members


def executable(pid):
    """The path of the executable, or an empty text where the process has ended."""
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def cpu_us(pids):
    """CPU microseconds that these processes have used so far, over all their threads."""
    return sum(stat[1] for pid in pids if (stat := _stat(pid))) * TICK_US


def resident_kib(pid):
    """Resident memory."""
    return status_kib(pid, "VmRSS")


def status_kib(pid, name):
    """A size from the status of a process (proc(5)); 0 where it has ended."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def machine_busy_us():
    """CPU microseconds that the whole machine has been busy, stolen time included."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields[:8])
    return (user + nice + system + irq + softirq + steal) * TICK_US


def free_port():
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=20, alive=None):
    """Asks `condition` until it holds; gives up after `seconds`, or when the process `alive` has ended."""
    deadline = time.monotonic() + seconds
    while not condition():
        if alive is not None and alive.poll() is not None:
            raise CouldNotRun(f"{what}: ended with {alive.returncode}")
        if time.monotonic() > deadline:
            raise CouldNotRun(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def accepts(address):
    """Whether something listens: `address` is a port of 127.0.0.1 or the path of a unix socket."""
    loopback = isinstance(address, int)
    with socket.socket(socket.AF_INET if loopback else socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(("127.0.0.1", address) if loopback else str(address))
        except OSError:
            return False
    return True


class Bench:
    """The temporary folder and every process of this run; `with` stops and removes them."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-bench-"))
        self.folder.chmod(0o755)
        self._started = []
        self.failed = {}

    @contextlib.contextmanager
    def candidate(self, name):
        """Around the start of one candidate: where it can not run, the others still are measured."""
        try:
            yield
        except CouldNotRun as error:
            self.failed[name] = str(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, stdin=None, env=None):
        """Starts a program; its output goes to NAME.log in the folder."""
        with open(self.folder / f"{name}.log", "ab") as log:
            try:
                process = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=stdin or subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **(env or {})},
                    cwd=self.folder,
                )
            except OSError as error:
                raise CouldNotRun(f"{name}: {error}") from error
        self._started.append(process)
        return process

    def start_on_socket(self, name, command, **more):
        """Starts a responder as spawn-fcgi does: a listening unix socket is its fd 0. Answers the process and the path."""
        path = self.folder / f"{name}.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o666)
            listener.listen(1024)
            return self.start(name, command, stdin=listener, **more), path

    def start_on_port(self, name, command, port, **more):
        """Starts a server that listens on a port of the loopback address itself, and waits until it does."""
        process = self.start(name, command, **more)
        wait_for(name, lambda: accepts(port), alive=process)
        return process

    def wait_for_socket(self, name, process, path):
        """Waits until a server listens on a unix socket of its own."""
        wait_for(name, lambda: accepts(path), alive=process)

    def logs(self):
        """The last lines of every log in the folder."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-5:]
            parts += [f"--- {path.name}", *lines] if lines else []
        return "\n".join(parts)

    def stop(self):
        """Stops every process that was started, and what descends from it, last started first."""
        for process in reversed(self._started):
            members = tree(process.pid)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            for pid in members - {process.pid}:
                _kill_if_ours(pid, self.folder)
        self._started.clear()


def _kill_if_ours(pid, folder):
    """Kills a descendant that outlived its parent. The working folder tells it from a stranger with a reused id."""
    try:
        if os.readlink(f"/proc/{pid}/cwd").startswith(str(folder)):
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
