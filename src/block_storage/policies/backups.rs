//! Backups of volumes.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ANYBODY, OWNER, admin, member, reader};
use crate::identity::policy::Rule;

pub const GET_ALL: Rule = reader("backup:get_all")
    .formerly(OWNER)
    .about("List backups.")
    .operations(&[("GET", "/backups"), ("GET", "/backups/detail")]);
pub const PROJECT_ATTRIBUTE: Rule = admin("backup:backup_project_attribute")
    .about("See the project in a backup's detail.")
    .operations(&[("GET", "/backups/detail"), ("GET", "/backups/{backup_id}")]);
pub const CREATE: Rule =
    member("backup:create").formerly(ANYBODY).about("Create a backup.").operations(&[("POST", "/backups")]);
pub const GET: Rule = reader("backup:get").formerly(OWNER).about("See a backup.").operations(&[
    ("GET", "/backups/{backup_id}"),
    ("PUT", "/backups/{backup_id}"),
    ("DELETE", "/backups/{backup_id}"),
    ("POST", "/backups/{backup_id}/restore"),
    ("GET", "/backups/{backup_id}/export_record"),
    ("POST", "/backups/{backup_id}/action (os-force_delete)"),
]);
pub const UPDATE: Rule = member("backup:update")
    .formerly(OWNER)
    .about("Change name, description and metadata of a backup.")
    .operations(&[("PUT", "/backups/{backup_id}")]);
pub const DELETE: Rule = member("backup:delete")
    .formerly(OWNER)
    .about("Delete a backup.")
    .operations(&[("DELETE", "/backups/{backup_id}"), ("POST", "/backups/{backup_id}/action (os-force_delete)")]);
pub const RESTORE: Rule = member("backup:restore")
    .formerly(OWNER)
    .about("Restore a backup to a volume.")
    .operations(&[("POST", "/backups/{backup_id}/restore")]);
pub const IMPORT: Rule = admin("backup:backup-import")
    .about("Import the record of a backup.")
    .operations(&[("POST", "/backups/import_record")]);
pub const EXPORT: Rule = admin("backup:export-import")
    .about("Export the record of a backup.")
    .operations(&[("GET", "/backups/{backup_id}/export_record")]);
pub const RESET_STATUS: Rule = admin("volume_extension:backup_admin_actions:reset_status")
    .about("Set the state of a backup without doing anything.")
    .operations(&[("POST", "/backups/{backup_id}/action (os-reset_status)")]);
pub const FORCE_DELETE: Rule = admin("volume_extension:backup_admin_actions:force_delete")
    .about("Delete a backup whatever state it is in.")
    .operations(&[("POST", "/backups/{backup_id}/action (os-force_delete)")]);

/// All rows of this file.
pub const ROWS: &[Rule] =
    &[GET_ALL, PROJECT_ATTRIBUTE, CREATE, GET, UPDATE, DELETE, RESTORE, IMPORT, EXPORT, RESET_STATUS, FORCE_DELETE];
