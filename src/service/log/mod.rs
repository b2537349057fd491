//! Logging: the lines of the crate `log` go to a file, to standard error or to syslog, each with the id of its request
//! and with secrets masked. Lines are put into a buffer that a thread of its own writes, so that a request waits for no
//! disk; an error waits until it is written, and a CGI process writes each line itself.
//! Not here: what is worth a line.

mod levels;
mod mask;
mod sink;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use log::{Level, Metadata, Record};

pub use levels::{ACCESS, level_named};
pub use mask::masked;

use crate::config::{Config, logging};
use crate::error::{Error, Result};
use crate::time::Timestamp;
use levels::Levels;
use sink::Sink;

/// How long the writer waits for more lines after the first, to write them at once.
const GATHER: Duration = Duration::from_millis(20);

/// Most bytes of one line; the rest is cut, since no daemon takes datagrams of any length.
const LONGEST_LINE: usize = 8192;

/// Who writes the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A thread of its own: for every role that lives longer than a request.
    Thread,
    /// Whoever has a line to write: for a process of one request.
    Caller,
}

/// One line in a buffer.
#[derive(Debug, Clone, Copy)]
struct Line {
    level: Level,
    /// Where the part begins that syslog gets, which knows time and process itself.
    message: usize,
    /// Where the line ends, its line feed included.
    end: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    text: String,
    lines: Vec<Line>,
}

#[derive(Debug, Default)]
struct Queue {
    buffer: Buffer,
    /// Whether the writer shall not wait for more.
    hurry: bool,
    stop: bool,
}

struct Places {
    sinks: Vec<Sink>,
    /// The buffer that is not the queue's.
    spare: Buffer,
}

struct Shared {
    levels: ArcSwap<Levels>,
    queue: Mutex<Queue>,
    wake: Condvar,
    places: Mutex<Places>,
    dropped: AtomicU64,
    capacity: usize,
    writer: Writer,
    request_id: fn(&mut String),
}

static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();

/// A lock whose holder panicked still guards whole lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to log as `config` says, and logs panics. `role` names the process, such as `hearth-api`; `request_id` appends
/// the id of the request that the calling thread handles.
///
/// # Errors
/// `Invalid` where the log can not be opened; `Internal` where this was done before.
pub fn start(config: &Config, role: &str, writer: Writer, request_id: fn(&mut String)) -> Result<Running> {
    let shared = Arc::new(Shared::new(config, role, writer, request_id)?);
    SHARED.set(Arc::clone(&shared)).map_err(|_| Error::internal("logging is started twice"))?;
    log::set_boxed_logger(Box::new(Front(Arc::clone(&shared)))).map_err(Error::internal)?;
    log::set_max_level(shared.levels.load().max());
    std::panic::set_hook(Box::new(|panic| log::error!(target: concat!(env!("CARGO_PKG_NAME"), "::panic"), "{panic}")));
    Running::start(shared)
}

/// Takes over the levels of another configuration, and opens the log file again by its name. What else the configuration
/// says of logging holds from the next start on.
///
/// # Errors
/// `Invalid` where the file can not be opened; the one that was open stays.
pub fn reload(config: &Config) -> Result<()> {
    let Some(shared) = SHARED.get() else { return Ok(()) };
    shared.levels.store(Arc::new(Levels::new(config)));
    log::set_max_level(shared.levels.load().max());
    shared.flush();
    let reopened = lock(&shared.places).sinks.iter_mut().try_for_each(Sink::reopen);
    reopened.map_err(|error| Error::invalid("the log file can not be opened again").because(error))
}

/// Writes lines from `level` on whose target begins with `prefix`, until the process ends or [`reload`]s.
pub fn set_level(prefix: &str, level: log::LevelFilter) {
    let Some(shared) = SHARED.get() else { return };
    shared.levels.rcu(|levels| levels.with(prefix, level));
    log::set_max_level(shared.levels.load().max());
}

/// From which level on lines are written whose target begins with `prefix`: target and level, by the names of Python's
/// logging. Nothing in a process that does not log.
pub fn levels(prefix: &str) -> Vec<(String, &'static str)> {
    SHARED.get().map_or_else(Vec::new, |shared| shared.levels.load().told(prefix))
}

/// Lines that were dropped since the start because the writer did not keep up.
pub fn dropped() -> u64 {
    SHARED.get().map_or(0, |shared| shared.dropped.load(Ordering::Relaxed))
}

/// The writer while it runs. Dropping it writes what is left.
pub struct Running {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(shared: Arc<Shared>) -> Result<Self> {
        let thread = match shared.writer {
            Writer::Caller => None,
            Writer::Thread => {
                let shared = Arc::clone(&shared);
                let builder = std::thread::Builder::new().name("log".to_owned());
                Some(builder.spawn(move || shared.write_until_stopped()).map_err(Error::internal)?)
            }
        };
        Ok(Self { shared, thread })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.shared.queue).stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to say.
            let _ = thread.join();
        }
        self.shared.flush();
    }
}

/// What the crate `log` calls.
struct Front(Arc<Shared>);

impl log::Log for Front {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.levels.load().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.0.levels.load().enabled(record.metadata()) {
            self.0.take(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

thread_local! {
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Shared {
    fn new(config: &Config, role: &str, writer: Writer, request_id: fn(&mut String)) -> Result<Self> {
        Ok(Self {
            levels: ArcSwap::from_pointee(Levels::new(config)),
            queue: Mutex::default(),
            wake: Condvar::new(),
            places: Mutex::new(Places { sinks: sink::open(config, role)?, spare: Buffer::default() }),
            dropped: AtomicU64::new(0),
            capacity: usize::try_from(config.integer(&logging::QUEUE_LINES)).unwrap_or(usize::MAX),
            writer,
            request_id,
        })
    }

    /// Puts one line into the queue, and writes it at once where it is an error or nobody else would.
    fn take(&self, record: &Record<'_>) {
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => self.queue_line(record, &mut line),
            // A value that logs while it is formatted has a line inside a line.
            Err(_) => self.queue_line(record, &mut String::new()),
        });
        if self.writer == Writer::Caller || record.level() == Level::Error {
            self.flush();
        }
    }

    fn queue_line(&self, record: &Record<'_>, line: &mut String) {
        line.clear();
        let message = self.compose(record, line);
        let mut queue = lock(&self.queue);
        if queue.buffer.lines.len() >= self.capacity && record.level() != Level::Error {
            drop(queue);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = queue.buffer.lines.is_empty();
        let start = queue.buffer.text.len();
        queue.buffer.text.push_str(line);
        queue.buffer.lines.push(Line { level: record.level(), message: start + message, end: start + line.len() });
        let full = queue.buffer.lines.len() * 2 >= self.capacity;
        queue.hurry = queue.hurry || full;
        drop(queue);
        if first || full {
            self.wake.notify_one();
        }
    }

    /// Writes a line to `line` and gives the place where the part for syslog begins.
    fn compose(&self, record: &Record<'_>, line: &mut String) -> usize {
        let now = Timestamp::now();
        // Writing to a text can not fail.
        let _ = write!(line, "{} {} ", Clock(now), std::process::id());
        let message = line.len();
        let _ = write!(line, "{} {} [", record.level(), record.target());
        let before = line.len();
        (self.request_id)(line);
        if line.len() == before {
            line.push('-');
        }
        line.push_str("] ");
        let start = line.len();
        let _ = write!(line, "{}", record.args());
        tidy(line, start);
        line.push('\n');
        message
    }

    /// Writes everything that is in the queue.
    fn flush(&self) {
        let mut places = lock(&self.places);
        let mut buffer = std::mem::take(&mut places.spare);
        std::mem::swap(&mut lock(&self.queue).buffer, &mut buffer);
        if !buffer.lines.is_empty() {
            let mut failed = None;
            for sink in &mut places.sinks {
                failed = sink.write(&buffer.text, &buffer.lines).err().or(failed);
            }
            if let Some(error) = failed {
                // The last resort: whoever watches standard error learns that the log is not whole, and what is in it.
                let _ = Sink::Stderr.write(&format!("the log can not be written: {error}\n{}", buffer.text), &[]);
            }
        }
        buffer.text.clear();
        buffer.lines.clear();
        places.spare = buffer;
    }

    fn write_until_stopped(&self) {
        let mut told = 0;
        loop {
            let mut queue = lock(&self.queue);
            while queue.buffer.lines.is_empty() && !queue.stop {
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            if !queue.stop && !queue.hurry {
                let more = |queue: &mut Queue| !queue.stop && !queue.hurry;
                queue = self.wake.wait_timeout_while(queue, GATHER, more).unwrap_or_else(PoisonError::into_inner).0;
            }
            let stop = queue.stop;
            queue.hurry = false;
            drop(queue);
            self.flush();
            if stop {
                return;
            }
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > told {
                self.take(
                    &Record::builder()
                        .level(Level::Warn)
                        .target(module_path!())
                        .args(format_args!("{} lines were dropped: the log was not written as fast", dropped - told))
                        .build(),
                );
                told = dropped;
            }
        }
    }
}

/// Masks secrets, cuts what is too long, and keeps one line in one line: what comes from outside must not look like
/// lines of its own.
fn tidy(line: &mut String, start: usize) {
    if line.len() > LONGEST_LINE {
        let cut = (0..=LONGEST_LINE).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0).max(start);
        line.truncate(cut);
        line.push_str(" [cut]");
    }
    let message = line.get(start..).unwrap_or("");
    let clean = masked(message);
    let control = clean.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    if control {
        let clean: String = clean
            .chars()
            .flat_map(|c| {
                let escaped = c.is_ascii_control().then(|| c.escape_default());
                let plain = escaped.is_none().then_some(c);
                escaped.into_iter().flatten().chain(plain)
            })
            .collect();
        line.replace_range(start.., &clean);
    } else if let std::borrow::Cow::Owned(clean) = clean {
        line.replace_range(start.., &clean);
    }
}

/// An instant as `2026-11-22 19:38:14.123` in UTC.
struct Clock(Timestamp);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let civil = self.0.civil();
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
            civil.year,
            civil.month,
            civil.day,
            civil.hour,
            civil.minute,
            civil.second,
            civil.micros / 1000
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::path::PathBuf;

    use log::Log;

    use super::*;

    /// A folder of a test's own.
    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("hearth-log-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn request_id(line: &mut String) {
        line.push_str("req-1");
    }

    fn shared(config: &str, writer: Writer) -> Arc<Shared> {
        Arc::new(Shared::new(&Config::from_text(config).unwrap(), "hearth-test", writer, request_id).unwrap())
    }

    fn write(shared: &Arc<Shared>, level: Level, text: &str) {
        let front = Front(Arc::clone(shared));
        front.log(&Record::builder().level(level).target("hearth::x").args(format_args!("{text}")).build());
    }

    #[test]
    fn a_line_has_time_process_level_target_and_request_and_stays_one_line_without_secrets() {
        let folder = folder("line");
        let path = folder.join("x.log");
        let shared = shared(&format!("log_file = {}", path.display()), Writer::Caller);
        write(&shared, Level::Info, "password=geheim\n2026-11-22 forged \u{1b}[31m ü");
        write(&shared, Level::Debug, "not written");
        write(&shared, Level::Warn, &"é".repeat(LONGEST_LINE));
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let (clock, rest) = lines.next().unwrap().split_at(24);
        assert!(Timestamp::parse(clock.trim_end()).is_some(), "{clock}");
        let expected = "INFO hearth::x [req-1] password=****\\n2026-11-22 forged \\u{1b}[31m ü";
        // A secret without quotation marks ends at white space, escaped or not.
        assert_eq!(rest.split_once(' ').unwrap(), (std::process::id().to_string().as_str(), expected));
        let long = lines.next().unwrap();
        assert!(long.ends_with("é [cut]") && long.len() < LONGEST_LINE + 10);
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn lines_of_many_threads_are_all_written_and_each_thread_keeps_its_order() {
        let folder = folder("threads");
        let path = folder.join("x.log");
        let config = format!("log_file = {}\n[hearth_log]\nqueue_lines = 100000", path.display());
        let shared = shared(&config, Writer::Thread);
        let running = Running::start(Arc::clone(&shared)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let shared = &shared;
                scope.spawn(move || (0..2000).for_each(|n| write(shared, Level::Info, &format!("{thread} {n}"))));
            }
        });
        drop(running);
        let text = std::fs::read_to_string(&path).unwrap();
        for thread in 0..4 {
            let marker = format!("[req-1] {thread} ");
            let numbers: Vec<usize> =
                text.lines().filter_map(|line| line.split_once(&marker)?.1.parse().ok()).collect();
            assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_is_written_before_its_writer_goes_on() {
        let folder = folder("error");
        let path = folder.join("x.log");
        let shared = shared(&format!("log_file = {}", path.display()), Writer::Thread);
        // Nobody writes but the caller: the thread is not started.
        write(&shared, Level::Info, "first");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        write(&shared, Level::Error, "second");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("first\n") && text.ends_with("ERROR hearth::x [req-1] second\n"), "{text}");
    }

    #[test]
    fn when_the_queue_is_full_lines_are_dropped_and_counted_but_no_errors() {
        let folder = folder("full");
        let path = folder.join("x.log");
        let config = format!("log_file = {}\n[hearth_log]\nqueue_lines = 16", path.display());
        let shared = shared(&config, Writer::Thread);
        (0..20).for_each(|n| write(&shared, Level::Info, &n.to_string()));
        assert_eq!(shared.dropped.load(Ordering::Relaxed), 4);
        write(&shared, Level::Error, "last");
        (0..1).for_each(|_| write(&shared, Level::Info, "again"));
        drop(Running::start(Arc::clone(&shared)).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("[req-1] 15\n") && !text.contains("[req-1] 16\n") && text.contains("last\n"), "{text}");
        assert!(text.contains("again\n"));
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_again_by_its_name() {
        let folder = folder("rotate");
        let path = folder.join("hearth-test.log");
        let shared = shared(&format!("log_dir = {}", folder.display()), Writer::Caller);
        write(&shared, Level::Info, "one");
        std::fs::rename(&path, folder.join("old")).unwrap();
        lock(&shared.places).sinks.iter_mut().try_for_each(Sink::reopen).unwrap();
        write(&shared, Level::Info, "two");
        assert!(std::fs::read_to_string(folder.join("old")).unwrap().ends_with("one\n"));
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("two\n"));
    }

    #[test]
    fn syslog_gets_datagrams_of_both_forms_also_after_the_daemon_started_anew() {
        let folder = folder("syslog");
        let socket = folder.join("log");
        for (form, begin, end) in [
            ("rfc3164", "<155>", format!("hearth-test[{}]: ERROR hearth::x [req-1] gone", std::process::id())),
            (
                "rfc5424",
                "<155>1 2",
                format!("host hearth-test {} 0 - ERROR hearth::x [req-1] gone", std::process::id()),
            ),
        ] {
            let config = format!(
                "host = host\nuse_syslog = true\nsyslog_log_facility = LOG_LOCAL3\n[hearth_log]\nsyslog_format = {form}\n\
                 syslog_socket = {}",
                socket.display()
            );
            let shared = shared(&config, Writer::Caller);
            for _ in 0..2 {
                let _ = std::fs::remove_file(&socket);
                let daemon = UnixDatagram::bind(&socket).unwrap();
                daemon.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                write(&shared, Level::Error, "gone");
                let mut buffer = [0; 512];
                let length = daemon.recv(&mut buffer).unwrap();
                let text = std::str::from_utf8(&buffer[..length]).unwrap();
                assert!(text.starts_with(begin) && text.ends_with(&end), "{text}");
            }
        }
    }

    #[test]
    fn an_unknown_facility_is_refused() {
        let config = Config::from_text("use_syslog = true\nsyslog_log_facility = LOG_LOCAL9").unwrap();
        let refused = Shared::new(&config, "hearth-test", Writer::Caller, request_id).err().unwrap();
        assert!(refused.public().contains("LOG_LOCAL0"));
    }
}
