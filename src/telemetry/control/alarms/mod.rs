//! Alarms: who may make, see and change which, and what is written of it (specification: alarms).

mod complex;
mod history;
mod lists;
mod quotas;
pub mod rules;
mod trusts;

pub use complex::{Complex, alarms as query, changes as query_history};
pub use lists::{Wanted, history as list_history, list};
pub use quotas::{counts, delete as delete_quota, set as set_quota, show as quota};

use serde_json::Value as Json;

use super::Caller;
use crate::config::alarms as options;
use crate::identity::policy::{Rule, Target};
use crate::telemetry::model::alarm::{Alarm, RuleType, Severity, State, TimeConstraint};
use crate::telemetry::model::trust_url;
use crate::telemetry::notices;
use crate::telemetry::policy as rows;
use crate::telemetry::store::alarms::{Limits, Trusts};
use crate::telemetry::store::schema::NAME_LENGTH;
use crate::time::Timestamp;
use crate::{Error, Kind, Result};

/// The reason of a state that nobody has looked at.
const NOT_EVALUATED: &str = "Not evaluated yet";
/// The reason of a state that a caller set.
const BY_HAND: &str = "Manually set via API";
/// How often a change is tried again that another one came before.
const TRIES: usize = 10;
/// The schemes of actions that are sent.
const SCHEMES: [&str; 4] = ["http", "https", "log", "test"];
/// The schemes of those that are sent where a Keystone says who acts for whom, and where Zaqar is.
const WITH_KEYSTONE: [&str; 4] = ["trust+http", "trust+https", "zaqar", "trust+zaqar"];

/// An alarm as a caller defines it, with its own defaults filled in.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What it is for; made of the rule where it is left out.
    pub description: Option<String>,
    /// Whether it is evaluated.
    pub enabled: bool,
    /// URLs to call when it becomes ok.
    pub ok_actions: Vec<String>,
    /// URLs to call when it becomes alarm.
    pub alarm_actions: Vec<String>,
    /// URLs to call when nobody knows any more.
    pub insufficient_data_actions: Vec<String>,
    /// Whether the URLs are called with each evaluation.
    pub repeat_actions: bool,
    /// What kind of rule it has.
    pub kind: RuleType,
    /// The rule.
    pub rule: Json,
    /// When it is evaluated at all.
    pub time_constraints: Vec<TimeConstraint>,
    /// The project that it is for; the caller's where it is left out.
    pub project_id: Option<String>,
    /// The user whom it is for; the caller where it is left out.
    pub user_id: Option<String>,
    /// Its state.
    pub state: State,
    /// How grave it is.
    pub severity: Severity,
}

/// Makes an alarm.
///
/// # Errors
/// [`Kind::Forbidden`], [`Kind::Unauthenticated`] for another's project and for actions of operators, [`Kind::Invalid`],
/// [`Kind::OverQuota`], those of the store.
pub fn create(caller: &Caller<'_>, mut definition: Definition) -> Result<Alarm> {
    check(caller, &mut definition)?;
    caller.enforce(&rows::CREATE_ALARM)?;
    let limited = caller.limited_to().is_some();
    let owner = |aspect: &str, asked: &Option<String>, own: &str| match asked {
        Some(asked) if limited && asked != own => {
            Err(Error::new(Kind::Unauthenticated, format!("Not Authorized to access {aspect} {asked}")))
        }
        Some(asked) => Ok(Some(asked.clone())),
        None => Ok((!own.is_empty()).then(|| own.to_owned())),
    };
    let user_id = owner("user", &definition.user_id, &caller.context.user_id)?;
    let project_id = owner("project", &definition.project_id, &caller.context.project_id)?;
    let now = Timestamp::now();
    let rule = rules::settle(caller, definition.kind, definition.rule, project_id.as_deref(), None)?;
    let mut alarm = Alarm {
        id: uuid::Uuid::new_v4().to_string(),
        description: definition.description.unwrap_or_else(|| rules::description(definition.kind, &rule)),
        name: definition.name,
        enabled: definition.enabled,
        kind: definition.kind,
        rule,
        state: definition.state,
        state_reason: NOT_EVALUATED.to_owned(),
        severity: definition.severity,
        user_id,
        project_id,
        timestamp: now,
        state_timestamp: now,
        evaluated_at: now,
        ok_actions: definition.ok_actions,
        alarm_actions: definition.alarm_actions,
        insufficient_data_actions: definition.insufficient_data_actions,
        repeat_actions: definition.repeat_actions,
        time_constraints: definition.time_constraints,
        version: 1,
    };
    let change = history::creation(caller, &alarm);
    let limits = Limits {
        project: caller.config.integer(&options::PROJECT_ALARM_QUOTA),
        user: caller.config.integer(&options::USER_ALARM_QUOTA),
    };
    let mut made = None;
    let ends = trusts::settle(caller, None, &mut alarm, &mut made)?;
    caller.telemetry.store.create_alarm(&alarm, &change, &notices::chronicle(caller.config), limits, &ends)?;
    made.iter_mut().for_each(trusts::Made::taken);
    Ok(alarm)
}

/// What is checked of a definition before anybody asks who the caller is.
fn check(caller: &Caller<'_>, definition: &mut Definition) -> Result<()> {
    let limited = caller.limited_to().is_some();
    let most = usize::try_from(caller.config.integer(&options::ALARM_MAX_ACTIONS)).unwrap_or(0);
    for (state, actions) in [
        ("ok", &mut definition.ok_actions),
        ("alarm", &mut definition.alarm_actions),
        ("insufficient_data", &mut definition.insufficient_data_actions),
    ] {
        let mut seen = std::collections::HashSet::new();
        actions.retain(|action| seen.insert(action.clone()));
        if most > 0 && actions.len() > most {
            return Err(Error::invalid(format!("{state}_actions count exceeds maximum value {most}")));
        }
        for action in actions.iter() {
            let scheme = trust_url::scheme(action);
            let possible = SCHEMES.contains(&scheme.as_str())
                || (WITH_KEYSTONE.contains(&scheme.as_str()) && trusts::possible(caller));
            if !possible {
                return Err(Error::invalid(format!("Unsupported action {action}")));
            }
            if trust_url::is_trusted(action) && trust_url::has_user(action) {
                return Err(Error::invalid("trust URL cannot contain a trust ID."));
            }
            if limited && matches!(scheme.as_str(), "log" | "test") {
                let text = format!("You are not authorized to create action: {action}");
                return Err(Error::new(Kind::Unauthenticated, text));
            }
        }
    }
    rules::check(definition.kind, &definition.rule)?;
    // One that nobody can ever evaluate would look as if somebody did.
    let octavia = || {
        let by_token = caller.config.text(&options::OCTAVIA_AUTH) == "keystone";
        !caller.config.text(&options::OCTAVIA_URL).is_empty() || (by_token && trusts::possible(caller))
    };
    if definition.kind == RuleType::LoadBalancer && !octavia() {
        let kind = definition.kind.name();
        return Err(Error::invalid(format!(
            "Alarms of type {kind} can not be made here: no load balancing service is configured"
        )));
    }
    let mut names: Vec<&str> = definition.time_constraints.iter().map(|constraint| constraint.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < definition.time_constraints.len() {
        return Err(Error::invalid("Time constraint names must be unique for a given alarm."));
    }
    let owners = [&definition.project_id, &definition.user_id].into_iter().flatten();
    for text in owners.chain([&definition.name]) {
        if text.chars().count() > usize::from(NAME_LENGTH) || text.contains('\0') {
            let reason = format!("Value should have a maximum character requirement of {NAME_LENGTH}");
            return Err(super::refusals::invalid_input("name", text, &reason));
        }
    }
    Ok(())
}

/// An alarm that the caller may do this to.
fn found(caller: &Caller<'_>, id: &str, rule: &Rule) -> Result<Alarm> {
    let own = (!caller.context.is_admin).then_some(caller.context.project_id.as_str());
    let alarm = caller.telemetry.store.alarm(id, own)?;
    let alarm = alarm.ok_or_else(|| Error::not_found(format!("Alarm {id} not found")))?;
    let target = Target {
        user_id: alarm.user_id.as_deref(),
        ..Target::project(alarm.project_id.as_deref().unwrap_or_default())
    };
    caller.policy.check(rule, caller.context, &target)?;
    Ok(alarm)
}

/// One alarm.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::Forbidden`], those of the store.
pub fn show(caller: &Caller<'_>, id: &str) -> Result<Alarm> {
    found(caller, id, &rows::GET_ALARM)
}

/// The state of an alarm.
///
/// # Errors
/// As [`show`].
pub fn state(caller: &Caller<'_>, id: &str) -> Result<State> {
    found(caller, id, &rows::GET_ALARM_STATE).map(|alarm| alarm.state)
}

/// Changes an alarm as often as somebody else was faster. Each time `change` gets it as it is then.
fn again(
    caller: &Caller<'_>,
    id: &str,
    rule: &Rule,
    mut change: impl FnMut(&Alarm, Timestamp) -> Result<(Alarm, history::Kind, Trusts)>,
) -> Result<Alarm> {
    let chronicle = notices::chronicle(caller.config);
    for _ in 0..TRIES {
        let old = found(caller, id, rule)?;
        let (new, kind, trusts) = change(&old, Timestamp::now())?;
        let row = history::change(caller, &old, &new, kind);
        if caller.telemetry.store.update_alarm(&new, row.as_ref(), &chronicle, &trusts)? {
            return Ok(new);
        }
    }
    Err(restless(id))
}

fn restless(id: &str) -> Error {
    Error::unavailable("The alarm is changed by others all the time.", format!("alarm {id}"))
}

/// Writes a definition over an alarm: what it leaves out goes back to its default.
///
/// # Errors
/// As [`create`] and [`show`].
pub fn update(caller: &Caller<'_>, id: &str, mut definition: Definition) -> Result<Alarm> {
    check(caller, &mut definition)?;
    let limited = caller.limited_to();
    let (mut made, mut has_it) = (None, false);
    let changed = again(caller, id, &rows::CHANGE_ALARM, |old, now| {
        let new = definition.clone();
        let (user_id, project_id) = match limited {
            Some(project) => (Some(caller.context.user_id.clone()), Some(project.to_owned())),
            None => (new.user_id.or(old.user_id.clone()), new.project_id.or(old.project_id.clone())),
        };
        let rule = rules::settle(caller, new.kind, new.rule, project_id.as_deref(), Some(id))?;
        let changes = old.state != new.state;
        let mut alarm = Alarm {
            id: old.id.clone(),
            description: new.description.unwrap_or_else(|| rules::description(new.kind, &rule)),
            name: new.name,
            enabled: new.enabled,
            kind: new.kind,
            rule,
            state: new.state,
            state_reason: if changes { BY_HAND.to_owned() } else { old.state_reason.clone() },
            severity: new.severity,
            user_id,
            project_id,
            timestamp: now,
            state_timestamp: if changes { now } else { old.state_timestamp },
            evaluated_at: old.evaluated_at,
            ok_actions: new.ok_actions,
            alarm_actions: new.alarm_actions,
            insufficient_data_actions: new.insufficient_data_actions,
            repeat_actions: new.repeat_actions,
            time_constraints: new.time_constraints,
            version: old.version,
        };
        let trusts = trusts::settle(caller, Some(old), &mut alarm, &mut made)?;
        has_it = trusts.made.is_some();
        Ok((alarm, history::Kind::Rule, trusts))
    })?;
    made.iter_mut().filter(|_| has_it).for_each(trusts::Made::taken);
    Ok(changed)
}

/// Sets the state of an alarm; its actions are not called.
///
/// # Errors
/// As [`show`].
pub fn set_state(caller: &Caller<'_>, id: &str, state: State) -> Result<State> {
    let alarm = again(caller, id, &rows::CHANGE_ALARM_STATE, |old, now| {
        let new = Alarm { state, state_timestamp: now, state_reason: BY_HAND.to_owned(), ..old.clone() };
        Ok((new, history::Kind::State, Trusts::default()))
    })?;
    Ok(alarm.state)
}

/// Removes an alarm with its history.
///
/// # Errors
/// As [`show`].
pub fn delete(caller: &Caller<'_>, id: &str) -> Result<()> {
    let chronicle = notices::chronicle(caller.config);
    for _ in 0..TRIES {
        let alarm = found(caller, id, &rows::DELETE_ALARM)?;
        let trusts = Trusts { made: None, ended: trusts::of(&alarm) };
        if caller.telemetry.store.delete_alarm(&alarm, &history::deletion(caller, &alarm), &chronicle, &trusts)? {
            return Ok(());
        }
    }
    Err(restless(id))
}
