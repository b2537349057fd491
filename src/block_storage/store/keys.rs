//! Keys that nothing owns, and keys that are kept sealed. A key belongs to the row of the volume or the backup that names
//! it. From before it is made until that row is written, and again from the end of that row until it is removed, it
//! stands here, so that a crash loses no key and leaves none behind.

use crate::block_storage::model::encryption::FIXED_KEY_ID;
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Seconds after which a key that was made for something that never came is removed.
const PATIENCE: i64 = 15 * 60;
/// Seconds before that in which nothing may claim the key any more: clocks of two hosts may differ.
const MARGIN: i64 = 5 * 60;
/// Seconds for which an order may hold a key before it is carried out.
const HOLD: i64 = 30 * 86_400;
/// Seconds until a key that could not be removed is tried again.
const PAUSE: i64 = 60;

/// A key that is due to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// Its name.
    pub name: String,
    /// Its id; `None` where the answer of the key store was lost.
    pub key_id: Option<String>,
    /// Whose token may remove it; empty: the service's own.
    pub project_id: String,
}

/// Notes that a key of this name is about to be made.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn announce(tx: &mut Transaction<'_>, name: &str, key_id: Option<&str>, project_id: &str) -> Result<()> {
    let due = Timestamp::now().plus_seconds(PATIENCE);
    insert(tx, name, key_id, project_id, due)
}

fn insert(tx: &mut Transaction<'_>, name: &str, id: Option<&str>, project_id: &str, due: Timestamp) -> Result<()> {
    let sql = "INSERT INTO hearth_loose_keys (name, key_id, project_id, due_at, retry_at) VALUES (?, ?, ?, ?, ?)";
    tx.execute(sql, &[name.into(), id.into(), project_id.into(), due.into(), due.into()]).map(|_| ())
}

/// Notes the id that the key store has given to a key.
pub fn identify(tx: &mut Transaction<'_>, name: &str, key_id: &str) -> Result<()> {
    let sql = "UPDATE hearth_loose_keys SET key_id = ? WHERE name = ?";
    tx.execute(sql, &[key_id.into(), name.into()]).map(|_| ())
}

/// Gives a key to what this transaction writes.
///
/// # Errors
/// [`crate::Kind::Conflict`] where it took so long that the key is about to be removed.
pub fn claim(tx: &mut Transaction<'_>, name: &str) -> Result<()> {
    let latest = Timestamp::now().plus_seconds(MARGIN);
    let sql = "DELETE FROM hearth_loose_keys WHERE name = ? AND due_at > ?";
    expect_one(tx.execute(sql, &[name.into(), latest.into()])?)
}

/// Lets an order have a key until it is carried out, and then claims it or lets it go.
///
/// # Errors
/// As [`claim`].
pub fn hold(tx: &mut Transaction<'_>, name: &str) -> Result<()> {
    let (latest, due) = (Timestamp::now().plus_seconds(MARGIN), Timestamp::now().plus_seconds(HOLD));
    let sql = "UPDATE hearth_loose_keys SET due_at = ?, retry_at = ? WHERE name = ? AND due_at > ?";
    expect_one(tx.execute(sql, &[due.into(), due.into(), name.into(), latest.into()])?)
}

fn expect_one(count: u64) -> Result<()> {
    if count == 1 {
        return Ok(());
    }
    Err(Error::conflict("The key of the volume was taken back because the request took too long."))
}

/// Lets a key go that was made for something that does not come.
pub fn abandon(tx: &mut Transaction<'_>, name: &str) -> Result<()> {
    let now = Timestamp::now();
    let sql = "UPDATE hearth_loose_keys SET due_at = ?, retry_at = ? WHERE name = ?";
    tx.execute(sql, &[now.into(), now.into(), name.into()]).map(|_| ())
}

/// Lets the key of a row go that ends with this transaction, or gets another one.
pub fn release(tx: &mut Transaction<'_>, key_id: Option<&str>, project_id: &str) -> Result<()> {
    // The key that all have stays; an id of another length is none of a key store.
    let Some(id) = key_id.filter(|id| *id != FIXED_KEY_ID && id.len() <= 36) else { return Ok(()) };
    tx.execute("DELETE FROM hearth_loose_keys WHERE name = ?", &[id.into()])?;
    insert(tx, id, Some(id), project_id, Timestamp::now())
}

/// At most `most` of the keys that are due; only those of one project where one is given.
pub fn due(c: &mut Connection, project_id: Option<&str>, most: u32) -> Result<Vec<Loose>> {
    let of_project = if project_id.is_some() { " AND project_id = ?" } else { "" };
    let sql = format!(
        "SELECT name, key_id, project_id FROM hearth_loose_keys WHERE retry_at <= ?{of_project} ORDER BY retry_at, name \
         LIMIT {most}"
    );
    let params = std::iter::once(Timestamp::now().into()).chain(project_id.map(Into::into)).collect::<Vec<_>>();
    c.rows(&sql, &params, |row| {
        Ok(Loose { name: row.string(0)?, key_id: row.opt_string(1)?, project_id: row.string(2)? })
    })
}

/// How many keys have been due for longer than `seconds`.
pub fn overdue(c: &mut Connection, seconds: i64) -> Result<i64> {
    let before = Timestamp::now().plus_seconds(-seconds);
    let sql = "SELECT count(*) FROM hearth_loose_keys WHERE due_at < ?";
    Ok(c.row(sql, &[before.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Whether a volume, a snapshot or a backup has a key.
pub fn has_owner(c: &mut Connection, key_id: &str) -> Result<bool> {
    for table in ["volumes", "snapshots", "backups"] {
        let sql = format!("SELECT 1 FROM {table} WHERE encryption_key_id = ? AND deleted = ? LIMIT 1");
        if c.row(&sql, &[key_id.into(), false.into()], |_| Ok(()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Forgets a key that was removed.
pub fn forget(tx: &mut Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM hearth_loose_keys WHERE name = ?", &[name.into()]).map(|_| ())
}

/// Lets a key that could not be removed be tried again later.
pub fn postpone(tx: &mut Transaction<'_>, name: &str) -> Result<()> {
    let sql = "UPDATE hearth_loose_keys SET retry_at = ? WHERE name = ?";
    tx.execute(sql, &[Timestamp::now().plus_seconds(PAUSE).into(), name.into()]).map(|_| ())
}

/// A key that only the master key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// UUID.
    pub id: String,
    /// What it is for, such as `aes`.
    pub algorithm: String,
    /// Its length in bits.
    pub bits: i64,
    /// The sealed key, in base 64.
    pub sealed: String,
}

/// Keeps a key.
pub fn keep(tx: &mut Transaction<'_>, key: &Sealed, project_id: &str) -> Result<()> {
    let sql = "INSERT INTO hearth_sealed_keys (id, project_id, algorithm, bits, sealed, created_at) \
               VALUES (?, ?, ?, ?, ?, ?)";
    let params = [
        (&key.id).into(),
        project_id.into(),
        (&key.algorithm).into(),
        key.bits.into(),
        (&key.sealed).into(),
        Timestamp::now().into(),
    ];
    tx.execute(sql, &params).map(|_| ())
}

/// A key that is kept.
pub fn kept(c: &mut Connection, id: &str) -> Result<Option<Sealed>> {
    let sql = "SELECT id, algorithm, bits, sealed FROM hearth_sealed_keys WHERE id = ?";
    c.row(sql, &[id.into()], |row| {
        Ok(Sealed { id: row.string(0)?, algorithm: row.string(1)?, bits: row.int(2)?, sealed: row.string(3)? })
    })
}

/// Removes a key for good.
pub fn remove(tx: &mut Transaction<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM hearth_sealed_keys WHERE id = ?", &[id.into()]).map(|_| ())
}

/// What has a key: a row of which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// A volume, whose snapshots have the same key.
    Volume,
    /// A backup.
    Backup,
}

impl Owned {
    /// Its noun.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Backup => "backup",
        }
    }
}

/// Something that has the key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is.
    pub table: Owned,
    /// Its id.
    pub id: String,
    /// Who made it, and so must be able to read its key.
    pub user_id: String,
}

/// At most `most` volumes of a backend that have the key of the configuration.
pub fn volumes_with_fixed_key(c: &mut Connection, backend: &str, most: u32) -> Result<Vec<Kept>> {
    let sql = "SELECT id, user_id, host FROM volumes WHERE encryption_key_id = ? AND deleted = ? ORDER BY id";
    let mut found = Vec::new();
    c.query(sql, &[FIXED_KEY_ID.into(), false.into()], |row| {
        let host = row.opt_text(2)?.unwrap_or_default();
        if found.len() < most as usize && host.split('#').next() == Some(backend) {
            let user_id = row.opt_string(1)?.unwrap_or_default();
            found.push(Kept { table: Owned::Volume, id: row.string(0)?, user_id });
        }
        Ok(())
    })?;
    Ok(found)
}

/// At most `most` backups that have the key of the configuration.
pub fn backups_with_fixed_key(c: &mut Connection, most: u32) -> Result<Vec<Kept>> {
    let sql =
        format!("SELECT id, user_id FROM backups WHERE encryption_key_id = ? AND deleted = ? ORDER BY id LIMIT {most}");
    c.rows(&sql, &[FIXED_KEY_ID.into(), false.into()], |row| {
        Ok(Kept { table: Owned::Backup, id: row.string(0)?, user_id: row.opt_string(1)?.unwrap_or_default() })
    })
}

/// Gives something, with its snapshots, another key than that of the configuration; `false` where it has got one, or has
/// gone.
pub fn replace_fixed_key(tx: &mut Transaction<'_>, row: &Kept, key_id: &str) -> Result<bool> {
    let table = match row.table {
        Owned::Volume => "volumes",
        Owned::Backup => "backups",
    };
    let sql =
        format!("UPDATE {table} SET encryption_key_id = ? WHERE id = ? AND encryption_key_id = ? AND deleted = ?");
    let params = [key_id.into(), (&row.id).into(), FIXED_KEY_ID.into(), false.into()];
    if tx.execute(&sql, &params)? == 0 {
        return Ok(false);
    }
    if row.table == Owned::Volume {
        let sql = "UPDATE snapshots SET encryption_key_id = ? WHERE volume_id = ? AND deleted = ?";
        tx.execute(sql, &[key_id.into(), (&row.id).into(), false.into()])?;
    }
    Ok(true)
}
