//! Groups of volumes and snapshots of groups.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ANYBODY, OWNER, admin, member, reader};
use crate::identity::policy::Rule;

pub const GET_ALL: Rule = reader("group:get_all").formerly(OWNER).about("List groups.").operations(&[
    ("GET", "/groups"),
    ("GET", "/groups/detail"),
    ("GET", "/consistencygroups"),
    ("GET", "/consistencygroups/detail"),
]);
pub const CREATE: Rule = member("group:create").formerly(ANYBODY).about("Create a group.").operations(&[
    ("POST", "/groups"),
    ("POST", "/groups/action (create-from-src)"),
    ("POST", "/consistencygroups"),
    ("POST", "/consistencygroups/create_from_src"),
]);
pub const GET: Rule =
    reader("group:get").formerly(OWNER).about("See a group.").operations(&[("GET", "/groups/{group_id}")]);
pub const UPDATE: Rule =
    member("group:update").formerly(OWNER).about("Change a group and which volumes are in it.").operations(&[
        ("PUT", "/groups/{group_id}"),
        ("PUT", "/consistencygroups/{id}"),
        ("PUT", "/consistencygroups/{id}/update"),
    ]);
pub const PROJECT_ATTRIBUTE: Rule = admin("group:group_project_attribute")
    .about("See the project in a group's detail.")
    .operations(&[("GET", "/groups/detail"), ("GET", "/groups/{group_id}")]);
pub const DELETE: Rule = member("group:delete").formerly(OWNER).about("Delete a group.").operations(&[
    ("POST", "/groups/{group_id}/action (delete)"),
    ("POST", "/consistencygroups/{id}/delete"),
    ("DELETE", "/consistencygroups/{id}"),
]);
pub const RESET_STATUS: Rule = admin("group:reset_status")
    .about("Set the state of a group without doing anything.")
    .operations(&[("POST", "/groups/{group_id}/action (reset_status)")]);
pub const ENABLE_REPLICATION: Rule = member("group:enable_replication")
    .formerly(OWNER)
    .about("Begin to replicate a group.")
    .operations(&[("POST", "/groups/{group_id}/action (enable_replication)")]);
pub const DISABLE_REPLICATION: Rule = member("group:disable_replication")
    .formerly(OWNER)
    .about("End the replication of a group.")
    .operations(&[("POST", "/groups/{group_id}/action (disable_replication)")]);
pub const FAILOVER_REPLICATION: Rule = member("group:failover_replication")
    .formerly(OWNER)
    .about("Switch a replicated group to its other site.")
    .operations(&[("POST", "/groups/{group_id}/action (failover_replication)")]);
pub const LIST_REPLICATION_TARGETS: Rule = member("group:list_replication_targets")
    .formerly(OWNER)
    .about("List where a group is replicated to.")
    .operations(&[("POST", "/groups/{group_id}/action (list_replication_targets)")]);
pub const GET_ALL_SNAPSHOTS: Rule =
    reader("group:get_all_group_snapshots").formerly(OWNER).about("List snapshots of groups.").operations(&[
        ("GET", "/group_snapshots"),
        ("GET", "/group_snapshots/detail"),
        ("GET", "/cgsnapshots"),
        ("GET", "/cgsnapshots/detail"),
    ]);
pub const CREATE_SNAPSHOT: Rule = member("group:create_group_snapshot")
    .formerly(ANYBODY)
    .about("Create a snapshot of a group.")
    .operations(&[("POST", "/group_snapshots"), ("POST", "/cgsnapshots")]);
pub const GET_SNAPSHOT: Rule =
    reader("group:get_group_snapshot").formerly(OWNER).about("See a snapshot of a group.").operations(&[
        ("POST", "/groups/action (create-from-src)"),
        ("GET", "/group_snapshots/{group_snapshot_id}"),
        ("DELETE", "/group_snapshots/{group_snapshot_id}"),
        ("POST", "/group_snapshots/{group_snapshot_id}/action (reset_status)"),
        ("GET", "/cgsnapshots/{id}"),
        ("DELETE", "/cgsnapshots/{id}"),
    ]);
pub const DELETE_SNAPSHOT: Rule = member("group:delete_group_snapshot")
    .formerly(OWNER)
    .about("Delete a snapshot of a group.")
    .operations(&[("DELETE", "/group_snapshots/{group_snapshot_id}"), ("DELETE", "/cgsnapshots/{id}")]);
pub const UPDATE_SNAPSHOT: Rule = member("group:update_group_snapshot")
    .formerly(OWNER)
    .about("Change name and description of a snapshot of a group.")
    .operations(&[("PUT", "/group_snapshots/{group_snapshot_id}")]);
pub const SNAPSHOT_PROJECT_ATTRIBUTE: Rule = admin("group:group_snapshot_project_attribute")
    .about("See the project in a group snapshot's detail.")
    .operations(&[("GET", "/group_snapshots/detail"), ("GET", "/group_snapshots/{group_snapshot_id}")]);
pub const RESET_SNAPSHOT_STATUS: Rule = admin("group:reset_group_snapshot_status")
    .about("Set the state of a group snapshot without doing anything.")
    .operations(&[("POST", "/group_snapshots/{group_snapshot_id}/action (reset_status)")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[
    GET_ALL,
    CREATE,
    GET,
    UPDATE,
    PROJECT_ATTRIBUTE,
    DELETE,
    RESET_STATUS,
    ENABLE_REPLICATION,
    DISABLE_REPLICATION,
    FAILOVER_REPLICATION,
    LIST_REPLICATION_TARGETS,
    GET_ALL_SNAPSHOTS,
    CREATE_SNAPSHOT,
    GET_SNAPSHOT,
    DELETE_SNAPSHOT,
    UPDATE_SNAPSHOT,
    SNAPSHOT_PROJECT_ATTRIBUTE,
    RESET_SNAPSHOT_STATUS,
];
