//! Which lines are written: a level for all, and levels for single targets.

use log::{Level, LevelFilter, Metadata};

use crate::config::{Config, logging};

/// The target of the line that each answered request is.
pub const ACCESS: &str = "access";

/// Levels as the configuration says them.
#[derive(Debug)]
pub(super) struct Levels {
    /// For this project's own lines.
    own: LevelFilter,
    /// For lines of libraries, which are quieter.
    others: LevelFilter,
    access: bool,
    /// By target: the longest beginning holds.
    single: Vec<(String, LevelFilter)>,
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
        }
    }

    /// The greatest level that any target has.
    pub(super) fn max(&self) -> LevelFilter {
        self.single.iter().map(|(_, level)| *level).chain([self.own, self.others]).max().unwrap_or(LevelFilter::Info)
    }

    pub(super) fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        if target == ACCESS {
            return self.access && metadata.level() <= Level::Info;
        }
        let below = |beginning: &str| {
            target.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let single = self.single.iter().find(|(beginning, _)| below(beginning)).map(|(_, level)| *level);
        let own = target.starts_with(env!("CARGO_PKG_NAME"));
        metadata.level() <= single.unwrap_or(if own { self.own } else { self.others })
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
}
