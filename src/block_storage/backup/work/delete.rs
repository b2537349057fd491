//! Removing a backup.

use super::{Job, events};
use crate::block_storage::model::backup::{Backup, DELETE, Status};
use crate::block_storage::store::quotas::{self, Charge};
use crate::block_storage::store::{Outcome, backups, keys};
use crate::error::{Error, Result};

pub(super) fn run(job: &Job<'_>, force: bool) -> Result<()> {
    let found = job.read(|c| backups::by_id(c, &job.order.backup_id))?;
    let Some(backup) = found.filter(|backup| backup.status == Status::Deleting) else {
        log::info!("backup {} is not to be deleted any more", job.order.backup_id);
        return job.end(|_| Ok(()));
    };
    job.begin("delete.start")?;
    match job.step(|| remove(job, &backup, force)) {
        Ok(()) => {
            log::info!("backup {} is deleted", backup.id);
            job.end(|tx| {
                // Usage first: where it is due to be counted anew, the rows must still be there.
                let charge = Charge {
                    project_id: &backup.project_id,
                    backups: -1,
                    backup_gigabytes: -backup.size_gib,
                    ..Charge::default()
                };
                quotas::charge(tx, &charge, &job.shared.settings.limits)?;
                job.notices().backup_gone(tx, &backup.id, "delete.end")?;
                if !backups::finish(tx, &backup.id, &DELETE, Outcome::Done, &[])? {
                    return Err(Error::conflict("The backup's status was changed while it was being removed."));
                }
                keys::release(tx, backup.encryption_key_id.as_deref(), &backup.project_id)?;
                match &backup.parent_id {
                    Some(parent) => backups::count_dependents(tx, parent),
                    None => Ok(()),
                }
            })
        }
        Err(error) => job.end(|tx| {
            let columns = [("fail_reason", backups::reason(error.public()).into())];
            backups::finish(tx, &backup.id, &DELETE, Outcome::Failed, &columns)?;
            job.tell(tx, events::DELETE_FAILED)
        }),
    }
}

fn remove(job: &Job<'_>, backup: &Backup, force: bool) -> Result<()> {
    let folder = &job.shared.folder;
    let (Some(container), Some(prefix)) = (&backup.container, &backup.service_metadata) else { return Ok(()) };
    let shared = job.read(|c| backups::shares_objects(c, backup))?;
    if shared == Some(true) {
        log::info!("the objects of backup {} stay for another record of them", backup.id);
        return Ok(());
    }
    if !force {
        job.check_driver(backup)?;
        // An earlier attempt, or the end of another record of the same objects, may have removed them; otherwise they lie
        // where this service does not look.
        let removed_before = job.order.attempts > 1 || shared.is_some();
        if backup.object_count > 0 && !removed_before && !folder.has(container)? {
            let text = "The backup's objects are not where this backup service keeps its own.";
            return Err(Error::unavailable(text, format!("there is no container {container}")));
        }
    }
    folder.remove_all(container, prefix)
}
