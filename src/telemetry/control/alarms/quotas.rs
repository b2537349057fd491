//! How many alarms a project may have, and how often alarms were evaluated to which state.

use super::super::Caller;
use crate::config::alarms as options;
use crate::identity::policy::Target;
use crate::telemetry::model::alarm::Counted;
use crate::telemetry::policy as rows;
use crate::{Error, Kind, Result};

/// The most alarms of a project: what was set, else the default; -1 is any number. The caller's own project where none
/// is named.
///
/// # Errors
/// [`Kind::Forbidden`], those of the store.
pub fn show(caller: &Caller<'_>, project_id: &str) -> Result<i64> {
    caller.policy.check(&rows::GET_QUOTAS, caller.context, &Target::project(project_id))?;
    let most = caller.telemetry.store.alarm_quota(project_id)?;
    Ok(most.unwrap_or_else(|| caller.config.integer(&options::PROJECT_ALARM_QUOTA)))
}

/// Sets the most alarms of a project, where `most` is given; what holds then, where something is set.
///
/// # Errors
/// As [`show`].
pub fn set(caller: &Caller<'_>, project_id: &str, most: Option<i64>) -> Result<Option<i64>> {
    caller.policy.check(&rows::UPDATE_QUOTAS, caller.context, &Target::project(project_id))?;
    if let Some(most) = most {
        caller.telemetry.store.set_alarm_quota(project_id, most)?;
    }
    caller.telemetry.store.alarm_quota(project_id)
}

/// Lets the default hold for a project.
///
/// # Errors
/// As [`show`].
pub fn delete(caller: &Caller<'_>, project_id: &str) -> Result<()> {
    caller.policy.check(&rows::DELETE_QUOTAS, caller.context, &Target::project(project_id))?;
    caller.telemetry.store.delete_alarm_quota(project_id)
}

/// How often alarms were evaluated to each state.
///
/// # Errors
/// [`Kind::Forbidden`], those of the store.
pub fn counts(caller: &Caller<'_>, all_projects: bool) -> Result<Vec<Counted>> {
    if !caller.config.boolean(&options::ENABLE_EVALUATION_RESULTS_METRICS) {
        return Err(Error::new(Kind::OverQuota, "metrics endpoint is disabled"));
    }
    caller.enforce(if all_projects { &rows::GET_METRICS_OF_ALL_PROJECTS } else { &rows::GET_METRICS })?;
    let own = (!all_projects).then_some(caller.context.project_id.as_str());
    caller.telemetry.store.alarm_counts(own)
}
