"""What the benchmarks need of the machine: packages, a Python environment, the built peers, and a word on the hardware."""

import os
import pathlib
import platform
import shutil
import subprocess
import sys

from .processes import CouldNotRun

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches" / "peers"
TARGET = ROOT / "target"
OUT = TARGET / "bench"
VENV = OUT / "venv"
DOCUMENT = (PEERS / "document.json").read_text()

# A Debian package, and the file or the program by which it is known to be there.
PACKAGES = (
    ("nginx-light", "nginx"),
    ("apache2", "apache2"),
    ("libapache2-mod-fcgid", "/usr/lib/apache2/modules/mod_fcgid.so"),
    ("wrk", "wrk"),
    ("gcc", "gcc"),
    ("libc6-dev", "/usr/include/stdlib.h"),
    ("libfcgi-dev", "/usr/include/fcgiapp.h"),
    ("golang-go", "go"),
    ("php-fpm", "/usr/sbin/php-fpm*"),
    ("libev-dev", "/usr/include/ev.h"),
)
# Only where the Python is Debian's own, which comes without them.
PYTHON_PACKAGES = ("python3-venv", "python3-dev")
PYTHON_SERVERS = ("FastWSGI", "bjoern", "gunicorn", "uvicorn", "httptools", "uvloop", "eventlet", "pyuwsgi")


def run(command, **more):
    """Runs a program to its end; its output is shown where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise CouldNotRun(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def _there(mark):
    if "*" in mark:
        return any(pathlib.Path("/").glob(mark.lstrip("/")))
    return pathlib.Path(mark).exists() if mark.startswith("/") else shutil.which(mark) is not None


def install(say):
    """Installs what is missing with apt-get, and the Python servers into an environment below target/."""
    missing = [package for package, mark in PACKAGES if not _there(mark)]
    if sys.executable.startswith("/usr/bin") or not shutil.which("pip"):
        header = pathlib.Path(f"/usr/include/python3.{sys.version_info.minor}/Python.h")
        missing += [package for package in PYTHON_PACKAGES if not header.exists()]
    if missing:
        say(f"installing {' '.join(missing)}")
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        # The distribution starts nginx and Apache when it installs them; runlevel 1 keeps them from it.
        quiet = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-q"]
        run([*quiet, "update"])
        run([*quiet, "install", "-y", "--no-install-recommends", *missing])
    if not (VENV / "bin" / "python").exists():
        say("making a Python environment in target/bench/venv")
        run([sys.executable, "-m", "venv", VENV])
    listed = run([VENV / "bin" / "pip", "list", "--format=freeze", "--disable-pip-version-check"]).lower()
    wanted = [name for name in PYTHON_SERVERS if f"{name.lower()}==" not in listed]
    if wanted:
        say(f"installing {' '.join(wanted)} from PyPI")
        run([VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *wanted])


def build(say):
    """Builds Hearth and the peers, all optimized."""
    OUT.mkdir(parents=True, exist_ok=True)
    say("building hearth (release)")
    run(["cargo", "build", "--release", "--locked", "--bin", "hearth"], cwd=ROOT)
    say("building the peers")
    run(
        ["cargo", "build", "--release", "--locked"],
        cwd=PEERS / "rust",
        env={**os.environ, "CARGO_TARGET_DIR": str(OUT / "peers")},
    )
    static = ["-C", "opt-level=3", "-C", "target-feature=+crt-static", "-C", "panic=abort"]
    run(["rustc", "--edition", "2024", *static, "-o", OUT / "empty", PEERS / "rust" / "src" / "bin" / "empty.rs"])
    run(["gcc", "-O2", "-o", OUT / "libfcgi", PEERS / "libfcgi" / "responder.c", "-lfcgi", "-lpthread"])
    run(["go", "build", "-o", OUT / "go", "."], cwd=PEERS / "go", env={**os.environ, "GOFLAGS": "-buildvcs=false"})


def hearth():
    """The release executable. CARGO_TARGET_DIR is heeded, as cargo does."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TARGET)) / "release" / "hearth"


def described():
    """The machine and the versions of what was measured, for the report."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((int(line.split()[1]) // 1024 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "kernel": platform.release(),
        "system": next((line[13:-1] for line in _lines("/etc/os-release") if line.startswith('PRETTY_NAME="')), ""),
        "nginx": _version(["nginx", "-v"]),
        "apache": _version(["apache2", "-v"]),
        "go": _version(["go", "version"]),
        "rust": _version(["rustc", "--version"]),
        "commit": _version(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]),
        "python_servers": run([VENV / "bin" / "pip", "list", "--format=freeze"]).split() if VENV.exists() else [],
    }


def _lines(path):
    try:
        return pathlib.Path(path).read_text().splitlines()
    except OSError:
        return []


def _version(command):
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip().splitlines()[0] if done.returncode == 0 else ""
