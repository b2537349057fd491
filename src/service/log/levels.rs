//! Which lines are written: a level for all, and levels for single targets.

use log::{Level, LevelFilter, Metadata};

use crate::config::{Config, logging};

/// The target of the line that each answered request is.
pub const ACCESS: &str = "access";

/// Levels as the configuration says them.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    /// For this project's own lines.
    own: LevelFilter,
    /// For lines of libraries, which are quieter.
    others: LevelFilter,
    access: bool,
    /// By target: the longest beginning holds.
    single: Vec<(String, LevelFilter)>,
    /// What was set since, by the beginning of the target: the last one that fits holds.
    set: Vec<(String, LevelFilter)>,
}

impl Levels {
    pub(super) fn new(config: &Config) -> Self {
        let debug = config.boolean(&logging::DEBUG);
        let mut single: Vec<(String, LevelFilter)> = config
            .list(&logging::DEFAULT_LOG_LEVELS)
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(target, level)| Some((target.trim().to_owned(), level_of(level.trim())?)))
            .collect();
        single.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Self {
            own: if debug { LevelFilter::Debug } else { LevelFilter::Info },
            others: if debug { LevelFilter::Info } else { LevelFilter::Warn },
            access: config.boolean(&logging::ACCESS_LOG),
            single,
            set: Vec::new(),
        }
    }

    /// The greatest level that any target has.
    pub(super) fn max(&self) -> LevelFilter {
        self.single
            .iter()
            .chain(&self.set)
            .map(|(_, level)| *level)
            .chain([self.own, self.others])
            .max()
            .unwrap_or(LevelFilter::Info)
    }

    pub(super) fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        if target == ACCESS {
            return self.access && metadata.level() <= Level::Info;
        }
        metadata.level() <= self.of(target)
    }

    /// The level from which on lines of a target are written.
    fn of(&self, target: &str) -> LevelFilter {
        if let Some((_, level)) = self.set.iter().rev().find(|(prefix, _)| target.starts_with(prefix.as_str())) {
            return *level;
        }
        let below = |beginning: &str| {
            target.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let single = self.single.iter().find(|(beginning, _)| below(beginning)).map(|(_, level)| *level);
        let own = target.starts_with(env!("CARGO_PKG_NAME"));
        single.unwrap_or(if own { self.own } else { self.others })
    }

    /// The same levels, but `level` for every target that begins with `prefix`.
    pub(super) fn with(&self, prefix: &str, level: LevelFilter) -> Self {
        let mut levels = self.clone();
        levels.set.retain(|(set, _)| !set.starts_with(prefix));
        levels.set.push((prefix.to_owned(), level));
        levels
    }

    /// The targets that begin with `prefix` and have a level of their own, and this project's, each with its level.
    pub(super) fn told(&self, prefix: &str) -> Vec<(String, &'static str)> {
        let named = self.single.iter().chain(&self.set).map(|(target, _)| target.as_str());
        let mut targets: Vec<&str> = named.chain([env!("CARGO_PKG_NAME")]).collect();
        targets.retain(|target| !target.is_empty() && target.starts_with(prefix));
        targets.sort_unstable();
        targets.dedup();
        targets.into_iter().map(|target| (target.to_owned(), name_of(self.of(target)))).collect()
    }
}

/// The level that Block Storage's API calls so, in any case; `None` for other words.
pub fn level_named(name: &str) -> Option<LevelFilter> {
    let known = ["DEBUG", "INFO", "WARNING", "ERROR"].iter().any(|known| known.eq_ignore_ascii_case(name));
    if known { level_of(name) } else { None }
}

fn name_of(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::Trace | LevelFilter::Debug => "DEBUG",
        LevelFilter::Info => "INFO",
        LevelFilter::Warn => "WARNING",
        LevelFilter::Error => "ERROR",
        LevelFilter::Off => "CRITICAL",
    }
}

/// The names of oslo.log, which are those of Python's logging, and those of the crate `log`.
fn level_of(name: &str) -> Option<LevelFilter> {
    match name.to_ascii_uppercase().as_str() {
        "CRITICAL" | "FATAL" => Some(LevelFilter::Error),
        "WARNING" => Some(LevelFilter::Warn),
        name => name.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(config: &str, target: &str, level: Level) -> bool {
        let levels = Levels::new(&Config::from_text(config).unwrap());
        levels.enabled(&Metadata::builder().target(target).level(level).build())
    }

    #[test]
    fn own_lines_are_written_from_info_and_those_of_libraries_from_warning() {
        assert!(enabled("", "hearth::rest", Level::Info) && !enabled("", "hearth::rest", Level::Debug));
        assert!(enabled("", "rustls::conn", Level::Warn) && !enabled("", "rustls::conn", Level::Info));
        assert!(enabled("debug = true", "hearth::rest", Level::Debug));
        assert!(enabled("debug = true", "rustls", Level::Info) && !enabled("debug = true", "rustls", Level::Debug));
    }

    #[test]
    fn the_longest_target_that_is_named_holds() {
        let config = "default_log_levels = hearth=ERROR, hearth::database=DEBUG, rustls=CRITICAL";
        assert!(!enabled(config, "hearth::rest", Level::Warn));
        assert!(enabled(config, "hearth::database::pool", Level::Debug));
        assert!(!enabled(config, "hearth::databases", Level::Warn));
        assert!(!enabled(config, "rustls", Level::Warn));
    }

    #[test]
    fn requests_are_lines_only_where_they_are_asked_for() {
        assert!(!enabled("", ACCESS, Level::Info));
        assert!(enabled("[hearth_log]\naccess_log = true", ACCESS, Level::Info));
    }

    #[test]
    fn what_is_set_while_the_process_runs_holds_for_all_that_begins_so() {
        let config = "default_log_levels = hearth::database=DEBUG, rustls=ERROR";
        let levels = Levels::new(&Config::from_text(config).unwrap());
        let told = |levels: &Levels, prefix: &str| {
            let told = levels.told(prefix).into_iter();
            told.map(|(target, level)| format!("{target}={level}")).collect::<Vec<_>>()
        };
        assert_eq!(told(&levels, ""), ["hearth=INFO", "hearth::database=DEBUG", "rustls=ERROR"]);
        let set = levels.with("hearth::database::pool", LevelFilter::Error);
        assert_eq!(told(&set, "hearth::data"), ["hearth::database=DEBUG", "hearth::database::pool=ERROR"]);
        assert_eq!(set.of("hearth::database::pool::x"), LevelFilter::Error);
        let all = set.with("hearth", LevelFilter::Warn);
        assert_eq!(told(&all, ""), ["hearth=WARNING", "hearth::database=WARNING", "rustls=ERROR"]);
        assert_eq!(all.with("", LevelFilter::Debug).of("rustls"), LevelFilter::Debug);
        assert_eq!(all.with("", LevelFilter::Trace).max(), LevelFilter::Trace);
        assert_eq!((level_named("warning"), level_named("loud")), (Some(LevelFilter::Warn), None));
    }
}
