"""What a web server does to the headers of an answer."""

import pytest

from stack import WAYS, Stack


@pytest.mark.parametrize("way", WAYS)
def test_every_answer_of_known_length_tells_it(way):
    with Stack(way, backends=False) as stack:
        for path, status in (("/volume/v3/", 200), ("/volume/v3/volumes", 200), ("/volume/v3/nothing", 404), ("/metering/v2/meters", 200)):
            answer = stack.request("GET", path)
            told = (answer.status, answer.headers.get("Content-Length"), answer.headers.get("Transfer-Encoding"))
            assert told == (status, str(len(answer.body)), None), path
