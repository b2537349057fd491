//! Placing a volume: reading what the scheduler chooses from and writing what it chose, in the transaction that takes the
//! order. Not here: the choice (`scheduler/`).

use std::borrow::Cow;

use super::{Shared, events};
use crate::block_storage::model::group::{self, Group};
use crate::block_storage::model::pool::{Pool, service_host};
use crate::block_storage::model::volume::{CREATE, Status, Volume};
use crate::block_storage::model::work::{Hints, Order, Work};
use crate::block_storage::notices::{Notices, of_requester};
use crate::block_storage::scheduler::{self, Request};
use crate::block_storage::store::orders::Held;
use crate::block_storage::store::{Outcome, groups, messages, orders, pools, volume_types, volumes};
use crate::database::{Connection, Transaction};
use crate::error::Result;
use crate::time::Timestamp;

/// Why something gets no place.
#[derive(Debug)]
pub(super) struct NoPlace {
    /// For the log.
    pub(super) why: String,
    /// What the cloud is told, where it is for want of a place.
    pub(super) reason: Option<String>,
}

impl NoPlace {
    /// An obstacle of another kind.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), reason: None }
    }
}

/// Places the volume of an order that this process has taken. Answers the order where it is for a backend of this
/// process; another one is left for the process of its backend, one that nobody can carry out ends here, with its volume
/// in error.
pub(super) fn place(tx: &mut Transaction<'_>, shared: &Shared, order: Held) -> Result<Option<Held>> {
    if order.work == Work::CreateGroup {
        return place_group(tx, shared, order);
    }
    let Some(volume) = volumes::lock(tx, &order.volume_id)?.filter(|volume| volume.status == Status::Creating) else {
        // Somebody removed or reset it before it was placed.
        orders::end(tx, &order)?;
        return Ok(None);
    };
    if let Some(group) = &volume.group_id
        && groups::by_id(tx, group)?
            .is_some_and(|group| group.host.is_none() && group.status == group::Status::Creating)
    {
        // It goes where its group goes, and waits for that.
        orders::give_back(tx, &order)?;
        return Ok(None);
    }
    match choose(tx, shared, &order, &volume)? {
        Some(pool) => {
            let volume = move_to(tx, &volume, &pool)?;
            return Ok(keep_or_pass_on(tx, shared, order, &pool)?.map(|order| order.with_placed(volume)));
        }
        None => {
            let outbox = Cow::Borrowed(&shared.settings.outbox);
            let notices = Notices::new(outbox, &*shared.settings.host, || of_requester(&order.requester));
            notices.nowhere_to_create(tx, &volume.id)?;
            volumes::finish(tx, &volume.id, &CREATE, Outcome::Failed, &[])?;
            let ttl = shared.settings.message_ttl_seconds;
            messages::create(tx, &order.requester, &volume.id, events::NO_BACKEND, ttl)?;
            orders::end(tx, &order)?;
        }
    }
    Ok(None)
}

/// Takes an order that was placed, where it is for a backend of this process, or leaves it to the process of its backend.
fn keep_or_pass_on(tx: &mut Transaction<'_>, shared: &Shared, order: Held, pool: &Pool) -> Result<Option<Held>> {
    let backend = service_host(&pool.name);
    if shared.backends.iter().any(|own| own.host == backend && own.state().is_ready()) {
        return orders::assign(tx, order, backend).map(Some);
    }
    orders::pass_on(tx, &order, backend, &order.work)?;
    Ok(None)
}

/// As [`place`], for a group: on a pool that suits every type that its volumes may have.
fn place_group(tx: &mut Transaction<'_>, shared: &Shared, order: Held) -> Result<Option<Held>> {
    let waiting = |group: &Group| group.status == group::Status::Creating;
    let Some(group) = groups::lock(tx, &order.volume_id)?.filter(waiting) else {
        orders::end(tx, &order)?;
        return Ok(None);
    };
    let mut pools = pools::list(tx, shared.settings.down_time_seconds)?;
    let mut chosen = None;
    for volume_type in groups::volume_types(tx, &group.id)? {
        let extra_specs = extra_specs(tx, &volume_type)?;
        let zone = group.availability_zone.clone();
        let request = Request { availability_zone: zone, extra_specs, ..Request::default() };
        pools.retain(|pool| scheduler::suits(&request, pool, &shared.settings.rules).is_ok());
        chosen = scheduler::choose(&request, &pools, &shared.settings.rules).ok();
    }
    match chosen.cloned() {
        Some(pool) => {
            groups::change(tx, &group.id, &[("host", (&pool.name).into())])?;
            keep_or_pass_on(tx, shared, order, &pool)
        }
        None => {
            log::error!("group {} can not be placed: no pool suits all of its volume types", group.id);
            groups::finish(tx, &group.id, &group::CREATE, Outcome::Failed, &[])?;
            orders::end(tx, &order)?;
            Ok(None)
        }
    }
}

/// Another pool for a volume that could not be made on those that were tried; `None` where there is none.
pub(super) fn place_again(
    tx: &mut Transaction<'_>,
    shared: &Shared,
    order: &Order,
    volume: &Volume,
) -> Result<Option<Pool>> {
    let Some(pool) = choose(tx, shared, order, volume)? else { return Ok(None) };
    if let Some(host) = &volume.host {
        pools::promise(tx, host, -volume.size_gib, true)?;
    }
    move_to(tx, volume, &pool)?;
    Ok(Some(pool))
}

/// Whether the pool of a volume can take `gib` more of it.
///
/// # Errors
/// The outer one is the database's; the inner one says why not.
pub(super) fn can_grow(c: &mut Connection, shared: &Shared, volume: &Volume, gib: i64) -> Result<Result<(), String>> {
    let extra_specs = extra_specs(c, &volume.volume_type_id)?;
    let request = Request { size_gib: gib, extra_specs, ..Request::default() };
    let pools = pools::list(c, shared.settings.down_time_seconds)?;
    let host = volume.host.as_deref().unwrap_or_default();
    Ok(match pools.into_iter().find(|pool| pool.name == host) {
        // Whoever asks is the service of this pool, and so it is up, whatever the database has heard.
        Some(pool) => scheduler::suits(&request, &Pool { up: true, ..pool }, &shared.settings.rules),
        None => Err(format!("{host} does not report")),
    })
}

fn choose(tx: &mut Transaction<'_>, shared: &Shared, order: &Order, volume: &Volume) -> Result<Option<Pool>> {
    let Work::CreateVolume { hints, tried, .. } = &order.work else { return Ok(None) };
    let request = request(tx, order, volume, hints, tried)?;
    let pools = pools::list(tx, shared.settings.down_time_seconds)?;
    match scheduler::choose(&request, &pools, &shared.settings.rules) {
        Ok(pool) => Ok(Some(pool.clone())),
        Err(refused) => {
            log::error!("volume {} of {} can not be placed: {refused}", volume.id, order.requester.request_id);
            Ok(None)
        }
    }
}

fn request(
    tx: &mut Transaction<'_>,
    order: &Order,
    volume: &Volume,
    hints: &Hints,
    tried: &[String],
) -> Result<Request> {
    let hosts = |tx: &mut Transaction<'_>, ids: &[String]| -> Result<Vec<String>> {
        let mut hosts = Vec::new();
        for id in ids {
            hosts.extend(volumes::by_id(tx, id)?.and_then(|volume| volume.host));
        }
        Ok(hosts)
    };
    let only_on = match (&volume.group_id, &order.source_volume_id) {
        // A group lies on one backend.
        (Some(group), _) => {
            let host = groups::by_id(tx, group)?.and_then(|group| group.host);
            Some(service_host(host.as_deref().unwrap_or_default()).to_owned())
        }
        // A copy is made where its source lies.
        (None, Some(source)) => {
            let host = volumes::by_id(tx, source)?.and_then(|source| source.host);
            Some(service_host(host.as_deref().unwrap_or_default()).to_owned())
        }
        (None, None) => None,
    };
    Ok(Request {
        size_gib: volume.size_gib,
        availability_zone: volume.availability_zone.clone(),
        extra_specs: extra_specs(tx, &volume.volume_type_id)?,
        only_on,
        among: None,
        tried: tried.to_vec(),
        same_host: match &hints.same_host {
            Some(ids) => Some(hosts(tx, ids)?),
            None => None,
        },
        different_host: hosts(tx, &hints.different_host)?,
    })
}

/// The demands of a volume type, deleted or not.
pub(super) fn extra_specs(c: &mut Connection, volume_type_id: &str) -> Result<Vec<(String, String)>> {
    let specs = volume_types::of_object(c, volume_type_id)?.map(|found| found.extra_specs).unwrap_or_default();
    Ok(specs.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

/// Lets a volume lie on a pool. Answers the volume as it is then.
fn move_to(tx: &mut Transaction<'_>, volume: &Volume, pool: &Pool) -> Result<Volume> {
    let zone = volume.availability_zone.as_deref().unwrap_or(&pool.availability_zone);
    let columns =
        [("host", (&pool.name).into()), ("availability_zone", zone.into()), ("scheduled_at", Timestamp::now().into())];
    volumes::change(tx, &volume.id, &columns)?;
    pools::promise(tx, &pool.name, volume.size_gib, true)?;
    Ok(Volume { host: Some(pool.name.clone()), availability_zone: Some(zone.to_owned()), ..volume.clone() })
}
