"""What a web server makes of the query of a request."""

import json

import pytest

from stack import WAYS, Stack


@pytest.mark.parametrize("way", WAYS)
def test_words_of_a_query_are_no_arguments_of_the_executable(way):
    """Apache hands `?config+sample` to a CGI program as two arguments (RFC 3875, section 4.4)."""
    with Stack(way, backends=False) as stack:
        for query in ("config+sample", "--config-file+/nowhere", "limit"):
            answer = stack.request("GET", f"/volume/v3/?{query}")
            assert (answer.status, "versions" in json.loads(answer.body)) == (200, True), query
