//! Lists of volumes. What hangs on those of a page is read by `volume_details.rs`.

use super::lists::{self, Source};
use super::volumes;
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::volume::{Volume, VolumeBrief};
use crate::database::{Connection, Row};
use crate::error::{Error, Result};

/// The index by project and creation.
pub(super) const BY_PROJECT: &str = "hearth_volumes_project";

const SOURCE: Source = Source {
    table: "volumes",
    metadata: &[
        ("volume_metadata", "volume_id"),
        ("volume_admin_metadata", "volume_id"),
        ("volume_glance_metadata", "volume_id"),
    ],
    by_project: Some(BY_PROJECT),
};

/// One page of volumes; `before_row` is told how many there are so far.
///
/// # Errors
/// [`crate::Kind::NotFound`] where the marker is not there; as all statements.
pub fn page(
    connection: &mut Connection,
    selection: &Selection,
    mut before_row: impl FnMut(usize),
) -> Result<Vec<Volume>> {
    let columns = volumes::COLUMNS.join(", ");
    let mut rows = 0;
    let read = |row: &mut Row<'_>| {
        before_row(rows);
        rows += 1;
        volumes::read(row)
    };
    lists::page(connection, &SOURCE, &columns, selection, read)?.ok_or_else(|| no_marker(selection))
}

/// Whether the volumes of a page are the only ones of their project that were made from the first to the last of them, but
/// for those that no caller sees.
pub fn is_in_a_row(selection: &Selection) -> bool {
    lists::is_in_a_row(selection)
}

/// As [`page`], with what the short form shows alone: half of what a server does for a page is to send its columns.
///
/// # Errors
/// As [`page`].
pub fn brief_page(connection: &mut Connection, selection: &Selection) -> Result<Vec<VolumeBrief>> {
    let read = |row: &mut Row<'_>| Ok(VolumeBrief { id: row.take_string(0)?, name: row.take_opt_string(1)? });
    lists::page(connection, &SOURCE, "id, display_name", selection, read)?.ok_or_else(|| no_marker(selection))
}

fn no_marker(selection: &Selection) -> Error {
    let marker = selection.marker.as_deref().unwrap_or_default();
    Error::not_found(format!("Volume {marker} could not be found."))
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
    let read = |row: &mut Row<'_>| Ok((row.int(0)?, row.opt_int(1)?.unwrap_or(0)));
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
