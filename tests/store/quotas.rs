//! The quota engine: what a charge moves and refuses, alone, with many at once, and beside the real Cinder.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use hearth::block_storage::model::quota::{Limits, Usage};
use hearth::block_storage::model::work::Requester;
use hearth::block_storage::rpc;
use hearth::block_storage::store::quota_repair::{self, Finding, Wrong};
use hearth::block_storage::store::quotas::{self, Charge};
use hearth::block_storage::store::volumes;
use hearth::database::{Connection, Database, Engine, Value};
use hearth::time::Timestamp;
use hearth::{Error, Kind, Result};

use super::cinder;
use super::fixture::{self, Maker, on_every_schema, unique};

on_every_schema! {
    a_charge_counts_volumes_gigabytes_and_those_of_the_type,
    a_refused_charge_moves_nothing_and_says_what_is_over,
    nothing_is_made_for_who_has_no_project,
    limits_of_the_project_go_before_those_of_the_default_class_and_of_the_configuration,
    what_another_implementation_has_reserved_counts_against_the_limit,
    usage_that_was_never_counted_is_counted_from_the_objects,
    usage_is_counted_again_when_it_is_due,
    a_volume_that_is_about_to_grow_counts_with_its_new_size,
    a_release_never_goes_below_zero_and_is_never_refused,
    usage_that_would_not_fit_into_its_row_is_refused,
    a_volume_is_refused_by_its_own_size,
    many_charges_at_once_never_pass_the_limit,
    usage_follows_a_type_to_its_new_name,
    check_finds_what_is_wrong_and_sync_puts_it_right,
}

// Cinder gives up where an SQLite file is locked, so that nothing can stand beside it there.
#[test]
fn charges_beside_the_real_cinder_are_all_counted_on_mariadb() {
    charges_beside_the_real_cinder_are_all_counted(Engine::Mysql);
}

#[test]
fn charges_beside_the_real_cinder_are_all_counted_on_postgresql() {
    charges_beside_the_real_cinder_are_all_counted(Engine::Postgres);
}

/// One volume of this size and type.
fn volume<'a>(project: &'a str, kind: &'a str, gib: i64) -> Charge<'a> {
    Charge { project_id: project, volume_type_id: Some(kind), volumes: 1, gigabytes: gib, ..Charge::default() }
}

fn negative(charge: Charge<'_>) -> Charge<'_> {
    Charge { volumes: -charge.volumes, snapshots: -charge.snapshots, gigabytes: -charge.gigabytes, ..charge }
}

fn charge(database: &Database, charge: &Charge<'_>) -> Result<()> {
    charge_with(database, charge, &Limits::default())
}

fn charge_with(database: &Database, charge: &Charge<'_>, limits: &Limits) -> Result<()> {
    database.write(|tx| quotas::charge(tx, charge, limits))
}

/// A volume type of a name that no other test has.
fn new_type(database: &Database) -> (String, String) {
    let (id, name) = (unique(), format!("t{}", &unique()[..8]));
    let params = [Value::from(&id), Value::from(&name), Timestamp::now().into()];
    let sql = "INSERT INTO volume_types (id, name, created_at, deleted, is_public) VALUES (?, ?, ?, false, true)";
    database.write(|tx| tx.execute(sql, &params)).unwrap();
    (id, name)
}

/// A row of a volume, without a charge.
fn put_volume(c: &mut Connection, project: &str, kind: &str, gib: i64, counts: bool) -> Result<()> {
    c.execute(
        "INSERT INTO volumes (id, project_id, volume_type_id, size, deleted, use_quota) VALUES (?, ?, ?, ?, false, ?)",
        &[unique().into(), project.into(), kind.into(), gib.into(), counts.into()],
    )
    .map(|_| ())
}

fn in_use(database: &Database, project: &str, resource: &str) -> i64 {
    usage(database, project, resource).in_use
}

fn usage(database: &Database, project: &str, resource: &str) -> Usage {
    database.read(|c| quotas::usages(c, project)).unwrap().get(resource).copied().unwrap_or_default()
}

fn set(database: &Database, project: &str, column: &str, resource: &str, value: impl Into<Value<'static>>) {
    let sql = format!("UPDATE quota_usages SET {column} = ? WHERE project_id = ? AND resource = ?");
    let value = value.into();
    let changed = database.write(|tx| tx.execute(&sql, &[value.clone(), project.into(), resource.into()])).unwrap();
    assert_eq!(changed, 1, "{resource}");
}

fn limit(database: &Database, project: &str, resource: &str, limit: i64) {
    database.write(|tx| quotas::set_project_limit(tx, project, resource, limit)).unwrap();
}

#[track_caller]
fn refused(result: Result<()>, text: &str) {
    let error: Error = result.expect_err("a refusal");
    assert_eq!((error.kind(), error.public()), (Kind::OverQuota, text));
}

fn a_charge_counts_volumes_gigabytes_and_those_of_the_type(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    charge(database, &volume(&project, &kind, 7)).unwrap();
    charge(database, &Charge { volumes: 0, snapshots: 1, ..volume(&project, &kind, 7) }).unwrap();
    charge(database, &Charge { volume_type_id: None, ..volume(&project, &kind, 1) }).unwrap();
    let found = database.read(|c| quotas::usages(c, &project)).unwrap();
    let found: Vec<(&str, i64)> = found.iter().map(|(name, usage)| (name.as_str(), usage.in_use)).collect();
    let of_type = ["gigabytes", "snapshots", "volumes"].map(|resource| format!("{resource}_{name}"));
    let expected = [
        ("gigabytes", 15),
        (of_type[0].as_str(), 14),
        ("snapshots", 1),
        (of_type[1].as_str(), 1),
        ("volumes", 2),
        (of_type[2].as_str(), 1),
    ];
    assert_eq!(found, expected);
}

fn a_refused_charge_moves_nothing_and_says_what_is_over(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    limit(database, &project, "volumes", 1);
    limit(database, &project, "gigabytes", 10);
    limit(database, &project, &format!("snapshots_{name}"), 0);
    charge(database, &volume(&project, &kind, 7)).unwrap();
    refused(
        charge(database, &volume(&project, &kind, 1)),
        "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.",
    );
    refused(
        charge(database, &volume(&project, &kind, 4)),
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 4G, \
         quota is 10G and 7G has been consumed.",
    );
    refused(
        charge(database, &Charge { volumes: 0, snapshots: 1, ..volume(&project, &kind, 1) }),
        "SnapshotLimitExceeded: Maximum number of snapshots allowed (0) exceeded",
    );
    assert_eq!((in_use(database, &project, "volumes"), in_use(database, &project, "gigabytes")), (1, 7));
    assert_eq!(in_use(database, &project, "snapshots"), 0);
}

fn nothing_is_made_for_who_has_no_project(database: &Database) {
    let (_, kind) = new_type(database);
    let refusal = charge(database, &volume("", &kind, 1)).unwrap_err();
    assert_eq!(refusal.kind(), Kind::Invalid, "{refusal}");
}

fn limits_of_the_project_go_before_those_of_the_default_class_and_of_the_configuration(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    let typed = format!("volumes_{name}");
    let one = volume(&project, &kind, 1);
    let small = Limits { volumes: 0, default_class: false, ..Limits::default() };
    refused(
        charge_with(database, &one, &small),
        "VolumeLimitExceeded: Maximum number of volumes allowed (0) exceeded for quota 'volumes'.",
    );
    charge_with(database, &one, &Limits { default_class: true, ..small }).unwrap();
    database.write(|tx| quotas::set_class_limit(tx, "default", &typed, 1)).unwrap();
    refused(
        charge(database, &one),
        &format!("VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota '{typed}'."),
    );
    limit(database, &project, &typed, 2);
    charge(database, &one).unwrap();
    limit(database, &project, &typed, -1);
    charge(database, &one).unwrap();
    assert_eq!(in_use(database, &project, &typed), 3);
}

fn what_another_implementation_has_reserved_counts_against_the_limit(database: &Database) {
    let (project, (kind, _)) = (unique(), new_type(database));
    limit(database, &project, "volumes", 5);
    charge(database, &volume(&project, &kind, 1)).unwrap();
    set(database, &project, "reserved", "volumes", 4);
    assert_eq!(charge(database, &volume(&project, &kind, 1)).expect_err("over").kind(), Kind::OverQuota);
    set(database, &project, "reserved", "volumes", 3);
    charge(database, &volume(&project, &kind, 1)).unwrap();
    assert_eq!(usage(database, &project, "volumes"), Usage { in_use: 2, reserved: 3 });
}

fn usage_that_was_never_counted_is_counted_from_the_objects(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    let (other, _) = new_type(database);
    database
        .write(|tx| {
            put_volume(tx, &project, &kind, 3, true)?;
            put_volume(tx, &project, &other, 4, true)?;
            put_volume(tx, &project, &kind, 100, false)
        })
        .unwrap();
    charge(database, &volume(&project, &kind, 1)).unwrap();
    assert_eq!((in_use(database, &project, "volumes"), in_use(database, &project, "gigabytes")), (3, 8));
    assert_eq!(in_use(database, &project, &format!("gigabytes_{name}")), 4);
}

fn usage_is_counted_again_when_it_is_due(database: &Database) {
    let (project, (kind, _)) = (unique(), new_type(database));
    let one = volume(&project, &kind, 1);
    charge(database, &one).unwrap();
    set(database, &project, "in_use", "volumes", -4);
    charge(database, &one).unwrap();
    assert_eq!(in_use(database, &project, "volumes"), 1, "negative usage is counted again");

    set(database, &project, "in_use", "volumes", 5);
    let often = Limits { until_refresh: 2, ..Limits::default() };
    let used = || in_use(database, &project, "volumes");
    charge_with(database, &one, &often).unwrap();
    assert_eq!(used(), 6, "from now on it is counted again with every second charge");
    charge_with(database, &one, &often).unwrap();
    assert_eq!(used(), 7);
    charge_with(database, &one, &often).unwrap();
    assert_eq!(used(), 1);

    charge(database, &one).unwrap();
    set(database, &project, "in_use", "volumes", 8);
    set(database, &project, "updated_at", "volumes", Timestamp::now().plus_seconds(-100));
    charge_with(database, &one, &Limits { max_age_seconds: 1_000, ..Limits::default() }).unwrap();
    assert_eq!(used(), 9, "it is not old enough");
    set(database, &project, "updated_at", "volumes", Timestamp::now().plus_seconds(-100));
    charge_with(database, &one, &Limits { max_age_seconds: 50, ..Limits::default() }).unwrap();
    assert_eq!(used(), 1, "it is old enough");
}

fn a_volume_that_is_about_to_grow_counts_with_its_new_size(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    let requester = Requester::default();
    database
        .write(|tx| {
            quotas::charge(tx, &volume(&project, &kind, 2), &Limits::default())?;
            put_volume(tx, &project, &kind, 2, true)?;
            let sql = "SELECT id FROM volumes WHERE project_id = ?";
            let id = tx.row(sql, &[(&project).into()], |row| row.string(0))?.expect("a volume");
            let growing = volumes::by_id(tx, &id)?.expect("a volume");
            quotas::charge(tx, &Charge { volumes: 0, ..volume(&project, &kind, 5) }, &Limits::default())?;
            rpc::extend_volume(tx, &requester, &growing, 7)
        })
        .unwrap();
    assert_eq!(in_use(database, &project, &format!("gigabytes_{name}")), 7);
    let found = quota_repair::project(database, &project, &Limits::default(), false).unwrap();
    assert_eq!(found, [], "what is ordered is in use");
    set(database, &project, "in_use", "gigabytes", -1);
    charge(database, &volume(&project, &kind, 1)).unwrap();
    assert_eq!(in_use(database, &project, "gigabytes"), 8);
}

fn a_release_never_goes_below_zero_and_is_never_refused(database: &Database) {
    let (project, (kind, _)) = (unique(), new_type(database));
    let three = volume(&project, &kind, 3);
    charge(database, &three).unwrap();
    limit(database, &project, "volumes", 0);
    charge(database, &negative(three)).unwrap();
    charge(database, &negative(three)).unwrap();
    assert_eq!((in_use(database, &project, "volumes"), in_use(database, &project, "gigabytes")), (0, 0));
}

fn usage_that_would_not_fit_into_its_row_is_refused(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    limit(database, &project, "gigabytes", -1);
    charge(database, &volume(&project, &kind, 2_147_483_647)).unwrap();
    refused(
        charge(database, &volume(&project, &kind, 1)),
        &format!(
            "QuotaUsageOverflow: Quota usage would overflow for resources: ['gigabytes', 'gigabytes_{name}']. The requested \
             operation would exceed the maximum allowed value (2147483647) for quota tracking."
        ),
    );
}

fn a_volume_is_refused_by_its_own_size(database: &Database) {
    let project = unique();
    let check = |limits: &Limits| database.read(|c| quotas::check_volume_size(c, &project, 6, limits));
    check(&Limits::default()).unwrap();
    limit(database, &project, "per_volume_gigabytes", 5);
    refused(
        check(&Limits::default()),
        "VolumeSizeExceedsLimit: Requested volume size 6G is larger than maximum allowed limit 5G.",
    );
    limit(database, &project, "per_volume_gigabytes", 6);
    check(&Limits::default()).unwrap();
}

fn many_charges_at_once_never_pass_the_limit(database: &Database) {
    const THREADS: usize = 6;
    const EACH: usize = 5;
    const LIMIT: i64 = 17;
    let (project, (kind, name)) = (unique(), new_type(database));
    limit(database, &project, "volumes", LIMIT);
    let start = Barrier::new(THREADS);
    let made: i64 = std::thread::scope(|scope| {
        let work = || {
            start.wait();
            let attempts = (0..EACH).map(|_| {
                let made = database.write(|tx| {
                    quotas::charge(tx, &volume(&project, &kind, 2), &Limits::default())?;
                    put_volume(tx, &project, &kind, 2, true)
                });
                match made {
                    Ok(()) => 1,
                    Err(error) if error.kind() == Kind::OverQuota => 0,
                    Err(error) => panic!("{error}"),
                }
            });
            attempts.sum::<i64>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    });
    let volumes = database
        .read(|c| c.row("SELECT count(*) FROM volumes WHERE project_id = ?", &[(&project).into()], |row| row.int(0)));
    assert_eq!((made, volumes.unwrap()), (LIMIT, Some(LIMIT)));
    let used = |resource: &str| in_use(database, &project, resource);
    assert_eq!((used("volumes"), used("gigabytes")), (LIMIT, 2 * LIMIT));
    assert_eq!((used(&format!("volumes_{name}")), used(&format!("gigabytes_{name}"))), (LIMIT, 2 * LIMIT));
}

fn usage_follows_a_type_to_its_new_name(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    let (old_kind, taken) = new_type(database);
    charge(database, &volume(&project, &old_kind, 9)).unwrap();
    database.write(|tx| put_volume(tx, &project, &kind, 2, true)).unwrap();
    charge(database, &volume(&project, &kind, 1)).unwrap();
    // A type that had the name before has left its rows behind.
    database
        .write(|tx| {
            tx.execute("UPDATE volume_types SET deleted = true WHERE id = ?", &[(&old_kind).into()])?;
            quotas::rename_type(tx, &name, &taken)?;
            tx.execute("UPDATE volume_types SET name = ? WHERE id = ?", &[(&taken).into(), (&kind).into()])
        })
        .unwrap();
    let found = database.read(|c| quotas::usages(c, &project)).unwrap();
    assert_eq!(found.get(&format!("gigabytes_{taken}")).map(|usage| usage.in_use), Some(3));
    assert!(!found.contains_key(&format!("gigabytes_{name}")));
    charge(database, &volume(&project, &kind, 5)).unwrap();
    assert_eq!(in_use(database, &project, &format!("gigabytes_{taken}")), 7, "it was counted again: 2 and 5");
}

fn check_finds_what_is_wrong_and_sync_puts_it_right(database: &Database) {
    let (project, (kind, name)) = (unique(), new_type(database));
    database
        .write(|tx| {
            quotas::charge(tx, &volume(&project, &kind, 2), &Limits::default())?;
            put_volume(tx, &project, &kind, 2, true)
        })
        .unwrap();
    let look = |repair| quota_repair::project(database, &project, &Limits::default(), repair).unwrap();
    assert_eq!(look(false), []);
    assert!(database.read(quota_repair::projects).unwrap().contains(&project));

    set(database, &project, "in_use", "gigabytes", 40);
    set(database, &project, "reserved", "volumes", 6);
    for (delta, seconds) in [(2, 1_000), (3, -1_000)] {
        reserve(database, &project, "volumes", delta, Timestamp::now().plus_seconds(seconds));
    }
    let sql = "INSERT INTO quota_usages (project_id, resource, in_use, reserved, deleted, race_preventer) \
               VALUES (?, ?, 1, 0, false, NULL)";
    let typed = format!("volumes_{name}");
    database.write(|tx| tx.execute(sql, &[(&project).into(), (&typed).into()])).unwrap();

    let finding = |resource: &str, wrong| Finding { project_id: project.clone(), resource: resource.to_owned(), wrong };
    let found = look(false);
    let expected = [
        finding(&typed, Wrong::Duplicates(1)),
        finding("gigabytes", Wrong::InUse(40, 2)),
        finding("volumes", Wrong::Expired(1)),
        finding("volumes", Wrong::Reserved(6, 5)),
        finding(&typed, Wrong::InUse(2, 1)),
    ];
    assert_eq!(found, expected);
    assert_eq!(look(false), found, "looking changes nothing");
    assert_eq!(look(true).len(), 5);
    assert_eq!(look(false), []);
    assert_eq!(usage(database, &project, "volumes"), Usage { in_use: 1, reserved: 2 });
    assert_eq!((in_use(database, &project, "gigabytes"), in_use(database, &project, &typed)), (2, 1));
}

/// A reservation as Cinder makes it.
fn reserve(database: &Database, project: &str, resource: &str, delta: i64, expire: Timestamp) {
    database
        .write(|tx| {
            let sql = "SELECT id FROM quota_usages WHERE project_id = ? AND resource = ? AND deleted = false";
            let usage = tx.row(sql, &[project.into(), resource.into()], |row| row.int(0))?;
            tx.execute(
                "INSERT INTO reservations (uuid, usage_id, project_id, resource, delta, expire, deleted) \
                 VALUES (?, ?, ?, ?, ?, ?, false)",
                &[unique().into(), usage.into(), project.into(), resource.into(), delta.into(), expire.into()],
            )
        })
        .unwrap();
}

/// Cinder reserves and commits, or rolls back, in one process, while Hearth charges and releases in others.
const CINDER: &str = r#"
import sys
from oslo_config import cfg
from cinder import context, objects, quota
from cinder.common import config
from cinder.db import api

objects.register_all()
cfg.CONF(["--config-file", sys.argv[1]], project="cinder")
ctxt = context.RequestContext("u", sys.argv[2], is_admin=True)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(int(sys.argv[3])):
    reservations = quota.QUOTAS.reserve(ctxt, volumes=1, gigabytes=3)
    if turn % 3 == 2:
        quota.QUOTAS.rollback(ctxt, reservations)
    else:
        api.reservation_commit(ctxt, reservations, project_id=ctxt.project_id)
"#;

fn charges_beside_the_real_cinder_are_all_counted(engine: Engine) {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    const TURNS: i64 = 30;

    let (database, url) = fixture::made_by_with_url(engine, Maker::Cinder);
    let folder = super::servers::scratch_folder("cinder-quota");
    let (config, script, project) = (folder.join("cinder.conf"), folder.join("quota.py"), unique());
    let text = format!("[DEFAULT]\nstate_path = {}\n[database]\nconnection = {url}\n", folder.display());
    std::fs::write(&config, text).unwrap();
    std::fs::write(&script, CINDER).unwrap();
    for resource in ["volumes", "gigabytes"] {
        limit(&database, &project, resource, -1);
    }
    let mut python = Command::new(cinder::environment().join("bin/python"))
        .args([&script, &config])
        .args([&project, &TURNS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(python.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert_eq!(ready, "ready\n");
    python.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let (done, by_hearth) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let one = Charge { volume_type_id: None, ..volume(&project, "", 5) };
                for turn in 0.. {
                    charge(&database, &one).unwrap();
                    if turn % 5 == 4 {
                        charge(&database, &negative(one)).unwrap();
                    } else {
                        by_hearth.fetch_add(1, Ordering::Relaxed);
                    }
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let status = python.wait().unwrap();
        done.store(true, Ordering::Relaxed);
        assert!(status.success());
    });
    let (by_cinder, by_hearth) = (TURNS / 3 * 2, by_hearth.into_inner());
    assert!(by_hearth > TURNS, "both were at work");
    let volumes = Usage { in_use: by_cinder + by_hearth, reserved: 0 };
    let gigabytes = Usage { in_use: 3 * by_cinder + 5 * by_hearth, reserved: 0 };
    assert_eq!(usage(&database, &project, "volumes"), volumes);
    assert_eq!(usage(&database, &project, "gigabytes"), gigabytes);
    let _ = std::fs::remove_dir_all(folder);
}
