//! Alarms, their history, quotas, and the work that they make, in Telemetry's database.

mod complex;
mod lists;
mod quotas;
mod rows;
pub mod schema;

pub use complex::Question;
pub use lists::{Condition, Page, What};
pub use quotas::Limits;
pub use rows::constraints_json;

use super::Store;
use crate::telemetry::model::alarm::{Alarm, Change, Counted};
use crate::{Error, Result};

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

    /// Makes an alarm, with its first row of history, where the limits leave room for it.
    ///
    /// # Errors
    /// `OverQuota` where they leave none; what the database gives.
    pub fn create_alarm(&self, alarm: &Alarm, change: Option<&Change>, limits: Limits) -> Result<()> {
        self.database.write(|tx| {
            quotas::check(tx, alarm, limits)?;
            rows::insert(tx, alarm)?;
            change.map_or(Ok(()), |change| rows::record(tx, change))
        })
    }

    /// Writes an alarm over itself, with what changed; `false` where somebody else has changed it since it was read.
    ///
    /// # Errors
    /// What the database gives.
    pub fn update_alarm(&self, alarm: &Alarm, change: Option<&Change>) -> Result<bool> {
        self.database.write(|tx| {
            if !rows::update(tx, alarm)? {
                return Ok(false);
            }
            change.map_or(Ok(()), |change| rows::record(tx, change))?;
            Ok(true)
        })
    }

    /// Removes an alarm with its history and the actions that wait; `false` where it is gone already.
    ///
    /// # Errors
    /// What the database gives.
    pub fn delete_alarm(&self, id: &str) -> Result<bool> {
        self.database.write(|tx| {
            let removed = tx.execute("DELETE FROM telemetry_alarm WHERE alarm_id = ?", &[id.into()])?;
            tx.execute("DELETE FROM telemetry_alarm_change WHERE alarm_id = ?", &[id.into()])?;
            tx.execute("DELETE FROM telemetry_alarm_action WHERE alarm_id = ?", &[id.into()])?;
            Ok(removed == 1)
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

/// The refusal of one alarm too many.
fn over_quota(alarm: &Alarm) -> Error {
    let (user, project) = (alarm.user_id.as_deref(), alarm.project_id.as_deref());
    let text =
        format!("Alarm quota exceeded for user {} on project {}", user.unwrap_or("None"), project.unwrap_or("None"));
    Error::new(crate::Kind::OverQuota, text)
}
