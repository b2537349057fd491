//! Attachments of volumes.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ANYBODY, OWNER, member};
use crate::identity::policy::Rule;

pub const CREATE: Rule = member("volume:attachment_create")
    .formerly(ANYBODY)
    .about("Create an attachment.")
    .operations(&[("POST", "/attachments")]);
pub const UPDATE: Rule = member("volume:attachment_update")
    .formerly(OWNER)
    .about("Connect an attachment.")
    .operations(&[("PUT", "/attachments/{attachment_id}")]);
pub const DELETE: Rule = member("volume:attachment_delete")
    .formerly(OWNER)
    .about("Delete an attachment.")
    .operations(&[("DELETE", "/attachments/{attachment_id}")]);
pub const COMPLETE: Rule = member("volume:attachment_complete")
    .formerly(OWNER)
    .about("Mark an attachment as in use.")
    .operations(&[("POST", "/attachments/{attachment_id}/action (os-complete)")]);
pub const MULTIATTACH_BOOTABLE: Rule = member("volume:multiattach_bootable_volume")
    .formerly(OWNER)
    .about("Attach a bootable volume several times.")
    .operations(&[("POST", "/attachments")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[CREATE, UPDATE, DELETE, COMPLETE, MULTIATTACH_BOOTABLE];
