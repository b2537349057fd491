//! One rule as a row: its name, what it demands by default, what it guards. Not here: the rules themselves, which are
//! the services' own tables, and what an operator's file makes of them.

/// The scope of a token, for rules that accept only some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole deployment.
    System,
    /// A domain.
    Domain,
    /// A project, or nothing.
    Project,
}

impl Scope {
    /// The word of oslo.policy.
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Domain => "domain",
            Self::Project => "project",
        }
    }
}

/// What a rule was before: its name, or what it demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecated {
    /// Former name; the same where only the demand changed.
    pub name: &'static str,
    /// Former demand.
    pub check: &'static str,
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Name, as in `policy.yaml`.
    pub name: &'static str,
    /// What it demands, in the language of oslo.policy.
    pub check: &'static str,
    /// Scopes that it accepts; empty: all.
    pub scope: &'static [Scope],
    /// What it allows, in one sentence.
    pub about: &'static str,
    /// Method and path of what it guards; several rules may guard one.
    pub operations: &'static [(&'static str, &'static str)],
    /// What it was before.
    pub deprecated: Option<Deprecated>,
}

impl Rule {
    /// A rule that demands `check`.
    pub const fn new(name: &'static str, check: &'static str) -> Self {
        Self { name, check, scope: &[], about: "", operations: &[], deprecated: None }
    }

    /// The same rule with what it allows.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The same rule with what it guards.
    #[must_use]
    pub const fn operations(mut self, operations: &'static [(&'static str, &'static str)]) -> Self {
        self.operations = operations;
        self
    }

    /// The same rule for tokens of these scopes alone.
    #[must_use]
    pub const fn scope(mut self, scope: &'static [Scope]) -> Self {
        self.scope = scope;
        self
    }

    /// The same rule with what it demanded before, under the same name.
    #[must_use]
    pub const fn formerly(self, check: &'static str) -> Self {
        self.deprecated(self.name, check)
    }

    /// The same rule with the name that it had before and what it demanded then.
    #[must_use]
    pub const fn deprecated(mut self, name: &'static str, check: &'static str) -> Self {
        self.deprecated = Some(Deprecated { name, check });
        self
    }
}
