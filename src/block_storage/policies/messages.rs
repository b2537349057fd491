//! Messages to users on what went wrong.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{OWNER, member, reader};
use crate::identity::policy::Rule;

pub const GET_ALL: Rule =
    reader("message:get_all").formerly(OWNER).about("List messages.").operations(&[("GET", "/messages")]);
pub const GET: Rule =
    reader("message:get").formerly(OWNER).about("See a message.").operations(&[("GET", "/messages/{message_id}")]);
pub const DELETE: Rule = member("message:delete")
    .formerly(OWNER)
    .about("Delete a message.")
    .operations(&[("DELETE", "/messages/{message_id}")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[GET_ALL, GET, DELETE];
