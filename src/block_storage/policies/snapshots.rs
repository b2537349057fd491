//! Snapshots of volumes: the noun, metadata, actions and management of existing ones.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ANYBODY, OWNER, admin, member, reader};
use crate::identity::policy::Rule;

pub const GET_ALL: Rule = reader("volume:get_all_snapshots")
    .formerly(OWNER)
    .about("List snapshots.")
    .operations(&[("GET", "/snapshots"), ("GET", "/snapshots/detail")]);
pub const EXTENDED_ATTRIBUTES: Rule = reader("volume_extension:extended_snapshot_attributes")
    .formerly(OWNER)
    .about("See progress and project of a snapshot.")
    .operations(&[("GET", "/snapshots/detail"), ("GET", "/snapshots/{snapshot_id}")]);
pub const CREATE: Rule = member("volume:create_snapshot").formerly(OWNER).about("Create a snapshot.").operations(&[
    ("POST", "/snapshots"),
    ("POST", "/os-snapshot-manage"),
    ("POST", "/manageable_snapshots"),
]);
pub const GET: Rule = reader("volume:get_snapshot")
    .formerly(OWNER)
    .about("See a snapshot.")
    .operations(&[("GET", "/snapshots/{snapshot_id}")]);
pub const UPDATE: Rule = member("volume:update_snapshot")
    .formerly(OWNER)
    .about("Change name and description of a snapshot.")
    .operations(&[("PUT", "/snapshots/{snapshot_id}")]);
pub const DELETE: Rule = member("volume:delete_snapshot").formerly(OWNER).about("Delete a snapshot.").operations(&[
    ("DELETE", "/snapshots/{snapshot_id}"),
    ("POST", "/snapshots/{snapshot_id}/action (os-force_delete)"),
    ("POST", "/snapshots/{snapshot_id}/action (os-unmanage)"),
]);
pub const GET_METADATA: Rule = reader("volume:get_snapshot_metadata")
    .formerly(OWNER)
    .about("See the metadata of a snapshot.")
    .operations(&[("GET", "/snapshots/{snapshot_id}/metadata"), ("GET", "/snapshots/{snapshot_id}/metadata/{key}")]);
pub const UPDATE_METADATA: Rule = member("volume:update_snapshot_metadata")
    .formerly(OWNER)
    .about("Add to or replace the metadata of a snapshot.")
    .operations(&[
        ("POST", "/snapshots/{snapshot_id}/metadata"),
        ("PUT", "/snapshots/{snapshot_id}/metadata"),
        ("PUT", "/snapshots/{snapshot_id}/metadata/{key}"),
    ]);
pub const DELETE_METADATA: Rule = member("volume:delete_snapshot_metadata")
    .formerly(OWNER)
    .about("Delete one item of a snapshot's metadata.")
    .operations(&[("DELETE", "/snapshots/{snapshot_id}/metadata/{key}")]);
pub const RESET_STATUS: Rule = admin("volume_extension:snapshot_admin_actions:reset_status")
    .about("Set the state of a snapshot without doing anything.")
    .operations(&[("POST", "/snapshots/{snapshot_id}/action (os-reset_status)")]);
pub const UPDATE_STATUS: Rule = member("snapshot_extension:snapshot_actions:update_snapshot_status")
    .formerly(ANYBODY)
    .about("Report the state and progress of a snapshot that a server makes.")
    .operations(&[("POST", "/snapshots/{snapshot_id}/action (os-update_snapshot_status)")]);
pub const FORCE_DELETE: Rule = admin("volume_extension:snapshot_admin_actions:force_delete")
    .about("Delete a snapshot whatever state it is in.")
    .operations(&[("POST", "/snapshots/{snapshot_id}/action (os-force_delete)")]);
pub const LIST_MANAGEABLE: Rule = admin("snapshot_extension:list_manageable")
    .about("List what lies on a backend and could become a snapshot.")
    .operations(&[
        ("GET", "/os-snapshot-manage"),
        ("GET", "/os-snapshot-manage/detail"),
        ("GET", "/manageable_snapshots"),
        ("GET", "/manageable_snapshots/detail"),
    ]);
pub const MANAGE: Rule = admin("snapshot_extension:snapshot_manage")
    .about("Make a snapshot of what lies on a backend.")
    .operations(&[("POST", "/os-snapshot-manage"), ("POST", "/manageable_snapshots")]);
pub const UNMANAGE: Rule = admin("snapshot_extension:snapshot_unmanage")
    .about("Forget a snapshot and leave it on its backend.")
    .operations(&[("POST", "/snapshots/{snapshot_id}/action (os-unmanage)")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[
    GET_ALL,
    EXTENDED_ATTRIBUTES,
    CREATE,
    GET,
    UPDATE,
    DELETE,
    GET_METADATA,
    UPDATE_METADATA,
    DELETE_METADATA,
    RESET_STATUS,
    UPDATE_STATUS,
    FORCE_DELETE,
    LIST_MANAGEABLE,
    MANAGE,
    UNMANAGE,
];
