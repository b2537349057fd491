//! The table `hearth_orders`: what volume services are to do. An order is placed by the transaction of the change that it
//! belongs to, taken by one process for a while (a lease, which it renews), and removed by the transaction that writes
//! the result. After a crash the lease runs out and the order is taken again. Not here: doing it.

use serde_json::{Value as Json, json};

use crate::block_storage::model::work::{Hints, Order, Requester, Work};
use crate::database::{Connection, Row, Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

use super::transitions::marks;

const COLUMNS: &str = "id, backend, volume_id, snapshot_id, source_volume_id, kind, details, request_id, project_id, \
                       user_id, attempts";

/// Puts an order into the transaction that makes it necessary. Its number is given here; the one it has is not read.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn place(tx: &mut Transaction<'_>, order: &Order) -> Result<()> {
    tx.execute(
        "INSERT INTO hearth_orders (backend, volume_id, snapshot_id, source_volume_id, kind, details, request_id, \
         project_id, user_id, attempts, placed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
        &[
            (&order.backend).into(),
            (&order.volume_id).into(),
            (&order.snapshot_id).into(),
            (&order.source_volume_id).into(),
            order.work.kind().into(),
            details(&order.work).into(),
            (&order.requester.request_id).into(),
            (&order.requester.project_id).into(),
            (&order.requester.user_id).into(),
            Timestamp::now().into(),
        ],
    )?;
    Ok(())
}

/// The oldest `limit` orders that these backends are to carry out and those that have no backend yet, with whether
/// somebody works on each. All of them, because an order may have to wait for an older one.
pub fn waiting(c: &mut Connection, backends: &[&str], limit: i64) -> Result<Vec<(Order, bool)>> {
    let sql = format!(
        "SELECT {COLUMNS}, lease_until FROM hearth_orders WHERE backend IS NULL OR backend IN ({}) \
         ORDER BY id LIMIT {limit}",
        marks(backends.len())
    );
    let none = [""];
    let backends = if backends.is_empty() { &none } else { backends };
    let params: Vec<Value<'_>> = backends.iter().map(|backend| Value::from(*backend)).collect();
    let now = Timestamp::now();
    c.rows(&sql, &params, |row| Ok((read(row)?, row.opt_time(11)?.is_some_and(|until| until > now))))
}

/// Takes an order for `seconds` as `owner`; `false` where somebody else has it, or where it is done.
pub fn take(tx: &mut Transaction<'_>, id: i64, owner: &str, seconds: i64) -> Result<bool> {
    let now = Timestamp::now();
    let taken = tx.execute(
        "UPDATE hearth_orders SET owner = ?, lease_until = ?, attempts = attempts + 1 \
         WHERE id = ? AND (owner IS NULL OR lease_until < ?)",
        &[owner.into(), now.plus_seconds(seconds).into(), id.into(), now.into()],
    )?;
    Ok(taken == 1)
}

/// Keeps all orders of `owner` for `seconds` more.
pub fn renew(tx: &mut Transaction<'_>, owner: &str, seconds: i64) -> Result<()> {
    let until = Timestamp::now().plus_seconds(seconds);
    tx.execute("UPDATE hearth_orders SET lease_until = ? WHERE owner = ?", &[until.into(), owner.into()])?;
    Ok(())
}

/// Gives the order back, for whoever comes next; the attempt does not count.
pub fn give_back(tx: &mut Transaction<'_>, id: i64, owner: &str) -> Result<()> {
    tx.execute(
        "UPDATE hearth_orders SET owner = NULL, lease_until = NULL, attempts = attempts - 1 WHERE id = ? AND owner = ?",
        &[id.into(), owner.into()],
    )?;
    Ok(())
}

/// Says which backend is to carry out an order that had none.
pub fn assign(tx: &mut Transaction<'_>, id: i64, backend: &str) -> Result<()> {
    tx.execute("UPDATE hearth_orders SET backend = ? WHERE id = ?", &[backend.into(), id.into()])?;
    Ok(())
}

/// Lets another backend carry out the order that `owner` has, with other details.
///
/// # Errors
/// `Conflict` where `owner` has lost the order.
pub fn pass_on(tx: &mut Transaction<'_>, order: &Order, owner: &str, backend: &str, work: &Work) -> Result<()> {
    let passed = tx.execute(
        "UPDATE hearth_orders SET backend = ?, details = ?, owner = NULL, lease_until = NULL, attempts = 0 \
         WHERE id = ? AND owner = ?",
        &[backend.into(), details(work).into(), order.id.into(), owner.into()],
    )?;
    if passed == 1 { Ok(()) } else { Err(lost(order.id)) }
}

/// Removes the order that `owner` has: the transaction writes its result.
///
/// # Errors
/// `Conflict` where `owner` has lost the order; the transaction must then write nothing.
pub fn end(tx: &mut Transaction<'_>, id: i64, owner: &str) -> Result<()> {
    let sql = "DELETE FROM hearth_orders WHERE id = ? AND owner = ?";
    if tx.execute(sql, &[id.into(), owner.into()])? == 1 { Ok(()) } else { Err(lost(id)) }
}

/// Removes an order that nobody has, because it can not be carried out.
pub fn remove(tx: &mut Transaction<'_>, id: i64) -> Result<()> {
    tx.execute("DELETE FROM hearth_orders WHERE id = ?", &[id.into()])?;
    Ok(())
}

/// Ends all leases on orders of a backend: whoever held them is known to be gone. How many there were.
pub fn free(tx: &mut Transaction<'_>, backend: &str) -> Result<u64> {
    tx.execute(
        "UPDATE hearth_orders SET owner = NULL, lease_until = NULL WHERE backend = ? AND owner IS NOT NULL",
        &[backend.into()],
    )
}

/// Whether anything is to be done about the volume, or about its snapshot where one is given.
pub fn exists(c: &mut Connection, volume_id: &str, snapshot_id: Option<&str>) -> Result<bool> {
    let found = match snapshot_id {
        Some(id) => c.row("SELECT id FROM hearth_orders WHERE snapshot_id = ?", &[id.into()], |row| row.int(0))?,
        None => {
            let sql = "SELECT id FROM hearth_orders WHERE volume_id = ? AND snapshot_id IS NULL";
            c.row(sql, &[volume_id.into()], |row| row.int(0))?
        }
    };
    Ok(found.is_some())
}

/// An order as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The order.
    pub order: Order,
    /// When it was placed.
    pub placed_at: Option<Timestamp>,
    /// The process that has it.
    pub owner: Option<String>,
    /// Until when that process has it.
    pub lease_until: Option<Timestamp>,
}

/// The oldest `limit` orders of all backends.
pub fn standing(c: &mut Connection, limit: i64) -> Result<Vec<Standing>> {
    let sql = format!("SELECT {COLUMNS}, placed_at, owner, lease_until FROM hearth_orders ORDER BY id LIMIT {limit}");
    c.rows(&sql, &[], |row| {
        Ok(Standing {
            order: read(row)?,
            placed_at: row.opt_time(11)?,
            owner: row.opt_string(12)?,
            lease_until: row.opt_time(13)?,
        })
    })
}

fn lost(id: i64) -> Error {
    Error::conflict("Another volume service has taken over this work.").because(format!("order {id} was lost"))
}

fn read(row: &Row<'_>) -> Result<Order> {
    let (kind, details) = (row.text(5)?, row.text(6)?);
    Ok(Order {
        id: row.int(0)?,
        backend: row.opt_string(1)?,
        volume_id: row.string(2)?,
        snapshot_id: row.opt_string(3)?,
        source_volume_id: row.opt_string(4)?,
        work: parse(kind, details)
            .ok_or_else(|| Error::internal(format!("an order is unreadable: {kind} {details}")))?,
        requester: Requester {
            request_id: row.opt_string(7)?.unwrap_or_default(),
            project_id: row.opt_string(8)?.unwrap_or_default(),
            user_id: row.opt_string(9)?.unwrap_or_default(),
        },
        attempts: row.int(10)?,
    })
}

/// What the columns of an order do not tell of its work.
fn details(work: &Work) -> String {
    let json = match work {
        Work::CreateVolume { hints, tried } => {
            json!({"same_host": hints.same_host, "different_host": hints.different_host, "tried": tried})
        }
        Work::DeleteVolume { cascade } => json!({"cascade": cascade}),
        Work::ExtendVolume { old_size_gib, new_size_gib } => json!({"from": old_size_gib, "to": new_size_gib}),
        Work::CreateSnapshot | Work::DeleteSnapshot | Work::RevertToSnapshot => json!({}),
    };
    json.to_string()
}

fn parse(kind: &str, details: &str) -> Option<Work> {
    let json: Json = serde_json::from_str(details).ok()?;
    let list = |key: &str| -> Option<Vec<String>> {
        json.get(key)?.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let number = |key: &str| json.get(key)?.as_i64();
    Some(match kind {
        "create_volume" => Work::CreateVolume {
            hints: Hints { same_host: list("same_host"), different_host: list("different_host").unwrap_or_default() },
            tried: list("tried").unwrap_or_default(),
        },
        "delete_volume" => Work::DeleteVolume { cascade: json.get("cascade")?.as_bool()? },
        "extend_volume" => Work::ExtendVolume { old_size_gib: number("from")?, new_size_gib: number("to")? },
        "create_snapshot" => Work::CreateSnapshot,
        "delete_snapshot" => Work::DeleteSnapshot,
        "revert_to_snapshot" => Work::RevertToSnapshot,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_is_read_as_it_was_written() {
        let hints = Hints { same_host: Some(vec!["a".to_owned()]), different_host: vec!["b".to_owned()] };
        for work in [
            Work::CreateVolume { hints, tried: vec!["h@b#p".to_owned()] },
            Work::CreateVolume { hints: Hints::default(), tried: Vec::new() },
            Work::DeleteVolume { cascade: true },
            Work::ExtendVolume { old_size_gib: 1, new_size_gib: 2 },
            Work::CreateSnapshot,
            Work::DeleteSnapshot,
            Work::RevertToSnapshot,
        ] {
            assert_eq!(parse(work.kind(), &details(&work)), Some(work));
        }
        assert_eq!(parse("nonsense", "{}"), None);
        assert_eq!(parse("delete_volume", "{}"), None);
    }
}
