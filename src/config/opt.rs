//! One option as a row: what it is called, what it may hold, what it means. Readers, the sample file and the check all
//! iterate rows. Not here: values (see [`super::Config`]).

/// What an option may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptKind {
    /// Any text.
    Text,
    /// A file or folder.
    Path,
    /// A whole number from `min` to `max`, both included.
    Integer {
        /// The least allowed value.
        min: i64,
        /// The greatest allowed value.
        max: i64,
    },
    /// A number from `min` to `max`, both included.
    Float {
        /// The least allowed value.
        min: f64,
        /// The greatest allowed value.
        max: f64,
    },
    /// `true`, `1`, `on`, `yes` or `false`, `0`, `off`, `no`, in any case.
    Boolean,
    /// Texts between commas.
    List,
    /// A text for each time that the option is written.
    MultiText,
    /// One of these words for each time that the option is written.
    MultiChoice(&'static [&'static str]),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A time span in seconds, with or without a fraction; never negative.
    Seconds,
}

impl OptKind {
    /// What is allowed, in words that end a sentence such as "allowed: ...".
    pub fn allowed(&self) -> String {
        match self {
            Self::Text => "any text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a whole number".to_owned(),
            Self::Integer { min, max: i64::MAX } => format!("a whole number, {min} or more"),
            Self::Integer { min: i64::MIN, max } => format!("a whole number, {max} or less"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Float { min, max } if *min == f64::MIN && *max == f64::MAX => "a number".to_owned(),
            Self::Float { min, max } if *max == f64::MAX => format!("a number, {min} or more"),
            Self::Float { min, max } => format!("a number from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
            Self::List => "texts between commas".to_owned(),
            Self::MultiText => "any text; the option may be repeated".to_owned(),
            Self::MultiChoice(words) => format!("one of {}; the option may be repeated", words.join(", ")),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Seconds => "a number of seconds, 0 or more".to_owned(),
        }
    }
}

/// One option of one section.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// The section without brackets. Rows of `backend_defaults` hold for every section that `enabled_backends` names.
    pub section: &'static str,
    /// The name, as oslo.config writes it: with underscores.
    pub name: &'static str,
    /// What it may hold.
    pub kind: OptKind,
    /// The value of an option that no file sets, in the form that a file would have. Empty means "not set".
    pub default: &'static str,
    /// Makes the default where it depends on the machine.
    pub computed: Option<fn() -> String>,
    /// What it is for, in one or more sentences.
    pub help: &'static str,
    /// Section and name that it had before; still read, with a warning.
    pub deprecated: &'static [(&'static str, &'static str)],
    /// Whether the value must never be shown.
    pub secret: bool,
    /// Whether a running process takes a changed value when it reads its configuration again.
    pub reload: bool,
}

impl Opt {
    const fn new(section: &'static str, name: &'static str, kind: OptKind, default: &'static str) -> Self {
        Self { section, name, kind, default, computed: None, help: "", deprecated: &[], secret: false, reload: false }
    }

    /// An option that holds any text.
    pub const fn text(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::Text, default)
    }

    /// An option that names a file or a folder.
    pub const fn path(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::Path, default)
    }

    /// An option that holds a whole number of any size.
    pub const fn integer(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::Integer { min: i64::MIN, max: i64::MAX }, default)
    }

    /// An option that holds a number.
    pub const fn float(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::Float { min: f64::MIN, max: f64::MAX }, default)
    }

    /// An option that is on or off.
    pub const fn boolean(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::Boolean, default)
    }

    /// An option that holds texts between commas.
    pub const fn list(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::List, default)
    }

    /// An option that may be written several times, each time with one text more.
    pub const fn multi(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::MultiText, default)
    }

    /// An option that may be written several times, each time with one of a few words.
    pub const fn words(section: &'static str, name: &'static str, words: &'static [&'static str]) -> Self {
        Self::new(section, name, OptKind::MultiChoice(words), "")
    }

    /// An option that holds one of a few words.
    pub const fn choice(
        section: &'static str,
        name: &'static str,
        words: &'static [&'static str],
        default: &'static str,
    ) -> Self {
        Self::new(section, name, OptKind::Choice(words), default)
    }

    /// An option that holds a time span in seconds.
    pub const fn seconds(section: &'static str, name: &'static str, default: &'static str) -> Self {
        Self::new(section, name, OptKind::Seconds, default)
    }

    /// The same whole number, from `min` to `max`.
    #[must_use]
    pub const fn range(mut self, min: i64, max: i64) -> Self {
        self.kind = match self.kind {
            OptKind::Float { .. } => OptKind::Float { min: min as f64, max: max as f64 },
            _ => OptKind::Integer { min, max },
        };
        self
    }

    /// The same whole number, `min` or more.
    #[must_use]
    pub const fn at_least(mut self, min: i64) -> Self {
        self.kind = match self.kind {
            OptKind::Float { max, .. } => OptKind::Float { min: min as f64, max },
            _ => OptKind::Integer { min, max: i64::MAX },
        };
        self
    }

    /// The same option with a default that the machine decides.
    #[must_use]
    pub const fn computed(mut self, default: fn() -> String) -> Self {
        self.computed = Some(default);
        self
    }

    /// The same option with its explanation.
    #[must_use]
    pub const fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    /// The same option with the names that it had before.
    #[must_use]
    pub const fn deprecated(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.deprecated = names;
        self
    }

    /// The same option, never to be shown.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The same option, taken over by a running process that reads its configuration again.
    #[must_use]
    pub const fn reload(mut self) -> Self {
        self.reload = true;
        self
    }

    /// The default as text.
    pub fn default_text(&self) -> std::borrow::Cow<'static, str> {
        self.computed.map_or(std::borrow::Cow::Borrowed(self.default), |default| default().into())
    }
}
