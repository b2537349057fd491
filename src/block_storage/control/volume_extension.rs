//! The end of an extension that waits for somebody else than the volume service: for a server that makes the disk larger which it
//! has attached. What was asked for is kept in the administrators' metadata meanwhile, under the keys of Cinder's drivers.

use serde_json::Value as Json;

use super::refusals::invalid_volume;
use super::{Authorized, Caller};
use crate::block_storage::model::volume::{EXTEND, EXTEND_ATTACHED, Status, Volume};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{Outcome, attachments, pools, reservations, volumes};
use crate::database::Transaction;
use crate::error::{Error, Result};

/// The key of the size that a volume is to get, in GiB.
const NEW_SIZE: &str = "extend_new_size";
/// The key of the reservations that its project has for it, as a list in JSON.
const RESERVATIONS: &str = "extend_reservations";

/// Ends an extension: the volume has its new size, or could not get it.
///
/// # Errors
/// [`crate::Kind::InvalidState`] where the volume waits for no such end, those of the database.
pub fn complete(caller: &Caller<'_>, volume: &Authorized<Volume>, failed: bool) -> Result<()> {
    caller.database.write(|tx| {
        let now = volumes::lock(tx, &volume.id)?.ok_or_else(|| super::authorized::no_volume(&volume.id))?;
        end(tx, &now, failed)
    })
}

fn end(tx: &mut Transaction<'_>, volume: &Volume, failed: bool) -> Result<()> {
    if volume.status != Status::Extending {
        return Err(invalid_volume("Volume is not being extended."));
    }
    let pairs = metadata::of(tx, Table::VolumeAdmin, &volume.id)?;
    let said = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let malformed = || -> Error { invalid_volume("Required volume admin metadata is malformed or missing.") };
    let new_size_gib: i64 = said(NEW_SIZE).and_then(|text| text.trim().parse().ok()).ok_or_else(malformed)?;
    let reserved: Json = said(RESERVATIONS).and_then(|text| serde_json::from_str(text).ok()).ok_or_else(malformed)?;
    if new_size_gib <= volume.size_gib {
        return Err(invalid_volume(format!(
            "The target volume size provided in volume admin metadata {} is smaller or equal to the current volume size.",
            said(NEW_SIZE).unwrap_or_default()
        )));
    }
    let Json::Array(reserved) = reserved else {
        let text = "The stored quota reservations for extending the volume must be in a list format.";
        return Err(invalid_volume(text));
    };
    for key in [NEW_SIZE, RESERVATIONS] {
        metadata::remove(tx, Table::VolumeAdmin, &volume.id, key)?;
    }
    reserved.iter().filter_map(Json::as_str).try_for_each(|id| reservations::end(tx, id, !failed))?;
    let attached = attachments::count(tx, &volume.id)? > 0;
    let rule = if attached { &EXTEND_ATTACHED } else { &EXTEND };
    if failed {
        return volumes::finish(tx, &volume.id, rule, Outcome::Failed, &[]).map(|_| ());
    }
    volumes::finish(tx, &volume.id, rule, Outcome::Done, &[("size", new_size_gib.into())])?;
    pools::promise(tx, volume.host.as_deref().unwrap_or_default(), new_size_gib - volume.size_gib, true)
}
