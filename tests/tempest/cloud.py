"""The cloud that Tempest looks at: a real Keystone with a catalogue, a real Glance with an image, and Hearth behind nginx
with two file backends and a backup service. Not here: which tests are run, and what is expected of them (`expected.py`)."""

import contextlib
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from glance import Glance  # noqa: E402
from keystone import Keystone, configuration  # noqa: E402
from stack import HEARTH, Stack, wait_until  # noqa: E402

REGION = "RegionOne"
BACKENDS = ("file", "second")
IMAGE_BYTES = 8 << 20


@contextlib.contextmanager
def cloud(results):
    """Starts everything, writes tempest.conf, and yields the folder of Tempest's workspace. Logs are left in `results`."""
    with contextlib.ExitStack() as stop:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="hearth-tempest-"))
        stop.callback(shutil.rmtree, folder, ignore_errors=True)
        # Each class of tests makes users and tokens, and Keystone would look up everything anew in each request.
        keystone = Keystone(folder / "keystone", OS_CACHE__ENABLED="true", OS_CACHE__BACKEND="dogpile.cache.memory")
        stop.callback(keystone.close)
        admin = keystone.token()
        keystone.point_to_itself(admin)
        service = keystone.service_user(admin)
        glance = Glance(folder / "glance", keystone=(keystone.url, *service))
        stop.callback(glance.close)
        config, sections = configuration(keystone, *service, cache_seconds=300)
        config += f"enabled_backends = {','.join(BACKENDS)}\ndefault_volume_type = file\n"
        sections += f"[second]\nvolume_backend_name = second\nhearth_file_path = {folder}/second\n"
        (folder / "second").mkdir()
        hearth = stop.enter_context(Stack("nginx", config=config, sections=sections))
        stop.callback(keep_logs, hearth.folder / "log", results)
        hearth.spawn("backup", [HEARTH, "backup"])
        endpoints = {"block-storage": hearth.volume_url, "image": glance.url, "network": f"{hearth.base}/none"}
        for kind, url in endpoints.items():
            keystone.endpoint(admin, REGION, kind, url)
        for name in BACKENDS:
            make_type(hearth, admin, name)
        image = make_image(glance, admin, folder / "image")
        wait_until(lambda: all_up(hearth, admin), "the volume services and the backup service")
        workspace = folder / "workspace"
        workspace.mkdir()
        template = pathlib.Path(__file__).with_name("tempest.conf").read_text()
        (workspace / "tempest.conf").write_text(template.format(
            results=results, workspace=workspace, keystone=keystone.url, region=REGION, image=image))
        yield workspace


def keep_logs(logs, results):
    for log in logs.iterdir():
        shutil.copy(log, results / log.name)


def make_image(glance, token, path):
    """A raw image that everybody may use; its id."""
    with open(path, "wb") as file:
        file.write(b"a disk of Tempest's")
        file.truncate(IMAGE_BYTES)
    return glance.make(path, token=token, visibility="public")


def make_type(hearth, token, backend):
    body = {"volume_type": {"name": backend, "extra_specs": {"volume_backend_name": backend}}}
    answer = hearth.request("POST", "/volume/v3/types", body, {"X-Auth-Token": token})
    assert answer.status == 200, answer.body


def all_up(hearth, token):
    answer = hearth.request("GET", "/volume/v3/os-services", headers={"X-Auth-Token": token})
    found = [row["binary"] for row in answer.json()["services"] if row["state"] == "up"]
    return found.count("cinder-volume") == len(BACKENDS) and "cinder-backup" in found
