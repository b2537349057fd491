//! `hearth bench`: load on one URL by kept connections of HTTP/1.1, and how long the answers took. It tells an operator what
//! a server does on this machine; what Hearth does beside others is `benches/`, with a load generator of its own.
//! A thread for each connection, no TLS, GET only, for a bounded time.

mod client;
mod latency;
mod target;

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use self::client::{Client, Failure};
use self::latency::Latencies;
use self::target::Target;
use crate::error::{Error, Result};

/// Wait after a failed connection, so that a dead server is not asked a million times.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// A thread holds one buffer and its counts.
const STACK_BYTES: usize = 256 * 1024;

/// The command line of `hearth bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// What to ask for, such as http://127.0.0.1:8776/volume/v3/
    pub url: String,
    /// Connections, each with a thread that asks again as soon as it has its answer
    #[arg(short, long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub connections: u16,
    /// How long, in seconds
    #[arg(short = 'd', long = "duration", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: u16,
    /// A header of each request, such as 'X-Auth-Token: TOKEN'; may be given again
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Allow a server that is not on this machine's loopback
    #[arg(long)]
    pub anywhere: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    pub json: bool,
}

/// What was counted.
#[derive(Debug, Clone)]
struct Counts {
    latencies: Latencies,
    /// Answers by the hundreds of their status; the first of them for what is no status.
    by_class: [u64; 6],
    bytes: u64,
    connect: u64,
    broken: u64,
    slow: u64,
    malformed: u64,
}

impl Counts {
    fn new() -> Self {
        let latencies = Latencies::new();
        Self { latencies, by_class: [0; 6], bytes: 0, connect: 0, broken: 0, slow: 0, malformed: 0 }
    }

    fn failed(&mut self, failure: Failure) {
        match failure {
            Failure::Connect => self.connect += 1,
            Failure::Broken => self.broken += 1,
            Failure::Slow => self.slow += 1,
            Failure::Malformed => self.malformed += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        for (count, more) in self.by_class.iter_mut().zip(other.by_class) {
            *count += more;
        }
        self.bytes += other.bytes;
        self.connect += other.connect;
        self.broken += other.broken;
        self.slow += other.slow;
        self.malformed += other.malformed;
    }

    fn failures(&self) -> u64 {
        self.connect + self.broken + self.slow + self.malformed
    }
}

/// The outcome of one run; `Display` is the text for people.
#[derive(Debug, Clone)]
pub struct Report {
    url: String,
    connections: u16,
    took: Duration,
    counts: Counts,
}

/// The percentiles that are told.
const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

impl Report {
    /// Requests that were answered, whatever the status.
    pub fn requests(&self) -> u64 {
        self.counts.latencies.total()
    }

    /// Requests that were not answered.
    pub fn failures(&self) -> u64 {
        self.counts.failures()
    }

    /// Answers whose status has this hundred, 1 to 5.
    pub fn answers_of_class(&self, hundred: usize) -> u64 {
        self.counts.by_class.get(hundred).copied().unwrap_or(0)
    }

    fn requests_per_second(&self) -> f64 {
        self.requests() as f64 / self.took.as_secs_f64().max(0.001)
    }

    /// The same as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let counts = &self.counts;
        let mut latency: serde_json::Map<_, _> = PERCENTILES
            .iter()
            .map(|(name, percent)| ((*name).to_owned(), counts.latencies.percentile(*percent).into()))
            .collect();
        latency.insert("max".to_owned(), counts.latencies.longest().into());
        let answers: serde_json::Map<_, _> =
            (1..=5).map(|hundred| (format!("{hundred}xx"), self.answers_of_class(hundred).into())).collect();
        serde_json::json!({
            "url": self.url, "connections": self.connections, "seconds": self.took.as_secs_f64(),
            "requests": self.requests(), "requests_per_second": self.requests_per_second(), "answers": answers,
            "failures": {"connect": counts.connect, "broken": counts.broken, "slow": counts.slow, "malformed": counts.malformed},
            "latency_us": latency, "bytes": counts.bytes,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(f, "{}: {} connections, {:.1} s", self.url, self.connections, self.took.as_secs_f64())?;
        writeln!(f, "requests    {} ({:.0} a second)", self.requests(), self.requests_per_second())?;
        write!(f, "answers    ")?;
        for hundred in (1..=5).filter(|hundred| self.answers_of_class(*hundred) > 0) {
            write!(f, " {hundred}xx {}", self.answers_of_class(hundred))?;
        }
        write!(f, "\nfailures   ")?;
        let kinds = [
            ("connect", counts.connect),
            ("broken", counts.broken),
            ("slow", counts.slow),
            ("malformed", counts.malformed),
        ];
        for (name, count) in kinds.iter().filter(|(_, count)| *count > 0) {
            write!(f, " {name} {count}")?;
        }
        write!(f, "{}\nlatency ms ", if self.failures() == 0 { " none" } else { "" })?;
        for (name, percent) in PERCENTILES {
            write!(f, " {name} {:.2}", counts.latencies.percentile(percent) as f64 / 1000.0)?;
        }
        writeln!(f, " max {:.2}", counts.latencies.longest() as f64 / 1000.0)?;
        writeln!(f, "received    {:.1} MB", counts.bytes as f64 / 1e6)
    }
}

/// Runs the load and answers what was counted. The calling thread waits, at most five seconds beyond the duration.
///
/// # Errors
/// [`crate::Kind::Invalid`] for a URL or a header that can not be used, [`crate::Kind::Unavailable`] where not one request
/// was answered or no thread could be started.
pub fn measure(arguments: &Arguments) -> Result<Report> {
    let target = Target::parse(&arguments.url)?;
    let request = target.request(&arguments.headers)?;
    let addresses = target.addresses(arguments.anywhere)?;
    let started = Instant::now();
    let until = started + Duration::from_secs(u64::from(arguments.seconds));
    let mut counts = Counts::new();
    std::thread::scope(|scope| -> Result<()> {
        let mut threads = Vec::new();
        for _ in 0..arguments.connections {
            let load = || ask_until(Client::new(&addresses, &request, until), until);
            let thread = std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, load)
                .map_err(|error| Error::unavailable("no thread could be started", error))?;
            threads.push(thread);
        }
        for thread in threads {
            let of_thread = thread.join().map_err(|_| Error::internal("a thread of the load generator panicked"))?;
            counts.merge(&of_thread);
        }
        Ok(())
    })?;
    let report =
        Report { url: arguments.url.clone(), connections: arguments.connections, took: started.elapsed(), counts };
    if report.requests() == 0 {
        return Err(Error::unavailable(format!("{}: no request was answered", arguments.url), report));
    }
    Ok(report)
}

/// What one thread does.
fn ask_until(mut client: Client<'_>, until: Instant) -> Counts {
    let mut counts = Counts::new();
    let mut before = Instant::now();
    while before < until {
        let outcome = client.ask();
        let after = Instant::now();
        match outcome {
            Ok(answer) => {
                counts.latencies.add(u64::try_from((after - before).as_micros()).unwrap_or(u64::MAX));
                let class = usize::from(answer.status / 100);
                counts.by_class[if class < counts.by_class.len() { class } else { 0 }] += 1;
                counts.bytes += answer.bytes;
            }
            Err(failure) => {
                counts.failed(failure);
                if failure == Failure::Connect {
                    std::thread::sleep(AFTER_FAILURE.min(until.saturating_duration_since(after)));
                }
            }
        }
        before = Instant::now();
    }
    counts
}

/// `hearth bench`: measures and prints.
///
/// # Errors
/// Those of [`measure`], and [`crate::Kind::Unavailable`] where `out` takes nothing.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let report = measure(arguments)?;
    let written = if arguments.json { writeln!(out, "{}", report.to_json()) } else { write!(out, "{report}") };
    written.map_err(|error| Error::unavailable("the report could not be written", error))
}
