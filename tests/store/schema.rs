//! Our tables against those that the real `cinder-manage db sync` makes, as each engine's own catalogue tells them.

use std::collections::BTreeSet;

use hearth::Kind;
use hearth::database::migrate::{self, Found};
use hearth::database::orders::PLATFORM;
use hearth::database::schema::TABLES;
use hearth::database::{Connection, Database, Engine};

use super::fixture::{self, Maker, WANTED, on_every_engine};

on_every_engine! {
    our_tables_are_those_of_cinder_manage,
    our_seeds_are_those_of_cinder_manage,
    a_second_run_changes_nothing,
    many_runs_at_once_make_one_schema,
    a_run_that_was_broken_off_is_finished_by_the_next,
    another_revision_is_refused_with_what_to_do,
}

/// One line for each column, index column, key and reference.
fn catalogue(database: &Database) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    database
        .read(|c| {
            lines.clear();
            for sql in questions(c.engine()) {
                c.query(sql, &[], |row| {
                    let mut line = Vec::new();
                    for column in 0.. {
                        match row.value(column) {
                            Ok(_) => line.push(as_text(row, column)),
                            Err(_) => break,
                        }
                    }
                    lines.insert(line.join(" | "));
                    Ok(())
                })?;
            }
            Ok(())
        })
        .expect("a catalogue");
    lines.retain(|line| !line.contains("hearth_"));
    assert!(lines.len() > 500, "only {} lines", lines.len());
    lines
}

fn as_text(row: &hearth::database::Row<'_>, column: usize) -> String {
    row.opt_text(column)
        .map(|text| text.unwrap_or("NULL").to_owned())
        .or_else(|_| row.int(column).map(|number| number.to_string()))
        .expect("text or a number")
}

fn questions(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Sqlite => &[
            "SELECT 'column', t.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.cid \
             FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
            "SELECT 'index', t.name, CASE i.origin WHEN 'c' THEN i.name ELSE i.origin END, i.\"unique\", i.partial, \
             (SELECT group_concat(x.name) FROM pragma_index_info(i.name) x) \
             FROM sqlite_master t JOIN pragma_index_list(t.name) i WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
            "SELECT 'reference', t.name, f.\"from\", f.\"table\", f.\"to\", f.on_update, f.on_delete \
             FROM sqlite_master t JOIN pragma_foreign_key_list(t.name) f WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
        ],
        Engine::Mysql => &[
            "SELECT 'column', table_name, column_name, column_type, is_nullable, column_default, extra, \
             ordinal_position, character_set_name, collation_name \
             FROM information_schema.columns WHERE table_schema = DATABASE()",
            "SELECT 'index', table_name, index_name, non_unique, seq_in_index, column_name, sub_part, index_type \
             FROM information_schema.statistics WHERE table_schema = DATABASE()",
            "SELECT 'reference', k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, \
             k.referenced_column_name, r.update_rule, r.delete_rule FROM information_schema.key_column_usage k \
             JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema \
             AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
             WHERE k.table_schema = DATABASE()",
            "SELECT 'table', table_name, engine, table_collation FROM information_schema.tables \
             WHERE table_schema = DATABASE()",
        ],
        Engine::Postgres => &[
            "SELECT 'column', table_name, column_name, data_type, character_maximum_length, datetime_precision, \
             is_nullable, column_default, ordinal_position FROM information_schema.columns \
             WHERE table_schema = 'public'",
            "SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE connamespace = 'public'::regnamespace AND contype <> 'c'",
        ],
    }
}

fn our_tables_are_those_of_cinder_manage(engine: Engine) {
    let ours = catalogue(&fixture::made_by(engine, Maker::Hearth));
    let theirs = catalogue(fixture::shared(engine, Maker::Cinder));
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let added: Vec<_> = ours.difference(&theirs).collect();
    assert!(missing.is_empty() && added.is_empty(), "missing: {missing:#?}\nadded: {added:#?}");
}

/// Rows of the seeded tables without ids and times.
fn seeds(c: &mut Connection) -> hearth::Result<Vec<String>> {
    let mut lines = Vec::new();
    for sql in [
        "SELECT name, description, is_public, deleted, qos_specs_id IS NULL FROM volume_types WHERE name = '__DEFAULT__'",
        "SELECT name, description, is_public, deleted, deleted_at IS NULL FROM group_types",
        "SELECT s.\"key\", s.value, s.deleted, t.is_public, s.deleted_at IS NULL FROM group_type_specs s \
         JOIN group_types t ON t.id = s.group_type_id",
        "SELECT class_name, resource, hard_limit, deleted, updated_at IS NULL FROM quota_classes ORDER BY id",
        "SELECT resource_type, resource_id, race_preventer, deleted, service_id IS NULL FROM workers \
         WHERE resource_type = 'SENTINEL' AND status = 'OK'",
        "SELECT version_num, version_num, 0, 0, 0 FROM alembic_version",
    ] {
        c.query(sql, &[], |row| {
            let line = (row.string(0)?, row.opt_string(1)?, row.int(2)?, row.bool(3)?, row.bool(4)?);
            lines.push(format!("{line:?}"));
            Ok(())
        })?;
    }
    let sentinel = "SELECT updated_at FROM workers WHERE resource_type = 'SENTINEL'";
    let micros = c.row(sentinel, &[], |row| Ok(row.time(0)?.0.rem_euclid(1_000_000)))?;
    lines.push(format!("{micros:?}"));
    Ok(lines)
}

fn our_seeds_are_those_of_cinder_manage(engine: Engine) {
    let ours = fixture::made_by(engine, Maker::Hearth).read(seeds).expect("our seeds");
    let theirs = fixture::made_by(engine, Maker::Cinder).read(seeds).expect("Cinder's seeds");
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 13, "{ours:#?}");
}

fn a_second_run_changes_nothing(engine: Engine) {
    let database = fixture::made_by(engine, Maker::Hearth);
    let before = catalogue(&database);
    assert_eq!(migrate::sync(&database, &WANTED).expect("a second run"), migrate::Report::default());
    assert_eq!(catalogue(&database), before);
    assert_eq!(database.read(migrate::found).expect("a look"), Found::Current);
    assert_eq!(database.read(|c| migrate::version(c, &PLATFORM)).expect("a look"), 3);
    database.read(|c| migrate::require(c, &WANTED)).expect("the database is as it should be");
}

fn many_runs_at_once_make_one_schema(engine: Engine) {
    let url = super::servers::empty_database(engine);
    let made = std::thread::scope(|scope| {
        let run = || migrate::sync(&fixture::open(&url), &WANTED).expect("the tables are made").made_cinder;
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(run)).collect();
        runs.into_iter().filter(|_| true).map(|run| usize::from(run.join().expect("a run"))).sum::<usize>()
    });
    assert_eq!(made, 1);
    let seeds = fixture::open(&url).read(seeds).expect("seeds");
    assert_eq!(seeds.len(), 13, "{seeds:#?}");
}

fn a_run_that_was_broken_off_is_finished_by_the_next(engine: Engine) {
    let database = fixture::empty(engine);
    for table in &TABLES[..10] {
        for statement in table.create(engine) {
            database.write(|tx| tx.execute(&statement, &[])).expect("a table");
        }
    }
    assert_eq!(database.read(migrate::found).expect("a look"), Found::Unfinished);
    assert!(migrate::sync(&database, &WANTED).expect("the rest is made").made_cinder);
    assert_eq!(catalogue(&database), catalogue(fixture::shared(engine, Maker::Hearth)));
    assert_eq!(database.read(seeds).expect("seeds").len(), 13);
}

fn another_revision_is_refused_with_what_to_do(engine: Engine) {
    let database = fixture::empty(engine);
    let refused = database.read(|c| migrate::require(c, &WANTED)).expect_err("no tables");
    assert!(refused.public().contains("hearth db sync"), "{refused}");
    migrate::sync(&database, &WANTED).expect("the tables are made");
    for (revision, found, words) in [
        ("89aa6f9639f9", Found::Older("89aa6f9639f9".into()), "cinder-manage db sync"),
        ("ffffffffffff", Found::Unknown("ffffffffffff".into()), "does not know"),
    ] {
        database
            .write(|tx| tx.execute("UPDATE alembic_version SET version_num = ?", &[revision.into()]))
            .expect("another revision");
        assert_eq!(database.read(migrate::found).expect("a look"), found);
        let error = migrate::sync(&database, &WANTED).expect_err("another revision");
        assert_eq!(error.kind(), Kind::Conflict);
        assert!(error.public().contains(words) && error.public().contains(revision), "{error}");
    }
    database.write(|tx| tx.execute("DROP TABLE alembic_version", &[])).expect("no revision");
    assert_eq!(database.read(migrate::found).expect("a look"), Found::Unversioned);
    assert_eq!(migrate::sync(&database, &WANTED).expect_err("no revision").kind(), Kind::Conflict);
}
