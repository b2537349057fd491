//! Making and removing a snapshot of a group. Its snapshots have orders of their own, for which the order of the group
//! snapshot has waited; its status follows from theirs.

use super::Job;
use crate::block_storage::model::group_snapshot::{CREATE, DELETE, GroupSnapshot, Status};
use crate::block_storage::model::snapshot;
use crate::block_storage::store::{Outcome, group_snapshots};
use crate::error::{Error, Result};

/// The group snapshot of the order, if it still is in `status`.
fn load(job: &Job<'_>, status: Status) -> Result<Option<GroupSnapshot>> {
    Ok(job.read(|c| group_snapshots::by_id(c, &job.order.volume_id))?.filter(|found| found.status == status))
}

/// Ends the making of a group snapshot: it is available when all of its snapshots are.
pub(super) fn create(job: &Job<'_>) -> Result<()> {
    let Some(found) = load(job, Status::Creating)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().group_snapshot(tx, &found.id, "create.start"))?;
    let made = job.step(|_| {
        let parts = job.read(|c| group_snapshots::snapshots(c, &found.id))?;
        match parts.iter().find(|part| part.status != snapshot::Status::Available) {
            Some(part) => Err(Error::invalid_state(format!("Snapshot {} could not be made.", part.id))),
            None => Ok(()),
        }
    });
    let outcome = if made.is_ok() { Outcome::Done } else { Outcome::Failed };
    job.end(|tx| {
        if group_snapshots::finish(tx, &found.id, &CREATE, outcome)? && made.is_ok() {
            job.notices().elevated().group_snapshot(tx, &found.id, "create.end")?;
        }
        Ok(())
    })
}

/// Ends a group snapshot when none of its snapshots is left; otherwise it is in error, and can be removed again.
pub(super) fn delete(job: &Job<'_>) -> Result<()> {
    let Some(found) = load(job, Status::Deleting)? else { return job.obsolete() };
    job.begin(|tx, notices| notices.clone().elevated().group_snapshot(tx, &found.id, "delete.start"))?;
    let removed = job.step(|_| match job.read(|c| group_snapshots::snapshots(c, &found.id))?.first() {
        Some(left) => Err(Error::invalid_state(format!("Snapshot {} could not be removed.", left.id))),
        None => Ok(()),
    });
    let outcome = if removed.is_ok() { Outcome::Done } else { Outcome::Failed };
    job.end(|tx| {
        if group_snapshots::finish(tx, &found.id, &DELETE, outcome)? && removed.is_ok() {
            job.notices().elevated().group_snapshot(tx, &found.id, "delete.end")?;
        }
        Ok(())
    })
}
