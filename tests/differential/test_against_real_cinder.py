"""The same requests to a real Cinder and to Hearth: statuses, headers and bodies are the same, or the difference is accepted
with a reason in tests/data/differential/accepted.tsv."""

import pytest

from sequence import accepted, lines, play, sequences

used = set()
played = set()


def unexpected(name, found):
    """What of the differences of a sequence no row of accepted.tsv takes."""
    rows, rest = accepted(), []
    for line, *difference in found:
        for number, sequence, *patterns, _reason in rows:
            if sequence.fullmatch(name) and patterns[0].match(line) and all(map(lambda p, text: p.fullmatch(text), patterns[1:], difference)):
                used.add(number)
                break
        else:
            rest.append("{:.160}\n    {}: Cinder has {:.300}\n        and Hearth {:.300}".format(line, *difference))
    return rest


@pytest.mark.parametrize("name", sequences())
def test_hearth_answers_as_cinder_does(name, cinder, hearth):
    rest = unexpected(name, play(name, cinder, hearth))
    played.add(name)
    if rest:
        pytest.fail(f"{len(rest)} differences\n" + "\n".join(rest), pytrace=False)


def test_every_accepted_difference_is_still_one():
    if played != set(sequences()):
        pytest.skip("only part of the sequences was played")
    own = [number for number, sequence, *_ in accepted() if not sequence.pattern.startswith("keystone/")]
    assert [number for number in own if number not in used] == [], "lines of accepted.tsv that no answer needs"


def test_the_sequences_hold_at_least_four_hundred_requests():
    assert sum(line.split(" ")[0].isupper() for name in sequences() for line in lines(name)) >= 400
