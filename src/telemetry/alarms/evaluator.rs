//! Evaluates alarms that are due. Several evaluators, in several processes, share them: each takes some by a lease in the
//! database, and what one leaves behind when it dies is taken by others when the lease ends.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::composite;
use super::sources::Sources;
use super::verdict;
use crate::config::{Config, alarms as options};
use crate::service::fault;
use crate::telemetry::model::alarm::{Alarm, RuleType, State, TimeConstraint};
use crate::telemetry::model::cell::SECOND;
use crate::telemetry::model::cron::Cron;
use crate::telemetry::notices;
use crate::telemetry::store::Store;
use crate::telemetry::store::alarms::{Chronicle, Evaluated, Refresh, Writing};
use crate::time::Timestamp;
use crate::{Kind, Result};

/// Tells the time; tests turn theirs.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Most alarms that are taken at once: what a dead evaluator leaves to others is little.
const AT_A_TIME: i64 = 5;

/// An evaluator.
pub struct Evaluator {
    store: Arc<Store>,
    sources: Arc<Sources>,
    clock: Clock,
    /// Names this evaluator and no other one, before or after it.
    owner: String,
    interval: Duration,
    lease: Duration,
    chronicle: Chronicle,
    counts: bool,
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

impl Evaluator {
    /// An evaluator of the alarms in `store`.
    pub fn new(config: &Config, store: Arc<Store>, sources: Arc<Sources>, clock: Clock) -> Self {
        Self {
            store,
            sources,
            clock,
            owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
            interval: config.seconds(&options::EVALUATION_INTERVAL).max(Duration::from_secs(1)),
            lease: config.seconds(&options::EVALUATION_LEASE).max(Duration::from_secs(1)),
            chronicle: notices::chronicle(config),
            counts: config.boolean(&options::ENABLE_EVALUATION_RESULTS_METRICS),
        }
    }

    /// Takes some of the alarms that are due, and evaluates them; how many that were.
    ///
    /// # Errors
    /// What the database gives. Alarms that are then held are evaluated after the end of their lease.
    pub fn round(&self) -> Result<usize> {
        let now = (self.clock)();
        let mine = self.store.claim_alarms(&self.owner, now, later(now, self.lease), AT_A_TIME)?;
        for alarm in &mine {
            fault::point("alarm.claimed");
            // One that can not be evaluated is tried again after the end of its lease; the others do not wait for that.
            if let Err(error) = self.evaluate(alarm) {
                log::error!("alarm {} can not be evaluated: {error}", alarm.id);
            }
        }
        Ok(mine.len())
    }

    fn evaluate(&self, alarm: &Alarm) -> Result<()> {
        let now = (self.clock)();
        let mut evaluated =
            if within(&alarm.time_constraints, now) { self.look(alarm, now)? } else { Evaluated::default() };
        evaluated.counted = evaluated.counted.filter(|_| self.counts);
        // Alarms that were late once do not stay together for ever: each keeps its own place in the interval.
        let writing = Writing { now, due: later(now, self.interval), chronicle: &self.chronicle };
        if let Some(refresh) = &evaluated.refresh {
            log::info!("alarm {} is {} because {}", alarm.id, refresh.state.name(), refresh.reason);
        }
        match self.store.complete_alarm(alarm, &self.owner, &evaluated, &writing) {
            Ok(written) => {
                if !written {
                    log::debug!("alarm {} was changed while it was evaluated", alarm.id);
                }
                Ok(())
            }
            // A reason that the database does not take must not be tried again and again at once.
            Err(error) if error.kind() == Kind::Invalid => {
                log::error!("what became of alarm {} can not be written: {error}", alarm.id);
                self.store.complete_alarm(alarm, &self.owner, &Evaluated::default(), &writing).map(|_| ())
            }
            Err(error) => Err(error),
        }
    }

    /// What the rule of an alarm says.
    fn look(&self, alarm: &Alarm, now: Timestamp) -> Result<Evaluated> {
        let ask = |kind, rule: &Json| self.sources.evaluate(&self.store, kind, rule, now);
        Ok(match alarm.kind {
            RuleType::Composite => {
                let leaf = |rule: &Json| {
                    let kind = rule.get("type").and_then(Json::as_str).and_then(RuleType::parse);
                    ask(kind.unwrap_or(RuleType::Composite), rule)
                };
                let (state, refresh) = composite::evaluate(&alarm.rule, alarm.state, alarm.repeat_actions, leaf);
                Evaluated { refresh, counted: Some(state) }
            }
            RuleType::Combination => self.combine(alarm)?,
            // Events come by themselves.
            RuleType::Event => Evaluated::default(),
            RuleType::LoadBalancer => self.sources.evaluate_members(alarm, now),
            kind => {
                let found = ask(kind, &alarm.rule);
                let refresh = verdict::refresh(alarm.state, alarm.repeat_actions, &found);
                Evaluated { refresh, counted: found.state }
            }
        })
    }

    /// What the states of other alarms say.
    fn combine(&self, alarm: &Alarm) -> Result<Evaluated> {
        let any = alarm.rule.get("operator").and_then(Json::as_str) == Some("or");
        let ids = alarm.rule.get("alarm_ids").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let mut states: Vec<(&str, State)> = Vec::new();
        for id in ids {
            let found = self.store.alarm(id, None)?;
            states.push((id, found.map_or(State::Unknown, |other| other.state)));
        }
        let of = |state: State| states.iter().filter(move |(_, other)| *other == state).map(|(id, _)| *id).collect();
        let (alarmed, unknown): (Vec<&str>, Vec<&str>) = (of(State::Alarm), of(State::Unknown));
        if !unknown.is_empty() && (!any || alarmed.is_empty()) {
            let refresh = (alarm.state != State::Unknown).then(|| Refresh {
                state: State::Unknown,
                reason: format!("Alarms {} are in unknown state", unknown.join(",")),
                reason_data: json!({"type": "combination", "alarm_ids": unknown}),
                always_record: false,
            });
            return Ok(Evaluated { refresh, counted: Some(State::Unknown) });
        }
        let holds = if any { !alarmed.is_empty() } else { alarmed.len() == states.len() };
        let state = if holds { State::Alarm } else { State::Ok };
        let causes: Vec<&str> = of(state);
        let what = if alarm.state == state { "Remaining as" } else { "Transition to" };
        let name = state.name();
        let refresh = (alarm.state != state || alarm.repeat_actions).then(|| Refresh {
            state,
            reason: format!("{what} {name} due to alarms {} in state {name}", causes.join(",")),
            reason_data: json!({"type": "combination", "alarm_ids": causes}),
            always_record: false,
        });
        Ok(Evaluated { refresh, counted: Some(state) })
    }
}

/// Whether one of the constraints holds, or there are none: from a begin for the duration, and in any case to the end of the
/// minute that begins then.
pub fn within(constraints: &[TimeConstraint], now: Timestamp) -> bool {
    constraints.is_empty() || constraints.iter().any(|constraint| holds(constraint, now))
}

fn holds(constraint: &TimeConstraint, now: Timestamp) -> bool {
    let zone = match constraint.timezone.as_str() {
        "" => jiff::tz::TimeZone::UTC,
        name => match jiff::tz::TimeZone::get(name) {
            Ok(zone) => zone,
            Err(error) => {
                log::warn!("a time constraint has the zone {name}: {error}");
                return false;
            }
        },
    };
    let Some(begin) = Cron::parse(&constraint.start).ok().and_then(|cron| cron.latest(now, &zone)) else {
        return false;
    };
    let since = now.0.saturating_sub(begin.0);
    since < 60 * SECOND || since <= constraint.duration.saturating_mul(SECOND)
}

#[cfg(test)]
mod tests {
    use super::{TimeConstraint, Timestamp, within};

    #[test]
    fn a_constraint_holds_from_its_begin_to_both_ends() {
        let constraint = |duration, zone: &str| TimeConstraint {
            name: "n".to_owned(),
            description: String::new(),
            start: "0 23 * * *".to_owned(),
            duration,
            timezone: zone.to_owned(),
        };
        let at = |constraint: &TimeConstraint, time: &str| {
            within(std::slice::from_ref(constraint), Timestamp::parse(time).unwrap())
        };
        let night = constraint(10_800, "");
        for (time, holds) in [
            ("2026-01-01T22:59:59", false),
            ("2026-01-01T23:00:00", true),
            ("2026-01-02T02:00:00", true),
            ("2026-01-02T02:00:01", false),
        ] {
            assert_eq!(at(&night, time), holds, "{time}");
        }
        assert!(at(&constraint(0, ""), "2026-01-01T23:00:59.9") && !at(&constraint(0, ""), "2026-01-01T23:01:00"));
        assert!(at(&constraint(60, "Europe/Berlin"), "2026-07-01T21:00:30"));
        assert!(!at(&constraint(60, "Europe/Berlin"), "2026-07-01T23:00:30"));
        assert!(within(&[], Timestamp(0)));
        assert!(within(&[constraint(0, ""), night], Timestamp::parse("2026-01-02T01:00:00").unwrap()));
    }
}
