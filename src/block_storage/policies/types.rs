//! Volume types, their extra specs, access to private ones, encryption, and default types of projects.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ADMIN, ANYBODY, OWNER, admin, member, reader};
use crate::identity::policy::Rule;

pub const CREATE: Rule = admin("volume_extension:type_create")
    .deprecated("volume_extension:types_manage", ADMIN)
    .about("Create a volume type.")
    .operations(&[("POST", "/types")]);
pub const UPDATE: Rule = admin("volume_extension:type_update")
    .deprecated("volume_extension:types_manage", ADMIN)
    .about("Change a volume type.")
    .operations(&[("PUT", "/types/{type_id}")]);
pub const DELETE: Rule = admin("volume_extension:type_delete")
    .deprecated("volume_extension:types_manage", ADMIN)
    .about("Delete a volume type.")
    .operations(&[("DELETE", "/types/{type_id}")]);
pub const GET: Rule = reader("volume_extension:type_get")
    .formerly(ANYBODY)
    .about("See a volume type.")
    .operations(&[("GET", "/types/{type_id}"), ("GET", "/types/default")]);
pub const GET_ALL: Rule = reader("volume_extension:type_get_all")
    .formerly(ANYBODY)
    .about("List volume types.")
    .operations(&[("GET", "/types")]);
pub const EXTRA_SPECS_ATTRIBUTE: Rule = reader("volume_extension:access_types_extra_specs")
    .formerly(ADMIN)
    .about("See the extra specs in the view of a volume type.")
    .operations(&[("GET", "/types")]);
pub const QOS_SPECS_ATTRIBUTE: Rule = admin("volume_extension:access_types_qos_specs_id")
    .about("See the QoS specs in the view of a volume type.")
    .operations(&[("GET", "/types")]);
pub const ENCRYPTION: Rule = admin("volume_extension:volume_type_encryption")
    .about("What the four rules of type encryption demanded before they were told apart.");
pub const CREATE_ENCRYPTION: Rule = admin("volume_extension:volume_type_encryption:create")
    .formerly("rule:volume_extension:volume_type_encryption")
    .about("Encrypt the volumes of a type.")
    .operations(&[("POST", "/types/{type_id}/encryption")]);
pub const GET_ENCRYPTION: Rule = admin("volume_extension:volume_type_encryption:get")
    .formerly("rule:volume_extension:volume_type_encryption")
    .about("See how the volumes of a type are encrypted.")
    .operations(&[("GET", "/types/{type_id}/encryption"), ("GET", "/types/{type_id}/encryption/{key}")]);
pub const UPDATE_ENCRYPTION: Rule = admin("volume_extension:volume_type_encryption:update")
    .formerly("rule:volume_extension:volume_type_encryption")
    .about("Change how the volumes of a type are encrypted.")
    .operations(&[("PUT", "/types/{type_id}/encryption/{encryption_id}")]);
pub const DELETE_ENCRYPTION: Rule = admin("volume_extension:volume_type_encryption:delete")
    .formerly("rule:volume_extension:volume_type_encryption")
    .about("No longer encrypt the volumes of a type.")
    .operations(&[("DELETE", "/types/{type_id}/encryption/{encryption_id}")]);
pub const ACCESS_ATTRIBUTE: Rule = member("volume_extension:volume_type_access")
    .formerly(OWNER)
    .about("See in the view of a volume type whether it is public.")
    .operations(&[("GET", "/types")]);
pub const ADD_ACCESS: Rule = admin("volume_extension:volume_type_access:addProjectAccess")
    .about("Let a project use a private volume type.")
    .operations(&[("POST", "/types/{type_id}/action (addProjectAccess)")]);
pub const REMOVE_ACCESS: Rule = admin("volume_extension:volume_type_access:removeProjectAccess")
    .about("No longer let a project use a private volume type.")
    .operations(&[("POST", "/types/{type_id}/action (removeProjectAccess)")]);
pub const GET_ALL_ACCESS: Rule = admin("volume_extension:volume_type_access:get_all_for_type")
    .formerly("volume_extension:volume_type_access")
    .about("List the projects that may use a private volume type.")
    .operations(&[("GET", "/types/{type_id}/os-volume-type-access")]);
pub const GET_ALL_EXTRA_SPECS: Rule = reader("volume_extension:types_extra_specs:index")
    .formerly(ANYBODY)
    .about("List the extra specs of a volume type.")
    .operations(&[("GET", "/types/{type_id}/extra_specs")]);
pub const CREATE_EXTRA_SPECS: Rule = admin("volume_extension:types_extra_specs:create")
    .about("Add extra specs to a volume type.")
    .operations(&[("POST", "/types/{type_id}/extra_specs")]);
pub const GET_EXTRA_SPEC: Rule = reader("volume_extension:types_extra_specs:show")
    .formerly(ANYBODY)
    .about("See one extra spec of a volume type.")
    .operations(&[("GET", "/types/{type_id}/extra_specs/{key}")]);
pub const READ_SENSITIVE_EXTRA_SPECS: Rule = admin("volume_extension:types_extra_specs:read_sensitive")
    .about("See all extra specs, and not only those meant for users.")
    .operations(&[
        ("GET", "/types"),
        ("GET", "/types/{type_id}/extra_specs"),
        ("GET", "/types/{type_id}/extra_specs/{key}"),
    ]);
pub const UPDATE_EXTRA_SPEC: Rule = admin("volume_extension:types_extra_specs:update")
    .about("Change one extra spec of a volume type.")
    .operations(&[("PUT", "/types/{type_id}/extra_specs/{key}")]);
pub const DELETE_EXTRA_SPEC: Rule = admin("volume_extension:types_extra_specs:delete")
    .about("Delete one extra spec of a volume type.")
    .operations(&[("DELETE", "/types/{type_id}/extra_specs/{key}")]);
pub const SET_DEFAULT: Rule = admin("volume_extension:default_set_or_update")
    .formerly("rule:system_or_domain_or_project_admin")
    .about("Set the default volume type of a project.")
    .operations(&[("PUT", "/default-types/{project}")]);
pub const GET_DEFAULT: Rule = admin("volume_extension:default_get")
    .formerly("rule:system_or_domain_or_project_admin")
    .about("See the default volume type of a project.")
    .operations(&[("GET", "/default-types/{project}")]);
pub const GET_ALL_DEFAULTS: Rule = admin("volume_extension:default_get_all")
    .formerly("role:admin and system_scope:all")
    .about("List the default volume types of all projects.")
    .operations(&[("GET", "/default-types")]);
pub const UNSET_DEFAULT: Rule = admin("volume_extension:default_unset")
    .formerly("rule:system_or_domain_or_project_admin")
    .about("Take back the default volume type of a project.")
    .operations(&[("DELETE", "/default-types/{project}")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[
    CREATE,
    UPDATE,
    DELETE,
    GET,
    GET_ALL,
    EXTRA_SPECS_ATTRIBUTE,
    QOS_SPECS_ATTRIBUTE,
    ENCRYPTION,
    CREATE_ENCRYPTION,
    GET_ENCRYPTION,
    UPDATE_ENCRYPTION,
    DELETE_ENCRYPTION,
    ACCESS_ATTRIBUTE,
    ADD_ACCESS,
    REMOVE_ACCESS,
    GET_ALL_ACCESS,
    GET_ALL_EXTRA_SPECS,
    CREATE_EXTRA_SPECS,
    GET_EXTRA_SPEC,
    READ_SENSITIVE_EXTRA_SPECS,
    UPDATE_EXTRA_SPEC,
    DELETE_EXTRA_SPEC,
    SET_DEFAULT,
    GET_DEFAULT,
    GET_ALL_DEFAULTS,
    UNSET_DEFAULT,
];
