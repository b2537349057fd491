//! Putting in order what an earlier process left on a backend: unfinished files, leases of a process that is gone, and
//! objects that wait for something that nobody was asked to do. Runs once, when this process has got the backend and
//! before it begins any order; the orders themselves are then carried out again, which every step of them allows.

use super::backends::Backend;
use super::work::tend;
use super::{Shared, events};
use crate::block_storage::model::snapshot;
use crate::block_storage::model::volume;
use crate::block_storage::model::work::{Order, Requester, Work};
use crate::block_storage::store::stranded::{self, Stranded};
use crate::block_storage::store::{
    Outcome, attachments, group_snapshots, groups, messages, orders, snapshots, volumes,
};
use crate::database::Transaction;
use crate::error::Result;

/// Puts a backend in order.
///
/// # Errors
/// Those of the driver and of the database; then nothing may be begun on the backend.
pub(super) fn recover(shared: &Shared, backend: &Backend) -> Result<()> {
    backend.driver.sweep()?;
    let (freed, found) = shared.database.write(|tx| {
        let freed = orders::free(tx, &backend.host)?;
        Ok((freed, settle_all(tx, shared, backend, |_| true)?))
    })?;
    // Behind the orders that an earlier process has begun: most of what it left they put in order themselves.
    tend::place_orders(shared, backend)?;
    if freed > 0 {
        log::info!("{}: {freed} orders of an earlier process are taken up again", backend.host);
    }
    for object in found {
        log::warn!("{}: {} {} was in status {} for nobody", backend.host, object.kind, object.id, object.status);
    }
    Ok(())
}

/// Ends, or orders anew, those objects of a backend that are `meant` and in nobody's hands; which these were. May happen at
/// any time: what is in somebody's hands has an order.
pub(super) fn settle_all(
    tx: &mut Transaction<'_>,
    shared: &Shared,
    backend: &Backend,
    meant: impl Fn(&Stranded) -> bool,
) -> Result<Vec<Stranded>> {
    let found: Vec<Stranded> = stranded::on_backend(tx, &backend.host)?.into_iter().filter(meant).collect();
    for object in &found {
        settle(tx, shared, backend, object)?;
    }
    Ok(found)
}

/// Ends, or orders anew, what nobody was asked to do. Only databases that another implementation has written to, or that
/// were edited by hand, hold such objects.
fn settle(tx: &mut Transaction<'_>, shared: &Shared, backend: &Backend, object: &Stranded) -> Result<()> {
    // Nobody knows who asked, so the owner is told.
    let requester = Requester { project_id: object.project_id.clone(), ..Requester::default() };
    let ttl = shared.settings.message_ttl_seconds;
    let order = |work, snapshot: bool| Order {
        id: 0,
        backend: Some(backend.host.clone()),
        volume_id: object.volume_id.clone(),
        snapshot_id: snapshot.then(|| object.id.clone()),
        source_volume_id: None,
        work,
        requester: requester.clone(),
        attempts: 0,
    };
    match (object.kind, object.status.as_str()) {
        (stranded::VOLUME, "creating") => {
            volumes::finish(tx, &object.id, &volume::CREATE, Outcome::Failed, &[])?;
            messages::create(tx, &requester, &object.id, events::CREATE_FAILED, ttl)
        }
        (stranded::VOLUME, "downloading") => {
            volumes::finish(tx, &object.id, &volume::DOWNLOAD, Outcome::Failed, &[])?;
            let event = events::image(events::COPY_IMAGE, events::Trouble::Other);
            messages::create(tx, &requester, &object.id, event, ttl)
        }
        (stranded::VOLUME, "uploading") => {
            let attached = attachments::count(tx, &object.id)? > 0;
            let rule = if attached { &volume::UPLOAD_ATTACHED } else { &volume::UPLOAD };
            volumes::finish(tx, &object.id, rule, Outcome::Done, &[])?;
            attachments::settle(tx, &object.id)?;
            messages::create(tx, &requester, &object.id, events::UPLOAD_FAILED, ttl)
        }
        (stranded::VOLUME, "extending") => {
            volumes::finish(tx, &object.id, &volume::EXTEND, Outcome::Failed, &[])?;
            messages::create(tx, &requester, &object.id, events::EXTEND_FAILED, ttl)
        }
        (stranded::VOLUME, "retyping") => match volumes::by_id(tx, &object.id)? {
            Some(found) => volumes::finish(tx, &object.id, found.retype_move(), Outcome::Failed, &[]).map(|_| ()),
            None => Ok(()),
        },
        (stranded::VOLUME, "deleting" | "error_managing_deleting") => {
            orders::place(tx, &order(Work::DeleteVolume { cascade: true }, false)).map(|_| ())
        }
        // Nobody knows of which file.
        (stranded::VOLUME, "managing") => {
            volumes::finish(tx, &object.id, &volume::MANAGE, Outcome::Failed, &[]).map(|_| ())
        }
        (stranded::VOLUME, "unmanaging") => orders::place(tx, &order(Work::UnmanageVolume, false)).map(|_| ()),
        (stranded::SNAPSHOT, "unmanaging") => orders::place(tx, &order(Work::UnmanageSnapshot, true)).map(|_| ()),
        (stranded::SNAPSHOT, "creating") => {
            snapshots::finish(tx, &object.id, &snapshot::CREATE, Outcome::Failed, &[])?;
            messages::create(tx, &requester, &object.id, events::SNAPSHOT_FAILED, ttl)
        }
        (stranded::GROUP_SNAPSHOT, status) => {
            let parts = group_snapshots::snapshots(tx, &object.id)?;
            let volumes = parts.into_iter().map(|part| part.volume_id).collect();
            let work = match status {
                "creating" => Work::CreateGroupSnapshot { volumes },
                _ => Work::DeleteGroupSnapshot { volumes },
            };
            orders::place(tx, &order(work, false)).map(|_| ())
        }
        (stranded::GROUP, status) => {
            let volumes = groups::volumes(tx, &object.id)?.into_iter().map(|volume| volume.id).collect();
            let work = match status {
                "creating" => Work::CreateGroupFromSource { volumes },
                "deleting" => Work::DeleteGroup { volumes },
                // Nobody knows who was to leave.
                _ => Work::UpdateGroup { leaving: Vec::new() },
            };
            orders::place(tx, &order(work, false)).map(|_| ())
        }
        (stranded::SNAPSHOT, "deleting") => orders::place(tx, &order(Work::DeleteSnapshot, true)).map(|_| ()),
        (stranded::SNAPSHOT, "restoring") => {
            snapshots::finish(tx, &object.id, &snapshot::RESTORE, Outcome::Failed, &[])?;
            volumes::finish(tx, &object.volume_id, &volume::REVERT, Outcome::Failed, &[]).map(|_| ())
        }
        _ => Ok(()),
    }
}
