//! Removes rows of the dictionary that nothing names any more once samples have gone: resources, ids of samples, metadata. In
//! small steps beside writers; how that is safe, `docs/decisions/telemetry.md` tells. Meters, owners, projects and streams stay:
//! they are as many as a cloud has users.

use std::collections::HashSet;

use super::epoch::{self, Epoch};
use super::{Store, sql};
use crate::Result;
use crate::database::{Connection, Transaction, Value};
use crate::service::fault;

/// Rows that one look sees, and one transaction removes at the most.
const AT_ONCE: i64 = 500;

/// A table whose rows are named by others along an index.
struct Named {
    /// Rows by their numbers, each with one that names it.
    look: &'static str,
    /// Removes rows that nothing names, of a list of numbers.
    remove: &'static str,
}

const RESOURCES: Named = Named {
    look: "SELECT r.id, (SELECT MIN(s.id) FROM telemetry_series s WHERE s.resource = r.id) FROM telemetry_resource r \
           WHERE r.id > ? ORDER BY r.id LIMIT ?",
    remove: "DELETE FROM telemetry_resource WHERE NOT EXISTS \
         (SELECT 1 FROM telemetry_series s WHERE s.resource = telemetry_resource.id) AND id IN ",
};

/// Ids of samples that are no UUID: the first part of the samples' key, with the origin 0.
const MESSAGES: Named = Named {
    look: "SELECT m.id, (SELECT MIN(s.at) FROM telemetry_sample s WHERE s.tick = m.id AND s.origin = 0) \
           FROM telemetry_message m WHERE m.id > ? ORDER BY m.id LIMIT ?",
    remove: "DELETE FROM telemetry_message WHERE NOT EXISTS \
         (SELECT 1 FROM telemetry_sample s WHERE s.tick = telemetry_message.id AND s.origin = 0) AND id IN ",
};

impl Store {
    /// Lets the next [`Store::sweep`] work, also where this process does not live to begin it.
    pub(super) fn sweep_is_due(&self) -> Result<()> {
        let mark = "INSERT INTO telemetry_epoch (id, epoch, below) VALUES (2, 0, 0)";
        self.database.write(|tx| tx.insert_if_absent(mark, &[]).map(|_| ()))
    }

    /// Removes rows of the dictionary that nothing names, where samples have gone since the last time, until `stopping`; how
    /// many went.
    ///
    /// # Errors
    /// What the database gives; what was removed before stays removed, and the next call does the rest.
    pub fn sweep(&self, stopping: impl Fn() -> bool) -> Result<u64> {
        let due = "SELECT id FROM telemetry_epoch WHERE id = 2";
        if self.database.read(|connection| connection.row(due, &[], |_| Ok(())))?.is_none() {
            return Ok(0);
        }
        let mut gone = 0;
        for named in [&RESOURCES, &MESSAGES] {
            gone += self.sweep_named(named, &stopping)?;
        }
        let (removed, whole) = self.sweep_metadata(&stopping)?;
        if whole && !stopping() {
            self.database.write(|tx| tx.execute("DELETE FROM telemetry_epoch WHERE id = 2", &[]).map(|_| ()))?;
        }
        Ok(gone + removed)
    }

    fn sweep_named(&self, named: &Named, stopping: &impl Fn() -> bool) -> Result<u64> {
        let (mut gone, mut last) = (0, 0);
        while !stopping() {
            let page = self.database.read(|connection| {
                let params = [Value::Int(last), AT_ONCE.into()];
                connection.rows(named.look, &params, |row| Ok((row.int(0)?, row.opt_int(1)?.is_some())))
            })?;
            let Some((end, _)) = page.last() else { break };
            last = *end;
            let unnamed: Vec<i64> = page.iter().filter(|(_, is_named)| !is_named).map(|(id, _)| *id).collect();
            if unnamed.is_empty() {
                continue;
            }
            gone += self.database.write(|tx| {
                // Nobody is about to name one of these; who remembers them forgets them.
                let now = epoch::alone(tx)?;
                epoch::next(tx, now, now.below)?;
                let removed = remove(tx, named.remove, &unnamed)?;
                fault::point("telemetry.sweep.before_commit");
                Ok(removed)
            })?;
        }
        Ok(gone)
    }

    /// Removes metadata; how many, and whether that was the whole sweep.
    fn sweep_metadata(&self, stopping: &impl Fn() -> bool) -> Result<(u64, bool)> {
        let now = self.database.write(|tx| {
            let now = epoch::alone(tx)?;
            let highest = "SELECT MAX(id) FROM telemetry_metadata";
            let below = tx.row(highest, &[], |row| row.opt_int(0))?.flatten().unwrap_or(0);
            tx.execute("DELETE FROM telemetry_touched", &[])?;
            epoch::next(tx, now, below)
        })?;
        fault::point("telemetry.sweep.begun");
        let used = self.used_metadata(stopping)?;
        let mut whole = used.is_some();
        let (mut gone, mut last) = (0, 0);
        while let Some(used) = used.as_ref().filter(|_| !stopping()) {
            let find = "SELECT id FROM telemetry_metadata WHERE id > ? AND id <= ? ORDER BY id LIMIT ?";
            let params = [Value::Int(last), now.below.into(), AT_ONCE.into()];
            let page = self.database.read(|connection| connection.rows(find, &params, |row| row.int(0)))?;
            let Some(end) = page.last() else { break };
            last = *end;
            let unused: Vec<i64> = page.iter().filter(|id| !used.contains(id)).copied().collect();
            if unused.is_empty() {
                continue;
            }
            let Some(removed) = self.database.write(|tx| remove_metadata(tx, now, &unused))? else {
                // Another process has begun a sweep of its own, which does the rest.
                whole = false;
                break;
            };
            gone += removed;
        }
        self.database.write(|tx| {
            let found = epoch::alone(tx)?;
            if found.number == now.number {
                tx.execute("UPDATE telemetry_epoch SET below = 0 WHERE id = 1", &[])?;
                tx.execute("DELETE FROM telemetry_touched", &[])?;
            }
            Ok(())
        })?;
        Ok((gone, whole && !stopping()))
    }

    /// The metadata of all samples and hours; `None` where it was told to stop.
    fn used_metadata(&self, stopping: &impl Fn() -> bool) -> Result<Option<HashSet<i64>>> {
        let (mut used, mut last) = (HashSet::new(), 0);
        loop {
            let page = self.database.read(|connection| series_after(connection, last))?;
            let Some((end, ..)) = page.last() else { return Ok(Some(used)) };
            last = *end;
            for (series, metadata, mixed) in page {
                if stopping() {
                    return Ok(None);
                }
                used.insert(metadata);
                // Else all its samples have the same.
                if mixed {
                    let find = "SELECT DISTINCT metadata FROM telemetry_sample WHERE series = ?";
                    used.extend(self.database.read(|c| c.rows(find, &[series.into()], |row| row.int(0)))?);
                    // After the samples, which may be put together by the hour meanwhile.
                    let find = "SELECT DISTINCT metadata FROM telemetry_hour WHERE series = ?";
                    used.extend(self.database.read(|c| c.rows(find, &[series.into()], |row| row.int(0)))?);
                }
            }
        }
    }
}

/// The series after one, with the metadata of the newest sample, and whether other samples have others.
fn series_after(connection: &mut Connection, last: i64) -> Result<Vec<(i64, i64, bool)>> {
    let find = "SELECT id, metadata, mixed FROM telemetry_series WHERE id > ? ORDER BY id LIMIT ?";
    connection.rows(find, &[last.into(), AT_ONCE.into()], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)? != 0)))
}

/// Removes metadata that nobody has found again since the sweep of this epoch began; `None` where it is over.
fn remove_metadata(tx: &mut Transaction<'_>, sweep: Epoch, unused: &[i64]) -> Result<Option<u64>> {
    // Whoever has found some of them is done by now.
    if epoch::alone(tx)?.number != sweep.number {
        return Ok(None);
    }
    let start = "DELETE FROM telemetry_metadata WHERE NOT EXISTS \
                 (SELECT 1 FROM telemetry_touched t WHERE t.metadata = telemetry_metadata.id) AND id IN ";
    let removed = remove(tx, start, unused)?;
    fault::point("telemetry.sweep.before_commit");
    Ok(Some(removed))
}

/// Runs a statement that ends with a list of numbers.
fn remove(tx: &mut Transaction<'_>, start: &str, ids: &[i64]) -> Result<u64> {
    let mut removed = 0;
    for chunk in sql::chunks(ids, &[100, 10, 1]) {
        let values: Vec<Value<'_>> = chunk.iter().copied().map(Value::Int).collect();
        removed += tx.execute(&sql::repeat(start, &sql::marks(chunk.len()), "", "", 1), &values)?;
    }
    Ok(removed)
}
