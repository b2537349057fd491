//! What a backup service says of itself: that it is up. One whose folder does not work says nothing, and so goes down. The
//! same thread takes possession of the folder, and puts in order what an earlier process left.

use std::sync::{Mutex, PoisonError};

use super::{Shared, work};
use crate::block_storage::model::service::BACKUP;
use crate::block_storage::store::{backup_orders as orders, backups, services};
use crate::error::Result;

/// How the service stands.
#[derive(Default)]
pub(super) struct Standing(Mutex<State>);

#[derive(Debug, Clone, Default)]
struct State {
    /// The number of its row in `services`.
    service: Option<i64>,
    /// Whether what an earlier process left has been put in order.
    recovered: bool,
    /// What is wrong; `None` while it works.
    complaint: Option<String>,
}

impl Standing {
    fn get(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the state, and tells the log what an operator should know of the change.
    fn set(&self, state: State) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&held.complaint, &state.complaint) {
            (old, Some(new)) if old.as_ref() == Some(new) => {}
            (_, Some(new)) => log::error!("the backup service is down: {new}"),
            (Some(_), None) => log::info!("the backup service works again"),
            _ => {}
        }
        *held = state;
    }

    /// Whether orders can be carried out.
    pub(super) fn is_ready(&self) -> bool {
        let state = self.get();
        state.recovered && state.complaint.is_none()
    }
}

/// Reports until the service stops.
pub(super) fn run(shared: &Shared) {
    loop {
        shared.calls.wait_for_stop(shared.settings.report_interval);
        if shared.calls.is_stopping() {
            return;
        }
        round(shared);
    }
}

/// Looks whether the service works, and says so.
pub(super) fn round(shared: &Shared) {
    let was_ready = shared.state.is_ready();
    let mut state = shared.state.get();
    state.complaint = examine(shared, &mut state).err().map(|error| error.to_string());
    shared.state.set(state);
    if shared.state.is_ready() != was_ready {
        shared.calls.call();
    }
}

fn examine(shared: &Shared, state: &mut State) -> Result<()> {
    let settings = &shared.settings;
    if !shared.folder.acquire(&settings.host)? {
        return Err(crate::Error::conflict("another process is the backup service of this host, this one stands by"));
    }
    let id = match state.service {
        Some(id) => id,
        None => {
            let enabled = settings.enable_new_services;
            let register = |tx: &mut crate::database::Transaction<'_>| {
                services::register(tx, &settings.host, BACKUP, &settings.zone, enabled)
            };
            let id = shared.database.write(register)?.id;
            state.service = Some(id);
            id
        }
    };
    shared.folder.check()?;
    if !state.recovered {
        recover(shared)?;
        state.recovered = true;
    }
    shared.database.write(|tx| services::report(tx, &[id]))
}

/// Takes up the orders of an earlier process, and ends what nobody was asked to do.
fn recover(shared: &Shared) -> Result<()> {
    let host = &shared.settings.host;
    let (freed, found) = shared.database.write(|tx| {
        let freed = orders::free(tx, host)?;
        let found = backups::stranded(tx, Some(host))?;
        for backup in &found {
            work::settle(tx, shared, backup)?;
        }
        Ok((freed, found))
    })?;
    if freed > 0 {
        log::info!("{freed} orders of an earlier backup service are taken up again");
    }
    for backup in found {
        log::warn!("backup {} was in status {} for nobody", backup.id, backup.status);
    }
    Ok(())
}
