//! Lists of backups. A page is two statements however long it is: the backups, and their metadata.

use std::collections::HashMap;

use super::lists::{self, Source};
use super::{backups, metadata};
use crate::block_storage::model::backup::{Backup, BackupDetails};
use crate::block_storage::model::selection::Selection;
use crate::database::Connection;
use crate::error::{Error, Result};

const SOURCE: Source = Source {
    table: "backups",
    metadata: &[("backup_metadata", "backup_id")],
    by_project: Some("hearth_backups_project"),
};

/// One page of backups.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(connection: &mut Connection, selection: &Selection) -> Result<Vec<Backup>> {
    let columns = backups::COLUMNS.join(", ");
    lists::page(connection, &SOURCE, &columns, selection, |row| backups::read(row))?.ok_or_else(|| {
        let marker = selection.marker.as_deref().unwrap_or_default();
        Error::not_found(format!("Backup {marker} could not be found."))
    })
}

/// How many backups there are on all pages together.
///
/// # Errors
/// As all statements.
pub fn count(connection: &mut Connection, selection: &Selection) -> Result<i64> {
    lists::count(connection, &SOURCE, selection)
}

/// Backups with their metadata.
///
/// # Errors
/// As all statements.
pub fn details(connection: &mut Connection, backups: Vec<Backup>) -> Result<Vec<BackupDetails>> {
    let mut pairs: HashMap<String, Vec<(String, String)>> = HashMap::new();
    let ids: Vec<&str> = backups.iter().map(|backup| backup.id.as_str()).collect();
    metadata::of_all(connection, metadata::Table::Backup, &ids, |id, key, value| {
        pairs.entry(id.to_owned()).or_default().push((key.to_owned(), value.to_owned()));
        Ok(())
    })?;
    let with = |backup: Backup| BackupDetails { metadata: pairs.remove(&backup.id).unwrap_or_default(), backup };
    Ok(backups.into_iter().map(with).collect())
}
