//! How many alarms a project and a user may have.

use super::over_quota;
use crate::Result;
use crate::database::{Connection, Transaction};
use crate::telemetry::model::alarm::Alarm;

/// The most alarms where nothing was set for a project; below 0: any number.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of a project.
    pub project: i64,
    /// Of a user, in all projects.
    pub user: i64,
}

pub(super) fn of(connection: &mut Connection, project_id: &str) -> Result<Option<i64>> {
    let sql = "SELECT most FROM telemetry_alarm_quota WHERE project_id = ?";
    connection.row(sql, &[project_id.into()], |row| row.int(0))
}

pub(super) fn set(tx: &mut Transaction<'_>, project_id: &str, most: i64) -> Result<()> {
    let insert = "INSERT INTO telemetry_alarm_quota (project_id, most) VALUES (?, ?)";
    if !tx.insert_if_absent(insert, &[project_id.into(), most.into()])? {
        let update = "UPDATE telemetry_alarm_quota SET most = ? WHERE project_id = ?";
        tx.execute(update, &[most.into(), project_id.into()])?;
    }
    Ok(())
}

/// Whether there is room for one more alarm of this owner.
pub(super) fn check(tx: &mut Transaction<'_>, alarm: &Alarm, limits: Limits) -> Result<()> {
    let (user, project) = (alarm.user_id.as_deref().unwrap_or(""), alarm.project_id.as_deref().unwrap_or(""));
    // Before anything is read: what a transaction reads first is what it sees to its end.
    take_turn(tx, "project", project)?;
    if limits.user >= 0 {
        take_turn(tx, "user", user)?;
    }
    let of_project = of(tx, project)?.unwrap_or(limits.project);
    for (column, id, most) in [("project_id", project, of_project), ("user_id", user, limits.user)] {
        if most < 0 {
            continue;
        }
        let sql = format!("SELECT COUNT(*) FROM telemetry_alarm WHERE {column} = ?");
        let count = tx.row(&sql, &[id.into()], |row| row.int(0))?.unwrap_or(0);
        if count >= most {
            return Err(over_quota(alarm));
        }
    }
    Ok(())
}

/// Waits for other transactions that count what this owner has, and makes others wait for this one.
fn take_turn(tx: &mut Transaction<'_>, kind: &str, id: &str) -> Result<()> {
    // Two owners with one digest wait for each other, which does no harm.
    let owner = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{kind}:{id}").as_bytes()).to_string();
    let insert = "INSERT INTO telemetry_alarm_turn (owner, turns) VALUES (?, 0)";
    tx.insert_if_absent(insert, &[(&owner).into()])?;
    tx.execute("UPDATE telemetry_alarm_turn SET turns = turns + 1 WHERE owner = ?", &[(&owner).into()])?;
    Ok(())
}
