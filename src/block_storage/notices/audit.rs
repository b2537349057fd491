//! What an audit tells for billing: `volume.exists`, `snapshot.exists` and `backup.exists` of everything that was there in a
//! period, and `capacity.pool` and `capacity.backend` of what the backends hold now.

use serde_json::{Value as Json, json};

use super::Notices;
use crate::block_storage::model::pool::{Pool, Space};
use crate::block_storage::scheduler::virtual_free_gib;
use crate::block_storage::store::pools;
use crate::block_storage::store::records::{self, Audited, Lived, written};
use crate::database::{Database, Transaction};
use crate::error::Result;
use crate::time::Timestamp;

/// How many objects one transaction tells of.
const BATCH: u32 = 100;

/// A period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// Its beginning.
    pub begin: Timestamp,
    /// Its end, which is no part of it.
    pub end: Timestamp,
    /// Whether the creations and deletions of the period are told again.
    pub actions: bool,
}

/// Tells what there was in a period; how many volumes, snapshots and backups that were.
///
/// # Errors
/// As all statements.
pub fn audit(database: &Database, notices: &Notices<'_>, audit: &Audit) -> Result<[u64; 3]> {
    let mut counts = [0; 3];
    for (what, count) in [Audited::Volumes, Audited::Snapshots, Audited::Backups].into_iter().zip(&mut counts) {
        let mut after = String::new();
        loop {
            let batch = database.read(|c| records::lived(c, what, (audit.begin, audit.end), &after, BATCH))?;
            let Some(last) = batch.last() else { break };
            after.clone_from(&last.id);
            database.write(|tx| batch.iter().try_for_each(|lived| tell(tx, notices, audit, what, lived)))?;
            *count += batch.len() as u64;
        }
    }
    Ok(counts)
}

fn tell(tx: &mut Transaction<'_>, notices: &Notices<'_>, audit: &Audit, what: Audited, lived: &Lived) -> Result<()> {
    let mut put = |event: &str, begin: Timestamp, end: Timestamp| {
        let period =
            [("audit_period_beginning", Json::from(printed(begin))), ("audit_period_ending", Json::from(printed(end)))];
        match what {
            Audited::Volumes => notices.volume_with(tx, &lived.id, event, &period),
            Audited::Snapshots => notices.snapshot_with(tx, &lived.id, event, &period),
            Audited::Backups => notices.backup_with(tx, &lived.id, event, &period),
        }
    };
    put("exists", audit.begin, audit.end)?;
    let within = |time: &Timestamp| audit.begin < *time && *time < audit.end;
    for (verb, at) in [("create", lived.created_at), ("delete", lived.deleted_at)] {
        let Some(at) = at.filter(|at| audit.actions && within(at)) else { continue };
        for end in ["start", "end"] {
            put(&format!("{verb}.{end}"), at, at)?;
        }
    }
    Ok(())
}

/// A time as Python prints one that knows its zone.
fn printed(time: Timestamp) -> String {
    let text = written(time).replacen('T', " ", 1);
    format!("{}+00:00", text.strip_suffix(".000000").unwrap_or(&text))
}

/// Tells what the pools and their backends hold; how many pools. Those that tell no figures are left out.
///
/// # Errors
/// As all statements.
pub fn capacity(database: &Database, notices: &Notices<'_>, down_time_seconds: i64) -> Result<u64> {
    let pools = database.read(|c| pools::list(c, down_time_seconds))?;
    let told: Vec<(&Pool, [f64; 5])> = pools.iter().filter_map(|pool| Some((pool, figures(pool)?))).collect();
    let mut hosts: Vec<&str> = told.iter().map(|(pool, _)| pool.service_host()).collect();
    hosts.dedup();
    database.write(|tx| {
        for (pool, figures) in &told {
            let payload = capacity_payload(&pool.name, figures, pool.reported_at);
            notices.tell(tx, "capacity", "capacity.pool", payload)?;
        }
        for host in &hosts {
            let own = told.iter().filter(|(pool, _)| pool.service_host() == *host);
            let (mut sums, mut reported_at) = ([0.0; 5], Timestamp(0));
            for (pool, figures) in own {
                sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
                reported_at = reported_at.max(pool.reported_at);
            }
            notices.tell(tx, "capacity", "capacity.backend", capacity_payload(host, &sums, reported_at))?;
        }
        Ok(())
    })?;
    Ok(told.len() as u64)
}

/// GiB in all, free, of volumes, promised, and that may still be promised.
fn figures(pool: &Pool) -> Option<[f64; 5]> {
    let (Space::Gib(total), Space::Gib(free)) = (pool.total, pool.free) else { return None };
    Some([total, free, pool.allocated_gib, pool.provisioned_gib, virtual_free_gib(pool)?])
}

fn capacity_payload(name: &str, figures: &[f64; 5], reported_at: Timestamp) -> Json {
    let [total, free, allocated, provisioned, virtual_free] = figures;
    json!({
        "name_to_id": name,
        "total": total,
        "free": free,
        "allocated": allocated,
        "provisioned": provisioned,
        "virtual_free": virtual_free,
        "reported_at": written(reported_at),
    })
}
