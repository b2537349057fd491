//! The volume service is killed at every point at which it can be while volumes get another type or another backend, and
//! started again. Then each volume has either its old disk or its new one, with every byte, and there is no third file.

use std::path::PathBuf;

use hearth::block_storage::model::volume::Status;

use super::crash::{MAKING, REMOVING, STEPS, TAKING};
use super::moving::{assert_content, assert_whole, fill, migrate, retype, two_backends, type_on, usage_of};
use super::world::{Of, World};

/// The point after the destination is noted, before anything is written there.
pub(super) const NOTED: &str = "move.after_note";

/// A volume with data, and a type for each of the two backends.
struct Scene {
    world: World,
    volume: String,
    content: PathBuf,
    here: String,
    elsewhere: String,
}

fn set(formats: [&str; 2]) -> Scene {
    let world = two_backends(formats);
    let service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    let content = fill(&world, &volume);
    let (here, elsewhere) = (type_on(&world, "file"), type_on(&world, "other"));
    Scene { world, volume, content, here, elsewhere }
}

impl Scene {
    fn kill_at(&self, point: &str, ask: impl FnOnce(&Self)) {
        println!("killed at {point}");
        let doomed = self.world.spawn(Some(point));
        self.world.wait_for_service("node1@other");
        ask(self);
        doomed.wait_for_death();
        // What is on its way is nobody's stray.
        let findings = hearth::operate::doctor::examine(self.world.config(), &self.world.database);
        let strays = findings.iter().filter(|finding| finding.what.contains("belongs to no volume"));
        assert_eq!(strays.map(|finding| &finding.what).collect::<Vec<_>>(), Vec::<&String>::new());
        let next = self.world.spawn(None);
        self.world.settle();
        next.stop();
        assert_whole(&self.world);
        assert_content(&self.world, &self.volume, &self.content);
    }

    fn assert_at(&self, pool: &str, migration_status: Option<&str>) {
        let volume = self.world.volume(&self.volume).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, migration_status));
        assert_eq!(volume.host.as_deref(), Some(pool));
    }
}

/// The points that an order of this kind passes, and those of others.
fn points(kind: &str, others: &[&str]) -> Vec<String> {
    let own = STEPS.iter().map(|step| format!("{kind}.{step}"));
    others.iter().map(|point| (*point).to_owned()).chain(own).collect()
}

/// The points that a move passes: those of its own order, and those of the order that removes the old disk.
fn points_of_move(kind: &str) -> Vec<String> {
    let others: Vec<&str> = TAKING.iter().chain(&MAKING).chain(&REMOVING).copied().chain([NOTED]).collect();
    [points(kind, &others), points("discard_disk", &[])].concat()
}

#[test]
fn a_retyping_that_is_killed_anywhere_is_finished_after_the_next_start() {
    for point in points_of_move("retype_volume") {
        let scene = set(["raw", "qcow2"]);
        scene.kill_at(&point, |scene| retype(&scene.world, &scene.volume, &scene.elsewhere, true));
        scene.assert_at("node1@other#other", Some("success"));
        assert_eq!(usage_of(&scene.world, "on-other"), [1, 0, 1]);
        assert_eq!(usage_of(&scene.world, "__DEFAULT__"), [0, 0, 0]);
    }
}

#[test]
fn a_retyping_without_a_move_that_is_killed_anywhere_is_finished_after_the_next_start() {
    for point in points("retype_volume", &TAKING) {
        let scene = set(["raw", "raw"]);
        scene.kill_at(&point, |scene| retype(&scene.world, &scene.volume, &scene.here, false));
        scene.assert_at("node1@file#file", None);
        assert_eq!(usage_of(&scene.world, "on-file"), [1, 0, 1]);
    }
}

#[test]
fn a_migration_that_is_killed_anywhere_is_finished_after_the_next_start() {
    for (at, point) in points_of_move("migrate_volume").iter().enumerate() {
        let scene = set(["qcow2", "raw"]);
        scene.kill_at(point, |scene| migrate(&scene.world, &scene.volume, "node1@other", at % 2 == 0));
        scene.assert_at("node1@other#other", Some("success"));
        scene.world.assert_whole();
    }
}

#[test]
fn a_move_that_kills_its_service_again_and_again_is_given_up_and_leaves_nothing_behind() {
    let scene = set(["raw", "raw"]);
    retype(&scene.world, &scene.volume, &scene.elsewhere, true);
    for _ in 0..5 {
        scene.world.spawn(Some("file.after_rename")).wait_for_death();
    }
    let next = scene.world.spawn(None);
    scene.world.settle();
    next.stop();
    scene.assert_at("node1@file#file", Some("error"));
    assert_eq!((usage_of(&scene.world, "on-other"), usage_of(&scene.world, "__DEFAULT__")), ([0, 0, 0], [1, 0, 1]));
    assert_content(&scene.world, &scene.volume, &scene.content);
    assert_whole(&scene.world);
}

#[test]
fn the_end_of_a_disk_of_a_move_that_was_given_up_is_killed_and_done_again() {
    let scene = set(["raw", "raw"]);
    migrate(&scene.world, &scene.volume, "node1@other", true);
    for _ in 0..5 {
        scene.world.spawn(Some("file.after_rename")).wait_for_death();
    }
    scene.world.spawn(Some("file.after_remove")).wait_for_death();
    let next = scene.world.spawn(None);
    scene.world.settle();
    next.stop();
    scene.assert_at("node1@file#file", Some("error"));
    assert_content(&scene.world, &scene.volume, &scene.content);
    assert_whole(&scene.world);
}
