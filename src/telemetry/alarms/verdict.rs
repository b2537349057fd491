//! What statistics say of a threshold, and what becomes of an alarm by it: plain functions of plain values (specification:
//! alarm evaluation).

use serde_json::{Value as Json, json};

use crate::telemetry::model::alarm::State;
use crate::telemetry::store::alarms::Refresh;

/// One statistic of one period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The statistic.
    pub value: f64,
    /// Of how many samples.
    pub count: f64,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The state, where all statistics agree or there are too few.
    pub state: Option<State>,
    /// What the newest statistic says, where they do not agree.
    pub trend: Option<State>,
    /// The statistics, the newest one last.
    pub statistics: Vec<f64>,
    /// How many of them are beyond the threshold.
    pub outside: usize,
    /// Why nobody knows, and how many statistics there should have been.
    pub unknown: Option<(String, usize)>,
}

impl Verdict {
    /// Nobody knows.
    pub fn unknown(reason: String, expected: usize, statistics: Vec<f64>) -> Self {
        Self { state: Some(State::Unknown), trend: None, statistics, outside: 0, unknown: Some((reason, expected)) }
    }
}

/// Whether a value compares so with a limit.
pub fn compare(comparison: &str, value: f64, limit: f64) -> bool {
    match comparison {
        "lt" => value < limit,
        "le" => value <= limit,
        "ne" => value != limit,
        "ge" => value >= limit,
        "gt" => value > limit,
        _ => value == limit,
    }
}

/// Without the readings of so few or so many samples that they tell little: those whose counts lie beyond two standard
/// deviations of all counts.
pub fn without_outliers(readings: Vec<Reading>) -> Vec<Reading> {
    let count = readings.len() as f64;
    if readings.is_empty() {
        return readings;
    }
    let mean = readings.iter().map(|reading| reading.count).sum::<f64>() / count;
    let variance = readings.iter().map(|reading| (reading.count - mean).powi(2)).sum::<f64>() / count;
    let reach = 2.0 * variance.sqrt();
    readings.into_iter().filter(|reading| (mean - reach..=mean + reach).contains(&reading.count)).collect()
}

/// What a rule's comparison says of statistics, of which there is at least one.
pub fn judge(rule: &Json, statistics: Vec<f64>) -> Verdict {
    let comparison = rule.get("comparison_operator").and_then(Json::as_str).unwrap_or("eq");
    let limit = rule.get("threshold").and_then(Json::as_f64).unwrap_or(f64::NAN);
    let beyond: Vec<bool> = statistics.iter().map(|value| compare(comparison, *value, limit)).collect();
    let outside = beyond.iter().filter(|beyond| **beyond).count();
    let says = |beyond: bool| if beyond { State::Alarm } else { State::Ok };
    let agreed = outside == 0 || outside == beyond.len();
    Verdict {
        state: agreed.then(|| says(outside > 0)),
        trend: beyond.last().filter(|_| !agreed).map(|last| says(*last)),
        statistics,
        outside,
        unknown: None,
    }
}

/// A number as Python prints it.
fn python(value: Option<f64>) -> String {
    match value {
        None => "None".to_owned(),
        Some(value) if value.is_nan() => "nan".to_owned(),
        Some(value) if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        Some(value) => format!("{value:?}"),
    }
}

fn reason(was: State, verdict: &Verdict, state: State) -> Refresh {
    let (disposition, count) = match state {
        State::Ok => ("inside", verdict.statistics.len().saturating_sub(verdict.outside)),
        _ => ("outside", verdict.outside),
    };
    let last = verdict.statistics.last().copied();
    let what = if was == state { "Remaining as" } else { "Transition to" };
    Refresh {
        state,
        reason: format!(
            "{what} {} due to {count} samples {disposition} threshold, most recent: {}",
            state.name(),
            python(last)
        ),
        reason_data: json!({"type": "threshold", "disposition": disposition, "count": count, "most_recent": last}),
        always_record: false,
    }
}

/// What becomes of an alarm in the state `was`; `repeats` is whether its actions are called each time.
pub fn refresh(was: State, repeats: bool, verdict: &Verdict) -> Option<Refresh> {
    if let Some(trend) = verdict.trend {
        let unknown = was == State::Unknown;
        return (unknown || repeats).then(|| reason(was, verdict, if unknown { trend } else { was }));
    }
    match verdict.state {
        Some(State::Unknown) => {
            let (text, expected) = verdict.unknown.as_ref()?;
            let last = verdict.statistics.last();
            (was != State::Unknown).then(|| Refresh {
                state: State::Unknown,
                reason: text.clone(),
                reason_data: json!({"type": "threshold", "disposition": "unknown", "count": expected,
                    "most_recent": last}),
                always_record: false,
            })
        }
        Some(state) => (was != state || repeats).then(|| reason(was, verdict, state)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Json {
        json!({"comparison_operator": "gt", "threshold": 10.0})
    }

    #[test]
    fn statistics_that_agree_decide_and_others_only_a_state_that_nobody_knows() {
        for (statistics, was, repeats, becomes) in [
            (vec![11.0, 12.0], State::Ok, false, Some(State::Alarm)),
            (vec![11.0, 12.0], State::Alarm, false, None),
            (vec![11.0, 12.0], State::Alarm, true, Some(State::Alarm)),
            (vec![9.0, 10.0], State::Unknown, false, Some(State::Ok)),
            (vec![9.0, 11.0], State::Unknown, false, Some(State::Alarm)),
            (vec![11.0, 9.0], State::Unknown, false, Some(State::Ok)),
            (vec![9.0, 11.0], State::Ok, false, None),
            (vec![9.0, 11.0], State::Ok, true, Some(State::Ok)),
        ] {
            let found = refresh(was, repeats, &judge(&rule(), statistics.clone()));
            assert_eq!(found.map(|refresh| refresh.state), becomes, "{statistics:?} {was:?} {repeats}");
        }
    }

    #[test]
    fn reasons_are_those_of_the_service() {
        let told = refresh(State::Ok, false, &judge(&rule(), vec![11.0, 12.5])).unwrap();
        assert_eq!(told.reason, "Transition to alarm due to 2 samples outside threshold, most recent: 12.5");
        let data = json!({"type": "threshold", "disposition": "outside", "count": 2, "most_recent": 12.5});
        assert_eq!(told.reason_data, data);
        let told = refresh(State::Ok, true, &judge(&rule(), vec![3.0])).unwrap();
        assert_eq!(told.reason, "Remaining as ok due to 1 samples inside threshold, most recent: 3.0");
        let unknown = Verdict::unknown("2 datapoints are unknown".to_owned(), 2, Vec::new());
        let told = refresh(State::Ok, false, &unknown).unwrap();
        assert_eq!((told.state, told.reason.as_str()), (State::Unknown, "2 datapoints are unknown"));
        assert_eq!(told.reason_data["most_recent"], Json::Null);
        assert_eq!(refresh(State::Unknown, true, &unknown), None);
    }

    #[test]
    fn readings_of_unusual_counts_are_left_out() {
        let readings = [20.0, 20.0, 20.0, 20.0, 20.0, 1.0].map(|count| Reading { value: count, count });
        assert_eq!(without_outliers(readings.to_vec()).len(), 5);
        let alike = [5.0, 5.0].map(|count| Reading { value: count, count });
        assert_eq!(without_outliers(alike.to_vec()).len(), 2);
    }
}
