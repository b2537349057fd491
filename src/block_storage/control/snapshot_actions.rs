//! What is done to one snapshot besides reading, changing and removing it.

use super::refusals::invalid_input;
use super::volume_actions::tuple;
use super::{Authorized, Caller};
use crate::block_storage::model::snapshot::{Snapshot, Status, UPDATE_STATUS_CREATING, UPDATE_STATUS_DELETING};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::store;
use crate::database::Value;
use crate::error::{Error, Result};

/// Reads the status that an operator asks for, in any case.
///
/// # Errors
/// [`crate::Kind::Invalid`] for a text that is no status, with all that are.
pub fn read_status(text: &str) -> Result<Status> {
    Status::parse(&text.to_lowercase()).ok_or_else(|| {
        let valid = tuple(Status::ALL.iter().map(|status| status.name()));
        Error::invalid(format!("Snapshot status: {text} is invalid, valid statuses are: {valid}."))
    })
}

/// Sets what an operator says. Nobody works on the snapshot any more then.
///
/// # Errors
/// Those of the database.
pub fn reset_status(caller: &Caller<'_>, snapshot: &Authorized<Snapshot>, status: Status) -> Result<()> {
    let notices = caller.notices();
    caller.database.write(|tx| {
        if !notices.is_off() {
            store::snapshots::lock(tx, &snapshot.id)?;
            notices.snapshot(tx, &snapshot.id, "reset_status.start")?;
        }
        store::snapshots::change(tx, &snapshot.id, &[("status", status.name().into())])?;
        notices.snapshot(tx, &snapshot.id, "reset_status.end")?;
        store::workers::end(tx, store::workers::SNAPSHOT, &snapshot.id)
    })
}

/// Reads a progress of `0%` to `100%`; an empty text counts as none.
///
/// # Errors
/// [`crate::Kind::Invalid`].
pub fn read_progress(text: Option<&str>) -> Result<Option<&str>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let mut digits = text.chars();
    let last = digits.next_back();
    match digits.as_str().trim().parse::<i64>() {
        Err(_) => Err(invalid_input("progress must be an integer percentage")),
        Ok(number) if !(0..=100).contains(&number) || last != Some('%') => {
            Err(invalid_input("progress must be an integer percentage between 0 and 100"))
        }
        Ok(_) => Ok(Some(text)),
    }
}

/// Takes a report of how far a snapshot is that is being made or removed elsewhere.
///
/// # Errors
/// [`crate::Kind::Invalid`] for what can not come next, those of the database.
pub fn update_status(
    caller: &Caller<'_>,
    snapshot: &Authorized<Snapshot>,
    provided: &str,
    progress: Option<&str>,
) -> Result<()> {
    caller.database.write(|tx| {
        let id = &snapshot.id;
        let now = store::snapshots::lock(tx, id)?.ok_or_else(|| super::authorized::no_snapshot(id))?;
        let next: &[Status] = if UPDATE_STATUS_CREATING.from.holds(now.status) {
            &[Status::Creating, Status::Available, Status::Error]
        } else if UPDATE_STATUS_DELETING.from.holds(now.status) {
            &[Status::Deleting, Status::ErrorDeleting]
        } else {
            return Err(Error::invalid(format!(
                "Snapshot status {} not allowed for update_snapshot_status",
                now.status
            )));
        };
        let Some(status) = Status::parse(provided).filter(|status| next.contains(status)) else {
            return Err(Error::invalid(format!(
                "Provided snapshot status {provided} not allowed for snapshot with status {}.",
                now.status
            )));
        };
        let mut columns: Vec<(&str, Value<'_>)> = vec![("status", status.name().into())];
        columns.extend(progress.map(|progress| ("progress", progress.into())));
        store::snapshots::change(tx, id, &columns).map(|_| ())
    })
}

#[cfg(test)]
mod tests {
    use super::{read_progress, read_status};

    #[test]
    fn a_progress_is_a_percentage() {
        let said = |text| read_progress(Some(text)).map_err(|error| error.public().to_owned());
        assert_eq!(said("100%"), Ok(Some("100%")));
        assert_eq!(said(""), Ok(None));
        assert_eq!(said("x%"), Err("Invalid input received: progress must be an integer percentage".into()));
        for wrong in ["101%", "-1%", "50x"] {
            let text = "Invalid input received: progress must be an integer percentage between 0 and 100";
            assert_eq!(said(wrong), Err(text.into()), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_status_is_refused_with_all_that_are() {
        assert!(read_status("Available").is_ok());
        assert_eq!(
            read_status("x").unwrap_err().public(),
            "Snapshot status: x is invalid, valid statuses are: ('error', 'available', 'creating', 'deleting', 'deleted', \
             'updating', 'error_deleting', 'unmanaging', 'backing-up', 'restoring')."
        );
    }
}
