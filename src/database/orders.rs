//! Work orders: what a request asks of a long-lived role, kept in the database until it is done, so that it outlives both
//! the process that asked and the process that works (design, sections 2 and 8). What an order means is its kind's affair.
//!
//! An order is placed in the transaction that changes the object. Orders on one object are taken strictly in the order of
//! their ids; each is taken by one taker at a time, who holds it by a lease and takes it again after a crash.

use super::connection::{Connection, Transaction};
use super::engine::Engine;
use super::migrate::{Component, Step};
use super::pool::Database;
use super::row::Row;
use super::table::{Table, any_text, counter, index, int, text, time_micros};
use super::value::Value;
use crate::Result;
use crate::time::Timestamp;

/// The table of orders. An order that is done is removed.
pub const HEARTH_ORDERS: Table = Table::new(
    "hearth_orders",
    "id",
    &[&[
        counter("id"),
        text("role", 64).required(),
        text("host", 255).required(),
        text("kind", 64).required(),
        text("object_type", 64).required(),
        text("object_id", 64).required(),
        any_text("payload").required(),
        time_micros("created_at").required(),
        int("attempts").required().or(0),
        text("lease_owner", 255),
        time_micros("lease_until"),
        any_text("progress"),
        any_text("last_error"),
    ]],
)
.indexes(&[
    index("hearth_orders_taker", &["role", "host", "id"]),
    index("hearth_orders_object", &["object_type", "object_id", "id"]),
]);

/// The tables and indexes that the platform itself adds to a database of Cinder: orders, and an order for each long list,
/// so that a page costs the same however long the list is.
pub const PLATFORM: Component = Component {
    name: "platform",
    steps: &[
        Step {
            tables: &[&HEARTH_ORDERS],
            indexes: &[
                ("volumes", index("hearth_volumes_project", &["project_id", "deleted", "created_at", "id"])),
                ("volumes", index("hearth_volumes_all", &["deleted", "created_at", "id"])),
                ("snapshots", index("hearth_snapshots_project", &["project_id", "deleted", "created_at", "id"])),
                ("snapshots", index("hearth_snapshots_all", &["deleted", "created_at", "id"])),
                ("backups", index("hearth_backups_project", &["project_id", "deleted", "created_at", "id"])),
            ],
            partitioned: &[],
        },
        super::outbox::STEP,
        // Each volume that is made is looked for there: whether a backup is written into it.
        Step {
            tables: &[],
            indexes: &[("backups", index("hearth_backups_restored", &["restore_volume_id"]))],
            partitioned: &[],
        },
    ],
};

/// An order to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The role that is to take it, such as `hearth-volume`.
    pub role: &'a str,
    /// The host that is to take it; empty: any host of the role.
    pub host: &'a str,
    /// What is to be done, such as `volume.create`.
    pub kind: &'a str,
    /// The type of the object, such as `volume`.
    pub object_type: &'a str,
    /// The id of the object. Orders on one object are taken one after the other.
    pub object_id: &'a str,
    /// What else the taker needs, as JSON.
    pub payload: &'a str,
}

/// An order that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its number; higher ones were placed later.
    pub id: i64,
    /// What is to be done.
    pub kind: String,
    /// The type of the object.
    pub object_type: String,
    /// The id of the object.
    pub object_id: String,
    /// What else the taker needs, as JSON.
    pub payload: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// How often it was taken, this time included. More than 1: an earlier taker failed, or did not live to the end.
    pub attempts: i64,
    /// How far an earlier taker came, in that taker's words.
    pub progress: Option<String>,
    /// Why the earlier taker failed.
    pub last_error: Option<String>,
    /// Who holds it.
    pub owner: String,
}

/// Places an order; its number. To be called in the transaction that changes the object, after the statement that locks
/// the object's row: so the orders on one object are numbered in the order of their commits.
///
/// # Errors
/// As all statements.
pub fn place(tx: &mut Transaction<'_>, order: &Order<'_>) -> Result<i64> {
    tx.insert_id(
        "INSERT INTO hearth_orders (role, host, kind, object_type, object_id, payload, created_at, attempts) \
         VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
        &[
            order.role.into(),
            order.host.into(),
            order.kind.into(),
            order.object_type.into(),
            order.object_id.into(),
            order.payload.into(),
            Timestamp::now().into(),
        ],
    )
}

/// Orders that may be taken now: nobody holds them, and no earlier order on the same object is left. By role, host, now,
/// and how many.
pub const READY: &str = "SELECT o.id, o.kind, o.object_type, o.object_id, o.payload, o.created_at, o.attempts, o.progress, \
     o.last_error FROM hearth_orders o WHERE o.role = ? AND o.host IN (?, '') \
     AND (o.lease_until IS NULL OR o.lease_until < ?) AND NOT EXISTS (SELECT 1 FROM hearth_orders e \
     WHERE e.object_type = o.object_type AND e.object_id = o.object_id AND e.id < o.id) ORDER BY o.id LIMIT ?";

/// Takes at most `most` orders of a role and host for `lease_seconds`. `owner` names this process and nobody else, before
/// or after it. Taking nothing costs one look at an index.
///
/// # Errors
/// As all statements.
pub fn take(
    database: &Database,
    role: &str,
    host: &str,
    owner: &str,
    lease_seconds: i64,
    most: u32,
) -> Result<Vec<Taken>> {
    let now = Timestamp::now();
    let params = [role.into(), host.into(), now.into(), most.into()];
    let ready = database.read(|c| c.rows(READY, &params, |row| taken(row, owner)))?;
    if ready.is_empty() {
        return Ok(ready);
    }
    database.write(|tx| {
        let until = now.plus_seconds(lease_seconds);
        let mut mine = Vec::with_capacity(ready.len());
        for order in &ready {
            // Whoever changes the row first has it: the others find the lease in the way.
            let changed = tx.execute(
                "UPDATE hearth_orders SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 \
                 WHERE id = ? AND attempts = ? AND (lease_until IS NULL OR lease_until < ?)",
                &[owner.into(), until.into(), order.id.into(), order.attempts.into(), now.into()],
            )?;
            if changed == 1 {
                mine.push(Taken { attempts: order.attempts + 1, ..order.clone() });
            }
        }
        Ok(mine)
    })
}

fn taken(row: &Row<'_>, owner: &str) -> Result<Taken> {
    Ok(Taken {
        id: row.int(0)?,
        kind: row.string(1)?,
        object_type: row.string(2)?,
        object_id: row.string(3)?,
        payload: row.string(4)?,
        created_at: row.time(5)?,
        attempts: row.int(6)?,
        progress: row.opt_string(7)?,
        last_error: row.opt_string(8)?,
        owner: owner.to_owned(),
    })
}

/// The oldest `most` orders of a role that these hosts or any host may take, whether or not they can be taken now, each
/// with whether somebody holds it. For a role that decides by itself which orders have to wait for which; such a role
/// then calls [`hold`].
///
/// # Errors
/// As all statements.
pub fn standing(connection: &mut Connection, role: &str, hosts: &[&str], most: u32) -> Result<Vec<Standing>> {
    let marks = ", ?".repeat(hosts.len());
    let sql = format!(
        "SELECT id, kind, object_type, object_id, payload, created_at, attempts, progress, last_error, host, lease_owner, \
         lease_until FROM hearth_orders WHERE role = ? AND host IN (''{marks}) ORDER BY id LIMIT ?"
    );
    let hosts = hosts.iter().map(|host| Value::from(*host));
    let params: Vec<Value<'_>> = std::iter::once(role.into()).chain(hosts).chain([most.into()]).collect();
    let now = Timestamp::now();
    connection.rows(&sql, &params, |row| {
        let owner = row.opt_string(10)?.unwrap_or_default();
        let held = row.opt_time(11)?.is_some_and(|until| until >= now);
        Ok(Standing { order: taken(row, &owner)?, host: row.string(9)?, held })
    })
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The order; its owner is empty where nobody has taken it.
    pub order: Taken,
    /// The host that is to take it; empty: any host of the role.
    pub host: String,
    /// Whether the lease of its owner has not run out.
    pub held: bool,
}

/// Takes one order that [`standing`] told, in a transaction of the taker; `None` where somebody else was faster.
///
/// # Errors
/// As all statements.
pub fn hold(tx: &mut Transaction<'_>, standing: &Standing, owner: &str, lease_seconds: i64) -> Result<Option<Taken>> {
    let (order, now) = (&standing.order, Timestamp::now());
    // Whoever changes the row first has it: the others find another number of attempts, or another host.
    let changed = tx.execute(
        "UPDATE hearth_orders SET lease_owner = ?, lease_until = ?, attempts = attempts + 1 \
         WHERE id = ? AND host = ? AND attempts = ? AND (lease_until IS NULL OR lease_until < ?)",
        &[
            owner.into(),
            now.plus_seconds(lease_seconds).into(),
            order.id.into(),
            (&standing.host).into(),
            order.attempts.into(),
            now.into(),
        ],
    )?;
    let taken = Taken { attempts: order.attempts + 1, owner: owner.to_owned(), ..order.clone() };
    Ok((changed == 1).then_some(taken))
}

/// Holds every order of `owner` for `lease_seconds` more; how many there were.
///
/// # Errors
/// As all statements.
pub fn renew_all(tx: &mut Transaction<'_>, owner: &str, lease_seconds: i64) -> Result<u64> {
    let until = Timestamp::now().plus_seconds(lease_seconds);
    tx.execute("UPDATE hearth_orders SET lease_until = ? WHERE lease_owner = ?", &[until.into(), owner.into()])
}

/// Leaves an order to the takers of `host`, with another payload, as if it were new; `false` where the lease is lost.
///
/// # Errors
/// As all statements.
pub fn pass_on(tx: &mut Transaction<'_>, order: &Taken, host: &str, payload: &str) -> Result<bool> {
    let sets = "host = ?, payload = ?, attempts = 0, lease_owner = NULL, lease_until = NULL";
    change(tx, order, sets, &[host.into(), payload.into()])
}

/// Leaves an order that nobody holds to the takers of another host, as if it were new; `false` where somebody took it
/// meanwhile.
///
/// # Errors
/// As all statements.
pub fn move_idle(tx: &mut Transaction<'_>, id: i64, attempts: i64, from: &str, to: &str) -> Result<bool> {
    let sql = "UPDATE hearth_orders SET host = ?, attempts = 0, lease_owner = NULL, lease_until = NULL \
               WHERE id = ? AND host = ? AND attempts = ? AND (lease_until IS NULL OR lease_until < ?)";
    let params = [to.into(), id.into(), from.into(), attempts.into(), Timestamp::now().into()];
    Ok(tx.execute(sql, &params)? == 1)
}

/// Says which host is to take the order after this taker, who keeps it; `false` where the lease is lost.
///
/// # Errors
/// As all statements.
pub fn assign(tx: &mut Transaction<'_>, order: &Taken, host: &str) -> Result<bool> {
    change(tx, order, "host = ?", &[host.into()])
}

/// Gives an order back whose work has to wait, to be taken again in `again_in_seconds`: no taking counts; `false` where the
/// lease is lost.
///
/// # Errors
/// As all statements.
pub fn wait(tx: &mut Transaction<'_>, order: &Taken, again_in_seconds: i64) -> Result<bool> {
    let again = Timestamp::now().plus_seconds(again_in_seconds);
    change(tx, order, "attempts = 0, lease_owner = NULL, lease_until = ?", &[again.into()])
}

/// Gives an order back that was not begun: this taking does not count; `false` where the lease is lost.
///
/// # Errors
/// As all statements.
pub fn give_back(tx: &mut Transaction<'_>, order: &Taken) -> Result<bool> {
    change(tx, order, "attempts = attempts - 1, lease_owner = NULL, lease_until = NULL", &[])
}

/// Holds an order for `lease_seconds` more; `false` where the lease ran out and somebody else took it.
///
/// # Errors
/// As all statements.
pub fn renew(database: &Database, order: &Taken, lease_seconds: i64) -> Result<bool> {
    let until = Timestamp::now().plus_seconds(lease_seconds);
    database.write(|tx| change(tx, order, "lease_until = ?", &[until.into()]))
}

/// Notes how far the work came, for whoever takes the order after a crash; `false` where the lease is lost.
///
/// # Errors
/// As all statements.
pub fn note(tx: &mut Transaction<'_>, order: &Taken, progress: &str) -> Result<bool> {
    change(tx, order, "progress = ?", &[progress.into()])
}

/// Writes another payload into an order; `false` where the lease is lost.
///
/// # Errors
/// As all statements.
pub fn rewrite(tx: &mut Transaction<'_>, order: &Taken, payload: &str) -> Result<bool> {
    change(tx, order, "payload = ?", &[payload.into()])
}

/// Ends an order whose work is done, in the transaction that changes the object. `false` where the lease is lost: then
/// somebody else is at work, and the transaction should be given up.
///
/// # Errors
/// As all statements.
pub fn finish(tx: &mut Transaction<'_>, order: &Taken) -> Result<bool> {
    let sql = "DELETE FROM hearth_orders WHERE id = ? AND lease_owner = ? AND attempts = ?";
    let params = [order.id.into(), (&order.owner).into(), order.attempts.into()];
    Ok(tx.execute(sql, &params)? == 1)
}

/// Gives an order back after a failure, to be taken again in `again_in_seconds`; `false` where the lease is lost.
///
/// # Errors
/// As all statements.
pub fn fail(tx: &mut Transaction<'_>, order: &Taken, error: &str, again_in_seconds: i64) -> Result<bool> {
    let again = Timestamp::now().plus_seconds(again_in_seconds);
    let sets = "lease_owner = NULL, lease_until = ?, last_error = ?";
    change(tx, order, sets, &[again.into(), error.into()])
}

/// Takes every order of a role and host from owners that are known to be gone: for a role at its start, which is alone on
/// its host. How many there were.
///
/// # Errors
/// As all statements.
pub fn release(database: &Database, role: &str, host: &str) -> Result<u64> {
    database.write(|tx| release_in(tx, role, host))
}

/// As [`release`], in a transaction of the caller.
///
/// # Errors
/// As all statements.
pub fn release_in(tx: &mut Transaction<'_>, role: &str, host: &str) -> Result<u64> {
    let sql = "UPDATE hearth_orders SET lease_owner = NULL, lease_until = NULL \
               WHERE role = ? AND host = ? AND lease_owner IS NOT NULL";
    tx.execute(sql, &[role.into(), host.into()])
}

/// How many orders wait or are held, by role and host, with the time at which the oldest was placed.
///
/// # Errors
/// As all statements.
pub fn waiting(connection: &mut Connection) -> Result<Vec<(String, String, i64, Timestamp)>> {
    let sql = "SELECT role, host, count(*), min(created_at) FROM hearth_orders \
               WHERE role <> 'answer' GROUP BY role, host ORDER BY role, host";
    connection.rows(sql, &[], |row| Ok((row.string(0)?, row.string(1)?, row.int(2)?, row.time(3)?)))
}

fn change(tx: &mut Transaction<'_>, order: &Taken, sets: &'static str, values: &[Value<'_>]) -> Result<bool> {
    let sql = format!("UPDATE hearth_orders SET {sets} WHERE id = ? AND lease_owner = ? AND attempts = ?");
    let own = [order.id.into(), Value::from(&order.owner), order.attempts.into()];
    let params: Vec<Value<'_>> = values.iter().map(Value::from).chain(own).collect();
    Ok(tx.execute(&sql, &params)? == 1)
}

/// Tells whether a look at the database can find anything new. On SQLite that costs no look at any table, so a role may
/// ask many times a second; on the servers the answer is always yes, and [`take`] costs one look at an index.
pub struct Watch {
    connection: Option<Connection>,
    seen: Option<i64>,
}

impl Watch {
    /// A watch on this database; its first answer is yes.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub fn on(database: &Database) -> Result<Self> {
        let connection = match database.engine() {
            Engine::Sqlite => Some(database.dedicated()?),
            Engine::Mysql | Engine::Postgres => None,
        };
        Ok(Self { connection, seen: None })
    }

    /// Whether anything was committed since the last call. Time itself may make an order ready, so a role looks now and
    /// then all the same.
    ///
    /// # Errors
    /// As all statements.
    pub fn changed(&mut self) -> Result<bool> {
        let Some(connection) = &mut self.connection else { return Ok(true) };
        let version = connection.row("PRAGMA data_version", &[], |row| row.int(0))?;
        let changed = version != self.seen || version.is_none();
        self.seen = version;
        Ok(changed)
    }
}
