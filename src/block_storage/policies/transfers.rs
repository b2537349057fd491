//! Transfers of volumes between projects.
#![allow(missing_docs, reason = "each row says itself what it allows")]

use super::{ANYBODY, OWNER, member, reader};
use crate::identity::policy::Rule;

pub const GET_ALL: Rule = reader("volume:get_all_transfers").formerly(OWNER).about("List transfers.").operations(&[
    ("GET", "/os-volume-transfer"),
    ("GET", "/os-volume-transfer/detail"),
    ("GET", "/volume-transfers"),
    ("GET", "/volume-transfers/detail"),
]);
pub const CREATE: Rule = member("volume:create_transfer")
    .formerly(OWNER)
    .about("Offer a volume to another project.")
    .operations(&[("POST", "/os-volume-transfer"), ("POST", "/volume-transfers")]);
pub const GET: Rule = reader("volume:get_transfer")
    .formerly(OWNER)
    .about("See a transfer.")
    .operations(&[("GET", "/os-volume-transfer/{transfer_id}"), ("GET", "/volume-transfers/{transfer_id}")]);
pub const ACCEPT: Rule =
    member("volume:accept_transfer").formerly(ANYBODY).about("Take a volume that another project offers.").operations(
        &[("POST", "/os-volume-transfer/{transfer_id}/accept"), ("POST", "/volume-transfers/{transfer_id}/accept")],
    );
pub const DELETE: Rule = member("volume:delete_transfer")
    .formerly(OWNER)
    .about("Withdraw a transfer.")
    .operations(&[("DELETE", "/os-volume-transfer/{transfer_id}"), ("DELETE", "/volume-transfers/{transfer_id}")]);

/// All rows of this file.
pub const ROWS: &[Rule] = &[GET_ALL, CREATE, GET, ACCEPT, DELETE];
