//! QoS specs.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::admin;
use crate::identity::policy::Rule;

pub const GET_ALL: Rule = admin("volume_extension:qos_specs_manage:get_all")
    .about("List QoS specs, and volume types that have them.")
    .operations(&[("GET", "/qos-specs"), ("GET", "/qos-specs/{qos_id}/associations")]);
pub const GET: Rule = admin("volume_extension:qos_specs_manage:get")
    .about("See QoS specs.")
    .operations(&[("GET", "/qos-specs/{qos_id}")]);
pub const CREATE: Rule =
    admin("volume_extension:qos_specs_manage:create").about("Create QoS specs.").operations(&[("POST", "/qos-specs")]);
pub const UPDATE: Rule = admin("volume_extension:qos_specs_manage:update")
    .about("Change QoS specs, and which volume types have them.")
    .operations(&[
        ("PUT", "/qos-specs/{qos_id}"),
        ("GET", "/qos-specs/{qos_id}/associate"),
        ("GET", "/qos-specs/{qos_id}/disassociate"),
        ("GET", "/qos-specs/{qos_id}/disassociate_all"),
    ]);
pub const DELETE: Rule = admin("volume_extension:qos_specs_manage:delete")
    .about("Delete QoS specs or some of their keys.")
    .operations(&[("DELETE", "/qos-specs/{qos_id}"), ("PUT", "/qos-specs/{qos_id}/delete_keys")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[GET_ALL, GET, CREATE, UPDATE, DELETE];
