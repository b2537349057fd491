//! Rules that others refer to. They guard nothing themselves.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use crate::identity::policy::Rule;

pub const ADMIN_OR_OWNER: Rule =
    Rule::new("admin_or_owner", "is_admin:True or (role:admin and is_admin_project:True) or project_id:%(project_id)s")
        .about(
            "An administrator or whoever is in the project, whatever the role. Only deprecated defaults refer to it.",
        );
pub const ANY_ADMIN: Rule = Rule::new("system_or_domain_or_project_admin", "(role:admin and system_scope:all) or (role:admin and domain_id:%(domain_id)s) or (role:admin and project_id:%(project_id)s)").about("An administrator of the system, of the domain or of the project. Only deprecated defaults refer to it.");
pub const ADMIN_API: Rule =
    Rule::new("admin_api", "is_admin:True or (role:admin and is_admin_project:True)").about("An administrator.");
pub const ADMIN_OR_READER: Rule =
    Rule::new("xena_system_admin_or_project_reader", "(role:admin) or (role:reader and project_id:%(project_id)s)")
        .about("An administrator, or whoever may read in the project.");
pub const ADMIN_OR_MEMBER: Rule =
    Rule::new("xena_system_admin_or_project_member", "(role:admin) or (role:member and project_id:%(project_id)s)")
        .about("An administrator, or whoever may write in the project.");

/// All rows of this file.
pub const ROWS: &[Rule] = &[ADMIN_OR_OWNER, ANY_ADMIN, ADMIN_API, ADMIN_OR_READER, ADMIN_OR_MEMBER];
