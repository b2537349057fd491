//! What a volume service says of itself: that it is up, and what there is room for. A backend that does not work says
//! nothing, and so goes down. The same thread takes possession of backends and removes old messages.

use std::time::Instant;

use super::backends::{Backend, State, TAKEN};
use super::work::tend;
use super::{Shared, exports, fixed_keys, recovery};
use crate::block_storage::key_store::{Holder, KeyStore};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::service::VOLUME;
use crate::block_storage::store::{answers, keys, messages, orders, pools, services};
use crate::database::Connection;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Reports until the service stops.
pub(super) fn run(shared: &Shared) {
    let (mut pools_at, mut messages_at) = (Instant::now(), None::<Instant>);
    loop {
        shared.calls.wait_for_stop(shared.settings.report_interval);
        if shared.calls.is_stopping() {
            return;
        }
        let pools = pools_at.elapsed() >= shared.settings.stats_interval;
        if pools {
            pools_at = Instant::now();
        }
        round(shared, pools);
        take_back(shared);
        tend_all(shared);
        remove_loose_keys(shared);
        if messages_at.is_none_or(|at| at.elapsed() >= shared.settings.message_reap_interval) {
            messages_at = Some(Instant::now());
            fixed_keys::migrate(shared);
            if let Err(error) = shared.database.write(answers::remove_unfetched) {
                log::warn!("answers that nobody fetched stay: {error}");
            }
            match shared.database.write(|tx| messages::remove_expired(tx)) {
                Ok(0) => {}
                Ok(count) => log::info!("removed {count} messages whose time was over"),
                Err(error) => log::warn!("old messages stay: {error}"),
            }
        }
    }
}

/// Orders the end of what stayed in the files of volumes while somebody used them.
fn tend_all(shared: &Shared) {
    for backend in shared.backends.iter().filter(|backend| backend.state().is_ready()) {
        match tend::place_orders(shared, backend) {
            Ok(0) => {}
            Ok(_) => shared.calls.call(),
            Err(error) => log::error!("{}: it is not known which volumes are to be tended: {error}", backend.host),
        }
    }
}

/// Removes the keys of volumes and backups that are gone, and those of requests that came to nothing. Where keys are not
/// kept by this service there are none.
fn remove_loose_keys(shared: &Shared) {
    match shared.database.read(|c| keys::due(c, None, 1)) {
        Ok(due) if due.is_empty() => {}
        // A store that can not be opened has said why.
        Ok(_) => drop(KeyStore::open(&shared.config, &shared.database).map(|store| store.sweep(Holder::Service))),
        Err(error) => log::warn!("keys that are due are removed later: {error}"),
    }
}

/// Looks at every backend and says which of them work; with `pools`, also what they have room for.
pub(super) fn round(shared: &Shared, pools: bool) {
    let (mut working, mut called) = (Vec::new(), false);
    for backend in &shared.backends {
        let before = backend.state();
        let state = examine(shared, backend, before.clone());
        let (ready, changed) = (state.is_ready(), state.is_ready() != before.is_ready());
        if let (true, Some((id, _))) = (ready, &state.service) {
            working.push(*id);
        }
        // The pool is reported before the first order on it is taken: orders look at what is reported.
        if (pools || changed)
            && state.acquired
            && state.service.is_some()
            && let Err(error) = report_pool(shared, backend, ready)
        {
            log::error!("the pool {} can not be reported: {error}", backend.pool);
        }
        backend.set_state(state);
        called |= changed;
    }
    if !working.is_empty()
        && let Err(error) = shared.database.write(|tx| services::report(tx, &working))
    {
        log::error!("the volume service can not report that it is up: {error}");
    }
    if called {
        shared.calls.call();
    }
}

/// What can be said of a backend now. Does what is left to do until it can be worked with.
fn examine(shared: &Shared, backend: &Backend, mut state: State) -> State {
    if !state.acquired {
        match backend.driver.acquire() {
            Ok(true) => state.acquired = true,
            Ok(false) => return State { complaint: Some(TAKEN.to_owned()), ..state },
            Err(error) => return State { complaint: Some(error.to_string()), ..state },
        }
    }
    let done = (|| -> Result<()> {
        if state.service.is_none() {
            let enabled = shared.settings.enable_new_services;
            let service =
                shared.database.write(|tx| services::register(tx, &backend.host, VOLUME, &backend.zone, enabled))?;
            state.service = Some((service.id, service.uuid));
        }
        backend.check()?;
        if !state.recovered {
            recovery::recover(shared, backend)?;
            state.recovered = true;
        }
        exports::ensure(shared, backend)?;
        Ok(())
    })();
    state.complaint = done.err().map(|error| error.to_string());
    state
}

/// Ends the moves of volumes that the services of their destinations do not go on with: those that are down, and hold no order.
fn take_back(shared: &Shared) {
    let own: Vec<&Backend> = shared.backends.iter().filter(|backend| backend.state().is_ready()).collect();
    let hosts: Vec<&str> = own.iter().map(|backend| &*backend.host).collect();
    let is_down = |c: &mut Connection, host: &str| {
        let found = services::find(c, host, VOLUME)?;
        let patience = shared.settings.down_time_seconds;
        Ok::<_, Error>(!found.is_some_and(|service| service.is_up(Timestamp::now(), patience)))
    };
    let done = shared.database.read(|c| {
        let mut left = Vec::new();
        for order in orders::taken_elsewhere(c, &hosts)? {
            let source = service_host(&order.volume_host).to_owned();
            if !order.held && hosts.contains(&&*source) && is_down(c, &order.backend)? {
                left.push((order, source));
            }
        }
        Ok(left)
    });
    let done = done.and_then(|left| {
        for (order, source) in left {
            if shared.database.write(|tx| orders::take_back(tx, &order, &source))? {
                log::warn!("volume {} stays on {source}: {} is down", order.volume_id, order.backend);
                shared.calls.call();
            }
        }
        Ok(())
    });
    if let Err(error) = done {
        log::error!("it is not known which moves nobody goes on with: {error}");
    }
}

fn report_pool(shared: &Shared, backend: &Backend, ready: bool) -> Result<()> {
    let report = backend.report(ready);
    shared.database.write(|tx| {
        pools::report(tx, &report)?;
        pools::forget_others(tx, &backend.host, std::slice::from_ref(&report.name))
    })
}
