//! Where evaluators look: our own statistics, Prometheus, Gnocchi; each answers the statistics of one rule, or why there are
//! none. Octavia is asked here, too (`octavia.rs`).

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::octavia::Octavia;
use super::promql;
use super::verdict::{Reading, Verdict, judge, without_outliers};
use crate::config::{Config, alarms as options};
use crate::identity::keystone::Trustee;
use crate::identity::tls;
use crate::service::threads::lock;
use crate::telemetry::control::alarms::rules::{SCOPE, items};
use crate::telemetry::control::simple_query;
use crate::telemetry::model::alarm::{Alarm, RuleType};
use crate::telemetry::model::cell::SECOND;
use crate::telemetry::model::{Moments, Question};
use crate::telemetry::store::Store;
use crate::telemetry::store::alarms::Evaluated;
use crate::time::Timestamp;
use crate::{Error, Result};

/// Most bytes of an answer.
const LONGEST_ANSWER: u64 = 8 << 20;
/// Most characters of what Prometheus says of a query that are told.
const LONGEST_REFUSAL: usize = 300;
/// Most statistics of a rule: two windows of the most periods, in several units.
const MOST_STATISTICS: usize = 20_000;

/// How a service is told who asks.
pub(super) enum Who {
    Nobody,
    /// The header `Authorization`.
    Basic(String),
    /// Tokens of the user of `[keystone_authtoken]`.
    Keystone,
}

/// Where another service is.
pub(super) struct Place {
    /// As the configuration says; else Keystone's catalogue does, where the service is asked with its tokens.
    pub(super) url: Option<String>,
    /// The option that says so.
    pub(super) option: &'static str,
    /// The type in the catalogue.
    pub(super) kind: &'static str,
    pub(super) who: Who,
}

/// What evaluators ask.
pub struct Sources {
    config: std::sync::Arc<Config>,
    agent: ureq::Agent,
    prometheus: Option<String>,
    gnocchi: Place,
    octavia: Octavia,
    /// Who asks with tokens; `None` where no Keystone is known.
    own: Option<Trustee>,
    /// What the catalogue said.
    found: Mutex<HashMap<&'static str, String>>,
}

pub(super) fn text<'r>(rule: &'r Json, name: &str) -> &'r str {
    rule.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn integer(rule: &Json, name: &str) -> i64 {
    rule.get(name).and_then(Json::as_i64).unwrap_or(1).max(1)
}

fn base(config: &Config, opt: &crate::config::Opt) -> Option<String> {
    config.opt_text(opt).map(|url| url.trim_end_matches('/').to_owned())
}

impl Sources {
    /// As the configuration says. Asks nobody yet.
    ///
    /// # Errors
    /// `Invalid` where a file of certificates can not be read.
    pub fn open(config: &std::sync::Arc<Config>) -> Result<Self> {
        let ca = config.opt_text(&options::SOURCES_CAFILE);
        let tls = tls::config(config.boolean(&options::SOURCES_INSECURE), [ca, None, None])?;
        let timeout = config.seconds(&options::SOURCES_TIMEOUT).max(Duration::from_secs(1));
        let agent = tls::client(tls).timeout_global(Some(timeout)).build().new_agent();
        let who = match config.text(&options::GNOCCHI_AUTH) {
            "keystone" => Who::Keystone,
            "basic" => {
                use base64::Engine as _;
                let pair = [config.text(&options::GNOCCHI_USER), config.text(&options::GNOCCHI_PASSWORD)].join(":");
                Who::Basic(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
            }
            _ => Who::Nobody,
        };
        let prometheus = base(config, &options::PROMETHEUS_URL);
        let gnocchi = Place { url: base(config, &options::GNOCCHI_URL), option: "gnocchi_url", kind: "metric", who };
        let (own, found) = (Trustee::of(config)?, Mutex::default());
        Ok(Self { config: config.clone(), agent, prometheus, gnocchi, octavia: Octavia::of(config), own, found })
    }

    /// Where a service is, without a slash at the end.
    pub(super) fn place(&self, place: &Place) -> Result<String> {
        if let Some(url) = &place.url {
            return Ok(url.clone());
        }
        let own =
            self.own.as_ref().filter(|_| matches!(place.who, Who::Keystone)).ok_or_else(|| unset(place.option))?;
        if let Some(url) = lock(&self.found).get(place.kind) {
            return Ok(url.clone());
        }
        let interface = self.config.text(&options::INTERFACE).trim_end_matches("URL");
        let found = own.endpoint(place.kind, interface, self.config.opt_text(&options::REGION_NAME))?;
        let url = found.ok_or_else(|| {
            Error::new(
                crate::Kind::Unavailable,
                format!("there is no service of the type {} in Keystone's catalogue", place.kind),
            )
        })?;
        lock(&self.found).insert(place.kind, url.clone());
        Ok(url)
    }

    /// What becomes of an alarm on the members of a load balancer's pool.
    pub fn evaluate_members(&self, alarm: &Alarm, now: Timestamp) -> Evaluated {
        self.octavia.evaluate(self, alarm, now)
    }

    /// What a rule says, at `now`. What can not be found out is a verdict too: nobody knows.
    pub fn evaluate(&self, store: &Store, kind: RuleType, rule: &Json, now: Timestamp) -> Verdict {
        match kind {
            RuleType::Threshold => self.threshold(store, rule, now),
            RuleType::Prometheus => self.prometheus(rule),
            _ => self.gnocchi(kind, rule, now),
        }
    }

    /// Seconds by which windows begin earlier.
    fn lag(&self) -> i64 {
        self.config.integer(&options::ADDITIONAL_INGESTION_LAG)
    }

    fn threshold(&self, store: &Store, rule: &Json, now: Timestamp) -> Verdict {
        let (period, periods) = (integer(rule, "period"), integer(rule, "evaluation_periods"));
        let outliers = rule.get("exclude_outliers").and_then(Json::as_bool).unwrap_or(false);
        // Whoever is to tell unusual counts from others needs some more of them.
        let look_back = if outliers { periods } else { 1 };
        let window = period.saturating_mul(periods.saturating_add(look_back)).saturating_add(self.lag());
        let start = Timestamp(now.0.saturating_sub(window.saturating_mul(SECOND)));
        let found = simple_query::of_rule(&items(rule)).and_then(|mut filter| {
            filter.meter = Some(text(rule, "meter_name").to_owned());
            (filter.from, filter.until) = (Some(start), Some(now));
            store.statistics(&Question {
                filter,
                period: Some(period),
                start: Some(start),
                groupings: Vec::new(),
                counted: Vec::new(),
                most: MOST_STATISTICS,
            })
        });
        let mut statistics = found.unwrap_or_else(|error| {
            log::warn!("the statistics of a rule can not be had: {error}");
            Vec::new()
        });
        statistics.sort_by_key(|statistic| statistic.period_start);
        let value = |moments: &Moments| match text(rule, "statistic") {
            "max" => moments.max,
            "min" => moments.min,
            "sum" => moments.sum.value(),
            "count" => moments.count as f64,
            _ => moments.mean(),
        };
        let reading = |moments: &Moments| Reading { value: value(moments), count: moments.count as f64 };
        let mut readings: Vec<Reading> = statistics.iter().map(|statistic| reading(&statistic.moments)).collect();
        if outliers {
            readings = without_outliers(readings);
        }
        newest(rule, readings.into_iter().map(|reading| reading.value).collect(), periods)
    }

    fn prometheus(&self, rule: &Json) -> Verdict {
        let mut query = text(rule, "query").to_owned();
        if let Some(project) = rule.get(SCOPE).and_then(Json::as_str) {
            let label = self.config.text(&options::PROMETHEUS_PROJECT_LABEL_NAME);
            match promql::scoped(&query, label, project) {
                Some(held) => query = held,
                None => return Verdict::unknown("the query can not be held to its project".to_owned(), 0, Vec::new()),
            }
        }
        match self.ask_prometheus(&query) {
            Ok(values) if values.is_empty() => Verdict::unknown("datapoints are unknown".to_owned(), 0, Vec::new()),
            Ok(values) => judge(rule, values),
            Err(error) => failed(&error, 0),
        }
    }

    /// The values of all series that a query answers.
    fn ask_prometheus(&self, query: &str) -> Result<Vec<f64>> {
        let base = self.prometheus.as_ref().ok_or_else(|| unset("prometheus_url"))?;
        let url = format!("{base}/api/v1/query");
        let answer = self.agent.get(&url).query("query", query).call();
        let (status, body) = read(&url, answer)?;
        let json: Json = serde_json::from_slice(&body).map_err(|error| unavailable(format!("{url}: {error}")))?;
        // Whoever wrote the query can mend it, and is told what is wrong with it.
        if matches!(status, 400 | 422) {
            let said: String = text(&json, "error").chars().take(LONGEST_REFUSAL).collect();
            return Err(Error::invalid(format!("Prometheus refuses the query: {said}")));
        }
        if status != 200 || text(&json, "status") != "success" {
            return Err(unavailable(format!("{url} answers {status} {}", text(&json, "error"))));
        }
        let result = json.pointer("/data/result").unwrap_or(&Json::Null);
        let value = |pair: &Json| pair.get(1).and_then(Json::as_str).and_then(|text| text.parse().ok());
        Ok(match json.pointer("/data/resultType").and_then(Json::as_str) {
            Some("scalar") => value(result).into_iter().collect(),
            _ => result.as_array().into_iter().flatten().filter_map(|series| value(series.get("value")?)).collect(),
        })
    }

    fn gnocchi(&self, kind: RuleType, rule: &Json, now: Timestamp) -> Verdict {
        let (granularity, periods) = (integer(rule, "granularity"), integer(rule, "evaluation_periods"));
        let expected = usize::try_from(periods).unwrap_or(0);
        let window = granularity.saturating_mul(periods.saturating_add(1)).saturating_add(self.lag());
        let start = Timestamp(now.0.saturating_sub(window.saturating_mul(SECOND)));
        match self.ask_gnocchi(kind, rule, (start, now)) {
            Ok(Ok(measures)) => {
                let values: Vec<f64> = measures
                    .iter()
                    .filter(|measure| measure.get(1).and_then(Json::as_f64) == Some(granularity as f64))
                    .filter_map(|measure| measure.get(2).and_then(Json::as_f64))
                    .collect();
                if values.is_empty() {
                    return Verdict::unknown(format!("No datapoint for granularity {granularity}"), expected, values);
                }
                newest(rule, values, periods)
            }
            Ok(Err(reason)) => Verdict::unknown(reason, expected, Vec::new()),
            Err(error) => failed(&error, expected),
        }
    }

    /// The measures of a rule, or why there are none.
    fn ask_gnocchi(
        &self,
        kind: RuleType,
        rule: &Json,
        (start, end): (Timestamp, Timestamp),
    ) -> Result<Result<Vec<Json>, String>> {
        let base = self.place(&self.gnocchi)?;
        let method = text(rule, "aggregation_method");
        let plain = method.strip_prefix("rate:").unwrap_or(method);
        let metric = |name: &str| json!(["metric", name, plain]);
        let (granularity, start, end) = (integer(rule, "granularity").to_string(), start.iso(), end.iso());
        let mut query = vec![("granularity", granularity.as_str()), ("start", &start), ("stop", &end)];
        let (url, body, absent) = match kind {
            RuleType::GnocchiResources => {
                let (name, resource) = (text(rule, "metric"), text(rule, "resource_id"));
                query.push(("aggregation", method));
                let url = format!(
                    "{base}/v1/resource/{}/{}/metric/{}/measures",
                    segment("generic"),
                    segment(resource),
                    segment(name)
                );
                (url, None, format!("metric {name} for resource {resource} does not exists"))
            }
            RuleType::GnocchiByMetrics => {
                let metrics: Vec<&str> = rule
                    .get("metrics")
                    .and_then(Json::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Json::as_str)
                    .collect();
                query.push(("needed_overlap", "0"));
                let absent = format!("At least of metrics in {metrics:?} does not exist");
                (format!("{base}/v1/aggregates"), Some(of_metrics(method, plain, &metrics)), absent)
            }
            RuleType::GnocchiByResources => {
                let name = text(rule, "metric");
                let search: Json = serde_json::from_str(text(rule, "query")).unwrap_or_default();
                query.push(("needed_overlap", "0"));
                let body = json!({"operations": ["aggregate", method, metric(name)], "search": search,
                    "resource_type": text(rule, "resource_type")});
                (format!("{base}/v1/aggregates"), Some(body), format!("metric {name} does not exists"))
            }
            _ => return Ok(Err(format!("rules of type {} are not evaluated", kind.name()))),
        };
        let (status, answer) = self.ask(&self.gnocchi.who, &url, &query, body.as_ref())?;
        let said = || String::from_utf8_lossy(&answer).into_owned();
        match status {
            200 => {}
            404 => return Ok(Err(absent)),
            400 if said().contains("Metrics not found") => return Ok(Err(absent)),
            status => return Err(unavailable(format!("{url} answers {status}"))),
        }
        let json: Json = serde_json::from_slice(&answer).map_err(|error| unavailable(format!("{url}: {error}")))?;
        let measures = json.pointer("/measures/aggregated").unwrap_or(&json);
        Ok(Ok(measures.as_array().cloned().unwrap_or_default()))
    }

    /// Asks a service, once more with a new token where an old one is refused; the status and the body of its answer.
    pub(super) fn ask(
        &self,
        who: &Who,
        url: &str,
        query: &[(&str, &str)],
        body: Option<&Json>,
    ) -> Result<(u16, Vec<u8>)> {
        let own = || -> Result<&Trustee> {
            self.own.as_ref().ok_or_else(|| Error::invalid("[keystone_authtoken] auth_url is not set"))
        };
        let token = match who {
            Who::Nobody => return self.send(None, url, query, body),
            Who::Basic(value) => return self.send(Some(("Authorization", value)), url, query, body),
            Who::Keystone => own()?.own(None)?,
        };
        match self.send(Some(("X-Auth-Token", token.reveal())), url, query, body)? {
            (401, _) => {
                let anew = own()?.own(Some(&token))?;
                self.send(Some(("X-Auth-Token", anew.reveal())), url, query, body)
            }
            answer => Ok(answer),
        }
    }

    fn send(
        &self,
        header: Option<(&str, &str)>,
        url: &str,
        query: &[(&str, &str)],
        body: Option<&Json>,
    ) -> Result<(u16, Vec<u8>)> {
        let query = query.iter().copied();
        let answer = match body {
            None => {
                let mut request = self.agent.get(url).query_pairs(query);
                if let Some((name, value)) = header {
                    request = request.header(name, value);
                }
                request.call()
            }
            Some(body) => {
                let mut request = self.agent.post(url).query_pairs(query).header("Content-Type", "application/json");
                if let Some((name, value)) = header {
                    request = request.header(name, value);
                }
                request.send(body.to_string())
            }
        };
        read(url, answer)
    }
}

/// What Gnocchi is asked of several metrics: one operand with a pair for each, since an aggregation takes no second one.
fn of_metrics(method: &str, plain: &str, metrics: &[&str]) -> Json {
    let pairs = metrics.iter().map(|name| json!([name, plain]));
    let operand: Vec<Json> = std::iter::once(json!("metric")).chain(pairs).collect();
    json!({"operations": ["aggregate", method, operand]})
}

/// What the newest statistics say, of which there must be `periods`.
fn newest(rule: &Json, mut values: Vec<f64>, periods: i64) -> Verdict {
    let periods = usize::try_from(periods).unwrap_or(usize::MAX);
    if values.len() < periods {
        return Verdict::unknown(format!("{periods} datapoints are unknown"), periods, values);
    }
    values.drain(..values.len() - periods);
    judge(rule, values)
}

fn failed(error: &Error, expected: usize) -> Verdict {
    log::warn!("the statistics of a rule can not be had: {error}");
    let reason = format!("alarm statistics retrieval failed: {}", error.public());
    Verdict::unknown(reason, expected, Vec::new())
}

fn unset(option: &str) -> Error {
    Error::new(crate::Kind::Unavailable, format!("[hearth_alarms] {option} is not set"))
}

pub(super) fn unavailable(cause: impl std::fmt::Display) -> Error {
    Error::unavailable("nobody answers as is expected", cause)
}

/// One segment of a path.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>)> {
    let mut response = answer.map_err(|error| unavailable(format!("{url}: {error}")))?;
    let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
    Ok((response.status().as_u16(), body.map_err(|error| unavailable(format!("{url}: {error}")))?))
}

#[cfg(test)]
mod tests {
    use super::{json, of_metrics};

    #[test]
    fn several_metrics_are_one_operand_as_gnocchi_reads_it() {
        let asked = json!({"operations": ["aggregate", "rate:mean", ["metric", ["a", "mean"], ["b", "mean"]]]});
        assert_eq!(of_metrics("rate:mean", "mean", &["a", "b"]), asked);
    }
}
