//! Orders to backup services, over the platform's table of orders. Not here: leases and their rules
//! (`database/orders.rs`), doing the work (`backup/`).

use std::ops::Deref;

use serde_json::{Value as Json, json};

use super::orders::{teller, with_teller};
use crate::block_storage::model::backup_work::{Key, Order, Work};
use crate::block_storage::model::work::Requester;
use crate::database::orders::{self, Standing, Taken};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The role that takes these orders.
const ROLE: &str = "backup";
/// The type of backups among objects.
const BACKUP: &str = "backup";

/// An order that waits, or that somebody works on.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The order.
    pub order: Order,
    /// Whether somebody works on it.
    pub held: bool,
    /// Who took it last; empty where nobody did.
    pub owner: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    standing: Standing,
}

impl Waiting {
    /// Its number; higher ones were placed later.
    pub fn id(&self) -> i64 {
        self.standing.order.id
    }
}

/// An order that this process has taken.
#[derive(Debug, Clone)]
pub struct Held {
    order: Order,
    taken: Taken,
}

impl Held {
    /// Its number.
    pub fn id(&self) -> i64 {
        self.taken.id
    }

    /// Whether the service has told already that the work begins.
    pub fn has_told(&self) -> bool {
        teller(&self.taken.payload).is_some()
    }
}

impl Deref for Held {
    type Target = Order;

    fn deref(&self) -> &Order {
        &self.order
    }
}

/// Puts an order into the transaction that makes it necessary.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn place(tx: &mut Transaction<'_>, order: &Order) -> Result<()> {
    let payload = json!({
        "force": order.work == Work::Delete { force: true },
        "creates": matches!(order.work, Work::Restore { creates: true, .. }),
        "key": match &order.work {
            Work::Restore { key: Some(key), .. } => json!({"id": key.id, "name": key.name}),
            _ => Json::Null,
        },
        "request_id": order.requester.request_id,
        "project_id": order.requester.project_id,
        "user_id": order.requester.user_id,
        "context": order.requester.context,
    });
    let row = orders::Order {
        role: ROLE,
        host: &order.host,
        kind: order.work.kind(),
        object_type: BACKUP,
        object_id: &order.backup_id,
        payload: &payload.to_string(),
    };
    orders::place(tx, &row).map(|_| ())
}

/// The oldest `most` orders for the services of these hosts. One that this release can not read is left alone.
pub fn waiting(c: &mut Connection, hosts: &[&str], most: u32) -> Result<Vec<Waiting>> {
    let standing = orders::standing(c, ROLE, hosts, most)?;
    Ok(standing.into_iter().filter_map(read).collect())
}

/// Takes an order for `seconds` as `owner`; `None` where somebody else has it, or where it is done.
pub fn take(tx: &mut Transaction<'_>, waiting: &Waiting, owner: &str, seconds: i64) -> Result<Option<Held>> {
    let taken = orders::hold(tx, &waiting.standing, owner, seconds)?;
    Ok(taken.map(|taken| Held { order: Order { attempts: taken.attempts, ..waiting.order.clone() }, taken }))
}

/// Keeps all orders of `owner` for `seconds` more.
pub fn renew(tx: &mut Transaction<'_>, owner: &str, seconds: i64) -> Result<()> {
    orders::renew_all(tx, owner, seconds).map(|_| ())
}

/// Gives an order back that was not begun.
pub fn give_back(tx: &mut Transaction<'_>, held: &Held) -> Result<()> {
    // Whoever has it meanwhile keeps it.
    orders::give_back(tx, &held.taken).map(|_| ())
}

/// Notes that the service tells in this transaction that the work begins.
pub fn told(tx: &mut Transaction<'_>, held: &Held) -> Result<()> {
    ours(held, orders::rewrite(tx, &held.taken, &with_teller(&held.taken.payload, ROLE))?)
}

/// Removes an order: the transaction writes its result.
///
/// # Errors
/// `Conflict` where the order was lost to another process.
pub fn end(tx: &mut Transaction<'_>, held: &Held) -> Result<()> {
    ours(held, orders::finish(tx, &held.taken)?)
}

fn ours(held: &Held, still: bool) -> Result<()> {
    if still {
        return Ok(());
    }
    let text = format!("order {} was lost to another process", held.taken.id);
    Err(Error::conflict("Another backup service has taken over this work.").because(text))
}

/// Ends all leases on orders of a host: whoever held them is known to be gone. How many there were.
pub fn free(tx: &mut Transaction<'_>, host: &str) -> Result<u64> {
    orders::release_in(tx, ROLE, host)
}

fn read(standing: Standing) -> Option<Waiting> {
    let json: Json = serde_json::from_str(&standing.order.payload).ok()?;
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let flag = |name: &str| json.get(name).and_then(Json::as_bool).unwrap_or(false);
    let (creates, force) = (flag("creates"), flag("force"));
    let key = json.get("key").and_then(|key| {
        let text = |name: &str| key.get(name).and_then(Json::as_str).map(str::to_owned);
        Some(Key { id: text("id")?, name: text("name") })
    });
    let work = [Work::Create, Work::Restore { creates, key }, Work::Delete { force }]
        .into_iter()
        .find(|work| work.kind() == standing.order.kind)?;
    let order = Order {
        host: standing.host.clone(),
        backup_id: standing.order.object_id.clone(),
        work,
        requester: Requester {
            request_id: text("request_id"),
            project_id: text("project_id"),
            user_id: text("user_id"),
            context: json.get("context").and_then(Json::as_str).map(str::to_owned),
        },
        attempts: standing.order.attempts,
    };
    Some(Waiting {
        order,
        held: standing.held,
        owner: standing.order.owner.clone(),
        placed_at: standing.order.created_at,
        standing,
    })
}
