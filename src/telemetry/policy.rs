//! The policy rules of Telemetry: those of Ceilometer since Mitaka, which leave everything but other projects open, and
//! those of Aodh 22. Not here: which route checks which rule, and how `SEGREGATION` keeps projects apart (`control/`).
#![allow(missing_docs, reason = "each row says itself what it allows")]

use crate::identity::policy::{Rule, SHARED, Scope};

/// An administrator.
const ADMIN: &str = "rule:context_is_admin";
/// An administrator or whoever is in the project: what rules of alarms demanded before.
const OWNER: &str = "rule:context_is_admin or project_id:%(project_id)s";

/// A rule for everybody with a token.
const fn open(name: &'static str) -> Rule {
    Rule::new(name, "")
}

/// A rule of alarms for whoever may read in the project.
const fn reader(name: &'static str) -> Rule {
    Rule::new(name, "rule:project_reader_or_admin").formerly(OWNER).scope(&[Scope::Project])
}

/// A rule of alarms for whoever may write in the project.
const fn member(name: &'static str) -> Rule {
    Rule::new(name, "rule:project_member_or_admin").formerly(OWNER).scope(&[Scope::Project])
}

/// A rule of alarms for administrators.
const fn admin(name: &'static str) -> Rule {
    Rule::new(name, ADMIN).scope(&[Scope::Project])
}

pub const SEGREGATION: Rule = Rule::new("segregation", ADMIN).about("See and post what belongs to any project.");
pub const PROJECT_READER: Rule = Rule::new("project_reader", "role:reader and project_id:%(project_id)s")
    .about("Whoever may read in the project. Other rules refer to it.");
pub const PROJECT_MEMBER: Rule = Rule::new("project_member", "role:member and project_id:%(project_id)s")
    .about("Whoever may write in the project. Other rules refer to it.");
pub const PROJECT_READER_OR_ADMIN: Rule =
    Rule::new("project_reader_or_admin", "rule:project_reader or rule:context_is_admin")
        .about("An administrator, or whoever may read in the project. Other rules refer to it.");
pub const PROJECT_MEMBER_OR_ADMIN: Rule =
    Rule::new("project_member_or_admin", "rule:project_member or rule:context_is_admin")
        .about("An administrator, or whoever may write in the project. Other rules refer to it.");

pub const GET_METERS: Rule = open("telemetry:get_meters").about("List meters.").operations(&[("GET", "/v2/meters")]);
pub const GET_SAMPLES: Rule = open("telemetry:get_samples")
    .about("List samples, of one meter or of all.")
    .operations(&[("GET", "/v2/meters/{meter_name}"), ("GET", "/v2/samples")]);
pub const GET_SAMPLE: Rule =
    open("telemetry:get_sample").about("See one sample.").operations(&[("GET", "/v2/samples/{sample_id}")]);
pub const CREATE_SAMPLES: Rule =
    open("telemetry:create_samples").about("Post samples.").operations(&[("POST", "/v2/meters/{meter_name}")]);
pub const COMPUTE_STATISTICS: Rule = open("telemetry:compute_statistics")
    .about("Have statistics computed.")
    .operations(&[("GET", "/v2/meters/{meter_name}/statistics")]);
pub const GET_RESOURCES: Rule =
    open("telemetry:get_resources").about("List resources.").operations(&[("GET", "/v2/resources")]);
pub const GET_RESOURCE: Rule =
    open("telemetry:get_resource").about("See one resource.").operations(&[("GET", "/v2/resources/{resource_id}")]);
pub const QUERY_SAMPLE: Rule = open("telemetry:query_sample")
    .about("Search samples by an expression.")
    .operations(&[("POST", "/v2/query/samples")]);
pub const PUBLISH: Rule = Rule::new("telemetry:publish", "rule:context_is_admin or role:telemetry_publisher")
    .about("Publish samples and events of every project, as agents do.")
    .operations(&[("POST", "/v2/samples"), ("POST", "/v2/events")]);
pub const GET_EVENTS: Rule = open("telemetry:events:index").about("List events.").operations(&[("GET", "/v2/events")]);
pub const GET_EVENT: Rule =
    open("telemetry:events:show").about("See one event.").operations(&[("GET", "/v2/events/{message_id}")]);

pub const GET_ALARM: Rule =
    reader("telemetry:get_alarm").about("See one alarm.").operations(&[("GET", "/v2/alarms/{alarm_id}")]);
pub const GET_ALARMS: Rule = reader("telemetry:get_alarms").about("List alarms.").operations(&[("GET", "/v2/alarms")]);
pub const GET_ALARMS_OF_ALL_PROJECTS: Rule = admin("telemetry:get_alarms:all_projects")
    .formerly(ADMIN)
    .about("List alarms of all projects.")
    .operations(&[("GET", "/v2/alarms")]);
pub const QUERY_ALARM: Rule = reader("telemetry:query_alarm")
    .about("Search alarms by an expression.")
    .operations(&[("POST", "/v2/query/alarms")]);
pub const CREATE_ALARM: Rule =
    member("telemetry:create_alarm").formerly("").about("Create an alarm.").operations(&[("POST", "/v2/alarms")]);
pub const CHANGE_ALARM: Rule =
    member("telemetry:change_alarm").about("Change an alarm.").operations(&[("PUT", "/v2/alarms/{alarm_id}")]);
pub const DELETE_ALARM: Rule =
    member("telemetry:delete_alarm").about("Delete an alarm.").operations(&[("DELETE", "/v2/alarms/{alarm_id}")]);
pub const GET_ALARM_STATE: Rule = reader("telemetry:get_alarm_state")
    .about("See the state of an alarm.")
    .operations(&[("GET", "/v2/alarms/{alarm_id}/state")]);
pub const CHANGE_ALARM_STATE: Rule = member("telemetry:change_alarm_state")
    .about("Set the state of an alarm.")
    .operations(&[("PUT", "/v2/alarms/{alarm_id}/state")]);
pub const ALARM_HISTORY: Rule = reader("telemetry:alarm_history")
    .about("See the history of an alarm.")
    .operations(&[("GET", "/v2/alarms/{alarm_id}/history")]);
pub const QUERY_ALARM_HISTORY: Rule = reader("telemetry:query_alarm_history")
    .about("Search the history of alarms by an expression.")
    .operations(&[("POST", "/v2/query/alarms/history")]);
pub const GET_QUOTAS: Rule = reader("telemetry:get_quotas")
    .about("See the alarm quotas of a project.")
    .operations(&[("GET", "/v2/quotas"), ("GET", "/v2/quotas/{project_id}")]);
pub const UPDATE_QUOTAS: Rule = admin("telemetry:update_quotas")
    .formerly(ADMIN)
    .about("Set the alarm quotas of a project.")
    .operations(&[("POST", "/v2/quotas")]);
pub const DELETE_QUOTAS: Rule = admin("telemetry:delete_quotas")
    .formerly(ADMIN)
    .about("Set the alarm quotas of a project back to the defaults.")
    .operations(&[("DELETE", "/v2/quotas/{project_id}")]);
pub const GET_METRICS: Rule = reader_of_metrics("telemetry:get_metrics", "rule:project_reader_or_admin")
    .about("See how often alarms were evaluated to which result.");
pub const GET_METRICS_OF_ALL_PROJECTS: Rule = reader_of_metrics("telemetry:get_metrics:all_projects", ADMIN)
    .about("See how often alarms of all projects were evaluated to which result.");

const fn reader_of_metrics(name: &'static str, check: &'static str) -> Rule {
    Rule::new(name, check).scope(&[Scope::Project]).operations(&[("GET", "/v2/metrics")])
}

/// All rows of this file but the shared ones.
pub const ROWS: &[Rule] = &[
    SEGREGATION,
    PROJECT_READER,
    PROJECT_MEMBER,
    PROJECT_READER_OR_ADMIN,
    PROJECT_MEMBER_OR_ADMIN,
    GET_METERS,
    GET_SAMPLES,
    GET_SAMPLE,
    CREATE_SAMPLES,
    COMPUTE_STATISTICS,
    GET_RESOURCES,
    GET_RESOURCE,
    QUERY_SAMPLE,
    PUBLISH,
    GET_EVENTS,
    GET_EVENT,
    GET_ALARM,
    GET_ALARMS,
    GET_ALARMS_OF_ALL_PROJECTS,
    QUERY_ALARM,
    CREATE_ALARM,
    CHANGE_ALARM,
    DELETE_ALARM,
    GET_ALARM_STATE,
    CHANGE_ALARM_STATE,
    ALARM_HISTORY,
    QUERY_ALARM_HISTORY,
    GET_QUOTAS,
    UPDATE_QUOTAS,
    DELETE_QUOTAS,
    GET_METRICS,
    GET_METRICS_OF_ALL_PROJECTS,
];

/// Every rule; the first are those that both services share.
pub const ALL: &[&[Rule]] = &[SHARED, ROWS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::policy::{Policy, Target};
    use crate::identity::{Context, Identity};

    fn caller(roles: &[&str], project: &str, system: Option<&str>) -> Context {
        let identity = Identity {
            user_id: "u".to_owned(),
            project_id: project.to_owned(),
            system_scope: system.map(str::to_owned),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            ..Identity::default()
        };
        Context { identity: identity.into(), ..Context::default() }
    }

    #[test]
    fn meters_are_open_alarms_need_roles_and_other_projects_need_an_administrator() {
        let policy = Policy::load(ALL, None).unwrap();
        assert_eq!(policy.problems(), [""; 0]);
        let target = Target::project("p");
        for (rule, reader, member, nobody, stranger, admin) in [
            (&GET_METERS, true, true, true, true, true),
            (&GET_ALARM, true, true, false, false, true),
            (&CREATE_ALARM, false, true, false, false, true),
            (&GET_ALARMS_OF_ALL_PROJECTS, false, false, false, false, true),
            (&SEGREGATION, false, false, false, false, true),
        ] {
            let allows = |roles: &[&str], project| policy.allows(rule, &caller(roles, project, None), &target);
            assert_eq!(allows(&["reader"], "p"), reader, "{}", rule.name);
            assert_eq!(allows(&["member", "reader"], "p"), member, "{}", rule.name);
            assert_eq!(allows(&[], "p"), nobody, "{}", rule.name);
            assert_eq!(allows(&["member", "reader"], "q"), stranger, "{}", rule.name);
            assert_eq!(allows(&["admin"], "q"), admin, "{}", rule.name);
        }
        assert!(!policy.allows(&GET_ALARM, &caller(&["admin"], "", Some("all")), &target), "of the system's scope");
        assert!(policy.allows(&SEGREGATION, &caller(&["admin"], "", Some("all")), &target));
    }

    #[test]
    fn every_row_is_listed_and_says_what_it_allows() {
        assert_eq!(include_str!("policy.rs").matches(": Rule =").count(), ROWS.len() + 1, "one is this line's own");
        assert!(ROWS.iter().all(|rule| rule.about.ends_with('.')));
    }
}
