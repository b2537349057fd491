"""Images between a real Glance and Hearth behind nginx."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from glance import Glance  # noqa: E402
from images import KEEPER, Cloud  # noqa: E402


@pytest.fixture(scope="session")
def glance(tmp_path_factory):
    running = Glance(tmp_path_factory.mktemp("glance"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def cloud(glance, tmp_path_factory):
    """One Hearth with a backend of raw files, and one of qcow2 files."""
    with Cloud(glance, tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="session")
def keeping(glance, tmp_path_factory):
    """One that keeps two images on each backend."""
    internal = f"cinder_internal_tenant_project_id = {KEEPER}\ncinder_internal_tenant_user_id = keeper\n"
    kept = "image_volume_cache_enabled = true\nimage_volume_cache_max_count = 2\n"
    with Cloud(glance, tmp_path_factory.mktemp("keeping"), config=internal, sections=kept) as running:
        yield running
