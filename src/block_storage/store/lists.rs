//! Lists of any table: conditions, keyset paging, order and count, made from a [`Selection`]. NULL sorts before
//! everything else, on every engine alike.

use std::borrow::Cow;

use super::transitions::marks;
use crate::block_storage::model::selection::{Column, Comparison, Condition, Holds, Order, Scalar, Selection};
use crate::database::{Connection, Row, Value};
use crate::error::Result;

/// A table whose rows are listed.
#[derive(Debug)]
pub(super) struct Source {
    /// Its name.
    pub(super) table: &'static str,
    /// The tables of its objects' metadata, and their columns with the object's id.
    pub(super) metadata: &'static [(&'static str, &'static str)],
}

/// The rows of one page. `None` where the marker is not there.
///
/// # Errors
/// As all statements.
pub(super) fn page<T>(
    connection: &mut Connection,
    source: &Source,
    columns: &str,
    selection: &Selection,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Option<Vec<T>>> {
    let mut sql = format!("SELECT {columns} FROM {}", source.table);
    let mut params = Vec::new();
    conditions(source, selection, &mut sql, &mut params);
    let seen;
    if let Some(marker) = &selection.marker {
        let Some(values) = marker_values(connection, source, selection, marker)? else { return Ok(None) };
        seen = values;
        after(&selection.order, &seen, &mut sql, &mut params);
    }
    if selection.limit == 0 {
        return Ok(Some(Vec::new()));
    }
    for (at, order) in selection.order.iter().enumerate() {
        sql.push_str(if at == 0 { " ORDER BY " } else { ", " });
        let column = expression(order.by);
        if order.by.nullable {
            // NULLs first where ascending, last where descending.
            sql.push_str(&format!("{column} IS NULL{}, ", if order.ascending { " DESC" } else { "" }));
        }
        sql.push_str(&column);
        sql.push_str(if order.ascending { "" } else { " DESC" });
    }
    sql.push_str(" LIMIT ? OFFSET ?");
    params.extend([selection.limit.into(), selection.offset.into()]);
    connection.rows(&sql, &params, read).map(Some)
}

/// How many rows there are on all pages together.
///
/// # Errors
/// As all statements.
pub(super) fn count(connection: &mut Connection, source: &Source, selection: &Selection) -> Result<i64> {
    let mut sql = format!("SELECT COUNT(*) FROM {}", source.table);
    let mut params = Vec::new();
    conditions(source, selection, &mut sql, &mut params);
    Ok(connection.row(&sql, &params, |row| row.int(0))?.unwrap_or(0))
}

/// Appends `WHERE` with everything that must hold.
pub(super) fn conditions<'s>(source: &Source, selection: &'s Selection, sql: &mut String, params: &mut Vec<Value<'s>>) {
    let table = source.table;
    sql.push_str(&format!(" WHERE {table}.deleted = false"));
    if let Some(project_id) = &selection.project_id {
        sql.push_str(&format!(" AND {table}.project_id = ?"));
        params.push(project_id.into());
    }
    for condition in &selection.conditions {
        sql.push_str(" AND ");
        one(source, condition, sql, params);
    }
}

fn one<'s>(source: &Source, condition: &'s Condition, sql: &mut String, params: &mut Vec<Value<'s>>) {
    let table = source.table;
    match condition {
        Condition::Is(column, value) => {
            sql.push_str(&format!("{} = ?", expression(column)));
            params.push(match value {
                Scalar::Text(text) => text.into(),
                Scalar::Number(number) => (*number).into(),
                Scalar::Truth(truth) => (*truth).into(),
                Scalar::Time(time) => (*time).into(),
            });
        }
        Condition::Contains(column, text) => {
            sql.push_str(&format!("{} LIKE ? ESCAPE '!'", expression(column)));
            params.push(format!("%{}%", escaped(text)).into());
        }
        Condition::Compares(column, comparison, time) => {
            let sign = match comparison {
                Comparison::Later => ">",
                Comparison::LaterOrEqual => ">=",
                Comparison::Equal => "=",
                Comparison::Unequal => "<>",
                Comparison::Earlier => "<",
                Comparison::EarlierOrEqual => "<=",
            };
            sql.push_str(&format!("{} {sign} ?", expression(column)));
            params.push((*time).into());
        }
        Condition::Within(column, place) => within(column, place, sql, params),
        Condition::HasMetadata(key, value) => {
            let tables = source.metadata;
            has(table, tables.iter().filter(|(name, _)| *name != IMAGE), key, value, sql, params);
        }
        Condition::HasImageMetadata(key, value) => {
            let tables = source.metadata;
            has(table, tables.iter().filter(|(name, _)| *name == IMAGE), key, value, sql, params);
        }
        Condition::NoMigrationTarget => {
            sql.push_str("(migration_status IS NULL OR migration_status NOT LIKE 'target:%')");
        }
        Condition::Never => sql.push_str("1 = 0"),
    }
}

/// The table of what images said.
const IMAGE: &str = "volume_glance_metadata";

/// `host` also finds `host@backend` and `host#pool`; `host@backend` also finds its pools.
fn within<'s>(column: &Column, place: &'s str, sql: &mut String, params: &mut Vec<Value<'s>>) {
    let column = expression(column);
    sql.push_str(&format!("({column} = ?"));
    params.push(place.into());
    if !place.contains('#') {
        sql.push_str(&format!(" OR {column} LIKE ? ESCAPE '!'"));
        params.push(format!("{}#%", escaped(place)).into());
        if !place.contains('@') {
            sql.push_str(&format!(" OR {column} LIKE ? ESCAPE '!'"));
            params.push(format!("{}@%", escaped(place)).into());
        }
    }
    sql.push(')');
}

fn has<'s>(
    table: &str,
    tables: impl Iterator<Item = &'static (&'static str, &'static str)>,
    key: &'s str,
    value: &'s str,
    sql: &mut String,
    params: &mut Vec<Value<'s>>,
) {
    let mut opening = "(";
    for (metadata, owner) in tables {
        sql.push_str(&format!(
            "{opening}EXISTS (SELECT 1 FROM {metadata} m WHERE m.{owner} = {table}.id AND m.deleted = false \
             AND m.\"key\" = ? AND m.value = ?)"
        ));
        params.extend([key.into(), value.into()]);
        opening = " OR ";
    }
    sql.push_str(if opening == "(" { "1 = 0" } else { ")" });
}

/// `text` as a part of a LIKE pattern that matches it alone.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// How a statement names a column of the listed table.
fn expression(column: &Column) -> Cow<'static, str> {
    match column.of_volume {
        false => Cow::Borrowed(column.column),
        true => Cow::Owned(format!("(SELECT v.{} FROM volumes v WHERE v.id = snapshots.volume_id)", column.column)),
    }
}

/// What the marker holds in the columns of the order.
fn marker_values(
    connection: &mut Connection,
    source: &Source,
    selection: &Selection,
    marker: &str,
) -> Result<Option<Vec<Value<'static>>>> {
    let columns: Vec<Cow<'_, str>> = selection.order.iter().map(|order| expression(order.by)).collect();
    let mut sql = format!("SELECT {} FROM {} WHERE id = ? AND deleted = false", columns.join(", "), source.table);
    let mut params: Vec<Value<'_>> = vec![marker.into()];
    if let Some(project_id) = &selection.project_id {
        sql.push_str(" AND project_id = ?");
        params.push(project_id.into());
    }
    connection.row(&sql, &params, |row| {
        let cell = |(at, order): (usize, &Order)| -> Result<Value<'static>> {
            Ok(match order.by.holds {
                Holds::Text => row.opt_string(at)?.into(),
                Holds::Number => row.opt_int(at)?.into(),
                Holds::Truth => row.opt_bool(at)?.into(),
                Holds::Time => row.opt_time(at)?.into(),
            })
        };
        selection.order.iter().enumerate().map(cell).collect()
    })
}

/// Appends the condition of the rows that come after the marker: equal in the first keys, and beyond it in the next one.
fn after<'s>(order: &[Order], seen: &'s [Value<'static>], sql: &mut String, params: &mut Vec<Value<'s>>) {
    sql.push_str(" AND (");
    for (last, (key, value)) in order.iter().zip(seen).enumerate() {
        sql.push_str(if last == 0 { "(" } else { " OR (" });
        for (key, value) in order.iter().zip(seen).take(last) {
            sql.push_str(&match value {
                Value::Null => format!("{} IS NULL AND ", expression(key.by)),
                _ => format!("{} = ? AND ", expression(key.by)),
            });
            if !value.is_null() {
                params.push(Value::from(value));
            }
        }
        let column = expression(key.by);
        match (value.is_null(), key.ascending) {
            (true, true) => sql.push_str(&format!("{column} IS NOT NULL")),
            (true, false) => sql.push_str("1 = 0"),
            (false, ascending) => {
                let sign = if ascending { ">" } else { "<" };
                let or_null =
                    if key.by.nullable && !ascending { format!(" OR {column} IS NULL") } else { String::new() };
                sql.push_str(&format!("({column} {sign} ?{or_null})"));
                params.push(Value::from(value));
            }
        }
        sql.push(')');
    }
    sql.push(')');
}

/// Ids and names of volume types, deleted or not.
///
/// # Errors
/// As all statements.
pub(super) fn type_names(connection: &mut Connection, ids: &[&str]) -> Result<Vec<(String, String)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT id, name FROM volume_types WHERE id IN ({})", marks(ids.len()));
    let params: Vec<Value<'_>> = ids.iter().map(|id| Value::from(*id)).collect();
    connection.rows(&sql, &params, |row| Ok((row.string(0)?, row.opt_string(1)?.unwrap_or_default())))
}
