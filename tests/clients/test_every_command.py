"""Every command of python-cinderclient and python-openstackclient, and every method of openstacksdk, for Block Storage: driven
by a story, or listed in tests/data/clients/undriven.tsv with the reason why it is not."""

import contextlib
import sqlite3

import pytest

from glance import Glance
from sdk_story import STORIES, methods, recorder
from stack import HEARTH, Stack
from stories import DATA, Cinder, OpenStack, Story

CLIENTS = {"cinder": Cinder, "openstack": OpenStack}


@pytest.fixture(scope="module")
def glance(tmp_path_factory):
    running = Glance(tmp_path_factory.mktemp("glance"))
    yield running
    running.close()


@pytest.fixture(scope="module", params=["nginx", "mod_proxy_fcgi"])
def cloud(request, glance, tmp_path_factory):
    """Two backends, a backup service and an image service, of one host with a name that the stories know."""
    second, backups = tmp_path_factory.mktemp("second"), tmp_path_factory.mktemp("backups")
    config = (f"host = peer\nenabled_backends = file,second\nglance_api_servers = {glance.url}\nbackup_posix_path = {backups}\n"
              "use_default_quota_class = false\n")
    with Stack(request.param, config=config, sections=f"[second]\nvolume_backend_name = second\nhearth_file_path = {second}\n") as stack:
        stack.spawn("backup", [HEARTH, "backup"])
        stack.image_url = glance.url
        yield stack
        # Whatever the clients have made and deleted leaves rows that a purge finds.
        stack.stop("backup"), stack.stop("volume")
        assert "as it should be" in stack.hearth("db", "check")
        stack.hearth("db", "purge", "0")
        assert deleted_rows(stack.folder / "cinder.sqlite") == {}


def deleted_rows(path):
    """How many rows of which tables are marked as deleted."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE c.name = 'deleted'")
        counts = {name: database.execute(f'SELECT count(*) FROM "{name}" WHERE deleted <> 0').fetchone()[0] for name, in tables.fetchall()}
    assert len(counts) > 30
    return {name: count for name, count in counts.items() if count}


def undriven(client):
    rows = [line.split("\t") for line in (DATA / "undriven.tsv").read_text().splitlines() if line and line[0] != "#"]
    assert all(len(row) == 3 for row in rows)
    return {name for of, name, _reason in rows if of == client}


@pytest.mark.parametrize("name", CLIENTS)
def test_every_command_works_without_keystone(name, cloud):
    story = Story(cloud, CLIENTS[name](cloud.volume_url))
    story.play(name)
    assert story.driven | undriven(name) == story.client.commands() and not story.driven & undriven(name)


def test_every_method_of_openstacksdk_works_without_keystone(cloud):
    with recorder(cloud.volume_url, cloud.image_url) as sdk:
        for story in STORIES:
            story(sdk, cloud)
    assert sdk.driven | undriven("sdk") == methods() and not sdk.driven & undriven("sdk")
