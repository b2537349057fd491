//! Volumes: lists, details, and what of them changes at once. What a service must do is ordered in `volume_create.rs`,
//! `volume_delete.rs` and `volume_actions.rs`.

use super::refusals::{invalid_input, invalid_volume};
use super::{Authorized, Caller};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::selection::{Condition, Selection};
use crate::block_storage::model::service;
use crate::block_storage::model::volume::{UPDATE, Volume, VolumeBrief, VolumeDetails};
use crate::block_storage::policies::volumes as rules;
use crate::block_storage::store::{self, metadata::Table};
use crate::database::{Connection, Turn, Value};
use crate::error::Result;

/// Volumes of a list beyond which it takes a turn: a thousand of them take some megabytes until they are written.
const LARGE: usize = 100;

/// One page of volumes.
pub struct Listed<'a> {
    /// The volumes, with everything that details show.
    pub items: Vec<VolumeDetails>,
    /// How many there are on all pages together, where that was asked for.
    pub count: Option<i64>,
    /// Given back with the volumes.
    _turn: Option<Turn<'a>>,
}

/// The volumes of one page.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list<'a>(caller: &Caller<'a>, selection: Selection, counted: bool) -> Result<Listed<'a>> {
    let selection = visible(caller, selection)?;
    let count = |c: &mut Connection| counted.then(|| store::volume_lists::count(c, &selection)).transpose();
    let long = caller.database.guesses();
    let short = caller.database.read(|c| {
        let Some(items) = store::volume_details::short_page(c, &selection, long)? else { return Ok(None) };
        Ok(Some(Listed { items, count: count(c)?, _turn: None }))
    })?;
    if let Some(short) = short {
        return Ok(short);
    }
    // What hangs on the volumes is found by what they have in common, not by their ids: in the meantime none may come or go.
    caller.database.snapshot(|c| {
        let mut turn = None;
        let page = store::volume_lists::page(c, &selection, |rows| {
            if rows == LARGE {
                turn = Some(caller.database.turn());
            }
        })?;
        let items = store::volume_details::of_page(c, page, store::volume_lists::is_in_a_row(&selection))?;
        store::volume_details::learn(long, &selection, &items);
        Ok(Listed { items, count: count(c)?, _turn: turn })
    })
}

/// As [`list`], for the short form.
///
/// # Errors
/// As [`list`].
pub fn list_briefly(
    caller: &Caller<'_>,
    selection: Selection,
    counted: bool,
) -> Result<(Vec<VolumeBrief>, Option<i64>)> {
    let selection = visible(caller, selection)?;
    caller.database.read(|c| {
        let page = store::volume_lists::brief_page(c, &selection)?;
        let count = if counted { Some(store::volume_lists::count(c, &selection)?) } else { None };
        Ok((page, count))
    })
}

/// Number, GiB and different metadata of the volumes that a selection finds.
#[derive(Debug)]
pub struct Summary {
    /// How many.
    pub count: i64,
    /// Their GiB together.
    pub size_gib: i64,
    /// The different names and values of their metadata, sorted.
    pub metadata: Vec<(String, String)>,
}

/// Sums up the volumes that a selection finds.
///
/// # Errors
/// [`crate::Kind::Forbidden`], those of the database.
pub fn summary(caller: &Caller<'_>, selection: Selection) -> Result<Summary> {
    let selection = visible(caller, selection)?;
    caller.database.read(|c| {
        let (count, size_gib) = store::volume_lists::totals(c, &selection)?;
        Ok(Summary { count, size_gib, metadata: store::volume_lists::distinct_metadata(c, &selection)? })
    })
}

/// The part of a selection that is there for the caller.
fn visible(caller: &Caller<'_>, mut selection: Selection) -> Result<Selection> {
    caller.enforce(&rules::GET_ALL)?;
    if !caller.context.is_admin {
        selection.conditions.push(Condition::NoMigrationTarget);
    }
    Ok(selection)
}

/// What of a volume changes at once; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The name; the inner `None` takes it away.
    pub name: Option<Option<String>>,
    /// The description; the inner `None` takes it away.
    pub description: Option<Option<String>>,
    /// All metadata.
    pub metadata: Option<Vec<(String, String)>>,
    /// Whether a machine may start from it.
    pub bootable: Option<bool>,
}

/// Changes a volume, which may be in any status but `maintenance`, and answers it as it is then.
///
/// # Errors
/// [`crate::Kind::InvalidState`], [`crate::Kind::NotFound`] where it has gone meanwhile, those of the database.
pub fn update(caller: &Caller<'_>, volume: &Authorized<Volume>, change: &Change) -> Result<VolumeDetails> {
    let mut columns: Vec<(&str, Value<'_>)> = Vec::new();
    if let Some(name) = &change.name {
        columns.push(("display_name", name.into()));
    }
    if let Some(description) = &change.description {
        columns.push(("display_description", description.into()));
    }
    if let Some(bootable) = change.bootable {
        columns.push(("bootable", bootable.into()));
    }
    let notices = caller.notices();
    let changed = caller.database.write(|tx| {
        if !notices.is_off() {
            store::volumes::lock(tx, &volume.id)?;
            notices.volume(tx, &volume.id, "update.start")?;
        }
        if !store::volumes::begin(tx, &volume.id, &UPDATE, &columns)? {
            return Err(invalid_volume("The volume cannot be updated during maintenance."));
        }
        if let Some(pairs) = &change.metadata {
            store::metadata::replace(tx, Table::Volume, &volume.id, pairs)?;
        }
        notices.volume(tx, &volume.id, "update.end")?;
        store::volume_details::one(tx, &volume.id)
    })?;
    changed.ok_or_else(|| super::authorized::no_volume(&volume.id))
}

/// Refuses what would change objects on a backend whose objects are to be kept as they are.
///
/// # Errors
/// [`crate::Kind::Invalid`], those of the database.
pub(super) fn refuse_frozen(caller: &Caller<'_>, host: Option<&str>) -> Result<()> {
    let Some(host) = host else { return Ok(()) };
    let found = caller.database.read(|c| store::services::find(c, service_host(host), service::VOLUME))?;
    match found {
        Some(found) if found.frozen => {
            Err(invalid_input("Modification operations are not allowed on frozen storage backends."))
        }
        _ => Ok(()),
    }
}
