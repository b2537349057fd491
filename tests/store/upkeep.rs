//! Purge and check, and what they say to the operator.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use hearth::config::Config;
use hearth::database::check::check;
use hearth::database::purge::purge;
use hearth::database::schema::{QUALITY_OF_SERVICE_SPECS, TABLES};
use hearth::database::select::Select;
use hearth::database::table::{Table, Type};
use hearth::database::{Connection, Database, Engine, Value};
use hearth::operate::{db, doctor};
use hearth::time::Timestamp;

use super::fixture::{self, Maker, WANTED, on_every_engine, unique};

on_every_engine! {
    purge_removes_what_was_deleted_long_ago_and_nothing_else,
    purge_leaves_what_living_rows_name,
    purge_removes_the_deleted_rows_of_every_noun_and_leaves_no_reference_to_them,
    purges_at_once_remove_every_row_once_and_one_ends_when_it_is_told_to,
    check_finds_nothing_in_a_new_database_and_every_break_in_a_broken_one,
    the_commands_say_what_they_did,
    volumes_whose_servers_neither_come_nor_go_are_told_with_what_to_do,
    an_index_that_somebody_removed_is_told_and_made_again_and_lists_answer_meanwhile,
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
    let gone = purge(&database, now.plus_seconds(-30 * DAY), 10, |step| {
        largest = largest.max(step.rows);
        ControlFlow::Continue(())
    });
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
    let gone = purge(&database, Timestamp::now(), 2, |_| ControlFlow::Continue(())).expect("a purge");
    assert_eq!(gone, [("snapshot_metadata", 1), ("quality_of_service_specs", 3), ("volume_metadata", 1)]);
    let left = "SELECT count(*) FROM volumes WHERE id = ?";
    assert_eq!(database.read(|c| c.row(left, &[(&id).into()], |row| row.int(0))).expect("a count"), Some(1));
}

/// One row of every table, each with all references to those of the others; deleted at `deleted`.
fn row_of_every_table(database: &Database, number: i64, deleted: Option<Timestamp>) {
    let ids: BTreeMap<&str, String> = TABLES.iter().map(|table| (table.name, unique())).collect();
    let row = |table: &Table, key: Value<'static>, parent: Option<Value<'static>>| -> (String, Vec<Value<'static>>) {
        let mut values: Vec<(&str, Value<'static>)> = Vec::new();
        for column in table.runs.iter().copied().flatten() {
            let foreign = table.foreign.iter().find(|foreign| foreign.column == column.name);
            let value = match (column.name, foreign) {
                (name, _) if name == table.key => key.clone(),
                (_, Some(foreign)) if foreign.table == table.name => match &parent {
                    Some(parent) => parent.clone(),
                    None => continue,
                },
                // Numbers are referred to by their numbers; services have both.
                (_, Some(foreign)) if column.kind == Type::Int => number_of(foreign.table, number).into(),
                (_, Some(foreign)) => ids[foreign.table].clone().into(),
                ("uuid", None) => ids[table.name].clone().into(),
                ("volume_type_id", None) => ids["volume_types"].clone().into(),
                ("created_at", None) => Timestamp::now().into(),
                ("deleted_at", None) => deleted.into(),
                ("deleted", None) if column.kind == Type::Boolean => deleted.is_some().into(),
                ("deleted", None) => i64::from(deleted.is_some()).into(),
                (_, None) if column.nullable && !column.nullable_in_files => continue,
                _ => match column.kind {
                    Type::Text(_) | Type::LongText => unique().into(),
                    Type::Boolean => false.into(),
                    Type::Time | Type::TimeMicros => Timestamp::now().into(),
                    _ => number.into(),
                },
            };
            values.push((column.name, value));
        }
        let names: Vec<String> = values.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let marks = vec!["?"; values.len()].join(", ");
        let sql = format!("INSERT INTO \"{}\" ({}) VALUES ({marks})", table.name, names.join(", "));
        (sql, values.into_iter().map(|(_, value)| value).collect())
    };
    let done = database.write(|tx| {
        for table in TABLES.iter().filter(|table| table.column("deleted_at").is_some()) {
            let counted = table.column(table.key).is_some_and(|column| column.kind == Type::Serial);
            let key: Value<'static> =
                if counted { number_of(table.name, number).into() } else { ids[table.name].clone().into() };
            let (sql, values) = row(table, key.clone(), None);
            tx.execute(&sql, &values)?;
            if table.foreign.iter().any(|foreign| foreign.table == table.name) {
                let (sql, values) = row(table, unique().into(), Some(key));
                tx.execute(&sql, &values)?;
            }
        }
        Ok(())
    });
    done.expect("a row of every table");
}

/// The key of a row among those that count.
fn number_of(table: &str, number: i64) -> i64 {
    let at = TABLES.iter().position(|other| other.name == table).expect("a table");
    1000 * number + i64::try_from(at).expect("few tables")
}

fn purge_removes_the_deleted_rows_of_every_noun_and_leaves_no_reference_to_them(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Hearth);
    let now = Timestamp::now();
    row_of_every_table(&database, 1, Some(now.plus_seconds(-40 * DAY)));
    row_of_every_table(&database, 2, Some(now.plus_seconds(-DAY)));
    row_of_every_table(&database, 3, None);
    let marked: Vec<&Table> = TABLES.into_iter().filter(|table| table.column("deleted_at").is_some()).collect();
    let each = |count: u64| -> Vec<(&str, u64)> {
        let rows = |table: &Table| if table.name == QUALITY_OF_SERVICE_SPECS.name { 2 * count } else { count };
        marked.iter().map(|table| (table.name, rows(table))).collect()
    };
    assert!(marked.len() > 30, "all but four of Cinder's tables have marks");
    for (before, left) in [(now.plus_seconds(-30 * DAY), 1), (now, 0)] {
        let gone = purge(&database, before, 10, |_| ControlFlow::Continue(())).expect("a purge");
        assert_eq!(gone, each(1));
        let of = |table: &str| {
            let flag = if table == "volume_type_projects" { "deleted <> 0" } else { "deleted = true" };
            format!("SELECT count(*) FROM \"{table}\" WHERE {flag}")
        };
        let found = database.read(|c| {
            let count = |table: &&Table| Ok((table.name, c.row(&of(table.name), &[], |row| row.int(0))?.unwrap_or(0)));
            marked.iter().map(count).collect::<hearth::Result<Vec<_>>>()
        });
        let found: Vec<(&str, u64)> =
            found.expect("counts").into_iter().map(|(name, rows)| (name, rows.try_into().expect("a count"))).collect();
        assert_eq!(found, each(left));
        assert_eq!(database.read(check).expect("a check"), []);
    }
}

fn purges_at_once_remove_every_row_once_and_one_ends_when_it_is_told_to(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Hearth);
    let long_ago = Timestamp::now().plus_seconds(-40 * DAY);
    (0..30).for_each(|_| drop(volume(&database, Some(long_ago))));
    let purged = |pause: fn() -> ControlFlow<()>| -> u64 {
        let gone = purge(&database, Timestamp::now(), 7, |_| pause()).expect("a purge");
        gone.into_iter().map(|(_, rows)| rows).sum()
    };
    assert_eq!(purged(|| ControlFlow::Break(())), 7, "it ends after its first step");
    let both: u64 = std::thread::scope(|scope| {
        let all = [(); 2].map(|()| scope.spawn(|| purged(|| ControlFlow::Continue(()))));
        // Writers go on meanwhile.
        (0..10).for_each(|_| drop(volume(&database, None)));
        all.into_iter().map(|one| one.join().expect("a purge")).sum()
    });
    assert_eq!(both, 30 * 4 - 7);
    assert_eq!(database.read(|c| Ok(count(c, "snapshots"))).expect("a count"), 10);
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

fn an_index_that_somebody_removed_is_told_and_made_again_and_lists_answer_meanwhile(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Cinder);
    let id = volume(&database, None);
    // One connection all along, which has prepared the statement while the index was there.
    let mut connection = database.dedicated().expect("a connection");
    let mut listed = || {
        let select = Select::from("volumes").along("hearth_volumes_project").equal("project_id", "p");
        select.rows(&mut connection, "id", |row| row.string(0)).expect("a list")
    };
    assert_eq!(listed(), [id.as_str()]);
    let (missing, orders) = ("hearth_volumes_project", "hearth_orders_taker");
    for (table, index) in [("volumes", missing), ("hearth_orders", orders)] {
        let on = if engine == Engine::Mysql { format!(" ON {table}") } else { String::new() };
        database.write(|tx| tx.execute(&format!("DROP INDEX {index}{on}"), &[])).expect("an index less");
    }
    assert_eq!(listed(), [id.as_str()]);
    assert_eq!(listed(), [id.as_str()]);
    let config = Config::from_text("").expect("no options");
    let told = doctor::examine(&config, &database).into_iter().map(|finding| format!("{finding}")).collect::<String>();
    let mut checked = Vec::new();
    assert!(!db::check(&database, &WANTED, &mut checked).expect("a check"));
    let checked = String::from_utf8(checked).expect("text");
    for index in [missing, orders] {
        assert!(checked.contains(&format!("the index {index} is missing")), "{checked}");
        assert!(told.contains(&format!("the index {index} of the table")), "{told}");
    }
    let mut made = Vec::new();
    db::sync(&config, &database, &WANTED, &mut made).expect("a sync");
    let made = String::from_utf8(made).expect("text");
    assert!(made.contains(&format!("made the index {missing} of volumes again")), "{made}");
    assert!(db::check(&database, &WANTED, &mut Vec::new()).expect("a check"));
    assert_eq!(listed(), [id.as_str()]);
}

fn volumes_whose_servers_neither_come_nor_go_are_told_with_what_to_do(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Hearth);
    let now = Timestamp::now();
    let late = now.plus_seconds(-2 * 3600);
    let volumes = [("reserved", late), ("attaching", late), ("detaching", late), ("reserved", now), ("in-use", late)]
        .map(|(status, since)| (status, since, volume(&database, None)));
    for (status, since, id) in &volumes {
        let params = [(*status).into(), (*since).into(), id.into()];
        let sql = "UPDATE volumes SET status = ?, updated_at = ? WHERE id = ?";
        database.write(|tx| tx.execute(sql, &params)).expect("a status");
    }
    let config = Config::from_text("").expect("no options");
    let told: Vec<String> = doctor::examine(&config, &database).iter().map(|finding| finding.to_string()).collect();
    let of = |id: &str| told.iter().filter(|text| text.contains(&format!("volume {id} is "))).collect::<Vec<_>>();
    for (status, _, id) in &volumes[..3] {
        let [text] = of(id)[..] else { panic!("{told:#?}") };
        assert!(text.contains(status) && text.contains("attachment-delete"), "{text}");
    }
    assert_eq!(volumes[3..].iter().map(|(_, _, id)| of(id).len()).sum::<usize>(), 0, "{told:#?}");
}
