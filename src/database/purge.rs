//! Removes for good what was marked as deleted long ago, in small steps, so that nobody waits long for a lock.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::check::KEPT_BY_CODE;
use super::connection::Connection;
use super::pool::Database;
use super::schema::TABLES;
use super::table::{ForeignKey, Table, Type};
use super::value::Value;
use crate::time::Timestamp;
use crate::{Kind, Result};

/// Rows that one transaction removes at most.
pub const STEP: u32 = 200;

/// One transaction of a purge.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The table that was purged.
    pub table: &'static str,
    /// How many of its rows went.
    pub rows: u64,
    /// How long that took, during which others may have waited.
    pub took: Duration,
}

/// Removes the rows of Cinder's tables that were marked as deleted before `before`, at most `step` rows a transaction, and
/// those first to which others refer. A row to which a row refers that stays, stays too. Calls `progress` after each
/// transaction, which may pause there, or end the purge; how many rows went of each table, in the order of the schema.
///
/// Several purges at once do no harm: rows are looked for outside the transactions, and each goes only if it is still to go.
///
/// # Errors
/// As all statements; what was removed before stays removed.
pub fn purge(
    database: &Database,
    before: Timestamp,
    step: u32,
    mut progress: impl FnMut(Step) -> ControlFlow<()>,
) -> Result<Vec<(&'static str, u64)>> {
    let mut all = [0; TABLES.len()];
    // A row may be referred to by one of a table that comes later in this order: such rows go in the next round.
    loop {
        let mut round = 0;
        for (table, gone) in TABLES.iter().zip(&mut all).rev() {
            let Some(doomed) = Doomed::of(table, before) else { continue };
            let (rows, flow) = doomed.remove_all(database, step.max(1), &mut progress)?;
            *gone += rows;
            round += rows;
            if flow.is_break() {
                return Ok(told(&all));
            }
        }
        if round == 0 {
            return Ok(told(&all));
        }
    }
}

/// The tables of which rows went.
fn told(all: &[u64]) -> Vec<(&'static str, u64)> {
    TABLES.iter().zip(all).filter(|(_, gone)| **gone > 0).map(|(table, gone)| (table.name, *gone)).collect()
}

/// The rows of a table that may go.
struct Doomed {
    table: &'static Table,
    /// That a row is marked, and long enough; with `before` as its only parameter.
    marked: String,
    /// That nobody refers to it.
    alone: String,
    before: Timestamp,
}

impl Doomed {
    /// `None` where rows of the table are never marked.
    fn of(table: &'static Table, before: Timestamp) -> Option<Self> {
        table.column("deleted_at")?;
        let mark = match table.column("deleted")?.kind {
            Type::Boolean => "deleted = true",
            _ => "deleted <> 0",
        };
        let keys = TABLES.iter().flat_map(|child| child.foreign.iter().map(|foreign| (*child, *foreign)));
        let alone = keys
            .chain(KEPT_BY_CODE)
            .filter(|(_, foreign)| foreign.table == table.name)
            .map(|(child, ForeignKey { column, references, .. })| {
                let child = child.name;
                format!(" AND NOT EXISTS (SELECT 1 FROM \"{child}\" c WHERE c.\"{column}\" = t.\"{references}\")")
            })
            .collect();
        Some(Self { table, marked: format!("{mark} AND deleted_at < ?"), alone, before })
    }

    /// Removes them in the order of their keys, `step` at a time; how many went.
    fn remove_all(
        &self,
        database: &Database,
        step: u32,
        progress: &mut impl FnMut(Step) -> ControlFlow<()>,
    ) -> Result<(u64, ControlFlow<()>)> {
        let mut gone = 0;
        let mut last: Option<Value<'static>> = None;
        loop {
            // Outside the transaction: where few rows of many are to go, looking takes longest.
            let keys = database.read(|c| self.find(c, last.as_ref(), step))?;
            let Some(highest) = keys.last() else { return Ok((gone, ControlFlow::Continue(()))) };
            last = Some(highest.clone());
            let begun = Instant::now();
            let rows = match database.write(|tx| self.remove(tx, &keys)) {
                // Somebody has just begun to refer to one of them; the next purge will look again.
                Err(error) if error.kind() == Kind::Conflict => 0,
                outcome => outcome?,
            };
            gone += rows;
            let flow = progress(Step { table: self.table.name, rows, took: begun.elapsed() });
            if flow.is_break() {
                return Ok((gone, flow));
            }
        }
    }

    /// The keys of the first of them after `last`.
    fn find(&self, c: &mut Connection, last: Option<&Value<'static>>, step: u32) -> Result<Vec<Value<'static>>> {
        let (Table { name, key, .. }, Self { marked, alone, .. }) = (self.table, self);
        let after = if last.is_some() { format!(" AND \"{key}\" > ?") } else { String::new() };
        let sql = format!("SELECT \"{key}\" FROM \"{name}\" t WHERE {marked}{alone}{after} ORDER BY \"{key}\" LIMIT ?");
        let mut params: Vec<Value<'_>> = vec![self.before.into()];
        params.extend(last.map(Value::from));
        params.push(step.into());
        let counted = self.table.column(key).is_some_and(|column| matches!(column.kind, Type::Serial | Type::Counter));
        c.rows(&sql, &params, |row| Ok(if counted { Value::Int(row.int(0)?) } else { Value::from(row.string(0)?) }))
    }

    /// Removes those of `keys` that are still to go.
    fn remove(&self, c: &mut Connection, keys: &[Value<'static>]) -> Result<u64> {
        let (Table { name, key, .. }, marked) = (self.table, &self.marked);
        let marks = vec!["?"; keys.len()].join(", ");
        let mut params: Vec<Value<'_>> = vec![self.before.into()];
        params.extend(keys.iter().map(Value::from));
        c.execute(&format!("DELETE FROM \"{name}\" WHERE {marked} AND \"{key}\" IN ({marks})"), &params)
    }
}
