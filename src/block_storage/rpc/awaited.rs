//! Waiting for a volume service's answer, at most `rpc_response_timeout`. The order waits in the database like any other;
//! here is only the look for what came of it, which holds neither a transaction nor a connection.

use std::thread;
use std::time::{Duration, Instant};

use super::Doorbell;
use crate::block_storage::store::answers;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::service::threads::about_to_wait;
use serde_json::Value as Json;

/// The first pause between two looks; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// An order that was placed, and for whose answer somebody may wait.
#[derive(Debug)]
#[must_use = "nobody fetches the answer"]
pub struct Ticket(pub(super) i64);

/// Waits for the answer to an order, after the transaction that placed it. An order that nobody has begun by `timeout`
/// is taken back: then it is as if it had never been placed. One that was begun goes on.
///
/// # Errors
/// What the service says; [`crate::Kind::Internal`] where it says nothing in time.
pub fn wait(database: &Database, doorbell: &Doorbell, ticket: &Ticket, timeout: Duration) -> Result<Json> {
    doorbell.ring();
    about_to_wait();
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(answer) = database.read(|c| answers::find(c, ticket.0))? {
            fetched(database, ticket);
            return answer;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let withdrawn = database.write(|tx| answers::withdraw(tx, ticket.0))?;
    if !withdrawn && let Some(answer) = database.read(|c| answers::find(c, ticket.0))? {
        fetched(database, ticket);
        return answer;
    }
    let what = if withdrawn { "has begun it, and it was taken back" } else { "has ended it, and it goes on" };
    Err(Error::internal(format!("order {}: after {} seconds no volume service {what}", ticket.0, timeout.as_secs())))
}

/// Takes an answer away that was read. Where that fails, volume services do it later: what was answered is done.
fn fetched(database: &Database, ticket: &Ticket) {
    if let Err(error) = database.write(|tx| answers::remove(tx, ticket.0)) {
        log::warn!("the answer to order {} stays for a while: {error}", ticket.0);
    }
}
