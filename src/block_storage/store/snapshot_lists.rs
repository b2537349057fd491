//! Lists of snapshots. A page is two statements however long it is: the snapshots, and their metadata.

use std::collections::HashMap;

use super::lists::{self, Source};
use super::{metadata, snapshots};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::snapshot::{Snapshot, SnapshotDetails};
use crate::database::Connection;
use crate::error::{Error, Result};

const SOURCE: Source = Source {
    table: "snapshots",
    metadata: &[("snapshot_metadata", "snapshot_id")],
    by_project: Some("hearth_snapshots_project"),
};

/// One page of snapshots.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(connection: &mut Connection, selection: &Selection) -> Result<Vec<Snapshot>> {
    let columns = snapshots::COLUMNS.join(", ");
    lists::page(connection, &SOURCE, &columns, selection, |row| snapshots::read(row))?.ok_or_else(|| {
        let marker = selection.marker.as_deref().unwrap_or_default();
        Error::not_found(format!("Snapshot {marker} could not be found."))
    })
}

/// How many snapshots there are on all pages together.
///
/// # Errors
/// As all statements.
pub fn count(connection: &mut Connection, selection: &Selection) -> Result<i64> {
    lists::count(connection, &SOURCE, selection)
}

/// Snapshots with their metadata.
///
/// # Errors
/// As all statements.
pub fn details(connection: &mut Connection, snapshots: Vec<Snapshot>) -> Result<Vec<SnapshotDetails>> {
    let mut all: Vec<SnapshotDetails> =
        snapshots.into_iter().map(|snapshot| SnapshotDetails { snapshot, metadata: Vec::new() }).collect();
    let mut pairs: Vec<(usize, String, String)> = Vec::new();
    {
        let places: HashMap<&str, usize> =
            all.iter().enumerate().map(|(at, one)| (one.snapshot.id.as_str(), at)).collect();
        let ids: Vec<&str> = all.iter().map(|one| one.snapshot.id.as_str()).collect();
        metadata::of_all(connection, metadata::Table::Snapshot, &ids, |id, key, value| {
            if let Some(&place) = places.get(id) {
                pairs.push((place, key.to_owned(), value.to_owned()));
            }
            Ok(())
        })?;
    }
    for (place, key, value) in pairs {
        if let Some(one) = all.get_mut(place) {
            one.metadata.push((key, value));
        }
    }
    Ok(all)
}
