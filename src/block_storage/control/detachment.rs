//! Who may end an attachment. A server whose volume is taken away while it uses it would go on with a path that may soon
//! lead to somebody else's data; so what Nova has attached only Nova detaches, and says so by a service token
//! (OSSA-2023-003).

use super::Caller;
use super::refusals::invalid_input;
use crate::block_storage::compute;
use crate::block_storage::model::attachment::AttachmentDetails;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::store;
use crate::config::default;
use crate::error::{Error, Result};

/// Refuses the end of an attachment that Nova uses, unless a service asks.
///
/// # Errors
/// [`crate::Kind::Conflict`] with Cinder's text; [`crate::Kind::Unavailable`] where Nova does not answer.
pub(super) fn check(caller: &Caller<'_>, attachment: &AttachmentDetails) -> Result<()> {
    if caller.context.service_token || !is_asked(caller) {
        return Ok(());
    }
    let own = &attachment.attachment;
    let Some(server_id) = own.instance_uuid.as_deref().filter(|_| attachment.is_connected()) else { return Ok(()) };
    let used = compute::attachment_of(caller.config, caller.context, server_id, &own.volume_id)?;
    if used.as_deref() == Some(own.id.as_str()) {
        return Err(in_use(server_id));
    }
    log::warn!("attachment {}: server {server_id} does not use it, so it may end", own.id);
    Ok(())
}

/// As [`check`], of the attachment that an action of the old protocol means: the one with this id, or the only one.
///
/// # Errors
/// As [`check`]; [`crate::Kind::Invalid`] for an attachment of another volume.
pub(super) fn check_old(caller: &Caller<'_>, volume: &Volume, attachment_id: Option<&str>) -> Result<()> {
    if caller.context.service_token || !is_asked(caller) {
        return Ok(());
    }
    let found = match attachment_id {
        Some(id) => caller.database.read(|c| store::attachments::by_id(c, id))?,
        None => {
            let mut all = caller.database.read(|c| store::attachments::of_volume(c, &volume.id))?;
            if all.is_empty() {
                return Ok(());
            }
            all.pop().filter(|_| all.is_empty())
        }
    };
    match found {
        Some(one) if one.attachment.volume_id != volume.id => Err(invalid_input("Mismatched volume and attachment")),
        Some(one) => check(caller, &one),
        // Nobody can say that no server uses it.
        None => Err(in_use("")),
    }
}

/// Whether there is a Nova at all: it knows no callers but Keystone's.
fn is_asked(caller: &Caller<'_>) -> bool {
    caller.config.text(&default::AUTH_STRATEGY) == "keystone"
}

fn in_use(server_id: &str) -> Error {
    Error::conflict(format!(
        "ConflictNovaUsingAttachment: Detach volume from instance {server_id} using the Compute API"
    ))
}
