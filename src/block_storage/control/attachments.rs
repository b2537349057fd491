//! Attachments: a volume is reserved for a server, connected to its host, complete, and given back. What a volume service
//! has to do for it is ordered in the transaction of the change, and waited for.

use serde_json::Value as Json;

use super::refusals::{invalid_input, invalid_volume};
use super::{Authorized, Caller, detachment};
use crate::block_storage::model::attachment::{AttachmentDetails, RESERVE, RESERVE_AGAIN, RESERVE_FOR_MOVE};
use crate::block_storage::model::selection::Selection;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, Status, Volume};
use crate::block_storage::policies::{attachments as rules, volumes as volume_rules};
use crate::block_storage::rpc;
use crate::block_storage::store::attachments::{self as store, no_attachment};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::volumes;
use crate::config::default;
use crate::database::Transaction;
use crate::error::{Error, Kind, Result};

/// The attachments of one page.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection) -> Result<Vec<AttachmentDetails>> {
    caller.enforce(&volume_rules::GET_ALL)?;
    caller.database.read(|c| store::page(c, selection))
}

/// The format of an attached volume, where it is recorded.
///
/// # Errors
/// Those of the database.
pub fn format(caller: &Caller<'_>, attachment: &AttachmentDetails) -> Result<Option<String>> {
    let id = &attachment.attachment.volume_id;
    let all = caller.database.read(|c| metadata::of(c, Table::VolumeAdmin, id))?;
    Ok(all.into_iter().find(|(key, _)| key == "format").map(|(_, format)| format))
}

/// What the caller wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewAttachment {
    /// The server.
    pub instance_uuid: Option<String>,
    /// What the host says of itself, where the volume is to be connected at once.
    pub connector: Option<Json>,
    /// `rw` or `ro`.
    pub mode: Option<String>,
}

/// Reserves a volume, and connects it where the host is known.
///
/// # Errors
/// [`Kind::InvalidState`], [`Kind::Forbidden`], [`Kind::Internal`] where the volume can not be connected: then it stays
/// reserved; those of the database.
pub fn create(caller: &Caller<'_>, volume: &Authorized<Volume>, new: &NewAttachment) -> Result<AttachmentDetails> {
    if volume.status.name().contains("error") {
        return Err(invalid_volume(in_error(volume, "created")));
    }
    if volume.multiattach && volume.status == Status::InUse && volume.bootable {
        volume.check(caller, &rules::MULTIATTACH_BOOTABLE)?;
    }
    let id = uuid::Uuid::new_v4().to_string();
    let ticket = caller.database.write(|tx| reserve(tx, caller, &volume.id, &id, new))?;
    if let Some(ticket) = ticket {
        wait(caller, &ticket).map_err(|error| failed(error, "Unable to create attachment for volume."))?;
    }
    load(caller, &id)
}

fn reserve(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    volume_id: &str,
    id: &str,
    new: &NewAttachment,
) -> Result<Option<rpc::Ticket>> {
    let volume = volumes::lock(tx, volume_id)?.ok_or_else(|| super::authorized::no_volume(volume_id))?;
    let rule = if volume.multiattach { &RESERVE_AGAIN } else { &RESERVE };
    if !volumes::begin(tx, volume_id, rule, &[])? && !moves(tx, &volume, new)? {
        let expected =
            if volume.multiattach { "available or in-use or downloading" } else { "available or downloading" };
        return Err(invalid_volume(format!(
            "Volume {volume_id} status must be {expected} to reserve, but the current status is {}.",
            volume.status
        )));
    }
    let reserved = AttachmentDetails::reserved(
        id.to_owned(),
        volume_id.to_owned(),
        volume.project_id.clone(),
        new.instance_uuid.clone(),
    );
    let administrators = metadata::of(tx, Table::VolumeAdmin, volume_id)?;
    let readonly = administrators.iter().any(|(key, value)| key == "readonly" && value == "True");
    let mode = if readonly { "ro" } else { new.mode.as_deref().unwrap_or("null") };
    store::insert(tx, &AttachmentDetails { mode: Some(mode.to_owned()), ..reserved })?;
    match &new.connector {
        Some(connector) => {
            refuse_homeless(&volume)?;
            let connector = connector.to_string();
            rpc::connect(tx, &caller.requester(), &volume, Some(id), connector, false).map(Some)
        }
        None => Ok(None),
    }
}

/// Whether the server has the volume already: then it moves to another host.
fn moves(tx: &mut Transaction<'_>, volume: &Volume, new: &NewAttachment) -> Result<bool> {
    if new.instance_uuid.is_none() || !volumes::begin(tx, &volume.id, &RESERVE_FOR_MOVE, &[])? {
        return Ok(false);
    }
    let own = store::of_volume(tx, &volume.id)?;
    Ok(own.iter().any(|one| one.attachment.instance_uuid == new.instance_uuid))
}

/// Connects an attachment to the host of `connector`; again where it is connected already.
///
/// # Errors
/// [`Kind::Invalid`] without a host, [`Kind::Conflict`], [`Kind::Internal`] where the volume can not be connected, those
/// of the database.
pub fn update(
    caller: &Caller<'_>,
    attachment: &Authorized<AttachmentDetails>,
    connector: &Json,
) -> Result<AttachmentDetails> {
    let id = &attachment.attachment.id;
    if connector.get("host").and_then(Json::as_str).is_none() {
        return Err(invalid_input("Connector doesn't have required information: host"));
    }
    let ticket = caller.database.write(|tx| {
        let volume = locked_volume(tx, attachment)?;
        if volume.status.name().contains("error") {
            return Err(Error::conflict(format!("Resource conflict: {}", in_error(&volume, "updated"))));
        }
        refuse_homeless(&volume)?;
        let all = store::of_volume(tx, &volume.id)?;
        if all.iter().all(|one| one.attachment.id != *id) {
            return Err(no_attachment(id));
        }
        let other = all.iter().any(|one| one.attachment.id != *id && one.is_connected());
        if other && !volume.multiattach {
            return Err(Error::conflict(format!(
                "Resource conflict: duplicate connectors detected on volume {}",
                volume.id
            )));
        }
        rpc::connect(tx, &caller.requester(), &volume, Some(id), connector.to_string(), true)
    })?;
    wait(caller, &ticket).map_err(|error| failed(error, "Unable to update the attachment."))?;
    load(caller, id)
}

/// Ends an attachment, and its connection first. Answers the attachments that the volume has left.
///
/// # Errors
/// [`Kind::Conflict`] where Nova uses it, [`Kind::NotFound`] where it has ended meanwhile, [`Kind::Internal`] where the
/// volume service does not answer, those of the database.
pub fn delete(caller: &Caller<'_>, attachment: &Authorized<AttachmentDetails>) -> Result<Vec<AttachmentDetails>> {
    detachment::check(caller, attachment)?;
    let (id, volume_id) = (&attachment.attachment.id, &attachment.attachment.volume_id);
    let notices = caller.notices();
    let ticket = caller.database.write(|tx| {
        let volume = locked_volume(tx, attachment)?;
        let now = store::by_id(tx, id)?.ok_or_else(|| no_attachment(id))?;
        if now.status == AttachStatus::Reserved || volume.host.is_none() {
            notices.volume(tx, volume_id, "detach.start")?;
            store::end(tx, id, volume_id)?;
            notices.volume(tx, volume_id, "detach.end")?;
            return Ok(None);
        }
        rpc::disconnect(tx, &caller.requester(), &volume, Some(id), None).map(Some)
    })?;
    if let Some(ticket) = ticket {
        wait(caller, &ticket).map_err(|error| failed(error, "Unable to delete the attachment."))?;
    }
    caller.database.read(|c| store::of_volume(c, volume_id))
}

/// Marks an attachment as complete: the server uses the volume.
///
/// # Errors
/// [`Kind::NotFound`] where it has ended meanwhile, those of the database.
pub fn complete(caller: &Caller<'_>, attachment: &Authorized<AttachmentDetails>) -> Result<()> {
    let id = &attachment.attachment.id;
    caller.database.write(|tx| {
        let volume = locked_volume(tx, attachment)?;
        if !store::change(tx, id, &[("attach_status", AttachStatus::Attached.name().into())])? {
            return Err(no_attachment(id));
        }
        store::settle(tx, &volume.id)?;
        caller.notices().volume(tx, &volume.id, "attach.end")
    })
}

fn locked_volume(tx: &mut Transaction<'_>, attachment: &AttachmentDetails) -> Result<Volume> {
    let id = &attachment.attachment.volume_id;
    volumes::lock(tx, id)?.ok_or_else(|| super::authorized::no_volume(id))
}

fn load(caller: &Caller<'_>, id: &str) -> Result<AttachmentDetails> {
    caller.database.read(|c| store::by_id(c, id))?.ok_or_else(|| no_attachment(id))
}

/// Waits for a volume service as long as it may take.
pub(super) fn wait(caller: &Caller<'_>, ticket: &rpc::Ticket) -> Result<Json> {
    rpc::wait(caller.database, caller.doorbell, ticket, caller.config.seconds(&default::RPC_RESPONSE_TIMEOUT))
}

/// What a backend can not do is told to the log; what stands in the way, to the caller. Nova tries 500 again, and no other
/// status of those that could be meant.
pub(super) fn failed(error: Error, text: &'static str) -> Error {
    match error.kind() {
        Kind::Internal | Kind::Unavailable => {
            Error::new(Kind::Internal, text).because(error.cause().unwrap_or(error.public()))
        }
        _ => error,
    }
}

/// A volume that no service has can not be connected.
pub(super) fn refuse_homeless(volume: &Volume) -> Result<()> {
    if volume.host.is_some() {
        return Ok(());
    }
    Err(invalid_volume(format!("Volume {} has not been scheduled to any host.", volume.id)))
}

fn in_error(volume: &Volume, what: &str) -> String {
    format!(
        "Volume attachments can not be {what} if the volume is in an error state. The Volume {} currently has a status \
         of: {} ",
        volume.id, volume.status
    )
}
