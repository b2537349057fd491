//! Lists of groups. A page is at most three statements however long it is: the groups, the types of their volumes, and
//! their volumes where those are asked for.

use std::collections::HashMap;

use super::lists::{self, Source};
use super::{groups, transitions::marks};
use crate::block_storage::model::group::{Group, GroupDetails};
use crate::block_storage::model::selection::Selection;
use crate::database::{Connection, Value};
use crate::error::{Error, Result};

const SOURCE: Source = Source { table: groups::TABLE, metadata: &[], by_project: None };

/// One page of groups.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(c: &mut Connection, selection: &Selection) -> Result<Vec<Group>> {
    lists::page(c, &SOURCE, groups::COLUMNS, selection, |row| groups::read(row))?.ok_or_else(|| {
        let marker = selection.marker.as_deref().unwrap_or_default();
        Error::not_found(format!("Group {marker} could not be found."))
    })
}

/// Groups with what their details show; with `volumes`, also the ids of their volumes.
///
/// # Errors
/// As all statements.
pub fn details(c: &mut Connection, groups: Vec<Group>, volumes: bool) -> Result<Vec<GroupDetails>> {
    let mapping = "SELECT group_id, volume_type_id FROM group_volume_type_mapping WHERE deleted = ? AND group_id";
    let of_volumes = "SELECT group_id, id FROM volumes WHERE deleted = ? AND group_id";
    let mut types = ids_of(c, mapping, "id", &groups)?;
    let mut members = if volumes { ids_of(c, of_volumes, "created_at, id", &groups)? } else { HashMap::new() };
    let details = groups.into_iter().map(|group| GroupDetails {
        volume_types: types.remove(&group.id).unwrap_or_default(),
        volumes: volumes.then(|| members.remove(&group.id).unwrap_or_default()),
        group,
    });
    Ok(details.collect())
}

/// The ids that a statement finds for each group.
fn ids_of(c: &mut Connection, sql: &str, order: &str, groups: &[Group]) -> Result<HashMap<String, Vec<String>>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    if groups.is_empty() {
        return Ok(found);
    }
    let sql = format!("{sql} IN ({}) ORDER BY {order}", marks(groups.len()));
    let ids = groups.iter().map(|group| Value::from(&group.id));
    let params: Vec<Value<'_>> = std::iter::once(false.into()).chain(ids).collect();
    c.query(&sql, &params, |row| {
        found.entry(row.string(0)?).or_default().push(row.string(1)?);
        Ok(())
    })?;
    Ok(found)
}
