//! Where the configuration comes from, and what is wrong with it. Not here: reading it.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// Where the configuration is read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files, later ones over earlier ones.
    pub files: Vec<PathBuf>,
    /// Folders whose `*.conf` files are read in the order of their names, after the files.
    pub dirs: Vec<PathBuf>,
}

impl Sources {
    /// Files that are read where none is named, the first that exists alone.
    pub const DEFAULT_FILES: [&'static str; 2] = ["/etc/hearth/hearth.conf", "/etc/cinder/cinder.conf"];

    /// These sources, or the first existing default file and the folder `<name>.conf.d` beside it where none is named.
    #[must_use]
    pub fn or_default(self) -> Self {
        if !self.files.is_empty() || !self.dirs.is_empty() {
            return self;
        }
        let found = Self::DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists());
        let dir = found.as_ref().map(|path| path.with_extension("conf.d")).filter(|path| path.is_dir());
        Self { files: found.into_iter().collect(), dirs: dir.into_iter().collect() }
    }

    /// Every file in the order of reading.
    pub(super) fn paths(&self) -> Result<Vec<PathBuf>> {
        let mut paths = self.files.clone();
        for dir in &self.dirs {
            let unreadable =
                |error| Error::invalid(format!("{}: the folder can not be read", dir.display())).because(error);
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(dir).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.extension().is_some_and(|extension| extension == "conf") {
                    inside.push(path);
                }
            }
            inside.sort();
            paths.append(&mut inside);
        }
        Ok(paths)
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// No source sets it.
    Default,
    /// A line of a file, from 1.
    File(PathBuf, usize),
    /// An environment variable `OS_<SECTION>__<NAME>`.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong: an option of the real Cinder that has no effect here.
    Note,
    /// Probably a mistake, but the process can run: an unknown name, a deprecated one.
    Warning,
    /// The configuration can not be used.
    Error,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub origin: Origin,
    /// What is wrong and what is allowed. Never shows a value, which may be a secret.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}: {severity}: {}", self.origin, self.text)
    }
}
