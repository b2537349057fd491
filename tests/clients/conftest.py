"""One suite of real clients, five ways of arriving, with and without Keystone."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from stack import WAYS, Stack  # noqa: E402


@pytest.fixture(scope="session", params=WAYS)
def stack(request):
    with Stack(request.param) as running:
        yield running
