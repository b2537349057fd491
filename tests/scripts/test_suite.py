"""`scripts/suite`, which runs the tests that failed once more: nothing that fails twice, or that it can not tell, passes."""

import os
import pathlib
import subprocess
import sys

import pytest

SUITE = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "suite"

# As cargo and libtest print it: the output of a test may look like a list of names.
FIRST = """
running 3 tests
.
exports::one --- FAILED
exports::two --- FAILED
failures:

---- exports::one stdout ----
    not::a::test

---- exports::two stdout ----
assertion failed

failures:
    exports::one
    exports::two

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

error: test failed, to rerun pass `--test volume_service`
error: 1 target failed:
    `--test volume_service`
"""
PASSED = "test result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 90 filtered out; finished in 0.01s\n"
DIED = FIRST.replace("1 target failed", "2 targets failed") + "    `--test store`\n"


def run_cargo(folder, first, second, status):
    """Runs the script with a cargo that prints `first` and fails, and `second` with `status` when it is called again."""
    (folder / "first").write_text(first)
    (folder / "second").write_text(second)
    cargo = folder / "cargo"
    cargo.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\n'
        f"[ -e {folder}/called ] && {{ cat {folder}/second; exit {status}; }}\n"
        f"touch {folder}/called; cat {folder}/first; exit 101\n"
    )
    cargo.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    command = [SUITE, folder / "report", "cargo", "test", "--quiet", "--no-fail-fast"]
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    report = folder / "report"
    names = report.read_text().split() if report.exists() else []
    return done.returncode, names, (folder / "calls").read_text().splitlines()


def test_tests_of_cargo_that_pass_alone_are_reported(tmp_path):
    status, names, calls = run_cargo(tmp_path, FIRST, PASSED.format(2), 0)
    assert (status, names) == (0, ["exports::one", "exports::two"])
    assert calls[1:] == ["test --quiet --no-fail-fast --test volume_service -- --exact exports::one exports::two"]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        pytest.param(FIRST, FIRST, 101, id="fails again"),
        pytest.param(FIRST, PASSED.format(1), 0, id="not all were run"),
        pytest.param("error: could not compile `hearth`\n", PASSED.format(0), 0, id="no test was run"),
        pytest.param(DIED, PASSED.format(2), 0, id="another target died"),
        pytest.param(FIRST.replace("    exports::two\n", ""), PASSED.format(2), 0, id="a name is missing"),
    ],
)
def test_all_else_of_cargo_fails(tmp_path, first, second, status):
    assert run_cargo(tmp_path, first, second, status)[:2] == (1, [])


def run_pytest(folder, body):
    (folder / "test_it.py").write_text(body)
    command = [SUITE, folder / "report", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE"]
    done = subprocess.run([*command, "test_it.py"], cwd=folder, capture_output=True, text=True, check=False)
    report = folder / "report"
    return done.returncode, report.read_text().splitlines() if report.exists() else []


ONCE = """
import pathlib, pytest

def again(name):
    there = pathlib.Path(name).exists()
    pathlib.Path(name).touch()
    return there

@pytest.fixture
def server():
    assert again("server")

@pytest.mark.parametrize("way", ["nginx - spawn"])
def test_fails(way):
    assert again("fails")

def test_errs(server):
    pass

def test_passes():
    pass
"""


def test_tests_of_pytest_that_pass_alone_are_reported(tmp_path):
    status, names = run_pytest(tmp_path, ONCE)
    assert (status, names) == (0, ["test_it.py::test_fails[nginx - spawn]", "test_it.py::test_errs"])


@pytest.mark.parametrize("body", ["def test_fails():\n    assert False\n", "import nothing_of_this_name\n", "def ("])
def test_all_else_of_pytest_fails(tmp_path, body):
    assert run_pytest(tmp_path, body) == (1, [])
