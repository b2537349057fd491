//! Volumes that get another type or another backend, with every byte of their content.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use hearth::block_storage::key_store::NewKey;
use hearth::block_storage::model::backup_work::Key;
use hearth::block_storage::model::volume::{self, Status, Volume};
use hearth::block_storage::model::work::Recoding;
use hearth::block_storage::rpc;
use hearth::block_storage::store::metadata::{self, Table};
use hearth::block_storage::store::{quota_repair, type_charges, volumes};

use super::world::{Of, PROJECT, World, limits, requester, virtual_size};

const GIB: u64 = 1 << 30;

/// The lines of `[DEFAULT]` that enable two backends.
pub(super) const ENABLED: &str = "enabled_backends = file, other";

/// The sections of two backends of these formats. Volumes without a demand go to the first.
pub(super) fn sections(formats: [&str; 2]) -> String {
    let [one, other] = formats.map(|format| if format == "qcow2" { "nfs_qcow2_volumes = true" } else { "" });
    // The first one has always more room, because the second one reserves a part of the same disk.
    format!("[file]\n{one}\n[other]\nreserved_percentage = 50\n{other}")
}

/// A world with two backends of these formats.
pub(super) fn two_backends(formats: [&str; 2]) -> World {
    World::with(ENABLED, &sections(formats))
}

/// A type whose volumes lie on the backend of this name.
pub(super) fn type_on(world: &World, backend: &str) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    let made = world.database.write(|tx| {
        let sql = "INSERT INTO volume_types (id, name, is_public, deleted) VALUES (?, ?, true, false)";
        tx.execute(sql, &[(&id).into(), format!("on-{backend}").into()])?;
        let sql = "INSERT INTO volume_type_extra_specs (volume_type_id, \"key\", value, deleted) \
                   VALUES (?, 'volume_backend_name', ?, false)";
        tx.execute(sql, &[(&id).into(), backend.into()])
    });
    made.unwrap();
    id
}

/// Orders another type, as the API does.
pub(super) fn retype(world: &World, id: &str, new_type: &str, may_move: bool) {
    retype_with(world, id, new_type, may_move, None);
}

/// As [`retype`], with the key that was made for the content, where it has to be encrypted anew.
pub(super) fn retype_with(world: &World, id: &str, new_type: &str, may_move: bool, key: Option<Option<&NewKey>>) {
    let recoding =
        key.map(|key| Recoding { key: key.map(|key| Key { id: key.id.clone(), name: key.name.clone() }), token: None });
    let done = world.database.write(|tx| {
        key.flatten().map_or(Ok(()), |key| key.hold(tx))?;
        let volume = volumes::lock(tx, id)?.unwrap();
        let charged = type_charges::begin(tx, &volume, new_type, &limits())?;
        let rule = if volume.status == Status::InUse { &volume::RETYPE_ATTACHED } else { &volume::RETYPE };
        let status = if volume.status == Status::InUse { "in-use" } else { "available" };
        assert!(volumes::begin(tx, id, rule, &[("previous_status", status.into())])?, "{id} can not be retyped now");
        rpc::retype_volume(tx, &requester(), &volume, new_type, may_move, charged, recoding.clone())
    });
    done.unwrap();
    world.doorbell.ring();
}

/// Orders a move to another backend, as the API does.
pub(super) fn migrate(world: &World, id: &str, to: &str, lock: bool) {
    let done = world.database.write(|tx| {
        let volume = volumes::lock(tx, id)?.unwrap();
        let rule = if lock { &volume::MIGRATE_LOCKED } else { &volume::MIGRATE };
        let columns = [("migration_status", "starting".into()), ("previous_status", "available".into())];
        assert!(volumes::begin(tx, id, rule, &columns)?, "{id} can not move now");
        rpc::migrate_volume(tx, &requester(), &volume, to)
    });
    done.unwrap();
    world.doorbell.ring();
}

/// The file of a volume, wherever it lies.
pub(super) fn file_of(world: &World, volume: &Volume) -> PathBuf {
    let section = volume.host.as_deref().unwrap().split(['@', '#']).nth(1).unwrap();
    world.folder.join("volumes").join(section).join(format!("volume-{}", volume.disk_id()))
}

/// Writes data here and there into a volume, with holes between; some of it crosses the borders of clusters and blocks.
pub(super) fn fill(world: &World, id: &str) -> PathBuf {
    let volume = world.volume(id).unwrap();
    let (path, content) = (file_of(world, &volume), world.folder.join(format!("content-{id}")));
    let size = u64::try_from(volume.size_gib).unwrap() * GIB;
    let data: Vec<u8> = (0..200_003_u32).map(|at| u8::try_from(at % 251).unwrap() + 1).collect();
    let write = |path: &Path| {
        let file = fs::File::options().write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(size).unwrap();
        for at in [0, 65_536 * 9 - 7, 300_000_001, GIB / 2, size - data.len() as u64] {
            file.write_all_at(&data, at).unwrap();
        }
    };
    write(&content);
    if format(world, &volume) == "raw" {
        write(&path);
    } else {
        let mut convert = Command::new("qemu-img");
        let done =
            convert.args(["convert", "-n", "-f", "raw", "-O", "qcow2"]).args([&content, &path]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    content
}

fn format(world: &World, volume: &Volume) -> String {
    let pairs = world.read(|c| metadata::of(c, Table::VolumeAdmin, &volume.id));
    pairs.into_iter().find(|(key, _)| key == "format").unwrap().1
}

/// Fails unless every byte of the volume is that of `content`.
pub(super) fn assert_content(world: &World, id: &str, content: &Path) {
    let volume = world.volume(id).unwrap();
    let (path, format) = (file_of(world, &volume), format(world, &volume));
    let size = u64::try_from(volume.size_gib).unwrap() * GIB;
    assert_eq!(virtual_size(&path, &format), size);
    let mut compare = Command::new("qemu-img");
    let done = compare.args(["compare", "-f", "raw", "-F", &format]).args([content, &path]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    assert!(fs::metadata(&path).unwrap().blocks() * 512 < 64 << 20, "holes were written out");
}

/// What the project uses of a type: volumes, snapshots, GiB.
pub(super) fn usage_of(world: &World, type_name: &str) -> [i64; 3] {
    let of = |resource: &str| {
        let sql = "SELECT in_use FROM quota_usages WHERE project_id = ? AND resource = ?";
        let name = format!("{resource}_{type_name}");
        world.read(|c| c.row(sql, &[PROJECT.into(), (&name).into()], |row| row.int(0))).unwrap_or(0)
    };
    ["volumes", "snapshots", "gigabytes"].map(of)
}

/// As [`World::assert_whole`], where volumes have other types than the default one: every count is what the rows say.
pub(super) fn assert_whole(world: &World) {
    let limits = limits();
    let found = quota_repair::project(&world.database, PROJECT, &limits, false).unwrap();
    assert_eq!(found, [], "usage is not what the rows say");
    world.assert_done();
}

#[test]
fn every_move_leaves_rows_files_and_usage_in_agreement() {
    every_move(&two_backends(["raw", "qcow2"]));
}

/// Each kind of move once, there and back.
pub(super) fn every_move(world: &World) {
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let content = fill(world, &id);
    let (here, elsewhere) = (type_on(world, "file"), type_on(world, "other"));
    retype(world, &id, &elsewhere, true);
    world.settle();
    assert_eq!(world.volume(&id).unwrap().host.as_deref(), Some("node1@other#other"));
    assert_content(world, &id, &content);
    assert_whole(world);
    retype(world, &id, &here, true);
    world.settle();
    assert_eq!(world.volume(&id).unwrap().volume_type_id, here);
    let any = world.read(super::world::default_type);
    retype(world, &id, &any, false);
    world.settle();
    migrate(world, &id, "node1@other", true);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.host.as_deref(), volume.status), (Some("node1@other#other"), Status::Available));
    assert_content(world, &id, &content);
    assert_whole(world);
    world.delete(&id, false);
    world.settle();
    assert_whole(world);
}

#[test]
fn a_retyped_volume_moves_to_the_backend_of_its_new_type_with_every_byte() {
    for formats in [["raw", "raw"], ["raw", "qcow2"], ["qcow2", "raw"], ["qcow2", "qcow2"]] {
        let world = two_backends(formats);
        let _service = world.start();
        let id = world.create(1, Of::Nothing);
        world.settle();
        let content = fill(&world, &id);
        let new = type_on(&world, "other");
        retype(&world, &id, &new, true);
        world.settle();
        let volume = world.volume(&id).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("success")));
        assert_eq!(volume.host.as_deref(), Some("node1@other#other"), "{formats:?}");
        assert_eq!(volume.volume_type_id, new);
        assert_eq!(volume.id, id);
        assert!(volume.name_id.is_some_and(|name| name != id), "its disk has a name that none had before");
        assert_content(&world, &id, &content);
        assert_eq!(usage_of(&world, "on-other"), [1, 0, 1]);
        assert_eq!(usage_of(&world, "__DEFAULT__"), [0, 0, 0]);
        assert_whole(&world);
        // It is a volume like any other: it grows, is copied, and goes.
        world.extend(&id, 2);
        let snapshot = world.create_snapshot(&id);
        world.settle();
        assert!(world.snapshot(&snapshot).is_some() && world.volume(&id).unwrap().size_gib == 2);
        assert_whole(&world);
        world.delete(&id, true);
        world.settle();
        assert_eq!(usage_of(&world, "on-other"), [0, 0, 0]);
        assert_whole(&world);
    }
}

#[test]
fn a_backend_that_suits_the_new_type_keeps_the_file_and_the_snapshots() {
    let world = two_backends(["raw", "raw"]);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let content = fill(&world, &id);
    let snapshot = world.create_snapshot(&id);
    world.settle();
    let inode = fs::metadata(file_of(&world, &world.volume(&id).unwrap())).unwrap().ino();
    let new = type_on(&world, "file");
    retype(&world, &id, &new, false);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.migration_status), (Status::Available, None));
    assert_eq!((&volume.volume_type_id, volume.name_id), (&new, None));
    assert_eq!(fs::metadata(file_of(&world, &world.volume(&id).unwrap())).unwrap().ino(), inode);
    assert_eq!(world.snapshot(&snapshot).unwrap().volume_type_id, new);
    assert_eq!((usage_of(&world, "on-file"), usage_of(&world, "__DEFAULT__")), ([1, 1, 2], [0, 0, 0]));
    assert_content(&world, &id, &content);
    assert_whole(&world);
}

#[test]
fn a_volume_in_use_gets_another_type_where_it_is_and_stays_in_use() {
    let world = two_backends(["raw", "raw"]);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let attachment = world.reserve(&id);
    let sql = "UPDATE volume_attachment SET attach_status = 'attached' WHERE id = ?";
    world.database.write(|tx| tx.execute(sql, &[(&attachment).into()])).unwrap();
    let attach = [("status", "in-use".into()), ("attach_status", "attached".into())];
    world.database.write(|tx| volumes::change(tx, &id, &attach)).unwrap();
    let new = type_on(&world, "file");
    retype(&world, &id, &new, false);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, &volume.volume_type_id), (Status::InUse, &new));
    // What would have to move does not: a server uses it.
    let elsewhere = type_on(&world, "other");
    retype(&world, &id, &elsewhere, true);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, &volume.volume_type_id), (Status::InUse, &new));
    assert_eq!(usage_of(&world, "on-other"), [0, 0, 0]);
    assert_whole(&world);
}

#[test]
fn what_no_backend_takes_keeps_its_type_and_its_usage() {
    let world = two_backends(["raw", "raw"]);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let content = fill(&world, &id);
    let (other, nowhere) = (type_on(&world, "other"), type_on(&world, "nowhere"));
    let kept = |why: &str| {
        world.settle();
        let volume = world.volume(&id).unwrap();
        assert_eq!((volume.status, volume.migration_status), (Status::Available, None), "{why}");
        assert_eq!(volume.host.as_deref(), Some("node1@file#file"), "{why}");
        assert_eq!((usage_of(&world, "on-other"), usage_of(&world, "on-nowhere")), ([0, 0, 0], [0, 0, 0]), "{why}");
    };
    retype(&world, &id, &other, false);
    kept("it may not move");
    retype(&world, &id, &nowhere, true);
    kept("no backend has this name");
    assert_eq!(world.messages(&id), ["VOLUME_VOLUME_001_003", "VOLUME_VOLUME_001_003"]);
    let snapshot = world.create_snapshot(&id);
    world.settle();
    retype(&world, &id, &other, true);
    kept("its snapshot would stay behind");
    world.delete_snapshot(&snapshot);
    world.settle();
    world
        .database
        .write(|tx| tx.execute("UPDATE services SET disabled = true WHERE host = 'node1@other'", &[]))
        .unwrap();
    retype(&world, &id, &other, true);
    kept("the backend takes no volumes");
    assert_content(&world, &id, &content);
    assert_whole(&world);
}

#[test]
fn a_type_of_another_encryption_is_given_to_no_content() {
    let world = two_backends(["raw", "raw"]);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let new = type_on(&world, "file");
    let sql = "INSERT INTO encryption (encryption_id, volume_type_id, provider, control_location, deleted) \
               VALUES ('e', ?, 'luks', 'front-end', false)";
    world.database.write(|tx| tx.execute(sql, &[(&new).into()])).unwrap();
    retype(&world, &id, &new, true);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert!(volume.status == Status::Available && volume.volume_type_id != new);
    assert_whole(&world);
}

#[test]
fn an_operator_moves_a_volume_there_and_back_again_and_locks_it_meanwhile() {
    let world = two_backends(["raw", "qcow2"]);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let content = fill(&world, &id);
    for (to, pool, lock) in [
        ("node1@other", "node1@other#other", false),
        ("node1@file#file", "node1@file#file", true),
        // Its own backend, without the pool: there is nothing to do.
        ("node1@file", "node1@file#file", false),
    ] {
        migrate(&world, &id, to, lock);
        world.settle();
        let volume = world.volume(&id).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("success")));
        assert_eq!(volume.host.as_deref(), Some(pool));
        assert_content(&world, &id, &content);
        world.assert_whole();
    }
}

#[test]
fn a_move_that_can_not_be_made_says_so_and_leaves_the_volume() {
    let world = two_backends(["raw", "raw"]);
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    for (to, lock) in [("node9@other", false), ("node1@other#nothing", true)] {
        migrate(&world, &id, to, lock);
        world.settle();
        let volume = world.volume(&id).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("error")));
        assert_eq!(volume.host.as_deref(), Some("node1@file#file"));
    }
    world.assert_whole();
}

#[test]
fn what_is_ordered_of_a_volume_that_moves_is_done_where_it_then_is() {
    let world = two_backends(["raw", "raw"]);
    let id = {
        let _service = world.start();
        let id = world.create(1, Of::Nothing);
        world.settle();
        id
    };
    let content = fill(&world, &id);
    // Nobody works yet: these wait, one behind the other.
    migrate(&world, &id, "node1@other", false);
    let clone = world.create(1, Of::Volume(&id));
    world.extend(&id, 2);
    let _service = world.start();
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.size_gib), (Status::Available, 2));
    assert_eq!(volume.host.as_deref(), Some("node1@other#other"));
    assert_eq!(world.volume(&clone).unwrap().host.as_deref(), Some("node1@other#other"));
    assert_content(&world, &clone, &content);
    world.assert_whole();
}

#[test]
fn an_operator_who_resets_a_volume_ends_its_move() {
    let world = two_backends(["raw", "raw"]);
    let [id, moved] = {
        let _service = world.start();
        let ids = [(); 2].map(|()| world.create(1, Of::Nothing));
        world.settle();
        ids
    };
    let new = type_on(&world, "other");
    retype(&world, &id, &new, true);
    assert_eq!(usage_of(&world, "on-other"), [1, 0, 1]);
    world.database.write(|tx| volumes::change(tx, &id, &[("status", "available".into())])).unwrap();
    world.database.write(|tx| tx.execute("DELETE FROM workers WHERE resource_id = ?", &[(&id).into()])).unwrap();
    migrate(&world, &moved, "node1@other", false);
    world.database.write(|tx| volumes::change(tx, &moved, &[("migration_status", None::<String>.into())])).unwrap();
    let _service = world.start();
    world.settle();
    for id in [&id, &moved] {
        assert_eq!(world.volume(id).unwrap().host.as_deref(), Some("node1@file#file"));
    }
    assert_eq!(usage_of(&world, "on-other"), [0, 0, 0]);
    assert_whole(&world);
}
