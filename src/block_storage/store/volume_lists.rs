//! Lists of volumes. A page is a few statements however long it is: the volumes, and then, for all of them together, what
//! hangs on them.

use std::collections::HashMap;

use super::lists::{self, Source};
use super::{attachments, metadata, volumes};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::volume::{Volume, VolumeDetails};
use crate::database::{Connection, Row};
use crate::error::{Error, Result};

const SOURCE: Source = Source {
    table: "volumes",
    metadata: &[
        ("volume_metadata", "volume_id"),
        ("volume_admin_metadata", "volume_id"),
        ("volume_glance_metadata", "volume_id"),
    ],
};

/// The administrators' metadata that every caller sees.
const VISIBLE: [&str; 2] = ["readonly", "attached_mode"];

/// One page of volumes.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(connection: &mut Connection, selection: &Selection) -> Result<Vec<Volume>> {
    let columns = volumes::COLUMNS.join(", ");
    lists::page(connection, &SOURCE, &columns, selection, volumes::read)?.ok_or_else(|| {
        let marker = selection.marker.as_deref().unwrap_or_default();
        Error::not_found(format!("Volume {marker} could not be found."))
    })
}

/// How many volumes there are on all pages together.
///
/// # Errors
/// As all statements.
pub fn count(connection: &mut Connection, selection: &Selection) -> Result<i64> {
    lists::count(connection, &SOURCE, selection)
}

/// Number and GiB of the volumes on all pages together.
///
/// # Errors
/// As all statements.
pub fn totals(connection: &mut Connection, selection: &Selection) -> Result<(i64, i64)> {
    let select = lists::conditions(&SOURCE, selection);
    let read = |row: &Row<'_>| Ok((row.int(0)?, row.opt_int(1)?.unwrap_or(0)));
    Ok(select.rows(connection, "COUNT(*), SUM(size)", read)?.pop().unwrap_or((0, 0)))
}

/// The different names and values of those volumes' metadata, sorted.
///
/// # Errors
/// As all statements.
pub fn distinct_metadata(connection: &mut Connection, selection: &Selection) -> Result<Vec<(String, String)>> {
    let (volumes, params) = lists::conditions(&SOURCE, selection).statement("id", connection.engine());
    let sql = format!(
        "SELECT DISTINCT d.\"key\", d.value FROM volume_metadata d WHERE d.deleted = false AND d.volume_id IN ({volumes}) \
         ORDER BY 1, 2"
    );
    connection
        .rows(&sql, &params, |row| Ok((row.opt_string(0)?.unwrap_or_default(), row.opt_string(1)?.unwrap_or_default())))
}

/// Volumes with everything that their details show.
///
/// # Errors
/// As all statements.
pub fn details(connection: &mut Connection, volumes: Vec<Volume>) -> Result<Vec<VolumeDetails>> {
    let type_names = type_names(connection, &volumes)?;
    let consistency_groups = consistency_groups(connection, &volumes)?;
    let mut all: Vec<VolumeDetails> = volumes
        .into_iter()
        .map(|volume| {
            let name = type_names.iter().find(|(id, _)| *id == volume.volume_type_id).map(|(_, name)| name.clone());
            let in_group = volume.group_id.as_ref().is_some_and(|group| consistency_groups.contains(group));
            VolumeDetails { in_consistency_group: in_group, ..VolumeDetails::bare(volume, name) }
        })
        .collect();
    let mut hanging: Vec<Hanging> = Vec::new();
    {
        let places: HashMap<&str, usize> =
            all.iter().enumerate().map(|(at, one)| (one.volume.id.as_str(), at)).collect();
        let ids: Vec<&str> = all.iter().map(|one| one.volume.id.as_str()).collect();
        let tables = [metadata::Table::Volume, metadata::Table::VolumeAdmin, metadata::Table::VolumeImage];
        metadata::of_all(connection, &tables, &ids, |table, id, key, value| {
            let Some(&place) = places.get(id) else { return Ok(()) };
            if table != metadata::Table::VolumeAdmin || VISIBLE.contains(&key) {
                hanging.push(Hanging { place, table, key: key.to_owned(), value: value.to_owned() });
            }
            Ok(())
        })?;
    }
    for Hanging { place, table, key, value } in hanging {
        let Some(one) = all.get_mut(place) else { continue };
        match table {
            metadata::Table::VolumeAdmin => one.visible_admin_metadata.push((key, value)),
            metadata::Table::VolumeImage => one.image_metadata.push((key, value)),
            _ => one.metadata.push((key, value)),
        }
    }
    attach(connection, &mut all)?;
    Ok(all)
}

/// A name and a value of the volume at a place of the page.
struct Hanging {
    place: usize,
    table: metadata::Table,
    key: String,
    value: String,
}

fn attach(connection: &mut Connection, all: &mut [VolumeDetails]) -> Result<()> {
    let ids: Vec<&str> = all.iter().map(|one| one.volume.id.as_str()).collect();
    for attachment in attachments::complete(connection, &ids)? {
        if let Some(one) = all.iter_mut().find(|one| one.volume.id == attachment.volume_id) {
            one.attachments.push(attachment);
        }
    }
    Ok(())
}

fn type_names(connection: &mut Connection, volumes: &[Volume]) -> Result<Vec<(String, String)>> {
    let mut ids: Vec<&str> = volumes.iter().map(|volume| volume.volume_type_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    lists::type_names(connection, &ids)
}

/// Which groups of these volumes are consistency groups of old.
fn consistency_groups(connection: &mut Connection, volumes: &[Volume]) -> Result<Vec<String>> {
    let mut ids: Vec<&str> = volumes.iter().filter_map(|volume| volume.group_id.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT g.id FROM \"groups\" g JOIN group_types t ON t.id = g.group_type_id \
         WHERE t.name = 'default_cgsnapshot_type' AND g.id IN ({})",
        super::transitions::marks(ids.len())
    );
    let params: Vec<crate::database::Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    connection.rows(&sql, &params, |row| row.string(0))
}
