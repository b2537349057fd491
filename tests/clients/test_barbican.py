"""Encrypted volumes with a real Barbican and a real Keystone: whose keys are where, from creation to deletion."""

import contextlib
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import uuid

import cinderclient.client
import cinderclient.exceptions
import pytest
from keystoneauth1 import session
from keystoneauth1.identity import v3

from barbican import Barbican
from crash import tell
from keystone import Keystone, configuration
from stack import HEARTH, Stack, wait_until


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Hearth with both, two members of different projects, and Barbican's endpoint in the catalogue."""
    folder = tmp_path_factory.mktemp("barbican")
    keystone = Keystone(folder / "keystone")
    barbican = None
    try:
        admin = keystone.token()
        user, project = keystone.service_user(admin)
        keystone.endpoint(admin, "R", "identity", keystone.url)
        barbican = Barbican(folder, keystone, user, project, "R")
        config, sections = configuration(keystone, user, project)
        sections = sections.replace("token_cache_time = 0", "token_cache_time = 300")
        config += "report_interval = 1\nbackup_sha_block_size_bytes = 1048576\nbackup_file_size = 1073741824\nbackup_compression_algorithm = none\n"
        sections += "[key_manager]\nbackend = barbican\nfixed_key = 00112233445566778899aabbccddeeff\n[barbican]\nbarbican_region_name = R\n"
        keystone.endpoint(admin, "R", "key-manager", barbican.url)
        with Stack("serve", config=config, sections=sections) as stack:
            keystone.endpoint(admin, "R", "block-storage", stack.volume_url)
            stack.keystone, stack.barbican = keystone, barbican
            stack.people = [(keystone.member(admin, f"{name}-{uuid.uuid4().hex[:6]}")[0]) for name in "ab"]
            stack.projects = [keystone.ask("GET", f"/projects/{row}", None, admin).json()["project"]["name"]
                              for row in (own_project(keystone, admin, name) for name in stack.people)]
            stack.service = keystone.token(user, project)
            yield stack
    finally:
        if barbican:
            barbican.close()
        keystone.close()


def own_project(keystone, admin, user):
    return keystone.ask("GET", f"/users?name={user}", None, admin).json()["users"][0]["default_project_id"]


def client(cloud, who):
    name, project = (cloud.people[who], cloud.projects[who]) if who is not None else ("admin", "admin")
    auth = v3.Password(auth_url=cloud.keystone.url, username=name, password="secret", user_domain_id="default",
                       project_name=project, project_domain_id="default")
    return cinderclient.client.Client("3.71", session=session.Session(auth=auth), region_name="R")


@pytest.fixture(scope="module")
def vault(cloud):
    admin = client(cloud, None)
    kind = admin.volume_types.create("vault")
    admin.volume_encryption_types.create(kind, {"provider": "luks", "control_location": "front-end",
                                                "cipher": "aes-xts-plain64", "key_size": 256})
    return kind.id


def token(cloud, who):
    return cloud.keystone.token(cloud.people[who], cloud.projects[who])


def ready(cinder, volume):
    wait_until(lambda: cinder.volumes.get(volume.id).status == "available", "the volume")
    return cinder.volumes.get(volume.id)


def create_by_shell(cloud, *arguments):
    """Makes a volume of the first member with the command that operators type; its id."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cloud.folder), "PYTHONWARNINGS": "ignore",
                   "OS_AUTH_URL": cloud.keystone.url, "OS_USERNAME": cloud.people[0], "OS_PASSWORD": "secret",
                   "OS_PROJECT_NAME": cloud.projects[0], "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
                   "OS_REGION_NAME": "R", "OS_VOLUME_API_VERSION": "3.71"}
    command = [pathlib.Path(sys.executable).parent / "cinder", "create", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return re.search(r"^\| id +\| ([0-9a-f-]{36}) ", done.stdout, re.MULTILINE).group(1)


def gone(cinder, volume):
    def absent():
        try:
            cinder.volumes.get(volume.id)
        except cinderclient.exceptions.NotFound:
            return True
    wait_until(absent, "the end of the volume")


def test_a_volume_its_clone_and_its_backup_have_keys_that_end_with_them(cloud, vault):
    mine, own, barbican = client(cloud, 0), token(cloud, 0), cloud.barbican
    before = barbican.secrets(own)
    volume = ready(mine, mine.volumes.create(1, volume_type=vault))
    key = volume.encryption_key_id
    assert barbican.secrets(own) - before == {key}
    secret = barbican.payload(own, key)
    assert len(secret) == 32
    assert barbican.payload(token(cloud, 1), key) is None, "another project has the key"
    meta = barbican.ask("GET", f"/secrets/{key}", own).json()
    assert (meta["algorithm"], meta["bit_length"], meta["secret_type"]) == ("aes", 256, "symmetric")
    assert barbican.ask("GET", "/orders", own).json()["total"] == 0, "an order is left"

    clone = ready(mine, mine.volumes.create(1, source_volid=volume.id))
    snapshot = mine.volume_snapshots.create(volume.id)
    wait_until(lambda: mine.volume_snapshots.get(snapshot.id).status == "available", "the snapshot")
    copy = ready(mine, mine.volumes.create(1, snapshot_id=snapshot.id))
    backup = mine.backups.create(volume.id)
    wait_until(lambda: mine.backups.get(backup.id).status == "available", "the backup", 60)
    made = ready(mine, mine.volumes.get(create_by_shell(cloud, "--volume-type", vault, "--backup-id", backup.id)))
    keys = {row.encryption_key_id for row in (volume, clone, copy, made, mine.backups.get(backup.id))}
    assert len(keys) == 5 and barbican.secrets(own) - before == keys
    assert {barbican.payload(own, row) for row in keys} == {secret}

    for row in (clone, copy, made):
        mine.volumes.delete(row)
        gone(mine, row)
    mine.volume_snapshots.delete(snapshot)
    mine.backups.delete(backup)
    kept = {key}
    # By the volume service, as the service user.
    wait_until(lambda: barbican.secrets(own) - before == kept, "the removal of the keys")
    mine.volumes.delete(volume, cascade=True)
    wait_until(lambda: barbican.secrets(own) == before, "the removal of the last key")


def test_a_transfer_takes_the_key_from_its_owner_by_way_of_the_service(cloud, vault):
    giver, taker, barbican = client(cloud, 0), client(cloud, 1), cloud.barbican
    tokens = [token(cloud, who) for who in (0, 1)]
    before = [barbican.secrets(row) for row in (*tokens, cloud.service)]
    volume = ready(giver, giver.volumes.create(1, volume_type=vault))
    secret = barbican.payload(tokens[0], volume.encryption_key_id)

    def spread():
        return [len(barbican.secrets(row) - old) for row, old in zip((*tokens, cloud.service), before)]
    offer = giver.transfers.create(volume.id)
    assert spread() == [0, 0, 1]
    giver.transfers.delete(offer.id)
    wait_until(lambda: spread() == [1, 0, 0], "the way back")
    assert barbican.payload(tokens[0], giver.volumes.get(volume.id).encryption_key_id) == secret
    offer = giver.transfers.create(volume.id)
    taker.transfers.accept(offer.id, offer.auth_key)
    wait_until(lambda: spread() == [0, 1, 0], "the hand-over")
    taken = taker.volumes.get(volume.id)
    assert barbican.payload(tokens[1], taken.encryption_key_id) == secret
    taker.volumes.delete(taken)
    wait_until(lambda: spread() == [0, 0, 0], "the removal of the key")


def test_what_has_no_key_is_not_made_and_leaves_none(cloud, vault):
    mine, own, barbican = client(cloud, 0), token(cloud, 0), cloud.barbican
    admin = client(cloud, None)
    before = barbican.secrets(own)
    odd = admin.volume_types.create(f"odd-{uuid.uuid4().hex[:6]}")
    admin.volume_encryption_types.create(odd, {"provider": "luks", "control_location": "front-end",
                                               "cipher": "aes-xts-plain64", "key_size": 7})
    with pytest.raises(cinderclient.exceptions.BadRequest, match="Key manager error"):
        mine.volumes.create(1, volume_type=odd.id)
    admin.quotas.update(mine.client.get_project_id(), volumes=0)
    with pytest.raises(cinderclient.exceptions.OverLimit):
        mine.volumes.create(1, volume_type=vault)
    admin.quotas.update(mine.client.get_project_id(), volumes=10)
    assert barbican.secrets(own) == before
    assert mine.volumes.list() == []


def test_a_volume_with_the_key_of_the_configuration_gets_one_that_its_owner_may_read(cloud, vault):
    mine, own, barbican = client(cloud, 0), token(cloud, 0), cloud.barbican
    before = barbican.secrets(cloud.service)
    volume = ready(mine, mine.volumes.create(1, volume_type=vault))
    old = volume.encryption_key_id
    cloud.stop("serve")
    with contextlib.closing(sqlite3.connect(cloud.folder / "cinder.sqlite")) as database, database:
        database.execute("UPDATE volumes SET encryption_key_id = ? WHERE id = ?", ("00000000-0000-0000-0000-000000000000", volume.id))
    barbican.ask("DELETE", f"/secrets/{old}", own)
    cloud.spawn("serve", [HEARTH, "serve", "--listen", f"127.0.0.1:{cloud.port}"])
    cloud.wait_for_answer()
    wait_until(lambda: getattr(mine.volumes.get(volume.id), "encryption_key_id", None), "a key of its own")
    key = mine.volumes.get(volume.id).encryption_key_id
    assert barbican.secrets(cloud.service) - before == {key}
    fixed = bytes(range(0, 256, 17))
    assert barbican.payload(own, key) == fixed and barbican.payload(token(cloud, 1), key) is None
    clone = ready(mine, mine.volumes.create(1, source_volid=volume.id))
    assert barbican.payload(own, clone.encryption_key_id) == fixed
    for row in (clone, volume):
        mine.volumes.delete(row)
        gone(mine, row)
    wait_until(lambda: barbican.secrets(cloud.service) == before, "the removal of the service's key")


def test_a_crash_around_the_making_of_a_key_leaves_none(cloud, vault):
    mine, own, barbican = client(cloud, 0), token(cloud, 0), cloud.barbican
    before = barbican.secrets(own)

    def restart(**environment):
        cloud.stop("serve")
        cloud.environment.update(environment)
        process = cloud.spawn("serve", [HEARTH, "serve", "--listen", f"127.0.0.1:{cloud.port}"])
        cloud.environment.pop("HEARTH_FAULT", None)
        cloud.wait_for_answer()
        return process
    for point, made in (("key.announced", 0), ("key.made", 1)):
        process = restart(HEARTH_FAULT=point)
        with pytest.raises(Exception):  # noqa: B017  (whatever the client makes of a server that dies)
            mine.volumes.create(1, volume_type=vault)
        assert process.wait(60) == -9
        tell("killed", point)
        assert len(barbican.secrets(own) - before) == made
        with contextlib.closing(sqlite3.connect(cloud.folder / "cinder.sqlite")) as database, database:
            past = "2020-01-01 00:00:00"
            assert database.execute("UPDATE hearth_loose_keys SET due_at = ?, retry_at = ?", (past, past)).rowcount == 1
        restart()
        # The next request of the project for a key removes it, with its own token.
        volume = ready(mine, mine.volumes.create(1, volume_type=vault))
        assert barbican.secrets(own) - before == {volume.encryption_key_id}
        mine.volumes.delete(volume)
        gone(mine, volume)
        wait_until(lambda: barbican.secrets(own) == before, "the removal of the key")
