//! A backup service that is killed at every point of every operation: after the next start everything is finished, and no
//! object, no row and no usage is left over.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::cloud::{Cloud, GIB};

/// The points that every order passes.
const STEPS: [&str; 5] = ["begun", "told", "after_step", "before_commit", "after_commit"];
/// The points before that.
const TAKING: [&str; 2] = ["order.before_take", "order.after_take"];
/// The points of an object that is put into its place.
const PUTTING: [&str; 2] = ["object.after_part", "object.after_rename"];
/// The points of a volume's file that is replaced; the suite of the volume service knows them too.
const REPLACING: [&str; 3] = ["file.after_part", "file.after_fill", "file.after_rename"];

/// One operation: what is asked for, and what there must be in the end.
struct Operation {
    kind: &'static str,
    /// Points of its own; with a number, the pass at which to kill.
    points: &'static [&'static str],
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
        points: &["create_backup.prepared", "object.after_part", "object.after_part:3", "object.after_rename:2"],
        run: |scene| scene.cloud.back_up(&scene.volume, json!({})),
        check: |scene, id| scene.assert_restores(id, &scene.cloud.raw(&scene.volume)),
    },
    Operation {
        kind: "create_backup",
        points: &["object.after_rename"],
        run: |scene| scene.cloud.back_up(&scene.volume, json!({"incremental": true})),
        check: |scene, id| {
            assert_eq!(scene.cloud.backup(&scene.backup)["has_dependent_backups"], true);
            scene.assert_restores(id, &scene.cloud.raw(&scene.volume));
        },
    },
    Operation {
        kind: "restore_backup",
        points: &REPLACING,
        run: |scene| scene.cloud.restore(&scene.backup, Some(&scene.volume)),
        check: |scene, id| scene.assert_volume(id, &scene.backed_up),
    },
    Operation {
        kind: "restore_backup",
        points: &REPLACING,
        run: |scene| scene.cloud.restore(&scene.backup, None),
        check: |scene, id| scene.assert_volume(id, &scene.backed_up),
    },
    Operation {
        kind: "restore_backup",
        points: &REPLACING,
        run: |scene| scene.cloud.create_of(&scene.backup, json!({"name": "made of it"})),
        check: |scene, id| {
            scene.assert_volume(id, &scene.backed_up);
            assert_eq!(scene.cloud.backup(&scene.backup)["status"], "available");
        },
    },
    Operation {
        kind: "delete_backup",
        points: &["object.after_remove", "object.after_remove:3"],
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

/// Two or three points of each operation, other ones of each; with `HEARTH_CRASH=all` every point, with the name of an
/// operation every point of that one.
#[test]
fn whatever_is_killed_is_finished_after_the_next_start() {
    let wanted = std::env::var("HEARTH_CRASH").unwrap_or_default();
    for (place, operation) in OPERATIONS.iter().enumerate() {
        let own: Vec<String> = STEPS.iter().map(|step| format!("{}.{step}", operation.kind)).collect();
        let points = TAKING.iter().chain(operation.points).copied().chain(own.iter().map(String::as_str));
        for (number, point) in points.enumerate() {
            let whole = wanted == "all" || wanted == operation.kind;
            if !whole && (!wanted.is_empty() || number % 5 != (place + 2) % 5) {
                continue;
            }
            // One in four of the volumes is a qcow2 file: the points are the same, the steps take longer. Nobody takes
            // what is told.
            let options =
                "backup_sha_block_size_bytes = 65536\n[oslo_messaging_notifications]\ndriver = hearth_telemetry";
            let cloud = Cloud::with(options, number % 4 == 3);
            println!("{} killed at {point}", operation.kind);
            let _volumes = cloud.world.start();
            let scene = set(&cloud);
            let before = told(&cloud).len();
            let doomed = cloud.spawn(Some(point));
            wait_until_up(&cloud);
            let id = (operation.run)(&scene);
            doomed.wait_for_death();
            let _next = cloud.spawn(None);
            cloud.world.settle();
            let event = operation.kind.trim_end_matches("_backup");
            let expected = ["start", "end"].map(|end| format!("backup.{event}.{end}"));
            assert_eq!(told(&cloud)[before..], expected, "{} killed at {point}", operation.kind);
            (operation.check)(&scene, &id);
            cloud.assert_whole();
        }
    }
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
fn wait_until_up(cloud: &Cloud) {
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

#[test]
fn every_point_in_the_source_is_killed_at_in_these_tests() {
    let mut known: BTreeSet<&str> = STEPS.into_iter().chain(TAKING).chain(PUTTING).collect();
    known.extend(["prepared", "object.after_remove"]);
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from("src/block_storage/backup")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { texts.push(fs::read_to_string(path).unwrap()) }
        }
    }
    for text in &texts {
        let calls = ["fault::point(\"", "fault::point_of(kind, \"", "order.work.kind(), \""];
        for call in calls {
            found.extend(text.split(call).skip(1).map(|rest| rest.split('"').next().unwrap()));
        }
        let count: usize = calls.iter().map(|call| text.matches(call).count()).sum();
        assert_eq!(text.matches("fault::point").count(), count);
    }
    assert_eq!(found, known);
}
