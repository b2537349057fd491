//! What is asked of a backup service. As with volume services, callers know nothing of how an order travels.

use crate::block_storage::model::backup::Backup;
use crate::block_storage::model::backup_work::{Order, Work};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::work::Requester;
use crate::block_storage::store::{backup_orders as orders, workers};
use crate::database::Transaction;
use crate::error::Result;

/// Orders a backup whose row is in status `creating` and names its host, and whose volume or snapshot is in status
/// `backing-up`.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn create_backup(tx: &mut Transaction<'_>, requester: &Requester, backup: &Backup) -> Result<()> {
    // What is new has made no move.
    workers::begin(tx, workers::BACKUP, &backup.id, backup.status.name())?;
    place(tx, requester, backup, Work::Create)
}

/// Orders that a backup in status `restoring` is written into the volume that its row names, as soon as that has been
/// made. `work` is a [`Work::Restore`].
pub fn restore_backup(tx: &mut Transaction<'_>, requester: &Requester, backup: &Backup, work: Work) -> Result<()> {
    place(tx, requester, backup, work)
}

/// Orders the end of a backup in status `deleting`.
pub fn delete_backup(tx: &mut Transaction<'_>, requester: &Requester, backup: &Backup, force: bool) -> Result<()> {
    place(tx, requester, backup, Work::Delete { force })
}

fn place(tx: &mut Transaction<'_>, requester: &Requester, backup: &Backup, work: Work) -> Result<()> {
    let order = Order {
        host: backup.host.clone().unwrap_or_default(),
        backup_id: backup.id.clone(),
        work,
        requester: requester.clone(),
        attempts: 0,
    };
    orders::place(tx, &order)
}
