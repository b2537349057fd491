//! Removes for good what was marked as deleted long ago, in small steps, so that nobody waits long for a lock.

use super::connection::{Connection, Transaction};
use super::pool::Database;
use super::schema::TABLES;
use super::table::{Table, Type};
use super::value::Value;
use crate::time::Timestamp;
use crate::{Kind, Result};

/// Removes the rows of Cinder's tables that were marked as deleted before `before`, at most `step` rows a transaction, and
/// those first to which others refer. A row to which a row refers that stays, stays too. Calls `progress` after each
/// transaction with the table and the rows that went; how many rows went of each table, in the order of the work.
///
/// # Errors
/// As all statements; what was removed before stays removed.
pub fn purge(
    database: &Database,
    before: Timestamp,
    step: u32,
    mut progress: impl FnMut(&'static str, u64),
) -> Result<Vec<(&'static str, u64)>> {
    let mut all = Vec::new();
    for table in TABLES.iter().rev() {
        let Some(condition) = marked(table) else { continue };
        let mut gone = 0;
        // A row that refers to its own table goes in a round before the row that it refers to.
        loop {
            let round = round(database, table, &condition, before, step.max(1), &mut progress)?;
            gone += round;
            if round == 0 || !table.foreign.iter().any(|foreign| foreign.table == table.name) {
                break;
            }
        }
        if gone > 0 {
            all.push((table.name, gone));
        }
    }
    Ok(all)
}

/// Goes through a table once, in the order of its key.
fn round(
    database: &Database,
    table: &'static Table,
    condition: &str,
    before: Timestamp,
    step: u32,
    progress: &mut impl FnMut(&'static str, u64),
) -> Result<u64> {
    let mut gone = 0;
    let mut last: Option<Value<'static>> = None;
    loop {
        let (keys, removed) = database.write(|tx| {
            let keys = doomed(tx, table, condition, before, last.as_ref(), step)?;
            if keys.is_empty() {
                return Ok((keys, 0));
            }
            let removed = match tx.attempt(|tx| remove(tx, table, &keys)) {
                // Somebody has just begun to refer to one of them; the next purge will look again.
                Err(error) if error.kind() == Kind::Conflict => 0,
                outcome => outcome?,
            };
            Ok((keys, removed))
        })?;
        let Some(highest) = keys.last() else { return Ok(gone) };
        last = Some(highest.clone());
        gone += removed;
        if removed > 0 {
            progress(table.name, removed);
        }
    }
}

/// The condition under which a row of the table may go; `None` where its rows are never marked.
fn marked(table: &Table) -> Option<String> {
    table.column("deleted_at")?;
    let mark = match table.column("deleted")?.kind {
        Type::Boolean => "t.deleted = true",
        _ => "t.deleted <> 0",
    };
    let mut sql = format!("{mark} AND t.deleted_at < ?");
    for child in TABLES {
        for foreign in child.foreign.iter().filter(|foreign| foreign.table == table.name) {
            sql.push_str(&format!(
                " AND NOT EXISTS (SELECT 1 FROM \"{}\" c WHERE c.\"{}\" = t.\"{}\")",
                child.name, foreign.column, foreign.references
            ));
        }
    }
    Some(sql)
}

fn doomed(
    connection: &mut Connection,
    table: &Table,
    condition: &str,
    before: Timestamp,
    last: Option<&Value<'static>>,
    step: u32,
) -> Result<Vec<Value<'static>>> {
    let key = table.key;
    let after = if last.is_some() { format!(" AND t.\"{key}\" > ?") } else { String::new() };
    let sql =
        format!("SELECT t.\"{key}\" FROM \"{}\" t WHERE {condition}{after} ORDER BY t.\"{key}\" LIMIT ?", table.name);
    let mut params: Vec<Value<'_>> = vec![before.into()];
    params.extend(last.map(Value::from));
    params.push(step.into());
    let counted = table.column(key).is_some_and(|column| matches!(column.kind, Type::Serial | Type::Counter));
    connection
        .rows(&sql, &params, |row| Ok(if counted { Value::Int(row.int(0)?) } else { Value::from(row.string(0)?) }))
}

fn remove(tx: &mut Transaction<'_>, table: &Table, keys: &[Value<'static>]) -> Result<u64> {
    let marks = vec!["?"; keys.len()].join(", ");
    tx.execute(&format!("DELETE FROM \"{}\" WHERE \"{}\" IN ({marks})", table.name, table.key), keys)
}
