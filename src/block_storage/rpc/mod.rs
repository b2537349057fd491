//! What is asked of a volume service. Callers know these functions and nothing of how an order travels: it waits in the
//! database from the caller's own transaction on (`local.rs`), so it exists exactly when the change that it belongs to
//! does. Volume services of Cinder, which take their orders from RabbitMQ, will be served from the same table.
//!
//! After the transaction, [`Doorbell::ring`] shortens the wait; without it orders are found within a second.

mod awaited;
mod backups;
mod doorbell;
mod local;
pub mod server;
pub mod services;

pub use awaited::{Ticket, wait};
pub use backups::{create_backup, delete_backup, restore_backup};
pub use doorbell::{Doorbell, Ears};

use crate::block_storage::model::group::Group;
use crate::block_storage::model::image::{ImageRef, Upload};
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::work::{Charged, Hints, Recoding, Requester, Work};
use crate::database::Transaction;
use crate::error::Result;

/// Orders a volume whose row is in status `creating`. It is placed by `hints` unless its row has a host. `source` is the
/// volume whose content, or whose snapshot's content, it gets.
///
/// # Errors
/// Those of the database, as all functions of this module.
pub fn create_volume(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    source: Option<&Volume>,
    hints: &Hints,
) -> Result<()> {
    let work = Work::CreateVolume { hints: hints.clone(), tried: Vec::new(), image: None };
    local::place(tx, requester, volume, None, source, work).map(|_| ())
}

/// Orders a volume whose row is in status `creating`, with the content of an image.
pub fn create_volume_from_image(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    image: ImageRef,
    hints: &Hints,
) -> Result<()> {
    let work = Work::CreateVolume { hints: hints.clone(), tried: Vec::new(), image: Some(Box::new(image)) };
    local::place(tx, requester, volume, None, None, work).map(|_| ())
}

/// Orders that a new image gets the content of a volume whose row is in status `uploading`.
pub fn upload_volume(tx: &mut Transaction<'_>, requester: &Requester, volume: &Volume, upload: Upload) -> Result<()> {
    local::place(tx, requester, volume, None, None, Work::UploadVolume(Box::new(upload))).map(|_| ())
}

/// Orders that a volume whose row is in status `downloading` gets the content of an image, or of the snapshot for which that stands,
/// with the volume of which it is.
pub fn reimage_volume(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    image: ImageRef,
    snapshot: Option<(&str, &Volume)>,
) -> Result<()> {
    let snapshot_id = snapshot.map(|(id, _)| id.to_owned());
    let work = Work::ReimageVolume { image: Box::new(image), snapshot_id };
    local::place(tx, requester, volume, None, snapshot.map(|(_, source)| source), work).map(|_| ())
}

/// Orders the end of a volume whose row is in status `deleting`, or `error_managing_deleting`; with `cascade` that of its
/// snapshots too, whose rows are then in status `deleting`.
pub fn delete_volume(tx: &mut Transaction<'_>, requester: &Requester, volume: &Volume, cascade: bool) -> Result<()> {
    local::place(tx, requester, volume, None, None, Work::DeleteVolume { cascade }).map(|_| ())
}

/// Orders more room for a volume whose row is in status `extending` and has its old size. The project has been charged
/// for the difference; it gets it back if this fails.
pub fn extend_volume(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    new_size_gib: i64,
) -> Result<()> {
    let work = Work::ExtendVolume { old_size_gib: volume.size_gib, new_size_gib };
    local::place(tx, requester, volume, None, None, work).map(|_| ())
}

/// Orders another type for a volume whose row is in status `retyping`; `may_move` says whether its content may go to another
/// backend. Projects have been charged for what is `charged` under the new type; they get it back if this fails. `recoding` is what
/// a content needs that has to be encrypted anew.
pub fn retype_volume(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    new_type_id: &str,
    may_move: bool,
    charged: Vec<Charged>,
    recoding: Option<Recoding>,
) -> Result<()> {
    let recoding = recoding.map(Box::new);
    let work = Work::RetypeVolume { new_type_id: new_type_id.to_owned(), may_move, charged, recoding };
    local::place(tx, requester, volume, None, None, work).map(|_| ())
}

/// Orders that a volume whose row is in migration status `starting` moves to the backend `destination` (`host@backend`, with
/// or without its pool).
pub fn migrate_volume(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    destination: &str,
) -> Result<()> {
    let work = Work::MigrateVolume { destination: destination.to_owned() };
    local::place(tx, requester, volume, None, None, work).map(|_| ())
}

/// Orders a snapshot whose row is in status `creating`.
pub fn create_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    snapshot: &Snapshot,
) -> Result<()> {
    local::place(tx, requester, volume, Some(snapshot), None, Work::CreateSnapshot).map(|_| ())
}

/// Orders the end of a snapshot whose row is in status `deleting`.
pub fn delete_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    snapshot: &Snapshot,
) -> Result<()> {
    local::place(tx, requester, volume, Some(snapshot), None, Work::DeleteSnapshot).map(|_| ())
}

/// Orders that a volume in status `reverting` gets the content of its snapshot in status `restoring`.
pub fn revert_to_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    snapshot: &Snapshot,
) -> Result<()> {
    local::place(tx, requester, volume, Some(snapshot), None, Work::RevertToSnapshot).map(|_| ())
}

/// Orders that the file `name` of the backend becomes the volume whose row is in status `managing` and has no size. The
/// project is charged when the size is known.
pub fn manage_volume(tx: &mut Transaction<'_>, requester: &Requester, volume: &Volume, name: &str) -> Result<()> {
    let work = Work::ManageVolume { name: name.to_owned() };
    local::place(tx, requester, volume, None, None, work).map(|_| ())
}

/// Orders that a volume whose row is in status `unmanaging`, or `error_managing_deleting`, is forgotten.
pub fn unmanage_volume(tx: &mut Transaction<'_>, requester: &Requester, volume: &Volume) -> Result<()> {
    local::place(tx, requester, volume, None, None, Work::UnmanageVolume).map(|_| ())
}

/// Orders that the file `name` of the backend becomes the snapshot whose row is in status `creating`.
pub fn manage_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    snapshot: &Snapshot,
    name: &str,
) -> Result<()> {
    let work = Work::ManageSnapshot { name: name.to_owned() };
    local::place(tx, requester, volume, Some(snapshot), None, work).map(|_| ())
}

/// Orders that a snapshot whose row is in status `unmanaging` is forgotten.
pub fn unmanage_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    snapshot: &Snapshot,
) -> Result<()> {
    local::place(tx, requester, volume, Some(snapshot), None, Work::UnmanageSnapshot).map(|_| ())
}

/// Asks the backend `host@backend` what lies on it, for which the caller then [waits](wait).
pub fn list_manageable(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    backend: &str,
    snapshots: bool,
) -> Result<Ticket> {
    local::ask(tx, requester, backend, Work::ListManageable { snapshots }).map(Ticket)
}

/// Orders that a volume becomes reachable for a host, for which the caller then [waits](wait). With an attachment, the
/// connection is kept in it, and the answer is null; without, it is the answer. `alone`: not while another attachment of
/// a volume that allows one is connected.
pub fn connect(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    attachment_id: Option<&str>,
    connector: String,
    alone: bool,
) -> Result<Ticket> {
    let work = Work::Connect { attachment_id: attachment_id.map(str::to_owned), connector, alone };
    local::place(tx, requester, volume, None, None, work).map(Ticket)
}

/// Orders that a volume becomes unreachable for a host, for which the caller then [waits](wait). With an attachment, that
/// one ends too.
pub fn disconnect(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    volume: &Volume,
    attachment_id: Option<&str>,
    connector: Option<String>,
) -> Result<Ticket> {
    let work = Work::Disconnect { attachment_id: attachment_id.map(str::to_owned), connector };
    local::place(tx, requester, volume, None, None, work).map(Ticket)
}

/// Orders a group whose row is in status `creating`. It is placed unless its row has a host.
pub fn create_group(tx: &mut Transaction<'_>, requester: &Requester, group: &Group) -> Result<()> {
    local::place_for_group(tx, requester, group, &group.id, Work::CreateGroup)
}

/// Orders a group whose row is in status `creating` and has the host of its source, after the orders of its volumes.
pub fn create_group_from_source(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    group: &Group,
    volumes: Vec<String>,
) -> Result<()> {
    local::place_for_group(tx, requester, group, &group.id, Work::CreateGroupFromSource { volumes })
}

/// Orders that these volumes leave a group whose row is in status `updating`.
pub fn update_group(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    group: &Group,
    leaving: Vec<String>,
) -> Result<()> {
    local::place_for_group(tx, requester, group, &group.id, Work::UpdateGroup { leaving })
}

/// Orders the end of a group whose row is in status `deleting`, after the orders of its volumes.
pub fn delete_group(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    group: &Group,
    volumes: Vec<String>,
) -> Result<()> {
    local::place_for_group(tx, requester, group, &group.id, Work::DeleteGroup { volumes })
}

/// Orders a snapshot of a group whose row is in status `creating`, after the orders of its snapshots, which are of these
/// volumes.
pub fn create_group_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    group: &Group,
    id: &str,
    volumes: Vec<String>,
) -> Result<()> {
    local::place_for_group(tx, requester, group, id, Work::CreateGroupSnapshot { volumes })
}

/// Orders the end of a snapshot of a group whose row is in status `deleting`, after the orders of its snapshots, which are
/// of these volumes.
pub fn delete_group_snapshot(
    tx: &mut Transaction<'_>,
    requester: &Requester,
    group: &Group,
    id: &str,
    volumes: Vec<String>,
) -> Result<()> {
    local::place_for_group(tx, requester, group, id, Work::DeleteGroupSnapshot { volumes })
}
