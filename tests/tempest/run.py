"""Runs Tempest's tests of volumes against Hearth, one line for each test, and compares with tests/peers/tempest.tsv.

    CACHE/tempest/bin/python tests/tempest/run.py [--sample] [--concurrency N] [REGEX ...]

Without a REGEX all tests run; --sample takes those that the table marks for continuous integration. RESULTS (default:
target/tempest) gets results.tsv, failures.txt and the logs. Exit status 1 where a test does worse than is expected of it, or a
class can not clean up.
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import subunit
from testtools import StreamToDict

import expected
from cloud import cloud
from stack import SOURCES

RESULTS = pathlib.Path(os.environ.get("RESULTS", SOURCES / "target/tempest")).resolve()
OUTCOMES = {"success": "pass", "skip": "skip", "fail": "fail", "xfail": "skip", "uxsuccess": "fail", "inprogress": "fail"}
SUITES = r"^(tempest\.api\.volume|cinder_tempest_plugin)"
CLASS = re.compile(r"(setUpClass|tearDownClass) \((\S+)\)")


class Runner:
    """One run of chosen tests in a workspace. `found` maps the name of a test to its outcome, `texts` that of one that failed
    to what it said, `classes` a class whose tests did not begin to its outcome; `left_behind` are classes that could not
    clean up."""

    def __init__(self, workspace, say=print):
        self.workspace, self.say, self.found, self.texts = workspace, say, {}, {}
        self.classes, self.left_behind = {}, []
        self.environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OS_TEST_TIMEOUT": "900"}
        programs = pathlib.Path(sys.executable).parent
        self.command = [programs / "tempest", "run", "--config-file", "tempest.conf"]
        # Tests are listed from a repository alone.
        subprocess.run([programs / "stestr", "init"], cwd=workspace, check=True)

    def ids(self):
        """The ids of all tests, with their tags."""
        done = subprocess.run([*self.command, "--list-tests", "--regex", SUITES], cwd=self.workspace, env=self.environment,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if re.match(SUITES, line)]

    def run(self, ids, concurrency):
        (self.workspace / "tests.txt").write_text("".join(f"{test}\n" for test in ids))
        with open(RESULTS / "run.log", "wb") as log:
            process = subprocess.Popen(
                [*self.command, "--subunit", "--concurrency", str(concurrency), "--load-list", "tests.txt"],
                cwd=self.workspace, env=self.environment, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
            try:
                stream = StreamToDict(self.ended)
                stream.startTestRun()
                subunit.ByteStreamToStreamResult(process.stdout, non_subunit_name="stdout").run(stream)
                stream.stopTestRun()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait()
        for name in map(expected.name_of, ids):
            # The tests of a class that is left out, or can not be set up, have no events of their own.
            self.found.setdefault(name, self.classes.get(expected.class_of(name), "fail"))

    def ended(self, test):
        outcome = OUTCOMES.get(test["status"])
        if outcome is None:
            return
        text = "".join(content.as_text() for name, content in test["details"].items() if name in ("traceback", "reason"))
        if outcome == "fail":
            self.texts[expected.name_of(test["id"])] = text
        began, ended = test["timestamps"]
        took = f"{(ended - began).total_seconds():6.1f} s" if began and ended else " " * 8
        if found := CLASS.match(test["id"]):
            if outcome != "pass":
                if found[1] == "setUpClass":
                    self.classes[found[2]] = outcome
                else:
                    self.left_behind.append(found[2])
                self.say(f"{outcome}  {took}  {test['id']}  {last_line(text)}")
            return
        self.found[expected.name_of(test["id"])] = outcome
        self.say(f"{outcome}  {took}  {test['id']}" + ("" if outcome == "pass" else f"  {last_line(text)}"))


def last_line(text):
    return ([line.strip() for line in text.splitlines() if line.strip()] or [""])[-1][:200]


def chosen(table, ids, sample, patterns):
    """Of the tests that Tempest has, those to run. Each must have a row, and each row must be a test."""
    names = {expected.name_of(test) for test in ids}
    assert names == table.keys(), f"rows and tests differ: {sorted(names ^ table.keys())}"
    wanted = [test for test in ids if not sample or table[expected.name_of(test)].ci]
    return [test for test in wanted if not patterns or any(re.search(pattern, test) for pattern in patterns)]


def run(sample=False, patterns=(), concurrency=2, say=print):
    """Runs the chosen tests. Answers the runner that did."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with cloud(RESULTS) as workspace:
        runner = Runner(workspace, say)
        ids = chosen(expected.rows(), runner.ids(), sample, patterns)
        say(f"{len(ids)} tests of Tempest; results go to {RESULTS}")
        runner.run(ids, concurrency)
    lines = [f"{outcome}\t{name}\n" for name, outcome in sorted(runner.found.items())]
    (RESULTS / "results.tsv").write_text("".join(lines))
    texts = [f"{name}\n{text}\n\n" for name, text in sorted(runner.texts.items())]
    (RESULTS / "failures.txt").write_text("".join(texts))
    return runner


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sample", action="store_true", help="only the tests marked for continuous integration")
    arguments.add_argument("--concurrency", type=int, default=2, help="tests at once (default: 2)")
    arguments.add_argument("patterns", nargs="*", metavar="REGEX", help="only tests with such a name")
    options = arguments.parse_args()
    began = time.monotonic()
    done = run(options.sample, options.patterns, options.concurrency, say=lambda line: print(line, flush=True))
    worse, better = expected.judge(expected.rows(), done.found)
    for name, was, now in better:
        print(f"newly passes (expected: {was}): {name}")
    for name, was, now in worse:
        print(f"expected to {was}, but is a {now}: {name}")
    for name in done.left_behind:
        print(f"could not clean up: {name}")
    print(f"{expected.counts(done.found)} of {len(done.found)} tests in {time.monotonic() - began:.0f} s; "
          f"{len(worse)} worse than expected, {len(better)} better")
    return 1 if worse or done.left_behind else 0


if __name__ == "__main__":
    sys.exit(main())
