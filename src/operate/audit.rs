//! `hearth audit`: tells what there was in a period, as `cinder-volume-usage-audit` does: for billing, run by cron.

use std::io::Write;

use crate::block_storage::model::work::Requester;
use crate::block_storage::notices::{Audit, Notices, audit, capacity, of_requester};
use crate::config::{Config, default, notifications as options};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::messaging::Outbox;
use crate::time::{Civil, Timestamp};

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Period {
    /// `YYYY-MM-DD HH:MM:SS` in UTC; `None` takes the beginning of the last period that is over.
    pub start: Option<String>,
    /// As `start`, for the end.
    pub end: Option<String>,
    /// Whether the creations and deletions of the period are told again.
    pub actions: bool,
}

/// Puts the notifications into the outbox, and says how many things they are about. They are delivered as all others are.
///
/// # Errors
/// `Invalid` where no driver is configured, or for a period that is none; those of the database and of the output.
pub fn run(config: &Config, database: &Database, period: &Period, out: &mut dyn Write) -> Result<()> {
    let outbox = Outbox::of(config);
    if !outbox.is_open() {
        return Err(Error::invalid("[oslo_messaging_notifications] driver is not set: nobody would be told"));
    }
    let unit = config.text(&options::AUDIT_PERIOD);
    let unclear = || Error::invalid(format!("[DEFAULT] volume_usage_audit_period: {unit:?} is no period"));
    let (begin, end) = last_period(unit, Timestamp::now()).ok_or_else(unclear)?;
    let (begin, end) = (given(period.start.as_deref(), begin)?, given(period.end.as_deref(), end)?);
    if end <= begin {
        return Err(Error::invalid("the end of the period must be after its start"));
    }
    let requester = Requester { request_id: format!("req-{}", uuid::Uuid::new_v4()), ..Requester::default() };
    let host = config.text(&default::HOST);
    let notices = Notices::new(std::borrow::Cow::Borrowed(&outbox), host, || of_requester(&requester));
    let [volumes, snapshots, backups] = audit(database, &notices, &Audit { begin, end, actions: period.actions })?;
    let down_time = i64::try_from(config.seconds(&default::SERVICE_DOWN_TIME).as_secs()).unwrap_or(i64::MAX);
    let pools = capacity(database, &notices, down_time)?;
    let line = format!(
        "from {} to {} UTC: {volumes} volumes, {snapshots} snapshots, {backups} backups; now {pools} pools",
        begin.iso_short(),
        end.iso_short()
    );
    writeln!(out, "{line}").map_err(Error::internal)
}

fn given(text: Option<&str>, otherwise: Timestamp) -> Result<Timestamp> {
    let Some(text) = text else { return Ok(otherwise) };
    Timestamp::parse(text).ok_or_else(|| Error::invalid(format!("{text:?} is no time such as 2026-01-31 00:00:00")))
}

/// The last period that is over: `month`, `day`, `year` or `hour`, with `@` and the place where one begins.
fn last_period(text: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let (unit, offset) = text.split_once('@').unwrap_or((text, "0"));
    let offset: i64 = offset.parse().ok()?;
    let today = now.civil();
    let day = Civil { hour: 0, minute: 0, second: 0, micros: 0, ..today };
    let at = |civil: Civil| Timestamp::from_civil(&civil);
    let month = |number: i64| {
        // Counted from the year 0, so that January follows December.
        at(Civil { year: number.div_euclid(12), month: number.rem_euclid(12) + 1, day: offset.max(1), ..day })
    };
    let seconds = |civil: Civil, length: i64| {
        let mut end = at(civil)?;
        if end >= now {
            end = end.plus_seconds(-length);
        }
        Some((end.plus_seconds(-length), end))
    };
    match unit {
        "month" => {
            let this = today.year * 12 + today.month - 1;
            let last = if month(this)? >= now { this - 1 } else { this };
            Some((month(last - 1)?, month(last)?))
        }
        "year" => {
            let first = |year: i64| at(Civil { year, month: offset.max(1), day: 1, ..day });
            let last = if first(today.year)? >= now { today.year - 1 } else { today.year };
            Some((first(last - 1)?, first(last)?))
        }
        "day" => seconds(Civil { hour: offset, ..day }, 86_400),
        "hour" => seconds(Civil { hour: today.hour, minute: offset, ..day }, 3_600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(unit: &str, now: &str) -> Option<String> {
        let (begin, end) = last_period(unit, Timestamp::parse(now).unwrap())?;
        Some(format!("{} {}", begin.iso_short(), end.iso_short()))
    }

    #[test]
    fn the_last_period_that_is_over_is_cinders() {
        for (unit, now, found) in [
            ("month", "2026-03-10 12:00:00", "2026-02-01T00:00:00 2026-03-01T00:00:00"),
            ("month", "2026-01-10 12:00:00", "2025-12-01T00:00:00 2026-01-01T00:00:00"),
            ("month@15", "2026-03-10 12:00:00", "2026-01-15T00:00:00 2026-02-15T00:00:00"),
            ("year", "2026-03-10 12:00:00", "2025-01-01T00:00:00 2026-01-01T00:00:00"),
            ("year@6", "2026-03-10 12:00:00", "2024-06-01T00:00:00 2025-06-01T00:00:00"),
            ("day", "2026-03-01 12:00:00", "2026-02-28T00:00:00 2026-03-01T00:00:00"),
            ("day@18", "2026-03-10 12:00:00", "2026-03-08T18:00:00 2026-03-09T18:00:00"),
            ("hour@30", "2026-03-10 12:10:00", "2026-03-10T10:30:00 2026-03-10T11:30:00"),
        ] {
            assert_eq!(period(unit, now).as_deref(), Some(found), "{unit}");
        }
        for unit in ["week", "day@x", "day@24", "month@40", ""] {
            assert_eq!(period(unit, "2026-03-10 12:00:00"), None, "{unit}");
        }
    }
}
