//! Purge and check, and what they say to the operator.

use hearth::config::Config;
use hearth::database::check::check;
use hearth::database::purge::purge;
use hearth::database::{Connection, Database, Engine};
use hearth::operate::db;
use hearth::time::Timestamp;

use super::fixture::{self, Maker, WANTED, on_every_engine, unique};

on_every_engine! {
    purge_removes_what_was_deleted_long_ago_and_nothing_else,
    purge_leaves_what_living_rows_name,
    check_finds_nothing_in_a_new_database_and_every_break_in_a_broken_one,
    the_commands_say_what_they_did,
}

const DAY: i64 = 86_400;

/// A volume with a snapshot and metadata of both, deleted at `deleted`.
fn volume(database: &Database, deleted: Option<Timestamp>) -> String {
    let (volume, snapshot) = (unique(), unique());
    let now = Timestamp::now();
    let marks: [hearth::database::Value<'_>; 2] = [deleted.into(), deleted.is_some().into()];
    let [at, flag] = &marks;
    database
        .write(|tx| {
            let kind = tx.row("SELECT id FROM volume_types WHERE name = '__DEFAULT__'", &[], |row| row.string(0))?;
            let kind = kind.expect("the default type");
            tx.execute(
                "INSERT INTO volumes (id, project_id, volume_type_id, size, status, created_at, deleted_at, deleted, \
                 use_quota) VALUES (?, 'p', ?, 1, 'available', ?, ?, ?, ?)",
                &[(&volume).into(), (&kind).into(), now.into(), at.into(), flag.into(), true.into()],
            )?;
            tx.execute(
                "INSERT INTO snapshots (id, volume_id, volume_type_id, created_at, deleted_at, deleted, use_quota) \
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
                &[
                    (&snapshot).into(),
                    (&volume).into(),
                    (&kind).into(),
                    now.into(),
                    at.into(),
                    flag.into(),
                    true.into(),
                ],
            )?;
            for (table, column, id) in
                [("volume_metadata", "volume_id", &volume), ("snapshot_metadata", "snapshot_id", &snapshot)]
            {
                let sql = format!(
                    "INSERT INTO {table} ({column}, \"key\", value, deleted_at, deleted) VALUES (?, 'k', 'v', ?, ?)"
                );
                tx.execute(&sql, &[id.into(), at.into(), flag.into()])?;
            }
            Ok(())
        })
        .expect("a volume");
    volume
}

fn count(c: &mut Connection, table: &str) -> i64 {
    c.row(&format!("SELECT count(*) FROM {table}"), &[], |row| row.int(0)).expect("a count").expect("a row")
}

fn purge_removes_what_was_deleted_long_ago_and_nothing_else(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Hearth);
    let now = Timestamp::now();
    for _ in 0..23 {
        volume(&database, Some(now.plus_seconds(-40 * DAY)));
    }
    volume(&database, Some(now.plus_seconds(-DAY)));
    volume(&database, None);
    let mut largest = 0;
    let gone = purge(&database, now.plus_seconds(-30 * DAY), 10, |_, rows| largest = largest.max(rows));
    let mut gone = gone.expect("a purge");
    gone.sort_unstable();
    assert_eq!(gone, [("snapshot_metadata", 23), ("snapshots", 23), ("volume_metadata", 23), ("volumes", 23)]);
    assert_eq!(largest, 10);
    for table in ["volumes", "snapshots", "volume_metadata", "snapshot_metadata"] {
        assert_eq!(database.read(|c| Ok(count(c, table))).expect("a count"), 2, "{table}");
    }
}

fn purge_leaves_what_living_rows_name(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Cinder);
    let long_ago = Timestamp::now().plus_seconds(-40 * DAY);
    let id = volume(&database, Some(long_ago));
    database
        .write(|tx| {
            // A snapshot that outlived its volume, and a tree of specs of which a leaf is alive.
            tx.execute("UPDATE snapshots SET deleted = ?, deleted_at = NULL", &[false.into()])?;
            let sql = "INSERT INTO quality_of_service_specs (id, specs_id, \"key\", deleted, deleted_at) VALUES (?, ?, 'k', ?, ?)";
            for (spec, parent, deleted) in [("a", None, true), ("b", Some("a"), true), ("c", Some("b"), false)] {
                let at = deleted.then_some(long_ago);
                tx.execute(sql, &[spec.into(), parent.into(), deleted.into(), at.into()])?;
            }
            for (spec, parent) in [("x", None), ("y", Some("x")), ("z", Some("y"))] {
                tx.execute(sql, &[spec.into(), parent.into(), true.into(), long_ago.into()])?;
            }
            Ok(())
        })
        .expect("rows");
    let gone = purge(&database, Timestamp::now(), 2, |_, _| {}).expect("a purge");
    assert_eq!(gone, [("volume_metadata", 1), ("quality_of_service_specs", 3), ("snapshot_metadata", 1)]);
    let left = "SELECT count(*) FROM volumes WHERE id = ?";
    assert_eq!(database.read(|c| c.row(left, &[(&id).into()], |row| row.int(0))).expect("a count"), Some(1));
}

fn check_finds_nothing_in_a_new_database_and_every_break_in_a_broken_one(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Cinder);
    let id = volume(&database, None);
    assert_eq!(database.read(check).expect("a check"), []);
    let now = Timestamp::now();
    let params = [true.into(), now.into(), (&id).into()];
    database
        .write(|tx| {
            tx.execute("UPDATE volumes SET deleted = ?, deleted_at = ? WHERE id = ?", &params)?;
            tx.execute("UPDATE snapshots SET volume_type_id = 'gone', created_at = NULL", &[])?;
            tx.execute("UPDATE volume_metadata SET deleted = NULL", &[])?;
            tx.execute("UPDATE snapshot_metadata SET deleted = ?", &[true.into()])?;
            Ok(())
        })
        .expect("breaks");
    let findings = database.read(check).expect("a check");
    let found: Vec<String> = findings.iter().map(|finding| format!("{}: {}", finding.table, finding.what)).collect();
    assert_eq!(
        found,
        [
            "snapshots: created at no time, so lists miss them",
            "snapshots: live, but volume_id names a deleted row of volumes",
            "snapshot_metadata: deleted at no time, so no purge removes them",
            "volume_metadata: neither live nor deleted, so nobody sees them",
            "snapshots: volume_type_id names no row of volume_types",
        ]
    );
    assert!(findings.iter().all(|finding| finding.rows == 1 && finding.examples.len() == 1), "{findings:?}");
}

fn the_commands_say_what_they_did(engine: Engine) {
    let database = fixture::empty(engine);
    let said = |command: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        command(&mut out);
        String::from_utf8(out).expect("text")
    };
    let checked = said(&|out| assert!(!db::check(&database, &WANTED, out).expect("a check")));
    assert!(checked.contains("hearth db sync"), "{checked}");
    let made =
        said(&|out| db::sync(&Config::from_text("").expect("no options"), &database, &WANTED, out).expect("a sync"));
    assert!(made.contains("made Cinder's tables at revision 9c74c1c6971f"), "{made}");
    let again =
        said(&|out| db::sync(&Config::from_text("").expect("no options"), &database, &WANTED, out).expect("a sync"));
    assert!(again.contains("nothing was to be done"), "{again}");
    let version = said(&|out| db::version(&database, &WANTED, out).expect("a version"));
    assert!(version.contains("Cinder's tables: 9c74c1c6971f\n"), "{version}");
    for component in WANTED.components {
        let steps = component.steps.len();
        assert!(version.contains(&format!("tables of '{}': step {steps} of {steps}", component.name)), "{version}");
    }
    volume(&database, Some(Timestamp::now().plus_seconds(-3 * DAY)));
    let purged = said(&|out| db::purge(&database, 2, out).expect("a purge"));
    assert!(purged.contains("volumes: 1 rows\n") && purged.contains("removed 4 rows"), "{purged}");
    let checked = said(&|out| assert!(db::check(&database, &WANTED, out).expect("a check")));
    assert_eq!(checked, "the database is as it should be\n");
}
