"""What is measured without a web server and without a process of its own: the Rust benchmarks of benches/*.rs."""

import json
import os
import subprocess

from . import machine
from .processes import CouldNotRun

# Key, title, the arguments of a whole and of a quick run, and whether a run without --only has it: the database one
# starts MariaDB and PostgreSQL, which nothing else here needs.
SECTIONS = (
    ("lists", "lists of 1,000 volumes beside the bare driver, in process", (), (), True),
    ("telemetry", "Telemetry beside the bare driver, in process", ("200000",), ("20000",), True),
    ("database", "the database layer beside the bare drivers, in process", (), (), False),
)


def section(key, arguments, say):
    """Builds and runs one of them. Answers what it printed, and the figures that it wrote."""
    say(f"==> {key}: building and measuring")
    if key == "database":
        machine.run([machine.ROOT / "scripts" / "install", "databases"])
    path = machine.TARGET / "bench" / f"{key}.json"
    path.unlink(missing_ok=True)
    command = ["cargo", "bench", "--locked", "--quiet", "--bench", key, "--", *arguments]
    done = subprocess.run(command, cwd=machine.ROOT, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CouldNotRun(f"{key}: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return done.stdout, json.loads(path.read_text())
