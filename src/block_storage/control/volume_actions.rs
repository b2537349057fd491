//! What is done to one volume besides reading, changing and removing it. What needs a service is ordered in the
//! transaction that moves the status and charges the project; the rest is a change of the row.

use super::refusals::{invalid_input, invalid_volume, list};
use super::volume_create::check_type_size;
use super::{Authorized, Caller, limits};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{
    AttachStatus, BEGIN_DETACHING, EXTEND, EXTEND_ATTACHED, Move, RESERVE, RESERVE_AGAIN, ROLL_DETACHING, Status,
    UNRESERVE, UNRESERVE_ATTACHED, UPDATE_READONLY_FLAG, Volume,
};
use crate::block_storage::store::metadata::Table;
use crate::block_storage::store::quotas::{Charge, charge, check_volume_size};
use crate::block_storage::{rpc, store};
use crate::database::{Transaction, Value};
use crate::error::{Error, Result};

/// Orders more room for a volume: `attached` says whether it may be attached meanwhile.
///
/// # Errors
/// [`crate::Kind::Invalid`], [`crate::Kind::InvalidState`], [`crate::Kind::OverQuota`], those of the database.
pub fn extend(caller: &Caller<'_>, volume: &Authorized<Volume>, new_size_gib: i64, attached: bool) -> Result<()> {
    let size_gib = volume.size_gib;
    if new_size_gib <= size_gib {
        return Err(invalid_input(format!(
            "New size for extend must be greater than current size. (current: {size_gib}, extended: {new_size_gib})."
        )));
    }
    if let Some(found) = caller.database.read(|c| store::volume_types::of_object(c, &volume.volume_type_id))? {
        check_type_size(&found, new_size_gib)?;
    }
    let rule = if attached { &EXTEND_ATTACHED } else { &EXTEND };
    caller.database.write(|tx| order_extension(tx, caller, volume, new_size_gib, rule))?;
    caller.doorbell.ring();
    Ok(())
}

fn order_extension(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    volume: &Volume,
    new_size_gib: i64,
    rule: &Move,
) -> Result<()> {
    let id = &volume.id;
    let now = store::volumes::lock(tx, id)?.ok_or_else(|| super::authorized::no_volume(id))?;
    // A volume that has grown since it was read counts as busy: the caller compared with the size of then.
    let same = now.size_gib == volume.size_gib;
    if !same || !store::volumes::begin(tx, id, rule, &[("previous_status", now.status.name().into())])? {
        let expected = if rule.name == EXTEND.name { Status::Available } else { Status::InUse };
        return Err(invalid_volume(format!(
            "Volume {id} status must be '{{'status': '{expected}'}}' to extend, currently {}.",
            now.status
        )));
    }
    let limits = limits::configured(caller.config);
    check_volume_size(tx, &now.project_id, new_size_gib, &limits)?;
    if now.use_quota {
        let charged = Charge {
            project_id: &now.project_id,
            volume_type_id: Some(&now.volume_type_id),
            gigabytes: new_size_gib - now.size_gib,
            ..Charge::default()
        };
        charge(tx, &charged, &limits)?;
    }
    let status = rule.target(now.status).unwrap_or(now.status);
    rpc::extend_volume(tx, &caller.requester(), &Volume { status, ..now }, new_size_gib)
}

/// Marks a volume as read-only, or as not.
///
/// # Errors
/// [`crate::Kind::InvalidState`], those of the database.
pub fn update_readonly_flag(caller: &Caller<'_>, volume: &Authorized<Volume>, readonly: bool) -> Result<()> {
    let id = &volume.id;
    caller.database.write(|tx| {
        if !store::volumes::begin(tx, id, &UPDATE_READONLY_FLAG, &[])? {
            let status = status_now(tx, id)?;
            return Err(invalid_volume(format!(
                "Volume {id} status must be available to update readonly flag, but current status is: {status}."
            )));
        }
        let flag = if readonly { "True" } else { "False" };
        store::metadata::merge(tx, Table::VolumeAdmin, id, &[("readonly".to_owned(), flag.to_owned())])
    })
}

fn status_now(tx: &mut Transaction<'_>, id: &str) -> Result<Status> {
    let volume = store::volumes::by_id(tx, id)?.ok_or_else(|| super::authorized::no_volume(id))?;
    Ok(volume.status)
}

/// What an operator sets, whatever the volume is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reset {
    /// The status.
    pub status: Option<Status>,
    /// The attach status; `detached` also ends every attachment.
    pub attach_status: Option<AttachStatus>,
    /// The migration status; the inner `None` takes it away.
    pub migration_status: Option<Option<String>>,
}

/// The migration statuses that an operator may set.
const MIGRATION_STATUSES: [&str; 6] = ["migrating", "error", "success", "completing", "none", "starting"];

impl Reset {
    /// Reads what an operator asks for; statuses count in any case, and an empty text counts as none.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where there is nothing to set, or a text that is no status, with all that are.
    pub fn read(status: Option<&str>, attach: Option<&str>, migration: Option<&str>) -> Result<Self> {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_lowercase);
        let (wanted, attach_wanted, migration_wanted) = (given(status), given(attach), given(migration));
        if wanted.is_none() && attach_wanted.is_none() && migration_wanted.is_none() {
            return Err(Error::invalid("Must specify 'status', 'attach_status' or 'migration_status' for update."));
        }
        let wrong = |what: &str, text: Option<&str>, valid: String| {
            let text = text.unwrap_or_default();
            Error::invalid(format!("Volume {what}: {text} is invalid, valid statuses are: {valid}."))
        };
        let known = |text: &String| Status::parse(text).filter(|status| Status::SETTABLE.contains(status));
        let settable = || tuple(Status::SETTABLE.iter().map(|status| status.name()));
        let attach_status = |text: &String| {
            let settable = [AttachStatus::Attached, AttachStatus::Detached];
            AttachStatus::parse(text).filter(|status| settable.contains(status))
        };
        Ok(Self {
            status: match &wanted {
                Some(text) => Some(known(text).ok_or_else(|| wrong("status", status, settable()))?),
                None => None,
            },
            attach_status: match &attach_wanted {
                Some(text) => Some(
                    attach_status(text)
                        .ok_or_else(|| wrong("attach status", attach, list(["attached", "detached"])))?,
                ),
                None => None,
            },
            migration_status: match migration_wanted {
                Some(text) if !MIGRATION_STATUSES.contains(&text.as_str()) => {
                    return Err(wrong("migration status", migration, tuple(MIGRATION_STATUSES.into_iter())));
                }
                Some(text) => Some(Some(text).filter(|text| text != "none")),
                None => None,
            },
        })
    }
}

/// Texts as Python prints a tuple of them: `('a', 'b')`.
pub(super) fn tuple<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(|text| format!("'{text}'")).collect();
    format!("({})", quoted.join(", "))
}

/// Sets what an operator says. Nobody works on the volume any more then: what a service still does to it counts no more.
///
/// # Errors
/// [`crate::Kind::Invalid`] for statuses that need more than a word, those of the database.
pub fn reset_status(caller: &Caller<'_>, volume: &Authorized<Volume>, reset: &Reset) -> Result<()> {
    if reset.status == Some(Status::Deleting) {
        return Err(Error::invalid("Cannot reset-state to deleting"));
    }
    let (id, notices) = (&volume.id, caller.notices());
    caller.database.write(|tx| {
        let now = store::volumes::lock(tx, id)?.ok_or_else(|| super::authorized::no_volume(id))?;
        let attached = store::attachments::count(tx, id)? > 0;
        if reset.status == Some(Status::InUse) && !attached {
            return Err(Error::invalid("Cannot reset-state to in-use because volume does not have any attachments."));
        }
        if reset.status == Some(Status::Available) && (now.host.is_none() || now.size_gib == 0) {
            return Err(Error::invalid("Cannot reset-state to available because no backend has the volume."));
        }
        let detach = reset.attach_status == Some(AttachStatus::Detached);
        notices.volume(tx, id, "reset_status.start")?;
        // The end of its attachments frees a volume that they kept busy, unless the operator says otherwise.
        let freed = detach && attached && now.migration_status.is_none() && now.status != Status::Uploading;
        let status = reset.status.or(freed.then_some(Status::Available));
        let mut columns: Vec<(&str, Value<'_>)> = Vec::new();
        columns.extend(status.map(|status| ("status", status.name().into())));
        columns.extend(reset.attach_status.map(|status| ("attach_status", status.name().into())));
        columns.extend(reset.migration_status.as_ref().map(|status| ("migration_status", status.into())));
        store::volumes::change(tx, id, &columns)?;
        store::workers::end(tx, store::workers::VOLUME, id)?;
        if detach {
            store::attachments::remove_all(tx, id)?;
            store::metadata::remove(tx, Table::VolumeAdmin, id, "attached_mode")?;
            if now.host.is_some() && now.provider_location.is_some() {
                // Nobody uses its export any more. Nobody waits for the end of it either.
                rpc::disconnect(tx, &caller.requester(), &now, None, None).map(drop)?;
            }
        }
        notices.volume(tx, id, "reset_status.end")
    })
}

/// Reserves a volume for an attachment in the old protocol.
///
/// # Errors
/// [`crate::Kind::InvalidState`], those of the database.
pub fn reserve(caller: &Caller<'_>, volume: &Authorized<Volume>) -> Result<()> {
    let (rule, expected) =
        if volume.multiattach { (&RESERVE_AGAIN, "available or in-use") } else { (&RESERVE, "available") };
    caller.database.write(|tx| {
        if store::volumes::begin(tx, &volume.id, rule, &[])? {
            return Ok(());
        }
        let status = status_now(tx, &volume.id)?;
        Err(invalid_volume(format!("Volume status must be {expected} to reserve, but the status is {status}.")))
    })
}

/// Ends a reservation; where there is none, nothing happens.
///
/// # Errors
/// Those of the database.
pub fn unreserve(caller: &Caller<'_>, volume: &Authorized<Volume>) -> Result<()> {
    caller.database.write(|tx| {
        let _ = store::volumes::begin(tx, &volume.id, &UNRESERVE, &[])?
            || store::volumes::begin(tx, &volume.id, &UNRESERVE_ATTACHED, &[])?;
        Ok(())
    })
}

/// Begins to detach a volume. While it migrates nothing happens: the migration attaches and detaches by itself.
///
/// # Errors
/// [`crate::Kind::InvalidState`], those of the database.
pub fn begin_detaching(caller: &Caller<'_>, volume: &Authorized<Volume>) -> Result<()> {
    caller.database.write(|tx| {
        if store::volumes::begin(tx, &volume.id, &BEGIN_DETACHING, &[])? {
            return Ok(());
        }
        let now = store::volumes::by_id(tx, &volume.id)?.ok_or_else(|| super::authorized::no_volume(&volume.id))?;
        if now.is_migrating() {
            return Ok(());
        }
        Err(invalid_volume(
            "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.",
        ))
    })
}

/// Takes the begin of a detachment back; where there was none, nothing happens.
///
/// # Errors
/// Those of the database.
pub fn roll_detaching(caller: &Caller<'_>, volume: &Authorized<Volume>) -> Result<()> {
    caller.database.alone(|c| store::volumes::begin(c, &volume.id, &ROLL_DETACHING, &[]).map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::{AttachStatus, Reset, Status};

    fn said(status: Option<&str>, attach: Option<&str>, migration: Option<&str>) -> String {
        Reset::read(status, attach, migration).map_or_else(|error| error.public().to_owned(), |_| "fine".to_owned())
    }

    #[test]
    fn statuses_are_read_in_any_case() {
        let reset = Reset::read(Some("In-Use"), Some("DETACHED"), Some("none")).unwrap();
        let expected = Reset {
            status: Some(Status::InUse),
            attach_status: Some(AttachStatus::Detached),
            migration_status: Some(None),
        };
        assert_eq!(reset, expected);
        assert_eq!(Reset::read(None, None, Some("Error")).unwrap().migration_status, Some(Some("error".into())));
    }

    #[test]
    fn what_is_no_status_is_refused_with_all_that_are() {
        assert_eq!(
            said(Some(""), None, None),
            "Must specify 'status', 'attach_status' or 'migration_status' for update."
        );
        assert!(said(Some("reverting"), None, None).starts_with(
            "Volume status: reverting is invalid, valid statuses are: ('creating', 'available', 'deleting', 'error', "
        ));
        assert_eq!(
            said(None, Some("Reserved"), None),
            "Volume attach status: Reserved is invalid, valid statuses are: ['attached', 'detached']."
        );
        assert_eq!(
            said(None, None, Some("x")),
            "Volume migration status: x is invalid, valid statuses are: ('migrating', 'error', 'success', 'completing', \
             'none', 'starting')."
        );
    }
}
