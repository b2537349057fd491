//! The status document and the ping: what workers, queue, connections and routes are doing, as text, JSON and Prometheus.
//! The polling thread answers them, so that they answer when all workers are busy.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::message::{Request, Response};
use super::reply;
use super::running::{RouteCounts, Running};
use super::workers::Engine;
use crate::service::metrics::{label_value, write_prometheus_head};

/// What a server is doing.
#[derive(Debug, Clone)]
pub struct Status {
    /// Time since the start.
    pub uptime: Duration,
    /// Worker threads.
    pub workers: usize,
    /// Workers that run a request.
    pub busy: usize,
    /// Requests that wait for a worker.
    pub queued: usize,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that are open.
    pub open: u64,
    /// Requests that were run.
    pub requests: u64,
    /// Requests that were refused because too many were waiting.
    pub overloaded: u64,
    /// Requests that passed the request time-out.
    pub slow: u64,
    /// Those of them that were answered with 504.
    pub timed_out: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Connections of web servers that `FCGI_WEB_SERVER_ADDRS` does not name.
    pub refused_peers: u64,
    /// Whether the server takes no more connections.
    pub stopping: bool,
    /// The requests that run, with the number of their worker.
    pub running: Vec<(usize, Running)>,
    /// Counts and latencies by route.
    pub routes: BTreeMap<&'static str, RouteCounts>,
}

/// Reads what a server is doing.
pub(super) fn snapshot(engine: &Engine) -> Status {
    let (mut running, mut routes) = (Vec::new(), BTreeMap::<&'static str, RouteCounts>::new());
    for (number, slot) in engine.slots.iter().enumerate() {
        let slot = slot.lock();
        if slot.running.since.is_some() {
            running.push((number, slot.running.clone()));
        }
        for (route, counts) in &slot.routes {
            let sum = routes.entry(route).or_default();
            sum.latency.merge(&counts.latency);
            for (sum, more) in sum.by_class.iter_mut().zip(counts.by_class) {
                *sum += more;
            }
        }
    }
    let counters = &engine.counters;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    Status {
        uptime: engine.started.elapsed(),
        workers: engine.slots.len(),
        busy: running.len(),
        queued: engine.queued(),
        accepted: count(&counters.accepted),
        open: count(&counters.open),
        requests: count(&counters.requests),
        overloaded: count(&counters.overloaded),
        slow: count(&counters.slow),
        timed_out: count(&counters.timed_out),
        panicked: count(&counters.panicked),
        refused_peers: count(&counters.refused_peers),
        stopping: engine.is_stopping(),
        running,
        routes,
    }
}

/// The answer to a request that the gateway answers itself.
pub(super) fn local_answer(engine: &Engine, request: &Request) -> Option<Response> {
    let settings = engine.settings.load();
    if settings.status_path.is_none() && settings.ping_path.is_none() {
        return None;
    }
    let path = request.path();
    let is = |wanted: &Option<String>| wanted.as_deref().is_some_and(|wanted| wanted == path);
    let (is_status, is_ping) = (is(&settings.status_path), is(&settings.ping_path));
    if !is_status && !is_ping {
        return None;
    }
    let client: Option<IpAddr> = request.param("REMOTE_ADDR").and_then(|address| address.parse().ok());
    if !client.is_some_and(|client| settings.allowed.iter().any(|network| network.contains(client))) {
        return Some(reply::plain(403, "this address may not read the status"));
    }
    let response = if is_ping {
        Response::new(200, "text/plain; charset=utf-8", "pong\n")
    } else {
        let status = snapshot(engine);
        match request.query().split('&').next().unwrap_or_default() {
            "json" => Response::new(200, "application/json", status.json()),
            "prometheus" => Response::new(200, "text/plain; version=0.0.4; charset=utf-8", status.prometheus()),
            _ => Response::new(200, "text/plain; charset=utf-8", status.text()),
        }
    };
    Some(response.header("Cache-Control", "no-store"))
}

impl Status {
    /// Names and values of what is one figure: the name in the documents, the value, whether it only grows, and its text.
    fn figures(&self) -> [(&'static str, u64, bool, &'static str); 12] {
        [
            ("workers", self.workers as u64, false, "Worker threads."),
            ("workers_busy", self.busy as u64, false, "Workers that run a request."),
            ("workers_idle", self.workers.saturating_sub(self.busy) as u64, false, "Workers that wait for a request."),
            ("queue", self.queued as u64, false, "Requests that wait for a worker."),
            ("connections_open", self.open, false, "Open connections."),
            ("connections_accepted", self.accepted, true, "Connections that were accepted."),
            ("connections_refused", self.refused_peers, true, "Connections from addresses that may not connect."),
            ("requests", self.requests, true, "Requests that were run."),
            ("requests_overloaded", self.overloaded, true, "Requests refused because too many were waiting."),
            ("requests_slow", self.slow, true, "Requests that passed the request time-out."),
            ("requests_timed_out", self.timed_out, true, "Slow requests that were answered with 504."),
            ("requests_panicked", self.panicked, true, "Requests whose handler panicked."),
        ]
    }

    /// The document for people.
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(1024);
        let state = if self.stopping { "stopping" } else { "serving" };
        let _ = writeln!(out, "{:<22}{}\n{:<22}{state}", "version", env!("CARGO_PKG_VERSION"), "state");
        let _ = writeln!(out, "{:<22}{}\n{:<22}{}", "pid", std::process::id(), "uptime_seconds", self.uptime.as_secs());
        for (name, value, ..) in self.figures() {
            let _ = writeln!(out, "{name:<22}{value}");
        }
        out.push_str("\nrunning requests: worker, age in ms, method, path, client, request id, project, route\n");
        let now = Instant::now();
        for (worker, running) in &self.running {
            let _ = writeln!(
                out,
                "{worker} {} {} {} {} {} {} {}{}",
                age_ms(running, now),
                or_dash(&running.method),
                or_dash(&running.path),
                or_dash(&running.client),
                or_dash(&running.request_id),
                or_dash(&running.project_id),
                or_dash(running.route),
                if running.is_slow { " slow" } else { "" },
            );
        }
        out.push_str("\nroutes: requests, 2xx, 3xx, 4xx, 5xx, mean us, 95 of 100 below us, route\n");
        for (route, counts) in &self.routes {
            let [_, second, third, fourth, fifth] = counts.by_class;
            let below = counts.latency.bound_us(95).map_or_else(|| "inf".to_owned(), |bound| bound.to_string());
            let (count, mean) = (counts.latency.count(), counts.latency.mean_us());
            let _ = writeln!(out, "{count} {second} {third} {fourth} {fifth} {mean} {below} {}", or_dash(route));
        }
        out
    }

    /// The document for programs.
    pub fn json(&self) -> String {
        let now = Instant::now();
        let running: Vec<serde_json::Value> = self
            .running
            .iter()
            .map(|(worker, running)| {
                serde_json::json!({
                    "worker": worker, "age_ms": age_ms(running, now), "method": running.method, "path": running.path,
                    "client": running.client, "request_id": running.request_id, "project_id": running.project_id,
                    "route": running.route, "slow": running.is_slow,
                })
            })
            .collect();
        let routes: serde_json::Map<String, serde_json::Value> = self
            .routes
            .iter()
            .map(|(route, counts)| {
                let value = serde_json::json!({
                    "requests": counts.latency.count(), "by_class": counts.by_class, "mean_us": counts.latency.mean_us(),
                    "p95_below_us": counts.latency.bound_us(95),
                });
                ((*route).to_owned(), value)
            })
            .collect();
        let mut document = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "stopping": self.stopping,
            "uptime_seconds": self.uptime.as_secs(), "running": running, "routes": routes,
        });
        if let Some(map) = document.as_object_mut() {
            map.extend(self.figures().map(|(name, value, ..)| (name.to_owned(), value.into())));
        }
        document.to_string()
    }

    /// The document for Prometheus.
    pub fn prometheus(&self) -> String {
        let mut out = String::with_capacity(4096);
        for (name, value, grows, help) in self.figures() {
            let (name, kind) = match grows {
                true => (format!("hearth_{name}_total"), "counter"),
                false => (format!("hearth_{name}"), "gauge"),
            };
            write_prometheus_head(&mut out, &name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
        write_prometheus_head(&mut out, "hearth_uptime_seconds", "gauge", "Time since the start.");
        let _ = writeln!(out, "hearth_uptime_seconds {}", self.uptime.as_secs());
        write_prometheus_head(
            &mut out,
            "hearth_route_responses_total",
            "counter",
            "Answers by route and status class.",
        );
        for (route, counts) in &self.routes {
            for (class, count) in (1..).zip(counts.by_class).filter(|(_, count)| *count > 0) {
                let route = label_value(route);
                let _ = writeln!(out, "hearth_route_responses_total{{route=\"{route}\",class=\"{class}xx\"}} {count}");
            }
        }
        let name = "hearth_route_duration_seconds";
        write_prometheus_head(&mut out, name, "histogram", "Time from the whole request to its sent answer.");
        for (route, counts) in &self.routes {
            counts.latency.write_prometheus(&mut out, name, &format!("route=\"{}\"", label_value(route)));
        }
        out
    }
}

fn age_ms(running: &Running, now: Instant) -> u64 {
    let age = running.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
