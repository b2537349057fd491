//! What can be asked of a volume service about itself, as values.

/// One kind of such work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceWork {
    /// Writes lines of this level and more severe ones, where what is said of begins with `prefix`.
    SetLogLevel {
        /// The beginning of the targets of lines; empty: all.
        prefix: String,
        /// `DEBUG`, `INFO`, `WARNING`, `ERROR`.
        level: String,
    },
    /// Tells from which level on lines are written. Somebody waits for the answer.
    LogLevels {
        /// The beginning of the targets of lines; empty: all.
        prefix: String,
    },
    /// Ends, or begins anew, what was begun with objects of the backend and is in nobody's hands.
    CleanUp {
        /// `Volume` or `Snapshot`; `None`: both.
        resource_type: Option<String>,
        /// The id of the only object that is meant.
        resource_id: Option<String>,
    },
}

impl ServiceWork {
    /// The name under which the order is kept.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetLogLevel { .. } => "set_log_level",
            Self::LogLevels { .. } => "log_levels",
            Self::CleanUp { .. } => "clean_up",
        }
    }
}
