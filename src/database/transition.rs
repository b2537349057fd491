//! A change of state is one conditional UPDATE (design, section 8): of all who ask for a move at the same moment, for one
//! it happens, and the others find the object in another state. Which moves there are, and what their names are, is
//! known where the objects are; here is only how a move is written.
//!
//! An object that a service works on has a row in `workers` from the beginning of the move to its end, so that a crash
//! leaves nothing half done without a trace.

use super::connection::Connection;
use super::select::marks;
use super::value::Value;
use crate::Result;
use crate::time::Timestamp;

/// The row that moves. Its table has the columns `id`, `status`, `updated_at`, `deleted_at` and `deleted`.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Its table.
    pub table: &'static str,
    /// What `workers` calls such an object.
    pub worker: &'static str,
    /// Its id.
    pub id: &'a str,
}

/// The statuses from which a move is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Every status.
    Any,
    /// These.
    Only(Vec<&'static str>),
    /// All but these.
    Except(Vec<&'static str>),
}

/// The beginning of a move.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// From where.
    pub from: Allowed,
    /// To where; `None` leaves the status as it is.
    pub to: Option<&'static str>,
    /// To where instead, from some of the statuses.
    pub instead: Vec<(&'static str, &'static str)>,
    /// What must hold besides the status: conditions on the row, each a constant.
    pub guards: Vec<&'static str>,
    /// What changes besides the status.
    pub columns: &'a [(&'a str, Value<'a>)],
    /// Whether a service is to end the move.
    pub worked_on: bool,
}

/// Where a move ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In this status.
    Status(&'static str),
    /// In the object's end: it is marked as deleted.
    Deleted,
}

/// Begins a move; `false` where it is not allowed, or where there is no such object. The caller then reads again to say
/// why.
///
/// A guard that looks into other tables sees what was committed before this statement began; so the caller who has one
/// locks the row first, and the statement begins when those who held it are through.
///
/// # Errors
/// As all statements.
pub fn begin(connection: &mut Connection, object: Object<'_>, step: &Move<'_>) -> Result<bool> {
    let mut sql = format!("UPDATE {} SET updated_at = ?", object.table);
    let mut params: Vec<Value<'_>> = vec![Timestamp::now().into()];
    // The status first and values only: MySQL reads columns on the right as the left has changed them already.
    if let Some(to) = step.to {
        if step.instead.is_empty() {
            sql.push_str(", status = ?");
        } else {
            sql.push_str(", status = CASE status");
            for (from, to) in &step.instead {
                sql.push_str(" WHEN ? THEN ?");
                params.extend([(*from).into(), (*to).into()]);
            }
            sql.push_str(" ELSE ? END");
        }
        params.push(to.into());
    }
    set(step.columns, &mut sql, &mut params);
    this(object, &mut sql, &mut params);
    let (word, statuses) = match &step.from {
        Allowed::Any => ("", &[][..]),
        Allowed::Only(statuses) => ("IN", statuses.as_slice()),
        Allowed::Except(statuses) => ("NOT IN", statuses.as_slice()),
    };
    if !statuses.is_empty() {
        sql.push_str(&format!(" AND status {word} ({})", marks(statuses.len())));
        params.extend(statuses.iter().map(|status| Value::from(*status)));
    } else if step.from != Allowed::Any && word == "IN" {
        return Ok(false);
    }
    for guard in &step.guards {
        sql.push_str(" AND ");
        sql.push_str(guard);
    }
    let moved = connection.execute(&sql, &params)? == 1;
    if moved && step.worked_on {
        work_begins(connection, object.worker, object.id, step.to.unwrap_or_default())?;
    }
    Ok(moved)
}

/// Ends a move: where the object is still in one of the statuses that it has `during` the move, it goes to its `end`.
/// `false` where it is no longer there, because an operator reset it. Either way, nobody works on it any more.
///
/// # Errors
/// As all statements.
pub fn finish(
    connection: &mut Connection,
    object: Object<'_>,
    during: &[&'static str],
    end: End,
    columns: &[(&str, Value<'_>)],
) -> Result<bool> {
    work_ends(connection, object.worker, object.id)?;
    if during.is_empty() {
        return Ok(false);
    }
    let mut params: Vec<Value<'_>> = vec![Timestamp::now().into()];
    let mut sql = format!("UPDATE {} SET ", object.table);
    match end {
        End::Status(status) => {
            sql.push_str("updated_at = ?, status = ?");
            params.push(status.into());
        }
        End::Deleted => {
            sql.push_str("deleted_at = ?, deleted = ?, status = 'deleted'");
            params.push(true.into());
        }
    }
    set(columns, &mut sql, &mut params);
    this(object, &mut sql, &mut params);
    sql.push_str(&format!(" AND status IN ({})", marks(during.len())));
    params.extend(during.iter().map(|status| Value::from(*status)));
    Ok(connection.execute(&sql, &params)? == 1)
}

/// Says that a service works on an object, in the status that the work gave it. `worker` is what `workers` calls such an
/// object.
///
/// # Errors
/// As all statements.
pub fn work_begins(connection: &mut Connection, worker: &str, id: &str, status: &str) -> Result<()> {
    let now = Timestamp::now();
    connection.execute(
        "INSERT INTO workers (created_at, updated_at, deleted, resource_type, resource_id, status, race_preventer) \
         VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (resource_type, resource_id) DO UPDATE SET \
         status = excluded.status, updated_at = excluded.updated_at",
        &[now.into(), now.into(), false.into(), worker.into(), id.into(), status.into(), 0_i64.into()],
    )?;
    Ok(())
}

/// Says that nobody works on an object any more.
///
/// # Errors
/// As all statements.
pub fn work_ends(connection: &mut Connection, worker: &str, id: &str) -> Result<()> {
    let sql = "DELETE FROM workers WHERE resource_type = ? AND resource_id = ?";
    connection.execute(sql, &[worker.into(), id.into()])?;
    Ok(())
}

fn set<'v>(columns: &'v [(&str, Value<'v>)], sql: &mut String, params: &mut Vec<Value<'v>>) {
    for (column, value) in columns {
        sql.push_str(&format!(", {column} = ?"));
        params.push(value.into());
    }
}

fn this<'v>(object: Object<'v>, sql: &mut String, params: &mut Vec<Value<'v>>) {
    sql.push_str(" WHERE id = ? AND deleted = ?");
    params.extend([object.id.into(), false.into()]);
}
