//! What a volume service does with groups, and what is left of it when it is killed in the midst.

use hearth::block_storage::model::group::{self, Group, Status};
use hearth::block_storage::model::group_snapshot::{self, GroupSnapshot};
use hearth::block_storage::model::snapshot::{self, Snapshot};
use hearth::block_storage::model::volume::{self, Volume};
use hearth::block_storage::model::work::Hints;
use hearth::block_storage::rpc;
use hearth::block_storage::store::quotas::{Charge, charge};
use hearth::block_storage::store::{group_snapshots, group_types, groups, snapshots, volume_types, volumes};
use hearth::time::Timestamp;

use super::crash_stories::everywhere;
use super::world::{Of, PROJECT, World, charge_of, default_type, limits, new_snapshot, new_volume, requester};

/// The pool of the only backend.
const HOST: &str = "node1@file#file";

/// Orders a group, as the API does.
pub(super) fn create(world: &World) -> String {
    let group = new_group(world);
    let done = world.database.write(|tx| {
        charge(tx, &Charge { project_id: PROJECT, groups: 1, ..Charge::default() }, &limits())?;
        let types = [default_type(tx)?];
        groups::insert(tx, &group, &types)?;
        rpc::create_group(tx, &requester(), &group)
    });
    done.unwrap();
    world.doorbell.ring();
    group.id
}

fn new_group(world: &World) -> Group {
    Group {
        id: uuid::Uuid::new_v4().to_string(),
        project_id: PROJECT.to_owned(),
        user_id: requester().user_id,
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: None,
        description: None,
        status: Status::Creating,
        group_type_id: world.read(group_types::of_consistency_groups).unwrap(),
        availability_zone: Some("nova".to_owned()),
        host: None,
        cluster_name: None,
        group_snapshot_id: None,
        source_group_id: None,
        replication_status: Some("disabled".to_owned()),
    }
}

/// Orders a volume of 1 GiB in a group, of a volume where one is named; with `host`, where its group lies already.
pub(super) fn member(world: &World, group: &str, of: Of<'_>, host: Option<&str>) -> String {
    let group_id = Some(group.to_owned());
    let volume = Volume { group_id, host: host.map(str::to_owned), ..new_volume(1, of, None) };
    let done = world.database.write(|tx| {
        let source = match of {
            Of::Volume(id) => volumes::by_id(tx, id)?,
            _ => None,
        };
        let volume = Volume { volume_type_id: default_type(tx)?, ..volume.clone() };
        charge(tx, &Charge { volumes: 1, gigabytes: 1, ..charge_of(&volume) }, &limits())?;
        volumes::insert(tx, &volume)?;
        rpc::create_volume(tx, &requester(), &volume, source.as_ref(), &Hints::default())
    });
    done.unwrap();
    world.doorbell.ring();
    volume.id
}

/// Orders a copy of a group, as the API does.
fn copy(world: &World, scene: &Scene<'_>) -> String {
    let host = Some(HOST.to_owned());
    let group = Group { host, source_group_id: Some(scene.group.clone()), ..new_group(world) };
    let done = world.database.write(|tx| {
        charge(tx, &Charge { project_id: PROJECT, groups: 1, ..Charge::default() }, &limits())?;
        let types = groups::volume_types(tx, &scene.group)?;
        groups::insert(tx, &group, &types)?;
        let source = volumes::by_id(tx, &scene.volume)?.unwrap();
        let made = Volume {
            group_id: Some(group.id.clone()),
            host: group.host.clone(),
            volume_type_id: source.volume_type_id.clone(),
            ..new_volume(1, Of::Volume(&scene.volume), None)
        };
        charge(tx, &Charge { volumes: 1, gigabytes: 1, ..charge_of(&made) }, &limits())?;
        volumes::insert(tx, &made)?;
        rpc::create_volume(tx, &requester(), &made, Some(&source), &Hints::default())?;
        rpc::create_group_from_source(tx, &requester(), &group, vec![made.id])
    });
    done.unwrap();
    world.doorbell.ring();
    group.id
}

/// Orders that one volume enters a group and another one leaves it.
fn update(world: &World, id: &str, entering: &str, leaving: &str) {
    let done = world.database.write(|tx| {
        let group = groups::lock(tx, id)?.unwrap();
        assert!(groups::begin(tx, id, &group::UPDATE, &[])?);
        volumes::change(tx, entering, &[("group_id", id.into())])?;
        rpc::update_group(tx, &requester(), &group, vec![leaving.to_owned()])
    });
    done.unwrap();
    world.doorbell.ring();
}

/// Orders the end of a group with its volumes.
pub(super) fn delete(world: &World, id: &str) {
    let done = world.database.write(|tx| {
        let group = groups::lock(tx, id)?.unwrap();
        assert!(groups::begin(tx, id, &group::DELETE_WITH_VOLUMES, &[])?, "{id} can not be removed now");
        let mut members = Vec::new();
        for volume in groups::lock_volumes(tx, id)? {
            assert!(volumes::begin(tx, &volume.id, &volume::DELETE_WITH_GROUP, &[])?);
            members.push(volume.id.clone());
            let status = volume::Status::Deleting;
            rpc::delete_volume(tx, &requester(), &Volume { status, ..volume }, false)?;
        }
        rpc::delete_group(tx, &requester(), &group, members)
    });
    done.unwrap();
    world.doorbell.ring();
}

/// Writes a snapshot of the group of a scene with its one snapshot: with `order` as the API does, otherwise as if it had
/// been made.
fn write_snapshot(scene: &Scene<'_>, order: bool) -> String {
    let status = if order { group_snapshot::Status::Creating } else { group_snapshot::Status::Available };
    let new = GroupSnapshot {
        id: uuid::Uuid::new_v4().to_string(),
        group_id: scene.group.clone(),
        project_id: PROJECT.to_owned(),
        user_id: requester().user_id,
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: None,
        description: None,
        status,
        group_type_id: find(scene.world, &scene.group).unwrap().group_type_id,
    };
    let done = scene.world.database.write(|tx| {
        let volume = volumes::by_id(tx, &scene.volume)?.unwrap();
        let group = groups::by_id(tx, &scene.group)?.unwrap();
        charge(tx, &Charge { snapshots: 1, gigabytes: 1, ..charge_of(&volume) }, &limits())?;
        group_snapshots::insert(tx, &new)?;
        let part = new_snapshot(&uuid::Uuid::new_v4().to_string(), &volume);
        let part = Snapshot { group_snapshot_id: Some(new.id.clone()), ..part };
        if !order {
            return snapshots::insert(tx, &Snapshot { status: snapshot::Status::Available, ..part });
        }
        snapshots::insert(tx, &part)?;
        rpc::create_snapshot(tx, &requester(), &volume, &part)?;
        rpc::create_group_snapshot(tx, &requester(), &group, &new.id, vec![volume.id])
    });
    done.unwrap();
    scene.world.doorbell.ring();
    new.id
}

/// A group snapshot of the group of a scene that is there, with the file of its snapshot.
fn ready_snapshot(scene: &Scene<'_>) -> String {
    let id = write_snapshot(scene, false);
    let parts = scene.world.read(|c| group_snapshots::snapshots(c, &id));
    let folder = scene.world.volumes();
    let snapshot = folder.join(format!("snapshot-{}", parts[0].id));
    std::fs::copy(folder.join(format!("volume-{}", scene.volume)), snapshot).unwrap();
    id
}

/// Orders the end of a group snapshot.
fn delete_snapshot(world: &World, id: &str) {
    let done = world.database.write(|tx| {
        let found = group_snapshots::lock(tx, id)?.unwrap();
        let group = groups::by_id(tx, &found.group_id)?.unwrap();
        assert!(group_snapshots::begin(tx, id, &group_snapshot::DELETE)?);
        let mut of = Vec::new();
        for part in group_snapshots::snapshots(tx, id)? {
            assert!(snapshots::begin(tx, &part.id, &snapshot::DELETE_WITH_GROUP_SNAPSHOT, &[])?);
            let volume = volumes::by_id(tx, &part.volume_id)?.unwrap();
            let leaving = Snapshot { status: snapshot::Status::Deleting, ..part };
            rpc::delete_snapshot(tx, &requester(), &volume, &leaving)?;
            of.push(volume.id);
        }
        rpc::delete_group_snapshot(tx, &requester(), &group, id, of)
    });
    done.unwrap();
    world.doorbell.ring();
}

fn find_snapshot(world: &World, id: &str) -> Option<GroupSnapshot> {
    world.read(|c| group_snapshots::by_id(c, id))
}

pub(super) fn find(world: &World, id: &str) -> Option<Group> {
    world.read(|c| groups::by_id(c, id))
}

/// The ids of the volumes of a group.
fn members(world: &World, id: &str) -> Vec<String> {
    world.read(|c| groups::volumes(c, id)).into_iter().map(|volume| volume.id).collect()
}

/// Fails unless everything agrees, the usage of groups among it.
pub(super) fn assert_whole(world: &World) {
    world.assert_whole();
    let sql = "SELECT in_use FROM quota_usages WHERE resource = 'groups'";
    let there = world.count("SELECT count(*) FROM \"groups\" WHERE deleted = false");
    assert_eq!(world.count(sql), there, "usage is not what the rows say");
}

/// A world with a group that has one volume, and a volume beside it.
struct Scene<'a> {
    world: &'a World,
    group: String,
    volume: String,
    beside: String,
}

/// Makes the scene with a service of this process, which is gone afterwards.
fn set(world: &World) -> Scene<'_> {
    let service = world.start();
    let group = create(world);
    // It waits until its group has a place.
    let volume = member(world, &group, Of::Nothing, None);
    let beside = world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    assert_eq!(find(world, &group).unwrap().status, Status::Available);
    assert_eq!(world.volume(&volume).unwrap().host, find(world, &group).unwrap().host);
    Scene { world, group, volume, beside }
}

/// One operation: what is asked for, and what there must be in the end.
struct Operation {
    kind: &'static str,
    run: fn(&Scene<'_>) -> String,
    check: fn(&Scene<'_>, &str),
}

const OPERATIONS: [Operation; 6] = [
    Operation {
        kind: "create_group",
        run: |scene| create(scene.world),
        check: |scene, id| {
            let group = find(scene.world, id).unwrap();
            assert_eq!((group.status, group.host.as_deref()), (Status::Available, Some(HOST)));
        },
    },
    Operation {
        kind: "create_group_from_src",
        run: |scene| copy(scene.world, scene),
        check: |scene, id| {
            assert_eq!(find(scene.world, id).unwrap().status, Status::Available);
            let made = members(scene.world, id);
            assert_eq!(made.len(), 1);
            assert_eq!(scene.world.volume(&made[0]).unwrap().status, volume::Status::Available);
        },
    },
    Operation {
        kind: "update_group",
        run: |scene| {
            update(scene.world, &scene.group, &scene.beside, &scene.volume);
            scene.group.clone()
        },
        check: |scene, id| {
            assert_eq!(find(scene.world, id).unwrap().status, Status::Available);
            assert_eq!(members(scene.world, id), std::slice::from_ref(&scene.beside));
            assert_eq!(scene.world.volume(&scene.volume).unwrap().group_id, None);
        },
    },
    Operation {
        kind: "delete_group",
        run: |scene| {
            delete(scene.world, &scene.group);
            scene.group.clone()
        },
        check: |scene, id| {
            assert!(find(scene.world, id).is_none() && scene.world.volume(&scene.volume).is_none());
            assert_eq!(scene.world.usage(), [1, 0, 1]);
        },
    },
    Operation {
        kind: "create_group_snapshot",
        run: |scene| write_snapshot(scene, true),
        check: |scene, id| {
            assert_eq!(find_snapshot(scene.world, id).unwrap().status, group_snapshot::Status::Available);
            let parts = scene.world.read(|c| group_snapshots::snapshots(c, id));
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].status, snapshot::Status::Available);
        },
    },
    Operation {
        kind: "delete_group_snapshot",
        run: |scene| {
            // Nothing is ordered of it that could be killed first.
            let id = ready_snapshot(scene);
            delete_snapshot(scene.world, &id);
            id
        },
        check: |scene, id| {
            assert!(find_snapshot(scene.world, id).is_none());
            assert_eq!(scene.world.usage(), [2, 0, 2]);
        },
    },
];

#[test]
fn what_is_done_with_a_group_ends_whole() {
    every_operation(World::new);
}

#[test]
fn what_is_done_with_a_group_ends_whole_with_snapshots_inside_qcow2_files() {
    let options = "[file]\nnfs_qcow2_volumes = true\nhearth_file_snapshots = internal";
    every_operation(|| World::with("enabled_backends = file", options));
}

/// Each operation once, each in a world of its own.
pub(super) fn every_operation(world: impl Fn() -> World) {
    for operation in &OPERATIONS {
        let world = world();
        let scene = set(&world);
        let _service = world.start();
        let id = (operation.run)(&scene);
        world.settle();
        (operation.check)(&scene, &id);
        assert_whole(&world);
    }
}

#[test]
fn whatever_is_killed_in_the_midst_of_a_group_is_finished_after_the_next_start() {
    for operation in &OPERATIONS {
        everywhere(operation.kind, |fate| {
            let world = World::with("", "[oslo_messaging_notifications]\ndriver = hearth_telemetry");
            let scene = set(&world);
            let id = world.meet(fate, "node1@file", || (operation.run)(&scene));
            (operation.check)(&scene, &id);
            assert_whole(&world);
        });
    }
}

#[test]
fn a_group_that_no_backend_suits_is_in_error_and_so_are_its_volumes() {
    let world = World::new();
    let _service = world.start();
    let kind = world.read(default_type);
    let specs: &[_] = &[("volume_backend_name", Some("elsewhere"))];
    world.database.write(|tx| volume_types::put_extra_specs(tx, &kind, specs)).unwrap();
    let group = create(&world);
    let volume = member(&world, &group, Of::Nothing, None);
    world.settle();
    let found = find(&world, &group).unwrap();
    assert_eq!((found.status, found.host), (Status::Error, None));
    assert_eq!(world.volume(&volume).unwrap().status, volume::Status::Error);
    assert_whole(&world);
}

#[test]
fn a_group_is_in_error_when_one_of_its_volumes_can_not_be_made() {
    let world = World::new();
    let scene = set(&world);
    std::fs::remove_file(world.volumes().join(format!("volume-{}", scene.volume))).unwrap();
    let _service = world.start();
    let id = copy(&world, &scene);
    world.settle();
    assert_eq!(find(&world, &id).unwrap().status, Status::Error);
    let made = members(&world, &id);
    assert_eq!(world.volume(&made[0]).unwrap().status, volume::Status::Error);
    // It can be removed with what is in it.
    delete(&world, &id);
    world.settle();
    assert!(find(&world, &id).is_none() && world.volume(&made[0]).is_none());
}

#[test]
fn groups_that_wait_for_nobody_are_taken_care_of_when_the_service_starts() {
    for (from, to) in [("creating", Some(Status::Available)), ("updating", Some(Status::Available)), ("deleting", None)]
    {
        let world = World::new();
        let scene = set(&world);
        let lose = |table: &str, id: &str| {
            let sql = format!("UPDATE {table} SET status = ? WHERE id = ?");
            world.database.write(|tx| tx.execute(&sql, &[from.into(), id.into()])).unwrap();
        };
        lose("\"groups\"", &scene.group);
        if to.is_none() {
            lose("volumes", &scene.volume);
        }
        let _service = world.start();
        // Who finds it has no order for it yet.
        let is_over = || (find(&world, &scene.group).map(|group| group.status) == to).then_some(());
        world.wait(&format!("a group that was {from}"), is_over);
        world.settle();
        assert_eq!(world.volume(&scene.volume).is_none(), to.is_none(), "from {from}");
        assert_whole(&world);
    }
}

#[test]
fn a_group_snapshot_is_in_error_when_one_of_its_snapshots_can_not_be_made() {
    let world = World::new();
    let scene = set(&world);
    std::fs::remove_file(world.volumes().join(format!("volume-{}", scene.volume))).unwrap();
    let _service = world.start();
    let id = write_snapshot(&scene, true);
    world.settle();
    assert_eq!(find_snapshot(&world, &id).unwrap().status, group_snapshot::Status::Error);
    delete_snapshot(&world, &id);
    world.settle();
    assert!(find_snapshot(&world, &id).is_none());
    assert_eq!(world.usage(), [2, 0, 2]);
}

#[test]
fn group_snapshots_that_wait_for_nobody_are_taken_care_of_when_the_service_starts() {
    for (from, to) in [("creating", Some(group_snapshot::Status::Available)), ("deleting", None)] {
        let world = World::new();
        let scene = set(&world);
        let id = ready_snapshot(&scene);
        let lose = |table: &str| {
            let sql = format!("UPDATE {table} SET status = ?");
            world.database.write(|tx| tx.execute(&sql, &[from.into()])).unwrap();
        };
        lose("group_snapshots");
        if to.is_none() {
            lose("snapshots");
        }
        let _service = world.start();
        let is_over = || (find_snapshot(&world, &id).map(|found| found.status) == to).then_some(());
        world.wait(&format!("a group snapshot that was {from}"), is_over);
        world.settle();
        assert_whole(&world);
    }
}
