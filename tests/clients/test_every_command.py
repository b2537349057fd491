"""Every command of python-cinderclient and python-openstackclient, and every method of openstacksdk, for Block Storage: driven
by a story, or listed in tests/data/clients/undriven.tsv with the reason why it is not."""

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
