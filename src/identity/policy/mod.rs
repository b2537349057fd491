//! What a caller may: the rules of the services in the language of oslo.policy, and the operator's overrides.
//! Not here: the rules themselves, and which of them guards which operation.

mod check;
mod overrides;
mod parse;
mod rule;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use rule::{Deprecated, Rule, Scope};

use super::Context;
use crate::config::{Config, oslo_policy};
use crate::error::{Error, Result};
use check::Check;

/// What an operation is done to: the attributes that rules may name as `%(name)s`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'a> {
    /// Project that it belongs to. An empty text counts as none, here and in the other fields.
    pub project_id: Option<&'a str>,
    /// User that it belongs to.
    pub user_id: Option<&'a str>,
    /// Domain that it belongs to.
    pub domain_id: Option<&'a str>,
    /// Other attributes by name.
    pub more: &'a [(&'a str, &'a str)],
}

impl<'a> Target<'a> {
    /// What the caller makes or lists: it belongs to the caller.
    pub fn own(context: &'a Context) -> Self {
        Self {
            project_id: Some(&context.project_id),
            user_id: Some(&context.user_id),
            domain_id: context.domain_id.as_deref(),
            more: &[],
        }
    }

    /// What belongs to `project_id`.
    pub fn project(project_id: &'a str) -> Self {
        Self { project_id: Some(project_id), ..Self::default() }
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        let value = match name {
            "project_id" | "tenant_id" => self.project_id,
            "user_id" => self.user_id,
            "domain_id" => self.domain_id,
            _ => self.more.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value),
        };
        value.filter(|value| !value.is_empty())
    }
}

/// How rules are put together.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files of overrides, later ones over earlier ones.
    pub files: Vec<PathBuf>,
    /// Rule that is asked where a rule is referred to that does not exist.
    pub default_rule: String,
    /// Whether a token of a scope that a rule does not name is refused.
    pub enforce_scope: bool,
    /// Whether only the new defaults hold, and not the deprecated ones beside them.
    pub enforce_new_defaults: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { files: Vec::new(), default_rule: "default".to_owned(), enforce_scope: true, enforce_new_defaults: true }
    }
}

impl Options {
    /// What `[oslo_policy]` says: the policy file and the files of the policy folders, where they exist.
    ///
    /// # Errors
    /// `Invalid` where a folder can not be read.
    pub fn of(config: &Config) -> Result<Self> {
        let mut files: Vec<PathBuf> = config.find_file(config.text(&oslo_policy::POLICY_FILE)).into_iter().collect();
        for dir in config.list(&oslo_policy::POLICY_DIRS).iter().filter_map(|dir| config.find_file(dir)) {
            files.append(&mut overrides::files_of(&dir)?);
        }
        Ok(Self {
            files,
            default_rule: config.text(&oslo_policy::POLICY_DEFAULT_RULE).to_owned(),
            enforce_scope: config.boolean(&oslo_policy::ENFORCE_SCOPE),
            enforce_new_defaults: config.boolean(&oslo_policy::ENFORCE_NEW_DEFAULTS),
        })
    }
}

/// All rules as they hold. Asking takes no lock and makes nothing on the heap.
#[derive(Debug)]
pub struct Policy {
    places: HashMap<String, usize>,
    checks: Vec<Check>,
    /// Where each check comes from, and its text.
    sources: Vec<Source>,
    enforce_scope: bool,
    problems: Vec<String>,
}

/// Where what a rule demands comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it demands, as written.
    pub text: String,
    /// The file that overrides it; `None` for a default.
    pub file: Option<PathBuf>,
}

/// The default rules and what the configuration says of them.
///
/// # Errors
/// As [`Policy::load`].
pub fn open(config: &Config, rows: &[&'static [Rule]]) -> Result<Policy> {
    Policy::with(rows, &Options::of(config)?)
}

/// The rule that decides who is an administrator.
pub const CONTEXT_IS_ADMIN: Rule = Rule::new("context_is_admin", "role:admin")
    .about("Who is an administrator, that is: for whom is_admin:True holds.");

/// Rules that both services refer to.
pub const SHARED: &[Rule] = &[CONTEXT_IS_ADMIN];

impl Policy {
    /// The default rules and the overrides of one file.
    ///
    /// # Errors
    /// `Invalid` where the file can not be read. A rule in it that can not be read refuses everything, see
    /// [`Policy::problems`].
    pub fn load(rows: &[&'static [Rule]], policy_file: Option<&Path>) -> Result<Self> {
        let files = policy_file.map(Path::to_owned).into_iter().collect();
        Self::with(rows, &Options { files, ..Options::default() })
    }

    /// The default rules and the overrides that `options` name.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn with(rows: &[&'static [Rule]], options: &Options) -> Result<Self> {
        Ok(overrides::assemble(rows, overrides::read(&options.files)?, options))
    }

    /// Whether `context` may do to `target` what `rule` guards.
    pub fn allows(&self, rule: &Rule, context: &Context, target: &Target<'_>) -> bool {
        if self.enforce_scope && !rule.scope.is_empty() && !rule.scope.contains(&scope(context)) {
            return false;
        }
        self.holds(rule.name, context, target)
    }

    /// As [`Policy::allows`], as a result.
    ///
    /// # Errors
    /// `Forbidden` with Cinder's text.
    pub fn check(&self, rule: &Rule, context: &Context, target: &Target<'_>) -> Result<()> {
        if self.allows(rule, context, target) {
            Ok(())
        } else {
            Err(Error::forbidden(format!("Policy doesn't allow {} to be performed.", rule.name)))
        }
    }

    /// Sets [`Context::is_admin`] where the rule `context_is_admin` says so. A caller that is one already stays one.
    pub fn decide_admin(&self, context: &mut Context) {
        context.is_admin = context.is_admin || self.holds(CONTEXT_IS_ADMIN.name, context, &Target::own(context));
    }

    fn holds(&self, name: &str, context: &Context, target: &Target<'_>) -> bool {
        let check = self.places.get(name).and_then(|place| self.checks.get(*place));
        check.is_some_and(|check| check.allows(&self.checks, context, target))
    }

    /// What is wrong with the rules: those that can not be read, that refer to unknown rules, or to each other in a
    /// circle (all of these refuse everything), and deprecated names in files.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Where what a rule demands comes from.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.places.get(name).and_then(|place| self.sources.get(*place))
    }

    /// Names of rules that files add to the defaults, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }
}

/// The scope of the caller's token.
fn scope(context: &Context) -> Scope {
    if context.system_scope.is_some() {
        Scope::System
    } else if context.domain_id.is_some() {
        Scope::Domain
    } else {
        Scope::Project
    }
}
