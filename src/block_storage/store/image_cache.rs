//! The `image_volume_cache_entries` table: volumes that hold the content of an image, so that the next volume of that image is a
//! copy of one of them. Not here: when one is made and which one goes (`volume/work/image_cache.rs`).

use crate::database::{Connection, Transaction};
use crate::error::Result;
use crate::time::Timestamp;

/// A volume that holds the content of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The volume.
    pub volume_id: String,
    /// The image.
    pub image_id: String,
    /// `host@backend#pool`, on which the volume lies.
    pub pool: String,
    /// The size of the volume in GiB.
    pub size_gib: i64,
    /// When the image was last changed before the volume was made of it.
    pub image_updated_at: Option<Timestamp>,
}

const SELECT: &str = "SELECT volume_id, image_id, host, size, image_updated_at FROM image_volume_cache_entries WHERE ";
/// The most recently used one comes first.
const ORDER: &str = " ORDER BY last_used DESC, id DESC";

fn entries(c: &mut Connection, condition: &str, texts: &[&str]) -> Result<Vec<Entry>> {
    let params: Vec<_> = texts.iter().map(|text| (*text).into()).collect();
    c.rows(&format!("{SELECT}{condition}{ORDER}"), &params, |row| {
        Ok(Entry {
            volume_id: row.string(0)?,
            image_id: row.string(1)?,
            pool: row.string(2)?,
            size_gib: row.int(3)?,
            image_updated_at: row.opt_time(4)?,
        })
    })
}

/// The entry of an image on a pool.
///
/// # Errors
/// As all statements, as all functions of this file.
pub fn find(c: &mut Connection, pool: &str, image_id: &str) -> Result<Option<Entry>> {
    Ok(entries(c, "host = ? AND image_id = ?", &[pool, image_id])?.into_iter().next())
}

/// The entries of a pool, the most recently used one first.
pub fn of_pool(c: &mut Connection, pool: &str) -> Result<Vec<Entry>> {
    entries(c, "host = ?", &[pool])
}

/// The entry of a volume.
pub fn of_volume(c: &mut Connection, volume_id: &str) -> Result<Option<Entry>> {
    Ok(entries(c, "volume_id = ?", &[volume_id])?.into_iter().next())
}

/// Writes an entry.
pub fn insert(tx: &mut Transaction<'_>, entry: &Entry) -> Result<()> {
    let sql = "INSERT INTO image_volume_cache_entries (host, image_id, image_updated_at, volume_id, size, last_used) \
               VALUES (?, ?, ?, ?, ?, ?)";
    let params = [
        (&entry.pool).into(),
        (&entry.image_id).into(),
        entry.image_updated_at.into(),
        (&entry.volume_id).into(),
        entry.size_gib.into(),
        Timestamp::now().into(),
    ];
    tx.execute(sql, &params).map(|_| ())
}

/// Notes that an entry is used now.
pub fn touch(tx: &mut Transaction<'_>, volume_id: &str) -> Result<()> {
    let sql = "UPDATE image_volume_cache_entries SET last_used = ? WHERE volume_id = ?";
    tx.execute(sql, &[Timestamp::now().into(), volume_id.into()]).map(|_| ())
}

/// Removes the entry of a volume.
pub fn evict(tx: &mut Transaction<'_>, volume_id: &str) -> Result<()> {
    tx.execute("DELETE FROM image_volume_cache_entries WHERE volume_id = ?", &[volume_id.into()]).map(|_| ())
}
