//! Taking orders: which of those that wait can be begun, and by which worker. Orders of one volume keep their order; all
//! others are carried out side by side, as many as there are workers. Not here: carrying them out (`work/`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Shared, placement, report, tidy, work};
use crate::block_storage::model::work::Order;
use crate::block_storage::rpc::server::Duties;
use crate::block_storage::store::orders::{self, Held, Waiting};
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
        Self { shared, crew: Crew::new(|order| order.id) }
    }

    /// Takes every order that can be begun now, as far as there are workers.
    fn look(&self) -> Result<()> {
        let shared = &self.shared;
        let ready: Vec<&str> =
            shared.backends.iter().filter(|backend| backend.state().is_ready()).map(|backend| &*backend.host).collect();
        let mine = self.crew.all();
        let room = shared.settings.workers.saturating_sub(mine.len());
        if room == 0 {
            return Ok(());
        }
        let (found, elsewhere) = shared.database.read(|c| {
            let found = orders::waiting(c, &ready, LOOK)?;
            let concerned = found.iter().any(|waiting| !waiting.order.is_about_nothing_yet());
            let elsewhere = if concerned { orders::taken_elsewhere(c, &ready)? } else { Vec::new() };
            let ids: Vec<String> = elsewhere.into_iter().map(|order| order.volume_id).collect();
            Ok((found, ids))
        })?;
        let look = |waiting: &'_ Waiting| waiting.held || mine.contains(&waiting.order.id);
        let copying = found.iter().filter(|waiting| mine.contains(&waiting.order.id) && waiting.order.copies()).count();
        let room = Room { orders: room, copies: shared.settings.max_copies.saturating_sub(copying) };
        let chosen = choose(&found, |waiting| (&waiting.order, look(waiting)), &elsewhere, room);
        if chosen.is_empty() {
            return Ok(());
        }
        let mut taken = self.take_all(&chosen);
        if taken.is_err() && chosen.len() > 1 {
            // One order that can not be taken must not keep the others waiting.
            let each = chosen.iter().filter_map(|waiting| match self.take_all(&[waiting]) {
                Ok(orders) => Some(orders),
                Err(error) => {
                    log::error!("order {} can not be taken: {error}", waiting.order.id);
                    None
                }
            });
            taken = Ok(each.flatten().collect());
        }
        let taken = taken?;
        if !taken.is_empty() {
            fault::point("order.after_take");
            self.crew.give(taken);
        }
        Ok(())
    }

    /// Takes orders in one transaction, and places those that have no backend; answers those that this process has then.
    fn take_all(&self, chosen: &[&Waiting]) -> Result<Vec<Held>> {
        let shared = &self.shared;
        shared.database.write(|tx| {
            let mut taken = Vec::new();
            for waiting in chosen {
                match orders::take(tx, waiting, &shared.owner, shared.settings.lease_seconds)? {
                    Some(order) if order.backend.is_none() => taken.extend(placement::place(tx, shared, order)?),
                    order => taken.extend(order),
                }
            }
            fault::point("order.before_take");
            Ok(taken)
        })
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

    /// Gives back what was taken and not begun.
    fn give_back(&self) {
        let waiting = self.crew.take_back();
        if waiting.is_empty() {
            return;
        }
        let database = &self.shared.database;
        let given = database.write(|tx| waiting.iter().try_for_each(|order| orders::give_back(tx, order)));
        if let Err(error) = given {
            log::warn!("orders are not given back and wait for the end of their lease: {error}");
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
                && let Err(error) = self.look()
            {
                log::error!("orders can not be taken: {error}");
            }
        }
        self.give_back();
        // Those that were begun are kept until they end, or until the process does.
        while self.crew.is_at_work() {
            self.crew.wait_for_end(renewal);
            self.renew();
        }
    }

    fn work(&self) {
        while let Some(order) = self.crew.next() {
            let id = order.id;
            // The log's lines tell the request that the work is for.
            running::set_request_id(&order.requester.request_id);
            running::set_project(&order.requester.project_id);
            let done = catch_unwind(AssertUnwindSafe(|| work::run(&self.shared, &order)));
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    log::error!("order {id} ({}) is not finished and will be taken again: {error}", order.work.kind());
                }
                Err(_) => log::error!("order {id} ({}) has met a defect and will be taken again", order.work.kind()),
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

    fn tidy(&self) {
        tidy::run(&self.shared);
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

/// How many orders can be begun yet.
#[derive(Debug, Clone, Copy)]
struct Room {
    orders: usize,
    /// Those among them that copy.
    copies: usize,
}

/// Those of `found` that can be begun, as many as there is `room` for: nobody has the order, it need not wait for an older one, and it is
/// about no volume that is taken over `elsewhere`. `look` tells the order and whether somebody has it.
fn choose<'a, T>(
    found: &'a [T],
    look: impl Fn(&'a T) -> (&'a Order, bool),
    elsewhere: &[String],
    mut room: Room,
) -> Vec<&'a T> {
    let mut ahead: Vec<&Order> = Vec::new();
    let mut chosen = Vec::new();
    for item in found {
        if chosen.len() == room.orders {
            break;
        }
        let (order, held) = look(item);
        let leaves = elsewhere.iter().any(|volume_id| order.is_about(volume_id));
        // What takes no time goes past copies that wait for others to end.
        let fits = !order.copies() || room.copies > 0;
        if !held && !leaves && fits && !ahead.iter().any(|earlier| order.waits_for(earlier)) {
            chosen.push(item);
            room.copies -= usize::from(order.copies());
        }
        ahead.push(order);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_storage::model::work::{Hints, Requester, Work};

    fn order(id: i64, volume: &str, source: Option<&str>) -> (Order, bool) {
        let order = Order {
            id,
            backend: Some("h@b".to_owned()),
            volume_id: volume.to_owned(),
            snapshot_id: None,
            source_volume_id: source.map(str::to_owned),
            work: Work::ExtendVolume { old_size_gib: 1, new_size_gib: 2 },
            requester: Requester::default(),
            attempts: 0,
        };
        (order, false)
    }

    fn clone(id: i64, volume: &str, source: &str) -> (Order, bool) {
        let work = Work::CreateVolume { hints: Hints::default(), tried: Vec::new(), image: None };
        (Order { work, ..order(id, volume, Some(source)).0 }, false)
    }

    #[test]
    fn no_more_copies_are_chosen_than_may_run_and_what_takes_no_time_goes_past_them() {
        let found =
            [clone(1, "x", "a"), clone(2, "y", "a"), clone(3, "z", "a"), order(4, "b", None), order(5, "z", None)];
        assert_eq!(chosen(&found, &[], 9), [1, 2, 4], "what is done with a copy waits for it");
    }

    fn chosen(found: &[(Order, bool)], mine: &[i64], room: usize) -> Vec<i64> {
        chosen_beside(found, mine, &[], room)
    }

    fn chosen_beside(found: &[(Order, bool)], mine: &[i64], elsewhere: &[String], room: usize) -> Vec<i64> {
        let chosen = choose(
            found,
            |(order, held)| (order, *held || mine.contains(&order.id)),
            elsewhere,
            Room { orders: room, copies: 2 },
        );
        chosen.iter().map(|(order, _)| order.id).collect()
    }

    #[test]
    fn orders_of_one_volume_are_begun_one_after_the_other() {
        let found = [order(1, "a", None), order(2, "a", None), order(3, "b", None)];
        assert_eq!(chosen(&found, &[], 9), [1, 3]);
        assert_eq!(chosen(&found, &[1], 9), [3]);
        assert_eq!(chosen(&found[1..], &[], 9), [2, 3]);
    }

    #[test]
    fn an_order_that_somebody_has_still_holds_up_those_behind_it() {
        let mut found = [order(1, "a", None), order(2, "a", None)];
        found[0].1 = true;
        assert_eq!(chosen(&found, &[], 9), Vec::<i64>::new());
    }

    #[test]
    fn a_source_outlives_its_clones_and_clones_do_not_wait_for_each_other() {
        let found = [order(1, "x", Some("a")), order(2, "y", Some("a")), order(3, "a", None)];
        assert_eq!(chosen(&found, &[], 9), [1, 2]);
    }

    #[test]
    fn nothing_is_done_to_a_volume_that_another_service_takes_over() {
        let found = [order(1, "a", None), order(2, "x", Some("a")), order(3, "b", None)];
        assert_eq!(chosen_beside(&found, &[], &["a".to_owned()], 9), [3]);
    }

    #[test]
    fn no_more_are_chosen_than_there_are_workers() {
        let found = [order(1, "a", None), order(2, "b", None), order(3, "c", None)];
        assert_eq!(chosen(&found, &[], 2), [1, 2]);
    }
}
