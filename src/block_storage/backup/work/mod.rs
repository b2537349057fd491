//! Carrying out one order: look at the rows, copy, write the result and remove the order in one transaction. Not here:
//! which order is carried out when (`dispatch.rs`).

mod create;
mod delete;
mod restore;
mod volume_meta;

use std::borrow::Cow;

use super::{Shared, events};
use crate::block_storage::model::backup::{self, Backup, Status};
use crate::block_storage::model::backup_work::{Order, Work};
use crate::block_storage::model::service::is_folder_driver;
use crate::block_storage::model::snapshot;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{self, AttachStatus, RESTORE_BACKUP, RESTORE_INTO_NEW, Volume};
use crate::block_storage::model::work::Requester;
use crate::block_storage::notices::{Notices, of_requester};
use crate::block_storage::store::backup_orders::{self as orders, Held};
use crate::block_storage::store::messages::{self, Event};
use crate::block_storage::store::{Outcome, backups, snapshots, volumes};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::service::fault;

/// How often an order is begun before it is given up: each time the process has ended before the order did.
const MAX_BEGINNINGS: i64 = 5;

/// Carries out an order that this process has taken.
///
/// # Errors
/// Where the result could not be written: the order stands as it was, and will be taken again. A copy that fails is no
/// error here: that is a result.
pub(super) fn run(shared: &Shared, order: &Held) -> Result<()> {
    let job = Job { shared, order };
    fault::point_of(order.work.kind(), "begun");
    match &order.work {
        Work::Create => create::run(&job),
        Work::Restore { creates, key } => {
            restore::run(&job, if *creates { &RESTORE_INTO_NEW } else { &RESTORE_BACKUP }, key.as_ref())
        }
        Work::Delete { force } => delete::run(&job, *force),
    }
}

/// An order with the service that carries it out.
struct Job<'a> {
    shared: &'a Shared,
    order: &'a Held,
}

impl Job<'_> {
    fn read<T>(&self, body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        self.shared.database.read(body)
    }

    /// Does the step that takes its time. Its errors go to the log, and to the caller for the result.
    fn step<T>(&self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let (kind, begun) = (self.order.work.kind(), self.order.attempts);
        let done = if begun > MAX_BEGINNINGS {
            let text = format!("begun {MAX_BEGINNINGS} times, and each time the process ended before the work did");
            Err(Error::unavailable("The backup service ends whenever it tries this.", text))
        } else {
            step()
        };
        if let Err(error) = &done {
            log::error!("{kind} {} failed: {error}", self.order.backup_id);
        }
        fault::point_of(kind, "after_step");
        done
    }

    /// Writes the result and removes the order.
    fn end(&self, mut write: impl FnMut(&mut Transaction<'_>) -> Result<()>) -> Result<()> {
        let kind = self.order.work.kind();
        self.shared.database.write(|tx| {
            orders::end(tx, self.order)?;
            write(tx)?;
            fault::point_of(kind, "before_commit");
            Ok(())
        })?;
        fault::point_of(kind, "after_commit");
        Ok(())
    }

    /// What the service tells the cloud of what the order does.
    fn notices(&self) -> Notices<'_> {
        let settings = &self.shared.settings;
        Notices::new(Cow::Borrowed(&settings.outbox), &*settings.host, || of_requester(&self.order.requester))
    }

    /// Tells the cloud that the work begins, once: an order that is taken again after a crash tells nothing.
    fn begin(&self, event: &str) -> Result<()> {
        let notices = self.notices();
        if notices.is_off() || self.order.has_told() {
            return Ok(());
        }
        self.shared.database.write(|tx| {
            orders::told(tx, self.order)?;
            notices.backup(tx, &self.order.backup_id, event)
        })?;
        fault::point_of(self.order.work.kind(), "told");
        Ok(())
    }

    fn tell(&self, tx: &mut Transaction<'_>, event: Event) -> Result<()> {
        let ttl = self.shared.settings.message_ttl_seconds;
        messages::create(tx, &self.order.requester, &self.order.backup_id, event, ttl)
    }

    /// Refuses a backup that another driver made.
    fn check_driver(&self, backup: &Backup) -> Result<()> {
        match backup.service.as_deref() {
            Some(service) if !is_folder_driver(service) => Err(Error::unavailable(
                format!("The backup was made by another backup service ({service})."),
                "backup_driver is not the one that made it",
            )),
            _ => Ok(()),
        }
    }

    /// Fails where the backup is no longer in `status`: an operator, or its owner, has said otherwise.
    fn check_status(&self, status: Status) -> Result<()> {
        let now = self.read(|c| backups::by_id(c, &self.order.backup_id))?.map(|backup| backup.status);
        if now == Some(status) {
            return Ok(());
        }
        Err(Error::conflict("The backup's status was changed while it was worked on."))
    }
}

/// Whether somebody may be writing to a volume.
fn is_attached(volume: &Volume) -> bool {
    volume.attach_status != AttachStatus::Detached
}

/// Lets the volume or the snapshot of a backup go that is made no longer, to the status that it had.
fn release(tx: &mut Transaction<'_>, backup: &Backup, outcome: Outcome) -> Result<()> {
    if let Some(id) = &backup.snapshot_id {
        return snapshots::finish(tx, id, &snapshot::BACK_UP, outcome, &[]).map(|_| ());
    }
    let Some(now) = volumes::lock(tx, &backup.volume_id)? else { return Ok(()) };
    let attached = now.previous_status == Some(volume::Status::InUse) && is_attached(&now);
    let rule = if attached { &volume::BACK_UP_ATTACHED } else { &volume::BACK_UP };
    let before = match outcome {
        Outcome::Done => volume::Status::BackingUp,
        Outcome::Failed => volume::Status::ErrorBackingUp,
    };
    volumes::finish(tx, &now.id, rule, outcome, &[("previous_status", before.name().into())]).map(|_| ())
}

/// Ends, or orders anew, what nobody was asked to do with a backup.
pub(super) fn settle(tx: &mut Transaction<'_>, shared: &Shared, found: &Backup) -> Result<()> {
    // Nobody knows who asked, so the owner is told.
    let requester = Requester { project_id: found.project_id.clone(), ..Requester::default() };
    let ttl = shared.settings.message_ttl_seconds;
    match found.status {
        Status::Creating => {
            let why = "incomplete backup reset on manager restart";
            backups::finish(tx, &found.id, &backup::CREATE, Outcome::Failed, &[("fail_reason", why.into())])?;
            release(tx, found, Outcome::Failed)?;
            messages::create(tx, &requester, &found.id, events::CREATE_FAILED, ttl)
        }
        Status::Restoring => {
            backups::finish(tx, &found.id, &backup::RESTORE, Outcome::Failed, &[])?;
            if let Some(id) = &found.restore_volume_id {
                volumes::finish(tx, id, &RESTORE_BACKUP, Outcome::Failed, &[])?;
            }
            messages::create(tx, &requester, &found.id, events::RESTORE_FAILED, ttl)
        }
        Status::Deleting => {
            let order = Order {
                host: shared.settings.host.clone(),
                backup_id: found.id.clone(),
                work: Work::Delete { force: false },
                requester,
                attempts: 0,
            };
            orders::place(tx, &order)
        }
        _ => Ok(()),
    }
}
