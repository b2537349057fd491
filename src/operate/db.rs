//! `hearth db sync|purge|check|version`: what an operator asks of the database.

use std::io::{self, Write};
use std::ops::ControlFlow;

use crate::config::{Config, quota};
use crate::database::check;
use crate::database::migrate::{self, Found, Wanted};
use crate::database::schema::REVISION;
use crate::database::seeds::LIMITS;
use crate::database::{Database, purge};
use crate::telemetry::store::{Kept, Patience, Store, schema};
use crate::time::Timestamp;
use crate::{Error, Result};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Makes the tables that are wanted and missing, and says what it did.
///
/// # Errors
/// `Conflict` where the tables are of another revision; else as all statements.
pub fn sync(config: &Config, database: &Database, wanted: &Wanted<'_>, out: &mut dyn Write) -> Result<()> {
    let mut limits = LIMITS;
    for (resource, limit) in &mut limits {
        let opt = match *resource {
            "volumes" => &quota::QUOTA_VOLUMES,
            "snapshots" => &quota::QUOTA_SNAPSHOTS,
            "gigabytes" => &quota::QUOTA_GIGABYTES,
            "per_volume_gigabytes" => &quota::PER_VOLUME_SIZE_LIMIT,
            "groups" => &quota::QUOTA_GROUPS,
            "backups" => &quota::QUOTA_BACKUPS,
            "backup_gigabytes" => &quota::QUOTA_BACKUP_GIGABYTES,
            _ => continue,
        };
        *limit = config.integer(opt);
    }
    let report = migrate::sync_with_limits(database, wanted, &limits)?;
    if report.made_cinder {
        say(out, format_args!("made Cinder's tables at revision {REVISION}"))?;
    } else if wanted.cinder {
        say(out, format_args!("found Cinder's tables at revision {REVISION}"))?;
    }
    for (component, before, after) in &report.components {
        say(out, format_args!("brought the tables of '{component}' from step {before} to step {after}"))?;
    }
    for (table, index) in &report.indexes {
        say(out, format_args!("made the index {index} of {table} again, which was missing"))?;
    }
    let samples = wanted.components.iter().any(|component| component.name == schema::COMPONENT.name);
    let kept = match samples {
        true => Store::new(database.clone()).keep_partitions(Timestamp::now(), Patience::Long)?,
        false => Kept::default(),
    };
    for partition in &kept.made {
        say(out, format_args!("made the partition {partition}"))?;
    }
    if let Some(why) = kept.put_off {
        say(out, format_args!("made no partitions of samples, which are stored all the same: {why}"))?;
    }
    if report == migrate::Report::default() && kept == Kept::default() {
        say(out, format_args!("nothing was to be done"))?;
    }
    Ok(())
}

/// Removes for good what was deleted more than `days` days ago.
///
/// # Errors
/// As all statements; what was removed before stays removed.
pub fn purge(database: &Database, days: u32, out: &mut dyn Write) -> Result<()> {
    let before = Timestamp::now().plus_seconds(-DAY * i64::from(days));
    let mut total = 0;
    for (table, rows) in purge::purge(database, before, purge::STEP, |_| ControlFlow::Continue(()))? {
        say(out, format_args!("{table}: {rows} rows"))?;
        total += rows;
    }
    say(out, format_args!("removed {total} rows that were deleted before {}", before.iso_short()))
}

/// Says what is wrong with the database; whether nothing is.
///
/// # Errors
/// As all statements.
pub fn check(database: &Database, wanted: &Wanted<'_>, out: &mut dyn Write) -> Result<bool> {
    if let Err(error) = database.read(|c| migrate::require(c, wanted)) {
        say(out, format_args!("{}", error.public()))?;
        return Ok(false);
    }
    let missing = database.read(|c| migrate::missing_indexes(c, wanted))?;
    for (table, index) in &missing {
        let name = index.name;
        say(out, format_args!("{table}: the index {name} is missing, so lists are slow: run 'hearth db sync'"))?;
    }
    let findings = if wanted.cinder { database.read(check::check)? } else { Vec::new() };
    for finding in &findings {
        let examples = finding.examples.join(", ");
        say(out, format_args!("{}: {} rows: {} ({examples})", finding.table, finding.rows, finding.what))?;
    }
    let good = findings.is_empty() && missing.is_empty();
    if good {
        say(out, format_args!("the database is as it should be"))?;
    }
    Ok(good)
}

/// Prints which tables the database holds.
///
/// # Errors
/// As all statements.
pub fn version(database: &Database, wanted: &Wanted<'_>, out: &mut dyn Write) -> Result<()> {
    say(out, format_args!("engine: {}", database.engine().name()))?;
    if wanted.cinder {
        let found = match database.read(migrate::found)? {
            Found::Nothing => "none".to_owned(),
            Found::Unfinished => "unfinished".to_owned(),
            Found::Current => REVISION.to_owned(),
            Found::Older(revision) => format!("{revision} (older than {REVISION})"),
            Found::Unknown(revision) => format!("{revision} (not known)"),
            Found::Unversioned => "without a revision".to_owned(),
        };
        say(out, format_args!("Cinder's tables: {found}"))?;
    }
    for component in wanted.components {
        let is = database.read(|c| migrate::version(c, component))?;
        say(out, format_args!("tables of '{}': step {is} of {}", component.name, component.steps.len()))?;
    }
    Ok(())
}

fn say(out: &mut dyn Write, text: std::fmt::Arguments<'_>) -> Result<()> {
    let written: io::Result<()> = writeln!(out, "{text}");
    written.map_err(|cause| Error::unavailable("The output can not be written.", cause))
}
