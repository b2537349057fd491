//! The volume service is killed at every point at which it can be while volumes get another type or another backend, and
//! started again. Then each volume has either its old disk or its new one, with every byte, and there is no third file.

use std::path::PathBuf;

use hearth::block_storage::model::volume::Status;

use super::crash_stories::{Fate, everywhere};
use super::moving::{ENABLED, assert_content, assert_whole, fill, migrate, retype, sections, type_on, usage_of};
use super::world::{Of, World};

/// A volume with data, and a type for each of the two backends.
struct Scene {
    world: World,
    volume: String,
    content: PathBuf,
    here: String,
    elsewhere: String,
}

fn set(formats: [&str; 2]) -> Scene {
    // Nobody takes what this driver keeps.
    let notifications = "[oslo_messaging_notifications]\ndriver = hearth_telemetry";
    let world = World::with(ENABLED, &format!("{}\n{notifications}", sections(formats)));
    let service = world.start();
    let volume = world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    let content = fill(&world, &volume);
    let (here, elsewhere) = (type_on(&world, "file"), type_on(&world, "other"));
    Scene { world, volume, content, here, elsewhere }
}

impl Scene {
    fn play(&self, fate: Fate<'_>, ask: impl FnOnce(&Self)) {
        let examined = || {
            // What is on its way is nobody's stray.
            let findings = hearth::operate::doctor::examine(self.world.config(), &self.world.database);
            let strays = findings.iter().filter(|finding| finding.what.contains("belongs to no volume"));
            assert_eq!(strays.map(|finding| &finding.what).collect::<Vec<_>>(), Vec::<&String>::new());
        };
        self.world.meet_and_look(fate, "node1@other", || ask(self), examined);
        assert_whole(&self.world);
        assert_content(&self.world, &self.volume, &self.content);
    }

    fn assert_at(&self, pool: &str, migration_status: Option<&str>) {
        let volume = self.world.volume(&self.volume).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, migration_status));
        assert_eq!(volume.host.as_deref(), Some(pool));
    }
}

#[test]
fn a_retyping_that_is_killed_anywhere_is_finished_after_the_next_start() {
    everywhere("retype_volume to another backend", |fate| {
        let scene = set(["raw", "qcow2"]);
        scene.play(fate, |scene| retype(&scene.world, &scene.volume, &scene.elsewhere, true));
        scene.assert_at("node1@other#other", Some("success"));
        assert_eq!(usage_of(&scene.world, "on-other"), [1, 0, 1]);
        assert_eq!(usage_of(&scene.world, "__DEFAULT__"), [0, 0, 0]);
    });
}

#[test]
fn a_retyping_without_a_move_that_is_killed_anywhere_is_finished_after_the_next_start() {
    everywhere("retype_volume where it is", |fate| {
        let scene = set(["raw", "raw"]);
        scene.play(fate, |scene| retype(&scene.world, &scene.volume, &scene.here, false));
        scene.assert_at("node1@file#file", None);
        assert_eq!(usage_of(&scene.world, "on-file"), [1, 0, 1]);
    });
}

#[test]
fn a_migration_that_is_killed_anywhere_is_finished_after_the_next_start() {
    for lock in [true, false] {
        everywhere(if lock { "migrate_volume locked" } else { "migrate_volume" }, |fate| {
            let scene = set(["qcow2", "raw"]);
            scene.play(fate, |scene| migrate(&scene.world, &scene.volume, "node1@other", lock));
            scene.assert_at("node1@other#other", Some("success"));
            scene.world.assert_whole();
        });
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
