//! Lists of any table: conditions, keyset paging, order and count, made from a [`Selection`]. NULL sorts before
//! everything else, on every engine alike.

use std::borrow::Cow;

use crate::block_storage::model::selection::{Column, Comparison, Condition, Holds, Order, Scalar, Selection};
use crate::database::select::{self, Key, Select, marks};
use crate::database::{Connection, Row, Value};
use crate::error::Result;

/// A table whose rows are listed.
#[derive(Debug)]
pub(super) struct Source {
    /// Its name.
    pub(super) table: &'static str,
    /// The tables of its objects' metadata, and their columns with the object's id.
    pub(super) metadata: &'static [(&'static str, &'static str)],
    /// The index by project and creation, where the table has one.
    pub(super) by_project: Option<&'static str>,
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
    read: impl FnMut(&mut Row<'_>) -> Result<T>,
) -> Result<Option<Vec<T>>> {
    let key =
        |order: &Order| Key { column: expression(order.by), ascending: order.ascending, nullable: order.by.nullable };
    let mut select = conditions(source, selection).order(selection.order.iter().map(key));
    if let Some(marker) = &selection.marker {
        let Some(seen) = marker_values(connection, source, selection, marker)? else { return Ok(None) };
        select = select.after(&seen);
    }
    if selection.limit == 0 {
        return Ok(Some(Vec::new()));
    }
    if let Some(index) = source.by_project.filter(|_| is_in_a_row(selection)) {
        select = select.along(index);
    }
    select.limit(selection.limit).offset(selection.offset).rows(connection, columns, read).map(Some)
}

/// How many rows there are on all pages together.
///
/// # Errors
/// As all statements.
pub(super) fn count(connection: &mut Connection, source: &Source, selection: &Selection) -> Result<i64> {
    conditions(source, selection).count(connection)
}

/// Whether the objects of a page are the only ones of their project that were made from the first to the last of them, but
/// for those that no caller sees.
pub(super) fn is_in_a_row(selection: &Selection) -> bool {
    let plain = selection.conditions.iter().all(|condition| matches!(condition, Condition::NoMigrationTarget));
    let by_time = selection.order.first().is_some_and(|first| first.by.column == "created_at");
    plain && by_time && selection.project_id.is_some()
}

/// All rows for which everything holds, in no order.
pub(super) fn conditions<'s>(source: &Source, selection: &'s Selection) -> Select<'s> {
    let mut select = Select::from(source.table).holds("deleted = false", []);
    if let Some(project_id) = &selection.project_id {
        select = select.equal(owner(source.table), project_id);
    }
    selection.conditions.iter().fold(select, |select, condition| one(source, condition, select))
}

/// Where a table has its objects' project: what belongs to a volume belongs to the volume's.
fn owner(table: &str) -> &'static str {
    match table {
        "transfers" => "(SELECT v.project_id FROM volumes v WHERE v.id = transfers.volume_id)",
        "volume_attachment" => "(SELECT v.project_id FROM volumes v WHERE v.id = volume_attachment.volume_id)",
        _ => "project_id",
    }
}

fn one<'s>(source: &Source, condition: &'s Condition, select: Select<'s>) -> Select<'s> {
    match condition {
        Condition::Is(column, value) => select.equal(expression(column), scalar(value)),
        Condition::IsNot(column, text) => {
            let column = expression(column);
            select.holds(&format!("({column} IS NULL OR {column} <> ?)"), [text.into()])
        }
        Condition::Contains(column, text) => select.contains(expression(column), text),
        Condition::Compares(column, comparison, time) => {
            let comparison = match comparison {
                Comparison::Later => select::Comparison::Greater,
                Comparison::LaterOrEqual => select::Comparison::GreaterOrEqual,
                Comparison::Equal => select::Comparison::Equal,
                Comparison::Unequal => select::Comparison::Unequal,
                Comparison::Earlier => select::Comparison::Less,
                Comparison::EarlierOrEqual => select::Comparison::LessOrEqual,
            };
            select.compares(expression(column), comparison, *time)
        }
        Condition::Within(column, place) => within(column, place, select),
        Condition::HasMetadata(key, value) => {
            has(source, source.metadata.iter().filter(|(name, _)| *name != IMAGE), key, value, select)
        }
        Condition::HasImageMetadata(key, value) => {
            has(source, source.metadata.iter().filter(|(name, _)| *name == IMAGE), key, value, select)
        }
        Condition::NoMigrationTarget => {
            select.holds("(migration_status IS NULL OR migration_status NOT LIKE 'target:%')", [])
        }
        Condition::Never => select.never(),
    }
}

fn scalar(value: &Scalar) -> Value<'_> {
    match value {
        Scalar::Text(text) => text.into(),
        Scalar::Number(number) => (*number).into(),
        Scalar::Truth(truth) => (*truth).into(),
        Scalar::Time(time) => (*time).into(),
    }
}

/// The table of what images said.
const IMAGE: &str = "volume_glance_metadata";

/// `host` also finds `host@backend` and `host#pool`; `host@backend` also finds its pools.
fn within<'s>(column: &Column, place: &'s str, select: Select<'s>) -> Select<'s> {
    let below: &[&str] = match (place.contains('#'), place.contains('@')) {
        (true, _) => &[],
        (false, true) => &["#"],
        (false, false) => &["#", "@"],
    };
    let beginnings: Vec<String> = below.iter().map(|sign| format!("{place}{sign}")).collect();
    select.begins(expression(column), place, &beginnings)
}

fn has<'s>(
    source: &Source,
    tables: impl Iterator<Item = &'static (&'static str, &'static str)>,
    key: &'s str,
    value: &'s str,
    select: Select<'s>,
) -> Select<'s> {
    let mut condition = String::new();
    let mut params: Vec<Value<'s>> = Vec::new();
    for (metadata, owner) in tables {
        condition.push_str(if condition.is_empty() { "(" } else { " OR " });
        condition.push_str(&format!(
            "EXISTS (SELECT 1 FROM {metadata} m WHERE m.{owner} = {}.id AND m.deleted = false \
             AND m.\"key\" = ? AND m.value = ?)",
            source.table
        ));
        params.extend([key.into(), value.into()]);
    }
    if condition.is_empty() {
        return select.never();
    }
    condition.push(')');
    select.holds(&condition, params)
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
        sql.push_str(&format!(" AND {} = ?", owner(source.table)));
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

/// Ids of one statement. There are few sizes of them, so that statements differ little and connections keep them prepared;
/// and none is so large that MariaDB would make a table of them (`in_predicate_conversion_threshold`).
pub(super) struct Bunch<'i> {
    ids: &'i [&'i str],
    size: usize,
}

impl<'i> Bunch<'i> {
    const SIZES: [usize; 4] = [1, 10, 50, 250];

    /// All of `ids`, in their order.
    pub(super) fn all(ids: &'i [&'i str]) -> impl Iterator<Item = Self> {
        let most = Self::SIZES[Self::SIZES.len() - 1];
        ids.chunks(most).map(move |ids| {
            let size = Self::SIZES.into_iter().find(|size| *size >= ids.len()).unwrap_or(most);
            Self { ids, size }
        })
    }

    /// The marks of the ids: `?, ?, ?`.
    pub(super) fn marks(&self) -> String {
        marks(self.size)
    }

    /// The ids; the last one again until there are as many as marks.
    pub(super) fn values(&self) -> impl Iterator<Item = Value<'i>> {
        let last = self.ids.last().into_iter().cycle();
        self.ids.iter().chain(last).take(self.size).map(|id| Value::from(*id))
    }
}

#[cfg(test)]
mod tests {
    use super::Bunch;

    #[test]
    fn every_id_is_in_a_bunch_and_there_are_few_sizes() {
        let all: Vec<String> = (0..620).map(|number| number.to_string()).collect();
        for count in [0, 1, 2, 10, 11, 50, 51, 250, 251, 620] {
            let ids: Vec<&str> = all.iter().take(count).map(String::as_str).collect();
            let mut seen: Vec<String> = Vec::new();
            for bunch in Bunch::all(&ids) {
                let values: Vec<_> = bunch.values().collect();
                assert_eq!(values.len(), bunch.marks().matches('?').count());
                assert!([1, 10, 50, 250].contains(&values.len()), "{count}: {}", values.len());
                seen.extend(bunch.ids.iter().map(|id| (*id).to_owned()));
            }
            assert_eq!(seen, ids);
        }
    }
}
