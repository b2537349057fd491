"""The part of Tempest that continuous integration has time for: the tests that tests/peers/tempest.tsv marks so, run as
`make tempest` runs them all."""

import pytest

import expected
from run import run

TABLE = expected.rows()
SAMPLE = [row.test for row in TABLE.values() if row.ci]


@pytest.fixture(scope="module")
def results():
    return run(sample=True, say=lambda line: None)


@pytest.mark.parametrize("name", SAMPLE)
def test_it_passes(results, name):
    assert results.found[name] == "pass", results.texts.get(name, "it did not begin, see failures.txt")


def test_every_class_cleans_up(results):
    assert results.left_behind == []


def test_what_is_expected_is_told(results):
    assert {row.hearth for row in TABLE.values()} <= {"pass", "skip", "fail"}
    assert all(TABLE[name].hearth == "pass" for name in SAMPLE), "the sample has tests that are not expected to pass"
    assert all(row.why for row in TABLE.values() if row.hearth != "pass"), "a test that does not pass has no reason"
