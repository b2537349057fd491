//! Orders that wait in the database for a `hearth volume`, and the `workers` rows of objects that are new.

use crate::block_storage::model::group::{self, Group};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::work::{Order, Requester, Work};
use crate::block_storage::store::{orders, workers};
use crate::database::Transaction;
use crate::error::Result;

/// Puts an order into the caller's transaction; its number.
pub(super) fn place(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    snapshot: Option<&Snapshot>,
    source: Option<&Volume>,
    work: Work,
) -> Result<i64> {
    // What begins a move says so itself; what is new has made no move.
    match (&work, snapshot) {
        (Work::CreateVolume { .. } | Work::ManageVolume { .. }, _) => {
            workers::begin(tx, workers::VOLUME, &volume.id, volume.status.name())?
        }
        (Work::CreateSnapshot | Work::ManageSnapshot { .. }, Some(new)) => {
            workers::begin(tx, workers::SNAPSHOT, &new.id, new.status.name())?
        }
        _ => {}
    }
    let order = Order {
        id: 0,
        backend: volume.host.as_deref().map(|host| service_host(host).to_owned()),
        volume_id: volume.id.clone(),
        snapshot_id: snapshot.map(|snapshot| snapshot.id.clone()),
        source_volume_id: source.map(|source| source.id.clone()),
        work,
        requester: requester.clone(),
        attempts: 0,
    };
    orders::place(tx, &order)
}

/// Puts a question to a backend into the caller's transaction; its number.
pub(super) fn ask(tx: &mut Transaction<'_>, requester: &Requester, backend: &str, work: Work) -> Result<i64> {
    let order = Order {
        id: 0,
        backend: Some(backend.to_owned()),
        // About no volume: it waits for no other order, and none waits for it.
        volume_id: uuid::Uuid::new_v4().to_string(),
        snapshot_id: None,
        source_volume_id: None,
        work,
        requester: requester.clone(),
        attempts: 0,
    };
    orders::place(tx, &order)
}

/// Puts an order about a group, or about the group snapshot `id` of the group, into the caller's transaction.
pub(super) fn place_for_group(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    group: &Group,
    id: &str,
    work: Work,
) -> Result<()> {
    let creating = group::Status::Creating.name();
    match work {
        Work::CreateGroup | Work::CreateGroupFromSource { .. } => workers::begin(tx, workers::GROUP, id, creating)?,
        Work::CreateGroupSnapshot { .. } => workers::begin(tx, workers::GROUP_SNAPSHOT, id, creating)?,
        _ => {}
    }
    let order = Order {
        id: 0,
        backend: group.host.as_deref().map(|host| service_host(host).to_owned()),
        volume_id: id.to_owned(),
        snapshot_id: None,
        source_volume_id: None,
        work,
        requester: requester.clone(),
        attempts: 0,
    };
    orders::place(tx, &order).map(|_| ())
}
