//! Quotas of projects, quota classes and limits.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ADMIN, OWNER, admin, reader};
use crate::identity::policy::Rule;

pub const GET_CLASS: Rule = admin("volume_extension:quota_classes:get")
    .deprecated("volume_extension:quota_classes", ADMIN)
    .about("See a quota class.")
    .operations(&[("GET", "/os-quota-class-sets/{class}")]);
pub const UPDATE_CLASS: Rule = admin("volume_extension:quota_classes:update")
    .deprecated("volume_extension:quota_classes", ADMIN)
    .about("Change a quota class.")
    .operations(&[("PUT", "/os-quota-class-sets/{class}")]);
pub const SHOW: Rule = reader("volume_extension:quotas:show")
    .formerly(OWNER)
    .about("See the quotas of a project, with or without their use.")
    .operations(&[("GET", "/os-quota-sets/{project}"), ("GET", "/os-quota-sets/{project}/defaults")]);
pub const UPDATE: Rule = admin("volume_extension:quotas:update")
    .about("Change the quotas of a project.")
    .operations(&[("PUT", "/os-quota-sets/{project}")]);
pub const DELETE: Rule = admin("volume_extension:quotas:delete")
    .about("Set the quotas of a project back to the defaults.")
    .operations(&[("DELETE", "/os-quota-sets/{project}")]);
pub const USED_LIMITS: Rule = reader("limits_extension:used_limits")
    .formerly(OWNER)
    .about("See in the limits how much is used.")
    .operations(&[("GET", "/limits")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[GET_CLASS, UPDATE_CLASS, SHOW, UPDATE, DELETE, USED_LIMITS];
