"""The same requests to a real Cinder and to Hearth: statuses, headers and bodies are the same, or the difference is accepted
with a reason in tests/data/differential/accepted.tsv."""

import pytest

from sequence import accepted, lines, play, sequences

used = set()
played = set()


@pytest.mark.parametrize("name", sequences())
def test_hearth_answers_as_cinder_does(name, cinder, hearth):
    rows = accepted()
    unexpected = []
    for line, *difference in play(name, cinder, hearth):
        for number, sequence, *patterns, _reason in rows:
            if sequence.fullmatch(name) and patterns[0].match(line) and all(map(lambda p, text: p.fullmatch(text), patterns[1:], difference)):
                used.add(number)
                break
        else:
            unexpected.append("{:.160}\n    {}: Cinder has {:.300}\n        and Hearth {:.300}".format(line, *difference))
    played.add(name)
    if unexpected:
        pytest.fail(f"{len(unexpected)} differences\n" + "\n".join(unexpected), pytrace=False)


def test_every_accepted_difference_is_still_one():
    if played != set(sequences()):
        pytest.skip("only part of the sequences was played")
    assert [number for number, *_ in accepted() if number not in used] == [], "lines of accepted.tsv that no answer needs"


def test_the_sequences_hold_at_least_four_hundred_requests():
    assert sum(line.split(" ")[0].isupper() for name in sequences() for line in lines(name)) >= 400
