//! What answers show of alarms, of their history and of quotas (specification: alarms).

use serde_json::json;

use crate::rest::json::Json;
use crate::rest::{Field, Shape, View};
use crate::telemetry::control::alarms::rules::shown;
use crate::telemetry::model::alarm::{Alarm, Change, Counted, RuleType, State};
use crate::telemetry::model::trust_url::scrubbed;
use crate::time::Timestamp;

fn time(at: Timestamp, json: &mut Json) {
    json.text(&at.iso_short());
}

/// Actions, without the trusts of those that act for somebody.
fn actions(actions: &[String], json: &mut Json) {
    json.array(|json| actions.iter().for_each(|action| json.text(&scrubbed(action))));
}

/// The rule stands under the name of its kind.
macro_rules! rule {
    ($name:literal, $kind:ident) => {
        Field::new($name, Shape::Any, |a: &Alarm, _, json| json.value(&shown(&a.rule)))
            .present(|a: &Alarm| a.kind == RuleType::$kind)
    };
}

/// An alarm.
pub(super) static ALARM: View<Alarm> = View {
    name: "Alarm",
    fields: &[
        Field::new("alarm_id", Shape::Uuid, |a: &Alarm, _, json| json.text(&a.id)),
        Field::new("name", Shape::Text, |a: &Alarm, _, json| json.text(&a.name)),
        Field::new("description", Shape::Text, |a: &Alarm, _, json| json.text(&a.description)),
        Field::new("enabled", Shape::Bool, |a: &Alarm, _, json| json.bool(a.enabled)),
        Field::new("ok_actions", Shape::Texts, |a: &Alarm, _, json| actions(&a.ok_actions, json)),
        Field::new("alarm_actions", Shape::Texts, |a: &Alarm, _, json| actions(&a.alarm_actions, json)),
        Field::new("insufficient_data_actions", Shape::Texts, |a: &Alarm, _, json| {
            actions(&a.insufficient_data_actions, json);
        }),
        Field::new("repeat_actions", Shape::Bool, |a: &Alarm, _, json| json.bool(a.repeat_actions)),
        Field::new("type", Shape::Text, |a: &Alarm, _, json| json.text(a.kind.name())),
        Field::new("time_constraints", Shape::Objects, |a: &Alarm, _, json| {
            let constraints = a.time_constraints.iter().map(|c| {
                json!({"name": c.name, "description": c.description, "start": c.start, "duration": c.duration,
                    "timezone": c.timezone})
            });
            json.value(&constraints.collect());
        }),
        Field::new("project_id", Shape::Text, |a: &Alarm, _, json| json.opt_text(a.project_id.as_deref())).nullable(),
        Field::new("user_id", Shape::Text, |a: &Alarm, _, json| json.opt_text(a.user_id.as_deref())).nullable(),
        Field::new("timestamp", Shape::Time, |a: &Alarm, _, json| time(a.timestamp, json)),
        Field::new("state", Shape::Text, |a: &Alarm, _, json| json.text(a.state.name())),
        Field::new("state_timestamp", Shape::Time, |a: &Alarm, _, json| time(a.state_timestamp, json)),
        Field::new("state_reason", Shape::Text, |a: &Alarm, _, json| json.text(&a.state_reason)),
        Field::new("severity", Shape::Text, |a: &Alarm, _, json| json.text(a.severity.name())),
        Field::new("evaluate_timestamp", Shape::Time, |a: &Alarm, _, json| time(a.evaluated_at, json)),
        rule!("event_rule", Event),
        rule!("gnocchi_resources_threshold_rule", GnocchiResources),
        rule!("gnocchi_aggregation_by_metrics_threshold_rule", GnocchiByMetrics),
        rule!("gnocchi_aggregation_by_resources_threshold_rule", GnocchiByResources),
        rule!("composite_rule", Composite),
        rule!("loadbalancer_member_health_rule", LoadBalancer),
        rule!("prometheus_rule", Prometheus),
        rule!("threshold_rule", Threshold),
        rule!("combination_rule", Combination),
    ],
};

/// A change of an alarm.
pub(super) static CHANGE: View<Change> = View {
    name: "AlarmChange",
    fields: &[
        Field::new("event_id", Shape::Uuid, |c: &Change, _, json| json.text(&c.event_id)),
        Field::new("alarm_id", Shape::Uuid, |c: &Change, _, json| json.text(&c.alarm_id)),
        Field::new("type", Shape::Text, |c: &Change, _, json| json.text(&c.kind)),
        Field::new("detail", Shape::Text, |c: &Change, _, json| json.text(&c.detail)),
        Field::new("project_id", Shape::Text, |c: &Change, _, json| json.opt_text(c.project_id.as_deref())).nullable(),
        Field::new("user_id", Shape::Text, |c: &Change, _, json| json.opt_text(c.user_id.as_deref())).nullable(),
        Field::new("on_behalf_of", Shape::Text, |c: &Change, _, json| json.opt_text(c.on_behalf_of.as_deref()))
            .nullable(),
        Field::new("timestamp", Shape::Time, |c: &Change, _, json| time(c.timestamp, json)),
    ],
};

/// The quotas of a project.
pub(super) struct Quotas {
    pub(super) project_id: String,
    /// The most alarms; -1 is any number. `None` where nothing was set and only what was set is shown.
    pub(super) alarms: Option<i64>,
}

/// Quotas.
pub(super) static QUOTAS: View<Quotas> = View {
    name: "Quotas",
    fields: &[
        Field::new("project_id", Shape::Text, |q: &Quotas, _, json| json.text(&q.project_id)),
        Field::new("quotas", Shape::Objects, |q: &Quotas, _, json| {
            json.array(|json| {
                if let Some(most) = q.alarms {
                    json.object(|json| {
                        json.key("resource").text("alarms");
                        json.key("limit").int(most);
                    });
                }
            });
        }),
    ],
};

/// How often alarms were evaluated to each state.
pub(super) static METRICS: View<Vec<Counted>> = View {
    name: "AlarmMetrics",
    fields: &[Field::new("evaluation_results", Shape::Objects, |all: &Vec<Counted>, _, json| {
        json.array(|json| {
            for counted in all {
                json.object(|json| {
                    json.key("alarm_id").text(&counted.alarm_id);
                    json.key("project_id").opt_text(counted.project_id.as_deref());
                    json.key("state_counters").object(|json| {
                        for (state, count) in State::ALL.into_iter().zip(counted.counts) {
                            json.key(state.name()).int(count);
                        }
                    });
                });
            }
        });
    })],
};
