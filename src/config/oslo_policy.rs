//! `[oslo_policy]`: how policy rules are put together. Names of oslo.policy.

use super::opt::Opt;

/// File of policy overrides.
pub const POLICY_FILE: Opt = Opt::path("oslo_policy", "policy_file", "policy.yaml")
    .deprecated(&[("DEFAULT", "policy_file")])
    .help("File of policy overrides, YAML or JSON; looked for beside the configuration files. It need not exist.")
    .reload();
/// Folders of policy overrides.
pub const POLICY_DIRS: Opt = Opt::multi("oslo_policy", "policy_dirs", "policy.d")
    .help("Folders whose files are read after policy_file, in the order of their names. They need not exist.")
    .reload();
/// Rule that stands for unknown ones.
pub const POLICY_DEFAULT_RULE: Opt = Opt::text("oslo_policy", "policy_default_rule", "default")
    .help("Rule that is asked where a rule is referred to that does not exist.")
    .reload();
/// Whether a token of the wrong scope is refused.
pub const ENFORCE_SCOPE: Opt = Opt::boolean("oslo_policy", "enforce_scope", "true")
    .help("Whether a rule refuses a token of a scope that it does not name. Today's rules of Block Storage name none.")
    .reload();
/// Whether deprecated defaults are left out.
pub const ENFORCE_NEW_DEFAULTS: Opt = Opt::boolean("oslo_policy", "enforce_new_defaults", "true")
    .help("Whether only the new defaults hold, and not the deprecated ones beside them.")
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[POLICY_FILE, POLICY_DIRS, POLICY_DEFAULT_RULE, ENFORCE_SCOPE, ENFORCE_NEW_DEFAULTS];
