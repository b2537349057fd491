//! The rows of a volume that moves under a server that uses it, and of the new volume whose disk it is to get. Not here: who
//! copies the content (`volume/work/swap.rs`), and who says that it is done (`control/volume_migration.rs`).

use super::{attachments, orders, volumes, workers};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, LEAVE, Volume};
use crate::block_storage::model::work::{Order, Requester, Work};
use crate::database::{Transaction, Value};
use crate::error::Result;

/// What the migration status of a new volume is that is made for the move of `volume_id`.
pub fn target_of(volume_id: &str) -> String {
    format!("target:{volume_id}")
}

/// Whether a volume is made for the move of another one.
pub fn is_target(volume: &Volume) -> bool {
    volume.migration_status.as_deref().is_some_and(|status| status.starts_with("target:"))
}

/// The volume keeps its disk, and the new one goes.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn break_off(tx: &mut Transaction<'_>, requester: &Requester, volume: &Volume, new: &Volume) -> Result<()> {
    let status = volume.previous_status.unwrap_or(volume.status);
    volumes::change(tx, &volume.id, &[("migration_status", "error".into()), ("status", status.name().into())])?;
    workers::end(tx, workers::VOLUME, &volume.id)?;
    leave(tx, requester, new, &[])
}

/// Orders the end of a row and of the disk that it has.
pub fn leave(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    row: &Volume,
    columns: &[(&str, Value<'_>)],
) -> Result<()> {
    attachments::remove_all(tx, &row.id)?;
    let ends: [(&str, Value<'_>); 2] =
        [("migration_status", "deleting".into()), ("attach_status", AttachStatus::Detached.name().into())];
    let columns: Vec<_> = columns.iter().cloned().chain(ends).collect();
    volumes::begin(tx, &row.id, &LEAVE, &columns)?;
    let order = Order {
        id: 0,
        backend: row.host.as_deref().map(|host| service_host(host).to_owned()),
        volume_id: row.id.clone(),
        snapshot_id: None,
        source_volume_id: None,
        work: Work::DeleteVolume { cascade: false },
        requester: requester.clone(),
        attempts: 0,
    };
    orders::place(tx, &order).map(|_| ())
}
