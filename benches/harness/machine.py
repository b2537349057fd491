"""What the benchmarks need of the machine: packages, a Python environment, the built peers, and a word on the hardware."""

import os
import pathlib
import platform
import subprocess

from .processes import CouldNotRun

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "benches" / "peers"
TARGET = ROOT / "target"
os.environ["PATH"] += ":/usr/sbin:/sbin"
OUT = TARGET / "bench"
VENV = OUT / "venv"
DOCUMENT = (PEERS / "document.json").read_text()


def run(command, **more):
    """Runs a program to its end; its output is shown where it fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **more)
    except OSError as error:
        raise CouldNotRun(str(error)) from error
    if done.returncode != 0:
        raise CouldNotRun(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def install(say):
    """Installs what is missing with apt-get, and the Python servers into an environment below target/."""
    OUT.mkdir(parents=True, exist_ok=True)
    said = run([ROOT / "scripts" / "install", "build", "nginx", "apache", "python", "bench"])
    if said:
        say(said.strip())
    said = run(
        [ROOT / "scripts" / "venv", "venv", PEERS / "python" / "requirements.txt"],
        env={**os.environ, "CACHE": str(OUT)},
        cwd=ROOT,
    )
    if said:
        say(said.strip())


def environment(name, requirements):
    """The virtual environment with these packages, made where it is missing; it is kept for other runs, and for the tests."""
    cache = os.environ.get("CACHE", str(TARGET / "test-cache"))
    run([ROOT / "scripts" / "venv", name, requirements], env={**os.environ, "CACHE": cache}, cwd=ROOT)
    return pathlib.Path(cache) / name


def build(say):
    """Builds Hearth and the peers, all optimized."""
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
        "python_servers": run([VENV / "bin" / "python", "-m", "pip", "list", "--format=freeze"]).split() if VENV.exists() else [],
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
