//! Alarms, their history, quotas, and the work that they make, in Telemetry's database.

mod chronicle;
mod complex;
mod lists;
mod quotas;
mod rows;
pub mod schema;
mod trusts;
mod work;

pub use chronicle::Chronicle;
pub use complex::Question;
pub use lists::{Condition, Page, What};
pub use quotas::Limits;
pub use rows::constraints_json;
pub use trusts::{Ending, Trusts};
pub use work::{Action, Evaluated, Refresh, Writing};

use serde_json::{Value as Json, json};

use chronicle::Teller;

use super::Store;
use crate::database::Connection;
use crate::service::fault;
use crate::telemetry::model::alarm::{Alarm, Change, Counted, RuleType, State};
use crate::telemetry::model::event::Event as Stored;
use crate::telemetry::model::event_rule::{Event, published};
use crate::time::Timestamp;
use crate::{Error, Result};

/// How often an event is held against an alarm that others change meanwhile.
const TRIES: usize = 10;
/// How many actions are looked at for one that nobody else takes.
const CANDIDATES: i64 = 20;

impl Store {
    /// One alarm, of this project where it is given.
    ///
    /// # Errors
    /// What the database gives.
    pub fn alarm(&self, id: &str, project_id: Option<&str>) -> Result<Option<Alarm>> {
        let mut page = Page { conditions: vec![("alarm_id = ?", id.to_owned().into())], ..Page::default() };
        if let Some(project) = project_id {
            page.conditions.push(("project_id = ?", project.to_owned().into()));
        }
        Ok(self.alarms(&page)?.pop())
    }

    /// A page of alarms.
    ///
    /// # Errors
    /// `Invalid` for a marker that is not there; what the database gives.
    pub fn alarms(&self, page: &Page) -> Result<Vec<Alarm>> {
        self.database.snapshot(|connection| lists::alarms(connection, page))
    }

    /// A page of the history of alarms.
    ///
    /// # Errors
    /// As [`Store::alarms`].
    pub fn alarm_changes(&self, page: &Page) -> Result<Vec<Change>> {
        self.database.snapshot(|connection| lists::changes(connection, page))
    }

    /// The alarms that an expression means.
    ///
    /// # Errors
    /// `Unavailable` where it takes too long; what the database gives.
    pub fn query_alarms(&self, question: &Question) -> Result<Vec<Alarm>> {
        self.database.snapshot(|connection| complex::alarms(connection, question, self.deadline()))
    }

    /// The changes of alarms that an expression means.
    ///
    /// # Errors
    /// As [`Store::query_alarms`].
    pub fn query_alarm_changes(&self, question: &Question) -> Result<Vec<Change>> {
        self.database.snapshot(|connection| complex::changes(connection, question, self.deadline()))
    }

    /// Makes an alarm, with what is kept and told of it, and its trust, where the limits leave room for it.
    ///
    /// # Errors
    /// `OverQuota` where they leave none; `Unavailable` where the trust was given up; what the database gives.
    pub fn create_alarm(
        &self,
        alarm: &Alarm,
        change: &Change,
        chronicle: &Chronicle,
        limits: Limits,
        trusts: &Trusts,
    ) -> Result<()> {
        self.database.write(|tx| {
            quotas::check(tx, alarm, limits)?;
            rows::insert(tx, alarm)?;
            trusts::apply(tx, trusts, alarm.timestamp)?;
            chronicle.record(tx, change, Teller::Api)?;
            fault::point("alarm.create.before_commit");
            Ok(())
        })
    }

    /// Writes an alarm over itself, with what changed, and the trusts that it does without end; `false` where somebody else has
    /// changed it since it was read.
    ///
    /// # Errors
    /// `Unavailable` where its new trust was given up; what the database gives.
    pub fn update_alarm(
        &self,
        alarm: &Alarm,
        change: Option<&Change>,
        chronicle: &Chronicle,
        trusts: &Trusts,
    ) -> Result<bool> {
        self.database.write(|tx| {
            if !rows::update(tx, alarm)? {
                return Ok(false);
            }
            trusts::apply(tx, trusts, Timestamp::now())?;
            change.map_or(Ok(()), |change| chronicle.record(tx, change, Teller::Api))?;
            Ok(true)
        })
    }

    /// Removes an alarm with its history and the actions that wait, lets its trusts (their ids) end, and tells so; `false` where somebody else has changed it
    /// since it was read, or it is gone already.
    ///
    /// # Errors
    /// What the database gives.
    pub fn delete_alarm(
        &self,
        alarm: &Alarm,
        deletion: &Change,
        chronicle: &Chronicle,
        trusts: &Trusts,
    ) -> Result<bool> {
        let id = alarm.id.as_str();
        self.database.write(|tx| {
            let params = [id.into(), alarm.version.into()];
            if tx.execute("DELETE FROM telemetry_alarm WHERE alarm_id = ? AND version = ?", &params)? == 0 {
                return Ok(false);
            }
            tx.execute("DELETE FROM telemetry_alarm_change WHERE alarm_id = ?", &[id.into()])?;
            tx.execute("DELETE FROM telemetry_alarm_action WHERE alarm_id = ?", &[id.into()])?;
            trusts::apply(tx, trusts, Timestamp::now())?;
            chronicle.tell(tx, deletion, Teller::Api)?;
            Ok(true)
        })
    }

    /// The most alarms of a project, where that was set.
    ///
    /// # Errors
    /// What the database gives.
    pub fn alarm_quota(&self, project_id: &str) -> Result<Option<i64>> {
        self.database.read(|connection| quotas::of(connection, project_id))
    }

    /// Sets the most alarms of a project.
    ///
    /// # Errors
    /// `Invalid` for an id that is too long; what the database gives.
    pub fn set_alarm_quota(&self, project_id: &str, most: i64) -> Result<()> {
        self.database.write(|tx| quotas::set(tx, project_id, most))
    }

    /// Lets the default hold for a project.
    ///
    /// # Errors
    /// What the database gives.
    pub fn delete_alarm_quota(&self, project_id: &str) -> Result<()> {
        let sql = "DELETE FROM telemetry_alarm_quota WHERE project_id = ?";
        self.database.write(|tx| tx.execute(sql, &[project_id.into()]).map(|_| ()))
    }

    /// How often alarms were evaluated to each state: those of a project, or of all; those that never were are left out.
    ///
    /// # Errors
    /// What the database gives.
    pub fn alarm_counts(&self, project_id: Option<&str>) -> Result<Vec<Counted>> {
        let filter = project_id.map(|_| " AND project_id = ?").unwrap_or_default();
        let sql = format!(
            "SELECT alarm_id, project_id, counted_ok, counted_alarm, counted_unknown FROM telemetry_alarm \
             WHERE counted_ok + counted_alarm + counted_unknown > 0{filter} ORDER BY project_id, alarm_id"
        );
        let params: Vec<_> = project_id.map(Into::into).into_iter().collect();
        self.database.read(|connection| {
            connection.rows(&sql, &params, |row| {
                Ok(Counted {
                    alarm_id: row.string(0)?,
                    project_id: row.opt_string(1)?,
                    counts: [row.int(2)?, row.int(3)?, row.int(4)?],
                })
            })
        })
    }
}

/// What evaluators and notifiers do.
impl Store {
    /// Takes alarms that are due, at most `most`, for `owner`, who holds them until `until`; nobody else takes them before.
    ///
    /// # Errors
    /// What the database gives.
    pub fn claim_alarms(&self, owner: &str, now: Timestamp, until: Timestamp, most: i64) -> Result<Vec<Alarm>> {
        let candidates = self.database.read(|connection| work::candidates(connection, now, most))?;
        if candidates.is_empty() {
            return Ok(candidates);
        }
        self.database.write(|tx| work::claim(tx, &candidates, owner, now, until))
    }

    /// Writes what an evaluation found, with the history and the actions that it makes, and lets go of the alarm; `false`
    /// where somebody has changed it meanwhile, and nothing but the letting go was written.
    ///
    /// # Errors
    /// What the database gives.
    pub fn complete_alarm(
        &self,
        alarm: &Alarm,
        owner: &str,
        evaluated: &Evaluated,
        writing: &Writing<'_>,
    ) -> Result<bool> {
        let written = self.database.write(|tx| work::complete(tx, alarm, owner, evaluated, writing));
        fault::point("alarm.after_commit");
        written
    }

    /// As [`Store::event_arrived`], for several events that were stored.
    ///
    /// # Errors
    /// As [`Store::event_arrived`].
    pub fn events_arrived(&self, events: &[Stored], chronicle: &Chronicle) -> Result<usize> {
        let sql = "SELECT alarm_id FROM telemetry_alarm WHERE type = ? AND enabled = ? LIMIT 1";
        let params = [RuleType::Event.name().into(), true.into()];
        let mut fired = 0;
        // Where nobody waits for events, they cost no more than this.
        if self.database.read(|connection| connection.row(sql, &params, |_| Ok(())))?.is_some() {
            for event in events {
                fired += self.event_arrived(&published(event), chronicle)?;
            }
        }
        Ok(fired)
    }

    /// Evaluates the alarms on events of the project that an event belongs to (`''` where it names none), and writes the
    /// transitions. How many alarms it fired.
    ///
    /// The event is as agents publish it: an object with `message_id`, `event_type`, `generated` and `traits`, a list of
    /// `[name, type, value]`. Whoever stores events calls this after they are stored and before they are acknowledged, also
    /// for one that comes again: an alarm may then tell of it twice, but never not at all.
    ///
    /// # Errors
    /// What the database gives. Events without `event_type` or `message_id` mean nothing, and neither do those about transitions
    /// of alarms, which alarms that repeat their actions would answer with another one without end.
    pub fn event_arrived(&self, event: &Json, chronicle: &Chronicle) -> Result<usize> {
        let event = Event::of(event);
        let page = Page {
            conditions: vec![
                ("type = ?", RuleType::Event.name().into()),
                ("project_id = ?", event.project().to_owned().into()),
                ("enabled = ?", true.into()),
            ],
            ..Page::default()
        };
        if !event.is_whole() || event.event_type() == chronicle::TRANSITION {
            return Ok(0);
        }
        let mut fired = 0;
        for alarm in self.alarms(&page)? {
            fired += usize::from(self.fire(alarm, &event, chronicle)?);
        }
        Ok(fired)
    }

    /// Fires one alarm where it waits for this event.
    fn fire(&self, alarm: Alarm, event: &Event<'_>, chronicle: &Chronicle) -> Result<bool> {
        let mut now_it_is = Some(alarm);
        // Whoever changes the alarm meanwhile makes it worth another look.
        for _ in 0..TRIES {
            let Some(alarm) = now_it_is else { return Ok(false) };
            let fired_before = !alarm.repeat_actions && alarm.state == State::Alarm;
            if !alarm.enabled || alarm.kind != RuleType::Event || fired_before || !event.is_meant_by(&alarm.rule) {
                return Ok(false);
            }
            let refresh = Refresh {
                state: State::Alarm,
                reason: event.reason(&alarm.rule),
                reason_data: json!({"type": "event", "event": event.json()}),
                always_record: alarm.repeat_actions,
            };
            let now = Timestamp::now();
            let writing = Writing { now, due: now, chronicle };
            let written = self.database.write(|tx| {
                let sql = "UPDATE telemetry_alarm SET evaluated_at = ? WHERE alarm_id = ? AND version = ?";
                let params = [now.0.into(), (&alarm.id).into(), alarm.version.into()];
                if tx.execute(sql, &params)? == 0 {
                    return Ok(false);
                }
                work::transition(tx, &alarm, &refresh, &writing)?;
                fault::point("alarm.event.before_commit");
                Ok(true)
            })?;
            if written {
                return Ok(true);
            }
            now_it_is = self.alarm(&alarm.id, None)?;
        }
        Err(Error::unavailable("The alarm is changed by others all the time.", "an alarm on events"))
    }

    /// Takes one action that is due for `owner`, who holds it until `until`, of a server that is not in `busy`.
    ///
    /// # Errors
    /// What the database gives.
    pub fn claim_action(
        &self,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[String],
    ) -> Result<Option<Action>> {
        let due = self.database.read(|connection| work::due_actions(connection, now, busy, CANDIDATES))?;
        for action in due {
            if self.database.write(|tx| work::claim_action(tx, &action, owner, now, until))? {
                return Ok(Some(Action { attempts: action.attempts + 1, ..action }));
            }
        }
        Ok(None)
    }

    /// Removes an action that was sent, or given up.
    ///
    /// # Errors
    /// What the database gives.
    pub fn end_action(&self, id: i64) -> Result<()> {
        self.database.write(|tx| {
            tx.execute("DELETE FROM telemetry_alarm_action WHERE id = ?", &[id.into()])?;
            fault::point("action.before_commit");
            Ok(())
        })
    }

    /// Lets an action that failed wait until `due`.
    ///
    /// # Errors
    /// What the database gives.
    pub fn postpone_action(&self, id: i64, due: Timestamp) -> Result<()> {
        let sql = "UPDATE telemetry_alarm_action SET due_at = ?, lease_owner = NULL, lease_until = 0 WHERE id = ?";
        self.database.write(|tx| tx.execute(sql, &[due.0.into(), id.into()]).map(|_| ()))
    }

    /// How many actions wait, and since when the oldest does.
    ///
    /// # Errors
    /// What the database gives.
    pub fn waiting_actions(&self) -> Result<(i64, Option<Timestamp>)> {
        let sql = "SELECT COUNT(*), MIN(made_at) FROM telemetry_alarm_action";
        let read = |connection: &mut Connection| {
            connection.row(sql, &[], |row| Ok((row.int(0)?, row.opt_int(1)?.map(Timestamp))))
        };
        Ok(self.database.read(read)?.unwrap_or((0, None)))
    }
}

/// The refusal of one alarm too many.
fn over_quota(alarm: &Alarm) -> Error {
    let (user, project) = (alarm.user_id.as_deref(), alarm.project_id.as_deref());
    let text =
        format!("Alarm quota exceeded for user {} on project {}", user.unwrap_or("None"), project.unwrap_or("None"));
    Error::new(crate::Kind::OverQuota, text)
}
