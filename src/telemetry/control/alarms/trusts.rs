//! Trusts of alarms: one for all actions of an alarm that act for somebody, made by whom gives it the first of them, and ended
//! with the last.

use super::super::Caller;
use crate::identity::keystone::Trustee;
use crate::service::fault;
use crate::telemetry::model::alarm::Alarm;
use crate::telemetry::model::trust_url;
use crate::telemetry::store::alarms::Trusts;
use crate::time::Timestamp;
use crate::{Error, Result};

/// Seconds after which a trust ends that no alarm has got.
const PATIENCE: i64 = 600;
/// The first second that trusts are marked with, and the number of those that are chosen from: in the years 3000 to 8988. Whole
/// seconds, since Keystone counts microseconds by numbers that do not hold all of them so far away.
const MARKS: (i64, u128) = (32_503_680_000, 189_000_000_000);

/// A trust that was made for an alarm that is not stored yet. It ends unless it was [`Made::taken`].
pub(super) struct Made<'a> {
    caller: &'a Caller<'a>,
    row: i64,
    trust: Option<String>,
    taken: bool,
}

impl Made<'_> {
    /// The alarm is stored with it.
    pub(super) fn taken(&mut self) {
        self.taken = true;
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let store = &self.caller.telemetry.store;
        if !self.taken
            && let Err(error) = store.abandon_trust(self.row, self.trust.as_deref(), Timestamp::now())
        {
            log::warn!("a trust that no alarm has got ends later: {error}");
        }
    }
}

/// Whether callers can trust this service.
pub(super) fn possible(caller: &Caller<'_>) -> bool {
    matches!(Trustee::open(caller.config), Ok(Some(_)))
}

/// All lists of actions.
fn actions(alarm: &Alarm) -> impl Iterator<Item = &String> {
    [&alarm.ok_actions, &alarm.alarm_actions, &alarm.insufficient_data_actions].into_iter().flatten()
}

/// The trusts of an alarm.
pub(super) fn of(alarm: &Alarm) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (trust, _) in actions(alarm).filter_map(|action| trust_url::trust_of(action)) {
        if !found.contains(&trust) {
            found.push(trust);
        }
    }
    found
}

/// Gives the actions of `new` that act for somebody the trust that the alarm had before, else one that the caller makes now, or has
/// made in an attempt before.
///
/// # Errors
/// Those of Keystone and of the store.
pub(super) fn settle<'a>(
    caller: &'a Caller<'a>,
    old: Option<&Alarm>,
    new: &mut Alarm,
    made: &mut Option<Made<'a>>,
) -> Result<Trusts> {
    let mut before = old.map(of).unwrap_or_default();
    let mut trusts = Trusts::default();
    if actions(new).any(|action| trust_url::is_trusted(action)) {
        let trust = match before.first() {
            Some(_) => before.remove(0),
            None => {
                let kept = match made.take() {
                    Some(made) => made,
                    None => make(caller)?,
                };
                trusts.made = Some(kept.row);
                made.insert(kept).trust.clone().unwrap_or_default()
            }
        };
        let mut ends = true;
        for list in [&mut new.ok_actions, &mut new.alarm_actions, &mut new.insufficient_data_actions] {
            for action in list.iter_mut().filter(|action| trust_url::is_trusted(action)) {
                *action = trust_url::with_trust(action, &trust, std::mem::take(&mut ends));
            }
        }
    }
    trusts.ended = before;
    Ok(trusts)
}

/// Lets the caller make a trust.
fn make<'a>(caller: &'a Caller<'a>) -> Result<Made<'a>> {
    let gone =
        || Error::unavailable("The Keystone service is temporarily unavailable.", "it is not configured any more");
    let trustee = Trustee::open(caller.config)?.ok_or_else(gone)?;
    let some = i64::try_from(uuid::Uuid::new_v4().as_u128() % MARKS.1).unwrap_or(0);
    let mark = format!("{}Z", Timestamp(0).plus_seconds(MARKS.0 + some).iso());
    let due = Timestamp::now().plus_seconds(PATIENCE);
    let row = caller.telemetry.store.intend_trust(&mark, due)?;
    let mut made = Made { caller, row, trust: None, taken: false };
    made.trust = Some(trustee.make(caller.context, &mark)?);
    fault::point("alarm.trust.made");
    Ok(made)
}
