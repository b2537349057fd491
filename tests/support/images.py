"""Hearth beside a Glance, and what is compared: disks, byte by byte."""

import contextlib
import os
import pathlib
import sqlite3
import subprocess

from stack import HEARTH, Stack, wait_until

PROJECT = "0a1d7e94c3b84f6f9d52e8a6b7c4f310"
# To whom volumes belong that are kept of images.
KEEPER = "c4c4e1d0a0d14b1f8a57e7f6b7a2d001"
# Seconds that a GiB may take on its way on a machine that is busy with other work.
PATIENCE = 300
MIB, GIB = 1 << 20, 1 << 30


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def disk(path, seed=1, bytes=3 * MIB):
    """A raw disk with data, a hole, and data."""
    with open(path, "wb") as file:
        block = bytes_of(seed)
        file.write(block)
        file.seek(bytes - len(block))
        file.write(block[::-1])
    return path


def bytes_of(seed):
    return (b"%020d" % seed) * 10000


def converted(path, disk_format, *options):
    """The raw disk `path` in another format."""
    other = path.with_suffix(f".{disk_format}")
    run("qemu-img", "convert", "-f", "raw", "-O", {"vhd": "vpc"}.get(disk_format, disk_format), *options, path, other)
    return other


def raw(path, disk_format):
    """The disk in a file, as raw bytes."""
    if disk_format == "raw":
        return path
    other = path.with_suffix(".as-raw")
    run("qemu-img", "convert", "-f", {"vhd": "vpc"}.get(disk_format, disk_format), "-O", "raw", path, other)
    return other


def data(path):
    """Where a file has data, and which: holes and zeros are the same."""
    found = {}
    with open(path, "rb") as file:
        at, end = 0, os.fstat(file.fileno()).st_size
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // MIB * MIB
            except OSError:
                break
            piece = os.pread(file.fileno(), MIB, at)
            if piece.strip(b"\0"):
                found[at] = piece.rstrip(b"\0")
            at += MIB
    return found


class Cloud(Stack):
    """Hearth behind nginx, without a Keystone."""

    def __init__(self, glance, folder, config="", sections="", **options):
        self.glance, self.second = glance, folder / "second"
        self.conversion = folder / "conversion"
        super().__init__(
            "nginx", config=f"enabled_backends = file,second\nglance_api_servers = {glance.url}\nglance_num_retries = 1\n"
                            f"image_conversion_dir = {self.conversion}\nreport_interval = 1\nquota_volumes = -1\n"
                            f"use_default_quota_class = false\nquota_gigabytes = -1\n{config}",
            sections=f"[second]\nvolume_backend_name = second\nnfs_qcow2_volumes = true\nhearth_file_path = {self.second}\n"
                     f"[backend_defaults]\nmax_over_subscription_ratio = 1000000\n{sections}"
                     f"[key_manager]\nbackend = local\n[hearth_keys]\nmaster_key_file = {folder}/master.key\n", **options)
        self.hearth("key", "master", folder / "master.key")
        self.types, self.volume_command = {}, [HEARTH, "volume"]

    def ask(self, method, path, body=None, version="3.71"):
        return self.request(method, f"/volume/v3/{PROJECT}{path}", body, {
            "X-Auth-Token": f"user:{PROJECT}", "OpenStack-API-Version": f"volume {version}"})

    def type_of(self, backend):
        if backend not in self.types:
            answer = self.ask("POST", "/types", {"volume_type": {
                "name": backend, "extra_specs": {"volume_backend_name": backend}}})
            assert answer.status == 200, answer.body
            self.types[backend] = backend
        return self.types[backend]

    def encrypted_type(self, backend="file", provider="luks"):
        """The name of a type whose volumes lie on this backend and are encrypted."""
        name = f"{backend}-{provider}"
        if name not in self.types:
            self.types[name] = name
            answer = self.ask("POST", "/types", {"volume_type": {
                "name": name, "extra_specs": {"volume_backend_name": backend}}})
            answer = self.ask("POST", f"/types/{answer.json()['volume_type']['id']}/encryption", {"encryption": {
                "provider": provider, "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}})
            assert answer.status == 200, answer.body
        return name

    def key_id(self, id):
        return self.ask("GET", f"/volumes/{id}/encryption").json()["encryption_key_id"]

    def holds(self, path, key_id, original):
        """Fails unless what is encrypted in a raw file is a disk that begins with `original`."""
        length = os.stat(original).st_size
        secret = self.folder / "secret"
        secret.write_text(self.hearth("key", "show", key_id).strip())
        sealed = (f"driver=raw,offset=0,size={length},file.driver=luks,file.key-secret=key,"
                  f"file.file.driver=file,file.file.filename={path}")
        run("qemu-img", "compare", "--object", f"secret,id=key,file={secret}", "--image-opts",
            f"driver=raw,file.driver=file,file.filename={original}", sealed)

    def create(self, backend="file", size=1, **attributes):
        """Orders a volume; its id."""
        kind = attributes.pop("volume_type", None) or self.type_of(backend)
        answer = self.ask("POST", "/volumes", {"volume": {"size": size, "volume_type": kind, **attributes}})
        assert answer.status == 202, answer.body
        return answer.json()["volume"]["id"]

    def show(self, id):
        return self.ask("GET", f"/volumes/{id}").json()["volume"]

    def settled(self, id):
        """The volume when nobody works on it any more."""
        busy = ("creating", "downloading", "uploading", "deleting")
        return wait_until(lambda: (volume := self.show(id)) and volume["status"] not in busy and volume, f"volume {id}", PATIENCE)

    def available(self, id):
        volume = self.settled(id)
        assert volume["status"] == "available", f"{volume['status']}: {self.messages(id)}\n{self.log('volume')[-4000:]}"
        return volume

    def failed(self, id):
        """What the user is told of a volume that could not be made."""
        assert self.settled(id)["status"] == "error"
        return self.messages(id)

    def messages(self, id):
        return [row["user_message"] for row in self.ask("GET", f"/messages?resource_uuid={id}").json()["messages"]]

    def action(self, id, name, version="3.71", **body):
        return self.ask("POST", f"/volumes/{id}/action", {name: body}, version)

    def path(self, id):
        places = [self.folder / "volumes" / f"volume-{id}", self.second / f"volume-{id}"]
        return next(place for place in places if place.exists())

    def content(self, id):
        """The data of a volume, as its user sees them."""
        path = self.path(id)
        if path.parent != self.second:
            return data(path)
        other = pathlib.Path(f"{path}.as-raw")
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, other)
        found = data(other)
        other.unlink()
        return found

    def delete(self, id):
        assert self.action(id, "os-force_delete").status == 202
        wait_until(lambda: self.ask("GET", f"/volumes/{id}").status == 404, f"the end of volume {id}", PATIENCE)

    def kept(self):
        """The volumes that are kept of images, by the image."""
        rows = self.ask("GET", f"/volumes/detail?all_tenants=1&project_id={KEEPER}").json()["volumes"]
        return {row["name"].removeprefix("image-"): row["id"] for row in rows if row["status"] != "deleting"}

    def at_rest(self):
        """Whether nobody has an order."""
        with contextlib.closing(sqlite3.connect(self.folder / "cinder.sqlite", timeout=30)) as database:
            return database.execute("SELECT count(*) FROM hearth_orders").fetchone() == (0,)

    def leftovers(self):
        """Names of files that belong to no volume and no snapshot."""
        known = {f"{noun[:-1]}-{row['id']}" for noun in ("volumes", "snapshots")
                 for row in self.ask("GET", f"/{noun}?all_tenants=1").json()[noun]}
        found = []
        for folder in (self.folder / "volumes", self.second, self.conversion):
            for place in folder.iterdir() if folder.exists() else ():
                if place.name not in known and place.name != ".hearth.lock":
                    found.append(place.name)
        return found
