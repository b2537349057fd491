//! Statistics: what is asked, and how long the samples of each row last (specification: statistics).

use std::sync::Arc;

use super::refusals::unknown_argument;
use super::simple_query::{self, Item, SAMPLES};
use super::{Caller, Taker};
use crate::config::telemetry::MAX_STATISTICS;
use crate::telemetry::model::cell::SECOND;
use crate::telemetry::model::{Aggregate, Function, Grouping, Question, Statistic};
use crate::telemetry::policy::COMPUTE_STATISTICS;
use crate::time::Timestamp;
use crate::{Error, Result};

/// A request for statistics.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// Name of the meter.
    pub meter: &'a str,
    /// Which of its samples.
    pub query: &'a [Item],
    /// Seconds of a period; 0 and `None` are one period without bounds.
    pub period: Option<i128>,
    /// Names of groupings.
    pub group_by: &'a [String],
    /// Names of functions, each with its parameter.
    pub aggregates: &'a [(String, Option<String>)],
}

/// What was asked, understood.
#[derive(Debug)]
pub struct Asked {
    /// Seconds of a period; 0 without periods.
    pub period: i64,
    /// The groupings.
    pub groupings: Vec<Grouping>,
    /// The selected aggregates; none where the standard ones are meant.
    pub aggregates: Vec<Aggregate>,
    /// What cardinality counts, in the order of [`Statistic::counted`].
    pub counted: Vec<Grouping>,
}

/// One row of statistics.
#[derive(Debug)]
pub struct Row {
    /// What was asked.
    pub asked: Arc<Asked>,
    /// The statistic.
    pub statistic: Statistic,
    /// From the first sample to the last one, cut to the range that was asked for; `None` where nothing of it is left.
    pub duration: Option<(Timestamp, Timestamp)>,
}

/// The last instant that the service can write.
const LAST_INSTANT: i64 = 253_402_300_799 * SECOND;
/// The greatest number of days of a period.
const MOST_DAYS: i128 = 999_999_999;

/// Computes statistics, and gives their rows.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] for what makes no sense, those of the query and of the store.
pub fn compute(caller: &Caller<'_>, request: &Request<'_>, taker: &mut dyn Taker<Row>) -> Result<()> {
    caller.enforce(&COMPUTE_STATISTICS)?;
    if request.period.is_some_and(|period| period < 0) {
        return Err(Error::invalid("Period must be positive."));
    }
    let understood = simple_query::understand(caller, request.query, &SAMPLES)?;
    let groupings = groupings(request.group_by)?;
    let (aggregates, counted) = aggregates(request.aggregates)?;
    let period = period(request.period)?;
    let mut filter = understood.filter;
    filter.meter = Some(request.meter.to_owned());
    let question = Question {
        filter,
        period,
        start: understood.start,
        groupings,
        counted,
        most: usize::try_from(caller.config.integer(&MAX_STATISTICS)).unwrap_or(usize::MAX),
    };
    let (groupings, counted) = (question.groupings.clone(), question.counted.clone());
    let asked = Arc::new(Asked { period: period.unwrap_or(0), groupings, aggregates, counted });
    caller.telemetry.store.give_statistics(&question, &mut Rows { asked, range: understood.range, taker })
}

/// Makes rows of statistics.
struct Rows<'a> {
    asked: Arc<Asked>,
    /// The range that was asked for.
    range: (Option<Timestamp>, Option<Timestamp>),
    taker: &'a mut dyn Taker<Row>,
}

impl Taker<Statistic> for Rows<'_> {
    fn begin(&mut self) {
        self.taker.begin();
    }

    fn take(&mut self, statistics: Vec<Statistic>) -> Result<()> {
        let period = self.asked.period;
        if period > 0 && statistics.iter().any(|row| row.period_end.0 > LAST_INSTANT) {
            return Err(Error::invalid(format!("Invalid period {period}: date value out of range")));
        }
        let (from, until) = self.range;
        let row = |statistic: Statistic| {
            let start = from.map_or(statistic.moments.first, |from| statistic.moments.first.max(from));
            let end = until.map_or(statistic.moments.last, |until| statistic.moments.last.min(until));
            Row { asked: Arc::clone(&self.asked), statistic, duration: (start <= end).then_some((start, end)) }
        };
        self.taker.take(statistics.into_iter().map(row).collect())
    }
}

fn period(asked: Option<i128>) -> Result<Option<i64>> {
    let Some(period) = asked.filter(|period| *period > 0) else { return Ok(None) };
    let days = period / 86_400;
    if days > MOST_DAYS {
        let reason = format!("days={days}; must have magnitude <= {MOST_DAYS}");
        return Err(Error::invalid(format!("Invalid period {period}: {reason}")));
    }
    Ok(i64::try_from(period).ok())
}

/// The groupings, none twice.
fn groupings(names: &[String]) -> Result<Vec<Grouping>> {
    let mut groupings: Vec<Grouping> = Vec::new();
    let mut strange: Vec<&str> = Vec::new();
    for name in names {
        match Grouping::parse(name) {
            Some(grouping) if groupings.contains(&grouping) => {}
            Some(grouping) => groupings.push(grouping),
            None => strange.push(name),
        }
    }
    if strange.is_empty() {
        return Ok(groupings);
    }
    strange.sort_unstable();
    strange.dedup();
    Err(unknown_argument(&format!("{{'{}'}}", strange.join("', '")), "Invalid groupby fields"))
}

/// The aggregates, none twice, and what cardinality counts among them.
fn aggregates(asked: &[(String, Option<String>)]) -> Result<(Vec<Aggregate>, Vec<Grouping>)> {
    let mut aggregates: Vec<Aggregate> = Vec::new();
    let mut counted: Vec<Grouping> = Vec::new();
    for (name, parameter) in asked {
        let function =
            Function::parse(name).ok_or_else(|| Error::invalid(format!("Invalid aggregation function: {name}")))?;
        let parameter = parameter.clone().filter(|parameter| !parameter.is_empty());
        let counts = match (function, parameter.as_deref()) {
            (Function::Cardinality, Some(name @ ("resource_id" | "user_id" | "project_id"))) => Grouping::parse(name),
            (Function::Cardinality, other) => {
                let other = other.unwrap_or("None");
                return Err(Error::invalid(format!("Bad aggregate: cardinality.{other}")));
            }
            _ => None,
        };
        if let Some(grouping) = counts.as_ref().filter(|grouping| !counted.contains(grouping)) {
            counted.push(grouping.clone());
        }
        let aggregate = Aggregate { function, parameter, counted: counts };
        if !aggregates.contains(&aggregate) {
            aggregates.push(aggregate);
        }
    }
    Ok((aggregates, counted))
}
