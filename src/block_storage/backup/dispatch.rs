//! Taking orders: those that can be begun, as many as there are workers. Orders of one backup keep their order; a restore
//! waits until its volume has been made. Not here: carrying them out (`work/`).

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Shared, report, work};
use crate::block_storage::model::backup_work::Work;
use crate::block_storage::model::volume::Status;
use crate::block_storage::rpc::server::Duties;
use crate::block_storage::store::backup_orders::{self as orders, Held, Waiting};
use crate::block_storage::store::{backups, volumes};
use crate::database::Connection;
use crate::error::Result;
use crate::gateway::running;
use crate::service::calls::Calls;
use crate::service::crew::Crew;
use crate::service::fault;

/// How many of the oldest orders one look considers.
const LOOK: u32 = 1000;

/// The orders of this process.
pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    crew: Crew<Held>,
}

impl Dispatcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, crew: Crew::new(Held::id) }
    }

    /// Takes every order that can be begun now, as far as there are workers.
    fn look(&self) -> Result<()> {
        let settings = &self.shared.settings;
        let mine = self.crew.all();
        let room = settings.workers.saturating_sub(mine.len());
        if room == 0 {
            return Ok(());
        }
        let chosen = self.shared.database.read(|c| {
            let found = orders::waiting(c, &[&settings.host], LOOK)?;
            choose(c, found, &mine, room)
        })?;
        if chosen.is_empty() {
            return Ok(());
        }
        let taken = self.shared.database.write(|tx| {
            let mut taken = Vec::new();
            for waiting in &chosen {
                taken.extend(orders::take(tx, waiting, &self.shared.owner, settings.lease_seconds)?);
            }
            fault::point("backup_order.before_take");
            Ok(taken)
        })?;
        fault::point("backup_order.after_take");
        self.crew.give(taken);
        Ok(())
    }

    fn renew(&self) {
        let shared = &self.shared;
        if !self.crew.all().is_empty()
            && let Err(error) =
                shared.database.write(|tx| orders::renew(tx, &shared.owner, shared.settings.lease_seconds))
        {
            log::error!("orders can not be kept: {error}");
        }
    }
}

impl Duties for Dispatcher {
    fn take(&self) {
        let shared = &self.shared;
        let renewal = Duration::from_secs(u64::try_from(shared.settings.lease_seconds).unwrap_or(3)) / 3;
        let mut renewed = Instant::now();
        while !shared.calls.is_stopping() {
            shared.calls.wait_for_call(shared.settings.poll_interval.min(renewal));
            if renewed.elapsed() >= renewal {
                self.renew();
                renewed = Instant::now();
            }
            if !shared.calls.is_stopping()
                && shared.state.is_ready()
                && let Err(error) = self.look()
            {
                log::error!("orders can not be taken: {error}");
            }
        }
        let waiting = self.crew.take_back();
        let given = shared.database.write(|tx| waiting.iter().try_for_each(|order| orders::give_back(tx, order)));
        if let Err(error) = given {
            log::warn!("orders are not given back and wait for the end of their lease: {error}");
        }
        // Those that were begun are kept until they end, or until the process does.
        while self.crew.is_at_work() {
            self.crew.wait_for_end(renewal);
            self.renew();
        }
    }

    fn work(&self) {
        while let Some(order) = self.crew.next() {
            // The log's lines tell the request that the work is for.
            running::set_request_id(&order.requester.request_id);
            running::set_project(&order.requester.project_id);
            let (id, kind) = (order.id(), order.work.kind());
            match catch_unwind(AssertUnwindSafe(|| work::run(&self.shared, &order))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => log::error!("order {id} ({kind}) is not finished and will be taken again: {error}"),
                Err(_) => log::error!("order {id} ({kind}) has met a defect and will be taken again"),
            }
            self.crew.done(id);
            // What had to wait for this order can begin.
            self.shared.calls.call();
        }
        self.crew.leave();
    }

    fn report(&self) {
        report::run(&self.shared);
    }

    fn calls(&self) -> &Calls {
        &self.shared.calls
    }

    fn stop(&self) {
        self.crew.stop();
    }

    fn wait_for_end(&self, timeout: Duration) {
        self.crew.wait_for_end(timeout);
    }
}

/// Those of `found` that can be begun, at most `room`.
fn choose(c: &mut Connection, found: Vec<Waiting>, mine: &HashSet<i64>, room: usize) -> Result<Vec<Waiting>> {
    let (mut ahead, mut chosen) = (HashSet::new(), Vec::new());
    for waiting in found {
        if chosen.len() == room {
            break;
        }
        let first = ahead.insert(waiting.order.backup_id.clone());
        if first && !waiting.held && !mine.contains(&waiting.id()) && !waits_for_volume(c, &waiting)? {
            chosen.push(waiting);
        }
    }
    Ok(chosen)
}

/// Whether the volume that a backup is to be written into is still being made.
fn waits_for_volume(c: &mut Connection, waiting: &Waiting) -> Result<bool> {
    if !matches!(waiting.order.work, Work::Restore { .. }) {
        return Ok(false);
    }
    let backup = backups::by_id(c, &waiting.order.backup_id)?;
    let Some(volume_id) = backup.and_then(|backup| backup.restore_volume_id) else { return Ok(false) };
    Ok(volumes::by_id(c, &volume_id)?.is_some_and(|volume| volume.status == Status::Creating))
}
