"""A transfer that Cinder has made is taken through Hearth with Cinder's key, and the other way round: each keeps the same of it."""

import contextlib
import json
import sqlite3

from sequence import project_id


def offer(side):
    """A transfer of a new volume: its id and its key."""
    side.reset("transfer_keys")
    volume = made(side, "volume", "/volumes", {"volume": {"size": 1}})["id"]
    assert side.wait(f"/volumes/{volume}", "available") == "available"
    transfer = made(side, "transfer", "/volume-transfers", {"transfer": {"volume_id": volume}})
    return transfer["id"], transfer["auth_key"]


def made(side, noun, path, body):
    status, _, text = side.ask("POST", path, json.dumps(body))
    assert status == 202, text
    return json.loads(text)[noun]


def locks(side, *change):
    """The salt and the hash of every transfer that waits; with arguments, a transfer gets these."""
    with contextlib.closing(sqlite3.connect(side.folder / "cinder.sqlite", timeout=30)) as database, database:
        if change:
            database.execute("UPDATE transfers SET salt = ?, crypt_hash = ? WHERE id = ?", change)
        return {row[0]: row[1:] for row in database.execute("SELECT id, salt, crypt_hash FROM transfers WHERE deleted = 0")}


def accept(side, transfer, key):
    side.project = project_id("transfer_keys other")
    return side.ask("POST", f"/volume-transfers/{transfer}/accept", json.dumps({"accept": {"auth_key": key}}))[0]


def test_each_takes_what_the_other_has_offered(cinder, hearth):
    offers = {side: offer(side) for side in (cinder, hearth)}
    kept = {side: locks(side)[offers[side][0]] for side in (cinder, hearth)}
    for side, other in ((cinder, hearth), (hearth, cinder)):
        transfer, own_key = offers[side]
        locks(side, *kept[other], transfer)
        assert accept(side, transfer, own_key) == 400
        assert accept(side, transfer, offers[other][1]) == 202
