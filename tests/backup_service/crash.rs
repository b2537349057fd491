//! A backup service that is killed at every point of every operation: after the next start everything is finished, and no
//! object, no row and no usage is left over.

use std::path::PathBuf;

use serde_json::json;

use super::cloud::{Cloud, GIB};
use super::crash_stories::{Fate, everywhere, is_sample};

/// One operation: what is asked for, and what there must be in the end.
struct Operation {
    kind: &'static str,
    what: &'static str,
    run: fn(&Scene<'_>) -> String,
    check: fn(&Scene<'_>, &str),
}

/// A cloud with a volume that holds data, a backup of it, and data that came later.
struct Scene<'a> {
    cloud: &'a Cloud,
    volume: String,
    backup: String,
    /// The content of the volume when the backup was made.
    backed_up: PathBuf,
}

const OPERATIONS: &[Operation] = &[
    Operation {
        kind: "create_backup",
        what: "in full",
        run: |scene| scene.cloud.back_up(&scene.volume, json!({})),
        check: |scene, id| scene.assert_restores(id, &scene.cloud.raw(&scene.volume)),
    },
    Operation {
        kind: "create_backup",
        what: "in increments",
        run: |scene| scene.cloud.back_up(&scene.volume, json!({"incremental": true})),
        check: |scene, id| {
            assert_eq!(scene.cloud.backup(&scene.backup)["has_dependent_backups"], true);
            scene.assert_restores(id, &scene.cloud.raw(&scene.volume));
        },
    },
    Operation {
        kind: "restore_backup",
        what: "into its volume",
        run: |scene| scene.cloud.restore(&scene.backup, Some(&scene.volume)),
        check: |scene, id| scene.assert_volume(id, &scene.backed_up),
    },
    Operation {
        kind: "restore_backup",
        what: "into a new volume",
        run: |scene| scene.cloud.restore(&scene.backup, None),
        check: |scene, id| scene.assert_volume(id, &scene.backed_up),
    },
    Operation {
        kind: "restore_backup",
        what: "while a volume is made of it",
        run: |scene| scene.cloud.create_of(&scene.backup, json!({"name": "made of it"})),
        check: |scene, id| {
            scene.assert_volume(id, &scene.backed_up);
            assert_eq!(scene.cloud.backup(&scene.backup)["status"], "available");
        },
    },
    Operation {
        kind: "delete_backup",
        what: "of a volume",
        run: |scene| {
            scene.cloud.delete(&scene.backup);
            scene.backup.clone()
        },
        check: |scene, id| {
            scene.cloud.expect(404, "GET", &format!("/backups/{id}"), None);
            assert_eq!(scene.cloud.objects(), Vec::<String>::new());
        },
    },
];

impl Scene<'_> {
    fn assert_volume(&self, id: &str, expected: &std::path::Path) {
        assert_eq!(self.cloud.status(id), "available");
        self.cloud.assert_same(&self.cloud.raw(id), expected);
    }

    fn assert_restores(&self, backup: &str, expected: &std::path::Path) {
        assert_eq!(self.cloud.backup(backup)["status"], "available");
        let restored = self.cloud.restore(backup, None);
        self.cloud.world.settle();
        self.assert_volume(&restored, expected);
    }
}

#[test]
fn creations_that_are_killed_are_finished_after_the_next_start() {
    kill_everywhere("create_backup");
}

#[test]
fn restorations_that_are_killed_are_finished_after_the_next_start() {
    kill_everywhere("restore_backup");
}

#[test]
fn deletions_that_are_killed_are_finished_after_the_next_start() {
    kill_everywhere("delete_backup");
}

/// Plays the operations of one kind, everywhere.
fn kill_everywhere(kind: &str) {
    for (place, operation) in OPERATIONS.iter().enumerate().filter(|(_, operation)| operation.kind == kind) {
        // The points are the same with both formats, the steps take longer with one.
        let formats: &[bool] = if is_sample() { &[place % 4 == 1] } else { &[false, true] };
        for qcow2 in formats {
            let format = if *qcow2 { "qcow2" } else { "raw" };
            everywhere(&format!("{kind} {}, {format}", operation.what), |fate| play(operation, *qcow2, &fate));
        }
    }
}

fn play(operation: &Operation, qcow2: bool, fate: &Fate<'_>) {
    // Nobody takes what is told.
    let options = "backup_sha_block_size_bytes = 65536\n[oslo_messaging_notifications]\ndriver = hearth_telemetry";
    let cloud = Cloud::with(options, qcow2);
    let _volumes = cloud.world.start();
    let scene = set(&cloud);
    let before = told(&cloud).len();
    let first = cloud.spawn_as(|command| fate.befall(command));
    wait_until_up(&cloud);
    fate.begin();
    let id = (operation.run)(&scene);
    if fate.is_watched() {
        cloud.world.settle();
        drop(first);
    } else {
        first.wait_for_death();
    }
    let _next = cloud.spawn(None);
    cloud.world.settle();
    let event = operation.kind.trim_end_matches("_backup");
    let expected = ["start", "end"].map(|end| format!("backup.{event}.{end}"));
    assert_eq!(told(&cloud)[before..], expected);
    (operation.check)(&scene, &id);
    cloud.assert_whole();
}

/// What the rest of the cloud was told of backups.
fn told(cloud: &Cloud) -> Vec<String> {
    cloud.world.told().into_iter().filter(|event| event.starts_with("backup.")).collect()
}

/// Makes the scene with a service of this process, which is gone afterwards.
fn set(cloud: &Cloud) -> Scene<'_> {
    let service = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(GIB / 2, b"what the user wrote"), (0, b"at the beginning")]);
    let backed_up = cloud.keep(&volume, "expected");
    let backup = cloud.backed_up(&volume, json!({}));
    cloud.write(&volume, &[(GIB / 4, b"later")]);
    drop(service);
    cloud
        .world
        .database
        .write(|tx| tx.execute("UPDATE services SET updated_at = NULL WHERE \"binary\" = 'cinder-backup'", &[]))
        .unwrap();
    Scene { cloud, volume, backup, backed_up }
}

/// Waits until the backup service has said that it is up.
pub(super) fn wait_until_up(cloud: &Cloud) {
    let sql = "SELECT count(*) FROM services WHERE \"binary\" = 'cinder-backup' AND updated_at IS NOT NULL";
    cloud.world.wait("the backup service", || (cloud.world.count(sql) == 1).then_some(()));
}

#[test]
fn a_backup_that_kills_its_service_again_and_again_is_given_up() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let scene = set(&cloud);
    let service = cloud.start();
    drop(service);
    let id = cloud.back_up(&scene.volume, json!({}));
    for _ in 0..5 {
        cloud.spawn(Some("create_backup.begun")).wait_for_death();
    }
    let _service = cloud.start();
    cloud.world.settle();
    let backup = cloud.backup(&id);
    assert_eq!(backup["status"], "error");
    assert_eq!(backup["fail_reason"], "The backup service ends whenever it tries this.");
    assert_eq!(cloud.world.messages(&id), ["VOLUME_VOLUME_BACKUP_013_020"]);
    assert_eq!(cloud.status(&scene.volume), "available");
    cloud.assert_whole();
}

#[test]
fn a_volume_that_is_deleted_by_force_while_a_backup_is_written_into_it_leaves_no_file() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let scene = set(&cloud);
    let doomed = cloud.spawn(Some("file.after_fill"));
    wait_until_up(&cloud);
    cloud.restore(&scene.backup, Some(&scene.volume));
    doomed.wait_for_death();
    let action = format!("/volumes/{}/action", scene.volume);
    cloud.expect(202, "POST", &action, Some(json!({"os-force_delete": {}})));
    cloud.world.wait("the end of the volume", || cloud.world.volume(&scene.volume).is_none().then_some(()));
    let _next = cloud.start();
    cloud.world.settle();
    assert_eq!(cloud.world.files(), Vec::<String>::new());
    assert_eq!(cloud.backup(&scene.backup)["status"], "available");
    cloud.assert_whole();
}
