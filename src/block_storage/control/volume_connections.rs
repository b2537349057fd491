//! The old attachment protocol: actions on the volume itself, which note what a host has done (Block Storage API v3,
//! "Volume actions"). Reservations of this protocol are in `volume_actions.rs`.

use serde_json::Value as Json;

use super::attachments::{failed, refuse_homeless, wait};
use super::refusals::invalid_volume;
use super::{Authorized, Caller, detachment, volume_actions};
use crate::block_storage::model::attachment::{ATTACH, AttachmentDetails};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, Status, Volume};
use crate::block_storage::notices::Notices;
use crate::block_storage::rpc;
use crate::block_storage::store::attachments::{self as store, ATTACHED_MODE};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::volumes;
use crate::database::Transaction;
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// What a host says that it has attached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// The server.
    pub instance_uuid: Option<String>,
    /// The host, where no server runs.
    pub host_name: Option<String>,
    /// The device.
    pub mountpoint: String,
    /// `rw` or `ro`.
    pub mode: String,
}

/// Notes that a volume is attached.
///
/// # Errors
/// [`Kind::InvalidState`], [`Kind::Invalid`] for a mode that the volume does not allow, those of the database.
pub fn attach(caller: &Caller<'_>, volume: &Authorized<Volume>, new: &Attached) -> Result<()> {
    let notices = caller.notices();
    caller.database.write(|tx| note(tx, &volume.id, new, &notices))
}

fn note(tx: &mut Transaction<'_>, volume_id: &str, new: &Attached, notices: &Notices<'_>) -> Result<()> {
    let volume = volumes::lock(tx, volume_id)?.ok_or_else(|| super::authorized::no_volume(volume_id))?;
    // In Cinder the backend's service notes it.
    let notices = notices.by(service_host(volume.host.as_deref().unwrap_or_default()));
    if volume.status == Status::Maintenance {
        return Err(invalid_volume("The volume cannot be attached in maintenance mode."));
    }
    let administrators = metadata::of(tx, Table::VolumeAdmin, volume_id)?;
    let said = |key: &str| administrators.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    if said("readonly") == Some("True") && new.mode != "ro" {
        return Err(Error::invalid(format!("Invalid attaching mode '{}' for volume {volume_id}.", new.mode)));
    }
    let refused = |text: &str| Err(invalid_volume(text));
    if volume.status == Status::Attaching && said(ATTACHED_MODE).is_some_and(|mode| mode != new.mode) {
        return refused("being attached by different mode");
    }
    let host = new.host_name.as_deref().map(sane_host);
    let all = store::of_volume(tx, volume_id)?;
    let known = all.iter().any(|one| match &new.instance_uuid {
        Some(server) => one.attachment.instance_uuid.as_ref() == Some(server),
        None => one.attachment.attached_host == host,
    });
    if !known && volume.status == Status::InUse && !volume.multiattach && volume.migration_status.is_none() {
        return refused("volume is already attached and multiple attachments are not enabled");
    }
    if !known {
        notices.volume(tx, volume_id, "attach.start")?;
    }
    if !volumes::begin(tx, volume_id, &ATTACH, &[])? {
        return refused(&format!("the volume can not be attached while it is {}", volume.status));
    }
    if known {
        return Ok(());
    }
    let mut pairs = vec![(ATTACHED_MODE.to_owned(), new.mode.clone())];
    if said("readonly").is_none() {
        pairs.push(("readonly".to_owned(), "False".to_owned()));
    }
    metadata::merge(tx, Table::VolumeAdmin, volume_id, &pairs)?;
    let id = uuid::Uuid::new_v4().to_string();
    let mut noted = AttachmentDetails::reserved(id, volume_id.to_owned(), volume.project_id, new.instance_uuid.clone());
    noted.status = AttachStatus::Attached;
    noted.mode = Some(new.mode.clone());
    noted.attachment.attached_host = host;
    noted.attachment.mountpoint = Some(new.mountpoint.clone());
    noted.attachment.attach_time = Some(Timestamp::now());
    store::insert(tx, &noted)?;
    volumes::change(tx, volume_id, &[("attach_status", AttachStatus::Attached.name().into())])?;
    notices.volume(tx, volume_id, "attach.end")
}

/// A name of a host as the internet's rules for such names have it.
fn sane_host(name: &str) -> String {
    let dashes = name.chars().map(|letter| if matches!(letter, ' ' | '_') { '-' } else { letter });
    let kept: String = dashes.filter(|letter| letter.is_alphanumeric() || matches!(letter, '.' | '-')).collect();
    kept.to_lowercase().trim_matches(['.', '-']).to_owned()
}

/// Notes that a volume is no longer attached: the attachment with this id, or the only one, ends.
///
/// # Errors
/// [`Kind::Conflict`] where Nova uses it, [`Kind::InvalidState`], [`Kind::Internal`] where the volume service does not
/// answer, those of the database.
pub fn detach(caller: &Caller<'_>, volume: &Authorized<Volume>, attachment_id: Option<&str>) -> Result<()> {
    detachment::check_old(caller, volume, attachment_id)?;
    let ticket = caller.database.write(|tx| {
        let now = volumes::lock(tx, &volume.id)?.ok_or_else(|| super::authorized::no_volume(&volume.id))?;
        if now.status == Status::Maintenance {
            return Err(invalid_volume("The volume cannot be detached in maintenance mode."));
        }
        let all = store::of_volume(tx, &volume.id)?;
        let found = match (attachment_id, all.as_slice()) {
            (None, [_, _, ..]) => {
                return Err(invalid_volume(
                    "Detach volume failed: More than one attachment, but no attachment_id provided.",
                ));
            }
            (None, all) => all.first(),
            (Some(id), all) => all.iter().find(|one| one.attachment.id == id),
        };
        match found {
            Some(one) if now.host.is_some() => {
                rpc::disconnect(tx, &caller.requester(), &now, Some(&one.attachment.id), None).map(Some)
            }
            Some(one) => {
                let notices = caller.notices();
                notices.volume(tx, &now.id, "detach.start")?;
                store::end(tx, &one.attachment.id, &now.id)?;
                notices.volume(tx, &now.id, "detach.end").map(|()| None)
            }
            // There is nothing to end, but a status to leave.
            None => store::end(tx, attachment_id.unwrap_or_default(), &now.id).map(|_| None),
        }
    })?;
    let Some(ticket) = ticket else { return Ok(()) };
    match wait(caller, &ticket) {
        // Somebody else has ended it meanwhile.
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        answer => answer.map(|_| ()).map_err(|error| failed(error, "Unable to detach the volume.")),
    }
}

/// Makes a volume reachable for a host, and answers how it is reached. Nothing of it is kept.
///
/// # Errors
/// [`Kind::InvalidState`], [`Kind::Internal`] where the backend can not do it, those of the database.
pub fn initialize(caller: &Caller<'_>, volume: &Authorized<Volume>, connector: &Json) -> Result<Json> {
    let ticket = caller.database.write(|tx| {
        let now = volumes::lock(tx, &volume.id)?.ok_or_else(|| super::authorized::no_volume(&volume.id))?;
        if now.status == Status::Maintenance {
            return Err(invalid_volume("The volume connection cannot be initialized in maintenance mode."));
        }
        refuse_homeless(&now)?;
        rpc::connect(tx, &caller.requester(), &now, None, connector.to_string(), false)
    })?;
    let text = "Unable to fetch connection information from backend.";
    wait(caller, &ticket).map_err(|error| failed(error, text))
}

/// Makes a volume unreachable for a host, and ends a reservation of the old protocol.
///
/// # Errors
/// [`Kind::Conflict`] where Nova uses it, [`Kind::Internal`] where the backend can not do it, those of the database.
pub fn terminate(caller: &Caller<'_>, volume: &Authorized<Volume>, connector: Option<&Json>) -> Result<()> {
    detachment::check_old(caller, volume, None)?;
    let ticket = caller.database.write(|tx| {
        let now = volumes::lock(tx, &volume.id)?.ok_or_else(|| super::authorized::no_volume(&volume.id))?;
        if now.host.is_none() {
            return Ok(None);
        }
        let connector = connector.map(Json::to_string);
        rpc::disconnect(tx, &caller.requester(), &now, None, connector).map(Some)
    })?;
    if let Some(ticket) = ticket {
        let text = "Unable to terminate volume connection from backend.";
        wait(caller, &ticket).map_err(|error| failed(error, text))?;
    }
    volume_actions::unreserve(caller, volume)
}

#[cfg(test)]
mod tests {
    use super::sane_host;

    #[test]
    fn names_of_hosts_are_made_sane_as_cinder_does() {
        for (name, sane) in [("Host_1 a", "host-1-a"), (".-x.Y-.", "x.y"), ("a/b:c", "abc"), ("", "")] {
            assert_eq!(sane_host(name), sane);
        }
    }
}
