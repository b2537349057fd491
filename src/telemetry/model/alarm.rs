//! Alarms, their history, and what becomes of them (specification: alarms).

use serde_json::Value as Json;

use crate::time::Timestamp;

/// The state of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Its rule does not hold.
    Ok,
    /// Its rule holds.
    Alarm,
    /// Nobody knows.
    Unknown,
}

impl State {
    /// All of them, in the order in which the service lists them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Alarm, Self::Unknown];

    /// The words on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Alarm => "alarm",
            Self::Unknown => "insufficient data",
        }
    }

    /// The state of these words.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

/// How grave an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can wait.
    Low,
    /// It should not wait long.
    Moderate,
    /// It can not wait.
    Critical,
}

impl Severity {
    /// All of them, the lowest one first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Moderate, Self::Critical];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::Critical => "critical",
        }
    }

    /// The severity of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == text)
    }
}

/// What kind of rule an alarm has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuleType {
    /// An event that comes.
    Event,
    /// One metric of one resource in Gnocchi.
    GnocchiResources,
    /// Several metrics in Gnocchi, by their ids.
    GnocchiByMetrics,
    /// A metric of the resources that a search in Gnocchi finds.
    GnocchiByResources,
    /// Other rules, by `and` and `or`.
    Composite,
    /// The members of a pool of a load balancer.
    LoadBalancer,
    /// A query to Prometheus.
    Prometheus,
    /// Statistics of our own samples.
    Threshold,
    /// The states of other alarms.
    Combination,
}

impl RuleType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Event,
        Self::GnocchiResources,
        Self::GnocchiByMetrics,
        Self::GnocchiByResources,
        Self::Composite,
        Self::LoadBalancer,
        Self::Prometheus,
        Self::Threshold,
        Self::Combination,
    ];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::GnocchiResources => "gnocchi_resources_threshold",
            Self::GnocchiByMetrics => "gnocchi_aggregation_by_metrics_threshold",
            Self::GnocchiByResources => "gnocchi_aggregation_by_resources_threshold",
            Self::Composite => "composite",
            Self::LoadBalancer => "loadbalancer_member_health",
            Self::Prometheus => "prometheus",
            Self::Threshold => "threshold",
            Self::Combination => "combination",
        }
    }

    /// The type of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }

    /// The type whose rule has this name (`threshold_rule`).
    pub fn of_field(field: &str) -> Option<Self> {
        field.strip_suffix("_rule").and_then(Self::parse)
    }

    /// Whether such a rule may stand in a composite one.
    pub const fn is_leaf(self) -> bool {
        matches!(
            self,
            Self::GnocchiResources
                | Self::GnocchiByMetrics
                | Self::GnocchiByResources
                | Self::Prometheus
                | Self::Threshold
        )
    }
}

/// One alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Its id, a UUID.
    pub id: String,
    /// Its name, which others may have too.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is evaluated.
    pub enabled: bool,
    /// What kind of rule it has.
    pub kind: RuleType,
    /// Its rule, in the form of that kind.
    pub rule: Json,
    /// Its state.
    pub state: State,
    /// Why it has that state.
    pub state_reason: String,
    /// How grave it is.
    pub severity: Severity,
    /// Id of the user who made it.
    pub user_id: Option<String>,
    /// Id of the project that it belongs to.
    pub project_id: Option<String>,
    /// When it was made or changed.
    pub timestamp: Timestamp,
    /// When its state last changed.
    pub state_timestamp: Timestamp,
    /// When it was last evaluated.
    pub evaluated_at: Timestamp,
    /// URLs to call when it becomes ok.
    pub ok_actions: Vec<String>,
    /// URLs to call when it becomes alarm.
    pub alarm_actions: Vec<String>,
    /// URLs to call when nobody knows any more.
    pub insufficient_data_actions: Vec<String>,
    /// Whether the URLs are called with each evaluation.
    pub repeat_actions: bool,
    /// When it is evaluated at all; empty: always.
    pub time_constraints: Vec<TimeConstraint>,
    /// Grows with every change, so that who changes it knows whether somebody else did.
    pub version: i64,
}

impl Alarm {
    /// The URLs to call in a state.
    pub fn actions(&self, state: State) -> &[String] {
        match state {
            State::Ok => &self.ok_actions,
            State::Alarm => &self.alarm_actions,
            State::Unknown => &self.insufficient_data_actions,
        }
    }
}

/// A time at which an alarm is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeConstraint {
    /// Its name, which no other one of the alarm has.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it begins, as cron writes it.
    pub start: String,
    /// How long it lasts, in seconds.
    pub duration: i64,
    /// The zone of `start`; empty: UTC.
    pub timezone: String,
}

/// What happened to an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its own id, a UUID.
    pub event_id: String,
    /// Id of the alarm.
    pub alarm_id: String,
    /// `creation`, `rule change` or `state transition`.
    pub kind: String,
    /// What it was, as JSON text.
    pub detail: String,
    /// Id of the user who did it; none where the evaluator did.
    pub user_id: Option<String>,
    /// Id of that user's project.
    pub project_id: Option<String>,
    /// Id of the alarm's project.
    pub on_behalf_of: Option<String>,
    /// How grave the alarm was.
    pub severity: Option<String>,
    /// When.
    pub timestamp: Timestamp,
}

/// How often an alarm was evaluated to each state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Id of the alarm.
    pub alarm_id: String,
    /// Id of its project.
    pub project_id: Option<String>,
    /// In the order of [`State::ALL`].
    pub counts: [i64; 3],
}
