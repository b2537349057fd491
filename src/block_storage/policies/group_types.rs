//! Group types and their specs.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ADMIN, admin};
use crate::identity::policy::Rule;

pub const CREATE: Rule = admin("group:group_types:create")
    .deprecated("group:group_types_manage", ADMIN)
    .about("Create a group type.")
    .operations(&[("POST", "/group_types")]);
pub const UPDATE: Rule = admin("group:group_types:update")
    .deprecated("group:group_types_manage", ADMIN)
    .about("Change a group type.")
    .operations(&[("PUT", "/group_types/{group_type_id}")]);
pub const DELETE: Rule = admin("group:group_types:delete")
    .deprecated("group:group_types_manage", ADMIN)
    .about("Delete a group type.")
    .operations(&[("DELETE", "/group_types/{group_type_id}")]);
pub const SPECS_ATTRIBUTE: Rule = admin("group:access_group_types_specs")
    .about("See the specs in the view of a group type.")
    .operations(&[("GET", "/group_types"), ("GET", "/group_types/{group_type_id}"), ("GET", "/group_types/default")]);
pub const GET_SPEC: Rule = admin("group:group_types_specs:get")
    .deprecated("group:group_types_specs", ADMIN)
    .about("See one spec of a group type.")
    .operations(&[("GET", "/group_types/{group_type_id}/group_specs/{key}")]);
pub const GET_ALL_SPECS: Rule = admin("group:group_types_specs:get_all")
    .deprecated("group:group_types_specs", ADMIN)
    .about("List the specs of a group type.")
    .operations(&[("GET", "/group_types/{group_type_id}/group_specs")]);
pub const CREATE_SPECS: Rule = admin("group:group_types_specs:create")
    .deprecated("group:group_types_specs", ADMIN)
    .about("Add specs to a group type.")
    .operations(&[("POST", "/group_types/{group_type_id}/group_specs")]);
pub const UPDATE_SPEC: Rule = admin("group:group_types_specs:update")
    .deprecated("group:group_types_specs", ADMIN)
    .about("Change one spec of a group type.")
    .operations(&[("PUT", "/group_types/{group_type_id}/group_specs/{key}")]);
pub const DELETE_SPEC: Rule = admin("group:group_types_specs:delete")
    .deprecated("group:group_types_specs", ADMIN)
    .about("Delete one spec of a group type.")
    .operations(&[("DELETE", "/group_types/{group_type_id}/group_specs/{key}")]);

/// All rows of this file.
pub const ROWS: &[Rule] =
    &[CREATE, UPDATE, DELETE, SPECS_ATTRIBUTE, GET_SPEC, GET_ALL_SPECS, CREATE_SPECS, UPDATE_SPEC, DELETE_SPEC];
