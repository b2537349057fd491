//! Volumes: the actions.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{OWNER, admin, member};
use crate::identity::policy::Rule;

pub const EXTEND: Rule = member("volume:extend")
    .formerly(OWNER)
    .about("Extend a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-extend)")]);
pub const EXTEND_ATTACHED: Rule = member("volume:extend_attached_volume")
    .formerly(OWNER)
    .about("Extend a volume while a server uses it.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-extend)")]);
pub const EXTEND_COMPLETION: Rule = admin("volume_extension:volume_admin_actions:extend_volume_completion")
    .about("End the extension of a volume that a server uses.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-extend_volume_completion)")]);
pub const REVERT_TO_SNAPSHOT: Rule = member("volume:revert_to_snapshot")
    .formerly(OWNER)
    .about("Set a volume back to its newest snapshot.")
    .operations(&[("POST", "/volumes/{volume_id}/action (revert)")]);
pub const RESET_STATUS: Rule = admin("volume_extension:volume_admin_actions:reset_status")
    .about("Set the states of a volume without doing anything.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-reset_status)")]);
pub const RETYPE: Rule = member("volume:retype")
    .formerly(OWNER)
    .about("Give a volume another type.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-retype)")]);
pub const UPDATE_READONLY_FLAG: Rule = member("volume:update_readonly_flag")
    .formerly(OWNER)
    .about("Make a volume read-only or writable.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-update_readonly_flag)")]);
pub const FORCE_DELETE: Rule = admin("volume_extension:volume_admin_actions:force_delete")
    .about("Delete a volume whatever state it is in, by an action.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-force_delete)")]);
pub const UPLOAD_PUBLIC: Rule = admin("volume_extension:volume_actions:upload_public")
    .about("Make a public image of a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-volume_upload_image)")]);
pub const UPLOAD_IMAGE: Rule = member("volume_extension:volume_actions:upload_image")
    .formerly(OWNER)
    .about("Make an image of a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-volume_upload_image)")]);
pub const FORCE_DETACH: Rule = admin("volume_extension:volume_admin_actions:force_detach")
    .about("Detach a volume whatever state it is in.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-force_detach)")]);
pub const MIGRATE: Rule = admin("volume_extension:volume_admin_actions:migrate_volume")
    .about("Move a volume to another backend.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-migrate_volume)")]);
pub const MIGRATE_COMPLETION: Rule = admin("volume_extension:volume_admin_actions:migrate_volume_completion")
    .about("End the move of a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-migrate_volume_completion)")]);
pub const INITIALIZE_CONNECTION: Rule = member("volume_extension:volume_actions:initialize_connection")
    .formerly(OWNER)
    .about("Prepare a volume for a connection.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-initialize_connection)")]);
pub const TERMINATE_CONNECTION: Rule = member("volume_extension:volume_actions:terminate_connection")
    .formerly(OWNER)
    .about("End a connection to a volume.")
    .operations(&[
        ("POST", "/volumes/{volume_id}/action (os-terminate_connection)"),
        ("POST", "/volumes/{volume_id}/action (os-force_detach)"),
    ]);
pub const ROLL_DETACHING: Rule = member("volume_extension:volume_actions:roll_detaching")
    .formerly(OWNER)
    .about("Go back from detaching to in use.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-roll_detaching)")]);
pub const RESERVE: Rule = member("volume_extension:volume_actions:reserve")
    .formerly(OWNER)
    .about("Reserve a volume for an attachment.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-reserve)")]);
pub const UNRESERVE: Rule = member("volume_extension:volume_actions:unreserve")
    .formerly(OWNER)
    .about("Give up the reservation of a volume.")
    .operations(&[
        ("POST", "/volumes/{volume_id}/action (os-unreserve)"),
        ("POST", "/volumes/{volume_id}/action (os-terminate_connection)"),
    ]);
pub const BEGIN_DETACHING: Rule = member("volume_extension:volume_actions:begin_detaching")
    .formerly(OWNER)
    .about("Begin to detach a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-begin_detaching)")]);
pub const ATTACH: Rule = member("volume_extension:volume_actions:attach")
    .formerly(OWNER)
    .about("Note that a volume is attached.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-attach)")]);
pub const DETACH: Rule = member("volume_extension:volume_actions:detach")
    .formerly(OWNER)
    .about("Note that a volume is no longer attached.")
    .operations(&[
        ("POST", "/volumes/{volume_id}/action (os-detach)"),
        ("POST", "/volumes/{volume_id}/action (os-force_detach)"),
    ]);
pub const REIMAGE: Rule = member("volume:reimage")
    .about("Write an image over a volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-reimage)")]);
pub const REIMAGE_RESERVED: Rule = member("volume:reimage_reserved")
    .about("Write an image over a reserved volume.")
    .operations(&[("POST", "/volumes/{volume_id}/action (os-reimage)")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[
    EXTEND,
    EXTEND_ATTACHED,
    EXTEND_COMPLETION,
    REVERT_TO_SNAPSHOT,
    RESET_STATUS,
    RETYPE,
    UPDATE_READONLY_FLAG,
    FORCE_DELETE,
    UPLOAD_PUBLIC,
    UPLOAD_IMAGE,
    FORCE_DETACH,
    MIGRATE,
    MIGRATE_COMPLETION,
    INITIALIZE_CONNECTION,
    TERMINATE_CONNECTION,
    ROLL_DETACHING,
    RESERVE,
    UNRESERVE,
    BEGIN_DETACHING,
    ATTACH,
    DETACH,
    REIMAGE,
    REIMAGE_RESERVED,
];
