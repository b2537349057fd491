//! Lists by pages: every row once, in order, whatever the keys, and at a cost that does not grow with the list.

use std::cmp::Ordering;

use hearth::database::select::{Key, Select};
use hearth::database::{Database, Engine, Value};
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};
use super::plan;

on_every_schema! {
    pages_hold_every_row_once_in_order_for_every_mix_of_keys,
    a_page_is_found_by_an_index_wherever_it_begins,
    counts_and_offsets_agree_with_the_rows,
    text_is_found_literally,
}

/// What a listed volume holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    created_at: Timestamp,
    name: Option<String>,
    size: Option<i64>,
    id: String,
}

fn insert(database: &Database, project: &str, rows: &[Listed]) {
    for chunk in rows.chunks(200) {
        let mut sql = String::from(
            "INSERT INTO volumes (id, project_id, volume_type_id, created_at, display_name, size, deleted, use_quota) VALUES ",
        );
        let mut params: Vec<Value<'_>> = Vec::new();
        for (at, row) in chunk.iter().enumerate() {
            sql.push_str(if at == 0 { "(?, ?, ?, ?, ?, ?, ?, ?)" } else { ", (?, ?, ?, ?, ?, ?, ?, ?)" });
            let id: Value<'_> = (&row.id).into();
            params.extend([id, project.into(), "t".into(), row.created_at.into(), (&row.name).into()]);
            params.extend([row.size.into(), false.into(), true.into()]);
        }
        database.write(|tx| tx.execute(&sql, &params)).expect("rows");
    }
}

/// Rows with many equal values and some NULLs, in whole seconds as all engines keep them.
fn some_rows(number: i64) -> Vec<Listed> {
    let start = Timestamp::parse("2026-01-01T00:00:00").expect("a time");
    (0..number)
        .map(|at| Listed {
            created_at: start.plus_seconds(at * 7 % 5),
            name: (at % 4 != 0).then(|| format!("name{}", at * 13 % 6)),
            size: (at % 3 != 0).then_some(at * 11 % 4),
            id: unique(),
        })
        .collect()
}

fn select<'v>(project: &'v str, keys: &[Key]) -> Select<'v> {
    Select::from("volumes").equal("project_id", project).equal("deleted", false).order(keys.iter().cloned())
}

fn page(database: &Database, select: &Select<'_>) -> Vec<Listed> {
    database
        .read(|c| {
            select.rows(c, "created_at, display_name, size, id", |row| {
                Ok(Listed {
                    created_at: row.time(0)?,
                    name: row.opt_string(1)?,
                    size: row.opt_int(2)?,
                    id: row.string(3)?,
                })
            })
        })
        .expect("a page")
}

fn cell(row: &Listed, column: &str) -> Value<'static> {
    match column {
        "created_at" => row.created_at.into(),
        "display_name" => row.name.clone().into(),
        "size" => row.size.into(),
        _ => row.id.clone().into(),
    }
}

fn compare(one: &Listed, other: &Listed, column: &str) -> Ordering {
    match column {
        "created_at" => one.created_at.cmp(&other.created_at),
        "display_name" => one.name.cmp(&other.name),
        "size" => one.size.cmp(&other.size),
        _ => one.id.cmp(&other.id),
    }
}

fn pages_hold_every_row_once_in_order_for_every_mix_of_keys(database: &Database) {
    let project = unique();
    let mut rows = some_rows(60);
    insert(database, &project, &rows);
    for mix in 0..16 {
        let key = |column: &'static str, bit: u32| Key {
            column: column.into(),
            ascending: mix & (1 << bit) != 0,
            nullable: matches!(column, "display_name" | "size"),
        };
        let keys = [key("display_name", 0), key("size", 1), key("created_at", 2), key("id", 3)];
        rows.sort_by(|one, other| {
            keys.iter().fold(Ordering::Equal, |so_far, key| {
                let next = compare(one, other, &key.column);
                so_far.then(if key.ascending { next } else { next.reverse() })
            })
        });
        let mut found: Vec<Listed> = Vec::new();
        loop {
            let seen: Vec<Value<'_>> =
                found.last().map(|last| keys.iter().map(|key| cell(last, &key.column)).collect()).unwrap_or_default();
            let next = page(database, &select(&project, &keys).after(&seen).limit(7));
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        assert_eq!(found, rows, "{keys:?}");
    }
}

fn a_page_is_found_by_an_index_wherever_it_begins(database: &Database) {
    let project = unique();
    let start = Timestamp::parse("2026-01-01T00:00:00").expect("a time");
    let rows: Vec<Listed> = (0..1000)
        .map(|at| Listed { created_at: start.plus_seconds(at), name: None, size: None, id: unique() })
        .collect();
    insert(database, &project, &rows);
    for _ in 0..9 {
        let others: Vec<Listed> = rows.iter().map(|row| Listed { id: unique(), ..row.clone() }).collect();
        insert(database, &unique(), &others);
    }
    for ascending in [false, true] {
        let key = |column: &'static str| Key { column: column.into(), ascending, nullable: false };
        let keys = [key("created_at"), key("id")];
        let seen: Vec<Value<'_>> = keys.iter().map(|key| cell(&rows[500], &key.column)).collect();
        let told = || select(&project, &keys).along("hearth_volumes_project");
        for select in [select(&project, &keys), select(&project, &keys).after(&seen), told(), told().after(&seen)] {
            let (sql, params) = select.limit(10).statement("id", database.engine());
            let plan = plan::of(database, "volumes", &sql, &params);
            assert!(plan.contains("hearth_volumes_project"), "{sql}\n{plan}");
            let sorts = match database.engine() {
                Engine::Sqlite => "TEMP B-TREE",
                Engine::Mysql => "filesort",
                Engine::Postgres => "Sort",
            };
            assert!(!plan.contains(sorts), "{sql}\n{plan}");
        }
    }
}

fn counts_and_offsets_agree_with_the_rows(database: &Database) {
    let project = unique();
    insert(database, &project, &some_rows(20));
    let keys = [Key { column: "id".into(), ascending: true, nullable: false }];
    let all = select(&project, &keys);
    assert_eq!(database.read(|c| all.count(c)).expect("a count"), 20);
    let rows = page(database, &all);
    assert_eq!(page(database, &all.clone().offset(15)), rows[15..]);
    assert_eq!(page(database, &all.clone().offset(3).limit(2)), rows[3..5]);
    assert_eq!(page(database, &all.clone().limit(0)), []);
    let some = all.clone().one_of("size", [1.into(), 2.into()]);
    let expected = rows.iter().filter(|row| matches!(row.size, Some(1 | 2))).count();
    assert_eq!(database.read(|c| some.count(c)).expect("a count"), expected as i64);
    assert_eq!(database.read(|c| all.clone().equal("size", None::<i64>).count(c)).expect("a count"), 7);
}

fn text_is_found_literally(database: &Database) {
    let project = unique();
    let names = ["50%", "50x", "a_b", "axb", "a!b", "'; --", "back\\slash"];
    let start = Timestamp::parse("2026-01-01T00:00:00").expect("a time");
    let rows: Vec<Listed> = names
        .iter()
        .map(|name| Listed { created_at: start, name: Some((*name).to_owned()), size: None, id: unique() })
        .collect();
    insert(database, &project, &rows);
    for (part, found) in
        [("0%", vec!["50%"]), ("a_", vec!["a_b"]), ("!", vec!["a!b"]), ("'", vec!["'; --"]), ("\\", vec![names[6]])]
    {
        let names: Vec<_> = page(database, &select(&project, &[]).contains("display_name", part))
            .into_iter()
            .filter_map(|row| row.name)
            .collect();
        assert_eq!(names, found, "{part}");
    }
    let begins = select(&project, &[]).begins("display_name", "axb", &["50".to_owned()]);
    assert_eq!(database.read(|c| begins.count(c)).expect("a count"), 3);
}
