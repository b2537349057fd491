//! Making, changing and removing a group. Drivers know no groups: what becomes of the volumes is done by orders of their own,
//! for which the order of the group has waited, and the group's status follows from theirs. Not here: which volumes those
//! are (`control/`).

use super::Job;
use crate::block_storage::model::group::{CREATE, DELETE, Group, Status, UPDATE};
use crate::block_storage::model::volume;
use crate::block_storage::store::quotas::Charge;
use crate::block_storage::store::{Outcome, groups, volumes};
use crate::error::{Error, Result};

/// The group of the order, if it still is in `status`.
fn load(job: &Job<'_>, status: Status) -> Result<Option<Group>> {
    Ok(job.read(|c| groups::by_id(c, &job.order.volume_id))?.filter(|group| group.status == status))
}

/// Ends the making of a group: it is available when all of these volumes are.
pub(super) fn create(job: &Job<'_>, members: &[String]) -> Result<()> {
    let Some(group) = load(job, Status::Creating)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().group(tx, &group.id, "create.start"))?;
    let made = job.step(|_| {
        let found = job.read(|c| groups::volumes(c, &group.id))?;
        let whole = |id: &String| found.iter().any(|one| one.id == *id && one.status != volume::Status::Error);
        match members.iter().find(|id| !whole(id)) {
            Some(id) => Err(Error::invalid_state(format!("Volume {id} could not be made."))),
            None => Ok(()),
        }
    });
    let outcome = if made.is_ok() { Outcome::Done } else { Outcome::Failed };
    job.end(|tx| {
        if groups::finish(tx, &group.id, &CREATE, outcome, &[])? && made.is_ok() {
            job.notices().elevated().group(tx, &group.id, "create.end")?;
        }
        Ok(())
    })
}

/// Lets volumes leave a group.
pub(super) fn update(job: &Job<'_>, leaving: &[String]) -> Result<()> {
    let Some(group) = load(job, Status::Updating)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.group_with_volumes(tx, &group.id, "update.start"))?;
    let done = job.step(|_| Ok(()));
    job.end(|tx| {
        if done.is_err() {
            return groups::finish(tx, &group.id, &UPDATE, Outcome::Failed, &[]).map(|_| ());
        }
        groups::lock(tx, &group.id)?;
        for id in leaving {
            if volumes::lock(tx, id)?.is_some_and(|volume| volume.group_id.as_ref() == Some(&group.id)) {
                volumes::change(tx, id, &[("group_id", None::<&str>.into())])?;
            }
        }
        groups::finish(tx, &group.id, &UPDATE, Outcome::Done, &[])?;
        job.notices().group_with_volumes(tx, &group.id, "update.end")
    })
}

/// Ends a group when none of its volumes is left; otherwise it is in error, and can be removed again.
pub(super) fn delete(job: &Job<'_>) -> Result<()> {
    let Some(group) = load(job, Status::Deleting)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().group(tx, &group.id, "delete.start"))?;
    let removed = job.step(|_| match job.read(|c| groups::volumes(c, &group.id))?.first() {
        Some(left) => Err(Error::invalid_state(format!("Volume {} could not be removed.", left.id))),
        None => Ok(()),
    });
    job.end(|tx| {
        if removed.is_err() {
            return groups::finish(tx, &group.id, &DELETE, Outcome::Failed, &[]).map(|_| ());
        }
        // Usage first: where it is due to be counted anew, the row must still be there.
        job.charge(tx, &Charge { project_id: &group.project_id, groups: -1, ..Charge::default() })?;
        job.notices().elevated().group(tx, &group.id, "delete.end")?;
        if !groups::finish(tx, &group.id, &DELETE, Outcome::Done, &[])? {
            return Err(Error::conflict("The group's status was changed while it was being removed."));
        }
        Ok(())
    })
}
