//! The options of Aodh that have a meaning here.

use super::opt::Opt;

/// History.
pub const RECORD_HISTORY: Opt =
    Opt::boolean("DEFAULT", "record_history", "true").help("Whether what happens to alarms is kept.").reload();
/// Counts of evaluations.
pub const ENABLE_EVALUATION_RESULTS_METRICS: Opt =
    Opt::boolean("DEFAULT", "enable_evaluation_results_metrics", "false")
        .help("Whether it is counted, and told by /v2/metrics, how often alarms were evaluated to which state.")
        .reload();
/// Alarms of a user.
pub const USER_ALARM_QUOTA: Opt = Opt::integer("api", "user_alarm_quota", "-1")
    .at_least(-1)
    .help("Most alarms of a user, in all projects. -1: any number.")
    .reload();
/// Alarms of a project.
pub const PROJECT_ALARM_QUOTA: Opt = Opt::integer("api", "project_alarm_quota", "-1")
    .at_least(-1)
    .help("Most alarms of a project for which nothing else was set. -1: any number.")
    .reload();
/// Actions of an alarm.
pub const ALARM_MAX_ACTIONS: Opt = Opt::integer("api", "alarm_max_actions", "-1")
    .help("Most actions of an alarm for each of its states. Not above 0: any number.")
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] =
    &[RECORD_HISTORY, ENABLE_EVALUATION_RESULTS_METRICS, USER_ALARM_QUOTA, PROJECT_ALARM_QUOTA, ALARM_MAX_ACTIONS];
