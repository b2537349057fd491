//! Removes now and then what was marked as deleted long ago, where the operator wants that: what `hearth db purge` does,
//! at half the speed, so that whoever writes meanwhile hardly waits.

use std::ops::ControlFlow;
use std::time::Duration;

use super::Shared;
use crate::database::purge;
use crate::time::Timestamp;

/// Time between two purges.
const EVERY: Duration = Duration::from_secs(3600);

/// Purges at once and then every hour, until the service stops. Services do so independently of each other, which does no
/// harm; what one leaves when it is killed the next one removes.
pub(super) fn run(shared: &Shared) {
    let Some(age_seconds) = shared.settings.purge_age_seconds else { return };
    while !shared.calls.is_stopping() {
        round(shared, Timestamp::now().plus_seconds(-age_seconds));
        shared.calls.wait_for_stop(EVERY);
    }
}

fn round(shared: &Shared, before: Timestamp) {
    let mut total = 0;
    let purged = purge::purge(&shared.database, before, purge::STEP, |step| {
        total += step.rows;
        shared.calls.wait_for_stop(step.took);
        if shared.calls.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if total > 0 {
        log::info!("removed {total} rows that were deleted before {}", before.iso_short());
    }
    if let Err(error) = purged {
        log::error!("rows that were deleted before {} stay: {error}", before.iso_short());
    }
}
