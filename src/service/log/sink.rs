//! Where lines go: a file, standard error, or syslog at its unix socket in the forms of RFC 3164 and RFC 5424.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use log::Level;
use syslog::{Facility, Formatter3164, Formatter5424, Logger, LoggerBackend};

use super::Line;
use crate::config::{Config, default, logging};
use crate::error::{Error, Result};

/// One place.
pub(super) enum Sink {
    Stderr,
    File { path: PathBuf, file: File },
    Syslog(Syslog),
}

/// The places that the configuration names; standard error where it names none.
///
/// # Errors
/// `Invalid` where a file can not be opened or the facility is unknown.
pub(super) fn open(config: &Config, role: &str) -> Result<Vec<Sink>> {
    let mut sinks = Vec::new();
    let file = config.opt_text(&logging::LOG_FILE).map(PathBuf::from);
    let dir = config.opt_text(&logging::LOG_DIR).map(Path::new);
    let path = match (dir, file) {
        (Some(dir), Some(file)) => Some(dir.join(file)),
        (Some(dir), None) => Some(dir.join(format!("{role}.log"))),
        (None, file) => file,
    };
    if let Some(path) = path {
        let file = append(&path)
            .map_err(|error| Error::invalid(format!("{}: the log can not be opened", path.display())).because(error))?;
        sinks.push(Sink::File { path, file });
    }
    if config.boolean(&logging::USE_SYSLOG) {
        sinks.push(Sink::Syslog(Syslog::new(config, role)?));
    }
    if sinks.is_empty() || config.boolean(&logging::USE_STDERR) {
        sinks.push(Sink::Stderr);
    }
    Ok(sinks)
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Sink {
    /// Writes lines; `text` holds them one after the other, each with its line feed.
    pub(super) fn write(&mut self, text: &str, lines: &[Line]) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().write_all(text.as_bytes()),
            Self::File { file, .. } => file.write_all(text.as_bytes()),
            Self::Syslog(syslog) => lines.iter().try_for_each(|line| {
                let message = text.get(line.message..line.end).unwrap_or("").trim_end_matches('\n');
                syslog.send(line.level, message)
            }),
        }
    }

    /// Opens a file again by its name, after something moved it away.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Self::File { path, file } = self {
            *file = append(path)?;
        }
        Ok(())
    }
}

/// The syslog daemon. It may come later than this process, and may start anew meanwhile.
pub(super) struct Syslog {
    format: Format,
    socket: Option<PathBuf>,
    backend: Option<LoggerBackend>,
}

#[derive(Clone)]
enum Format {
    Rfc3164(Formatter3164),
    Rfc5424(Formatter5424),
}

/// Sockets of syslog daemons, the first that exists.
const SOCKETS: [&str; 2] = ["/dev/log", "/var/run/syslog"];

impl Syslog {
    fn new(config: &Config, role: &str) -> Result<Self> {
        let facility = facility(config.text(&logging::SYSLOG_LOG_FACILITY))?;
        let process = role.to_owned();
        let pid = std::process::id();
        let format = if config.text(&logging::SYSLOG_FORMAT) == "rfc5424" {
            let hostname = Some(config.text(&default::HOST).to_owned());
            Format::Rfc5424(Formatter5424 { facility, hostname, process, pid })
        } else {
            // A daemon takes messages of its own socket for its own host's, which therefore name none.
            Format::Rfc3164(Formatter3164 { facility, hostname: None, process, pid })
        };
        let socket = config.opt_text(&logging::SYSLOG_SOCKET).map(PathBuf::from);
        Ok(Self { format, socket, backend: None })
    }

    fn send(&mut self, level: Level, message: &str) -> io::Result<()> {
        // One that was there before this process wrote last may have been replaced: try once more with a new one.
        if let Some(backend) = &mut self.backend
            && format(&self.format, backend, level, message).is_ok()
        {
            return Ok(());
        }
        let mut backend = self.connect()?;
        format(&self.format, &mut backend, level, message)?;
        self.backend = Some(backend);
        Ok(())
    }

    fn connect(&self) -> io::Result<LoggerBackend> {
        let path = match &self.socket {
            Some(path) => path.as_path(),
            None => SOCKETS.map(Path::new).into_iter().find(|path| path.exists()).unwrap_or(Path::new("/dev/log")),
        };
        syslog::unix_custom((), path).map(|logger| logger.backend).map_err(io::Error::other)
    }
}

fn format(format: &Format, backend: &mut LoggerBackend, level: Level, message: &str) -> io::Result<()> {
    match format {
        Format::Rfc3164(formatter) => by_level(&mut Logger { formatter: formatter.clone(), backend }, level, message),
        Format::Rfc5424(formatter) => {
            let message = (0, std::collections::BTreeMap::new(), message);
            by_level(&mut Logger { formatter: formatter.clone(), backend }, level, message)
        }
    }
}

fn by_level<W: Write, F: syslog::LogFormat<T>, T>(
    logger: &mut Logger<W, F>,
    level: Level,
    message: T,
) -> io::Result<()> {
    let sent = match level {
        Level::Error => logger.err(message),
        Level::Warn => logger.warning(message),
        Level::Info => logger.info(message),
        Level::Debug | Level::Trace => logger.debug(message),
    };
    sent.map_err(io::Error::other)
}

fn facility(name: &str) -> Result<Facility> {
    let bare = name.strip_prefix("LOG_").unwrap_or(name).to_ascii_lowercase();
    // The crate knows `cron` and the others by these names.
    bare.parse().map_err(|()| {
        Error::invalid(format!(
            "[DEFAULT] syslog_log_facility: {name} is none of LOG_KERN, LOG_USER, LOG_MAIL, LOG_DAEMON, LOG_AUTH, LOG_SYSLOG, \
             LOG_LPR, LOG_NEWS, LOG_UUCP, LOG_CRON, LOG_AUTHPRIV, LOG_FTP, LOG_LOCAL0 to LOG_LOCAL7"
        ))
    })
}
