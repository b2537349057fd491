"""tests/peers/tempest.tsv: every test of Tempest about volumes, its outcome against a real Cinder 29 and against Hearth.

The outcomes are `pass`, `skip` and `fail`. A test is named without its tags.
"""

import collections
import pathlib

TABLE = pathlib.Path(__file__).resolve().parents[1] / "peers/tempest.tsv"
COLUMNS = ("test", "cinder", "hearth", "ci", "why")

Row = collections.namedtuple("Row", COLUMNS)


def rows():
    """The rows by the name of their test."""
    lines = [line.split("\t") for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    assert tuple(lines[0]) == COLUMNS, f"the columns of {TABLE} are {lines[0]}"
    table = {line[0]: Row(*line) for line in lines[1:]}
    assert len(table) == len(lines) - 1, "a test has two rows"
    return table


def name_of(test_id):
    return test_id.partition("[")[0]


def class_of(name):
    return name.rpartition(".")[0]


def judge(table, found):
    """Compares what was found with what is expected. Answers (what is worse than expected, what is better): names with both
    outcomes."""
    worse, better = [], []
    for name, outcome in sorted(found.items()):
        expected = table[name].hearth
        if outcome == expected:
            continue
        (better if outcome == "pass" else worse).append((name, expected, outcome))
    return worse, better


def counts(found):
    tally = collections.Counter(found.values())
    return ", ".join(f"{tally[outcome]} {outcome}" for outcome in ("pass", "skip", "fail") if tally[outcome])
