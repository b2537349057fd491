//! The table `hearth_pools`: what each volume service last reported of its pools, joined with what `services` knows of
//! the service. What is promised between two reports is added here, in the transaction that promises it.

use serde_json::{Map, Value as Json};

use crate::block_storage::model::pool::{Capability, Pool, Space};
use crate::block_storage::model::service::VOLUME;
use crate::database::{Connection, Row, Transaction};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// What a volume service reports of one pool; the rest of a [`Pool`] comes from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// `host@backend#pool`.
    pub name: String,
    /// Whether the driver works.
    pub working: bool,
    /// All of its space.
    pub total: Space,
    /// What is left of it.
    pub free: Space,
    /// The share that is never given out, in percent.
    pub reserved_percentage: i64,
    /// How often the space may be promised; `None` where that follows from what is promised and used.
    pub max_over_subscription_ratio: Option<f64>,
    /// Whether volumes can take their space when it is written.
    pub thin: bool,
    /// Whether volumes can take their space when they are made.
    pub thick: bool,
    /// Everything else, by Cinder's names.
    pub other: Vec<(String, Capability)>,
}

/// The ratio where it follows from what is promised, as long as nothing is.
const FIRST_AUTOMATIC_RATIO: f64 = 20.0;

/// All pools in the order of their names. A pool is up where its service has reported within `down_time_seconds`, is not
/// frozen, and its driver works.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn list(c: &mut Connection, down_time_seconds: i64) -> Result<Vec<Pool>> {
    let recent = Timestamp::now().plus_seconds(-down_time_seconds);
    c.rows(
        "SELECT p.name, p.report, p.allocated_gib, p.provisioned_gib, p.promised_gib, p.reported_at, \
         s.availability_zone, s.disabled, s.frozen, s.updated_at \
         FROM hearth_pools p JOIN services s ON s.host = p.service_host AND s.\"binary\" = ? AND s.deleted = ? \
         ORDER BY p.name",
        &[VOLUME.into(), false.into()],
        |row| read(row, recent),
    )
}

/// The backends `host@backend` whose services take their orders from this database.
pub fn service_hosts(c: &mut Connection) -> Result<Vec<String>> {
    c.rows("SELECT DISTINCT service_host FROM hearth_pools", &[], |row| row.string(0))
}

/// Replaces what is known of the pool. What it has promised is counted anew from the volumes and snapshots.
pub fn report(tx: &mut Transaction<'_>, report: &Report) -> Result<()> {
    let volumes = sum(tx, "SELECT sum(size) FROM volumes WHERE deleted = ? AND host = ?", &report.name)?;
    let snapshots = sum(
        tx,
        "SELECT sum(s.volume_size) FROM snapshots s JOIN volumes v ON v.id = s.volume_id \
         WHERE s.deleted = ? AND v.host = ?",
        &report.name,
    )?;
    let service_host = crate::block_storage::model::pool::service_host(&report.name);
    tx.execute(
        "INSERT INTO hearth_pools (name, service_host, report, allocated_gib, provisioned_gib, promised_gib, reported_at) \
         VALUES (?, ?, ?, ?, ?, 0, ?) ON CONFLICT (name) DO UPDATE SET service_host = excluded.service_host, \
         report = excluded.report, allocated_gib = excluded.allocated_gib, \
         provisioned_gib = excluded.provisioned_gib, promised_gib = 0, reported_at = excluded.reported_at",
        &[
            (&report.name).into(),
            service_host.into(),
            text_of(report).into(),
            volumes.into(),
            (volumes + snapshots).into(),
            Timestamp::now().into(),
        ],
    )?;
    Ok(())
}

/// Notes that the pool has promised `gib` more (fewer where negative) since its last report; `volumes` says whether
/// that is for volumes, or for snapshots.
pub fn promise(tx: &mut Transaction<'_>, name: &str, gib: i64, volumes: bool) -> Result<()> {
    tx.execute(
        "UPDATE hearth_pools SET allocated_gib = allocated_gib + ?, provisioned_gib = provisioned_gib + ?, \
         promised_gib = promised_gib + ? WHERE name = ?",
        &[if volumes { gib } else { 0 }.into(), gib.into(), gib.into(), name.into()],
    )?;
    Ok(())
}

/// Forgets the pools of a service that are not among `names`.
pub fn forget_others(tx: &mut Transaction<'_>, service_host: &str, names: &[String]) -> Result<()> {
    let found =
        tx.rows("SELECT name FROM hearth_pools WHERE service_host = ?", &[service_host.into()], |row| row.string(0))?;
    for name in found.iter().filter(|name| !names.contains(name)) {
        tx.execute("DELETE FROM hearth_pools WHERE name = ?", &[name.into()])?;
    }
    Ok(())
}

fn sum(tx: &mut Transaction<'_>, sql: &str, host: &str) -> Result<i64> {
    let found = tx.row(sql, &[false.into(), host.into()], |row| row.opt_int(0))?;
    Ok(found.flatten().unwrap_or_default())
}

fn read(row: &Row<'_>, recent: Timestamp) -> Result<Pool> {
    let report = parse(row.string(0)?, row.text(1)?)?;
    let (allocated, provisioned, promised) = (row.int(2)?, row.int(3)?, row.int(4)?);
    let (allocated_gib, provisioned_gib) = (allocated as f64, provisioned as f64);
    let frozen = row.opt_bool(8)?.unwrap_or_default();
    let alive = row.opt_time(9)?.is_some_and(|reported| reported >= recent);
    let free = match report.free {
        // Thin space is not used up by a promise, but it may be, and Cinder's scheduler counts it so.
        Space::Gib(gib) => Space::Gib((gib - promised as f64).max(0.0)),
        other => other,
    };
    Ok(Pool {
        availability_zone: row.opt_string(6)?.unwrap_or_default(),
        enabled: !row.opt_bool(7)?.unwrap_or_default(),
        up: alive && report.working && !frozen,
        max_over_subscription_ratio: report
            .max_over_subscription_ratio
            .unwrap_or_else(|| automatic_ratio(report.total, free, provisioned_gib)),
        name: report.name,
        total: report.total,
        free,
        allocated_gib,
        provisioned_gib,
        reserved_percentage: report.reserved_percentage,
        thin: report.thin,
        thick: report.thick,
        other: report.other,
        reported_at: row.time(5)?,
    })
}

/// How often the space is promised already, where the ratio is `auto`.
fn automatic_ratio(total: Space, free: Space, provisioned_gib: f64) -> f64 {
    match (total, free) {
        (Space::Gib(total), Space::Gib(free)) if provisioned_gib > 0.0 => 1.0 + provisioned_gib / (total - free + 1.0),
        (Space::Gib(_), Space::Gib(_)) => FIRST_AUTOMATIC_RATIO,
        _ => 1.0,
    }
}

fn text_of(report: &Report) -> String {
    let mut map = Map::new();
    map.insert("working".to_owned(), report.working.into());
    map.insert("total".to_owned(), json_of_space(report.total));
    map.insert("free".to_owned(), json_of_space(report.free));
    map.insert("reserved_percentage".to_owned(), report.reserved_percentage.into());
    map.insert("max_over_subscription_ratio".to_owned(), report.max_over_subscription_ratio.into());
    map.insert("thin".to_owned(), report.thin.into());
    map.insert("thick".to_owned(), report.thick.into());
    map.insert("other".to_owned(), json_of_map(&report.other));
    Json::Object(map).to_string()
}

fn parse(name: String, text: &str) -> Result<Report> {
    let json: Json = serde_json::from_str(text).map_err(|error| Error::internal(format!("pool {name}: {error}")))?;
    let flag = |key: &str| json.get(key).and_then(Json::as_bool).unwrap_or_default();
    Ok(Report {
        working: flag("working"),
        total: space(json.get("total")),
        free: space(json.get("free")),
        reserved_percentage: json.get("reserved_percentage").and_then(Json::as_i64).unwrap_or_default(),
        max_over_subscription_ratio: json.get("max_over_subscription_ratio").and_then(Json::as_f64),
        thin: flag("thin"),
        thick: flag("thick"),
        other: match json.get("other").map(capability) {
            Some(Capability::Map(values)) => values,
            _ => Vec::new(),
        },
        name,
    })
}

fn json_of_space(space: Space) -> Json {
    match space {
        Space::Gib(gib) => gib.into(),
        Space::Infinite => "infinite".into(),
        Space::Unknown => "unknown".into(),
    }
}

fn space(json: Option<&Json>) -> Space {
    match json {
        Some(Json::Number(number)) => number.as_f64().map_or(Space::Unknown, Space::Gib),
        Some(Json::String(text)) if text == "infinite" => Space::Infinite,
        _ => Space::Unknown,
    }
}

fn json_of(capability: &Capability) -> Json {
    match capability {
        Capability::None => Json::Null,
        Capability::Text(text) => text.as_str().into(),
        Capability::Integer(number) => (*number).into(),
        Capability::Number(number) => (*number).into(),
        Capability::Boolean(value) => (*value).into(),
        Capability::List(values) => values.iter().map(json_of).collect(),
        Capability::Map(values) => json_of_map(values),
    }
}

fn json_of_map(values: &[(String, Capability)]) -> Json {
    Json::Object(values.iter().map(|(name, value)| (name.clone(), json_of(value))).collect())
}

fn capability(json: &Json) -> Capability {
    match json {
        Json::Null => Capability::None,
        Json::Bool(value) => Capability::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Capability::Integer(whole),
            None => Capability::Number(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Capability::Text(text.clone()),
        Json::Array(values) => Capability::List(values.iter().map(capability).collect()),
        Json::Object(values) => {
            Capability::Map(values.iter().map(|(name, value)| (name.clone(), capability(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report = Report {
            name: "h@b#p".to_owned(),
            working: true,
            total: Space::Gib(12.5),
            free: Space::Infinite,
            reserved_percentage: 5,
            max_over_subscription_ratio: None,
            thin: true,
            thick: false,
            other: vec![
                ("a".to_owned(), Capability::List(vec![Capability::Text("x".to_owned()), Capability::Integer(3)])),
                ("b".to_owned(), Capability::Map(vec![("c".to_owned(), Capability::Boolean(true))])),
                ("d".to_owned(), Capability::None),
                ("e".to_owned(), Capability::Number(0.5)),
            ],
        };
        assert_eq!(parse("h@b#p".to_owned(), &text_of(&report)).unwrap(), report);
    }

    #[test]
    fn an_automatic_ratio_follows_what_is_promised_and_used() {
        assert_eq!(automatic_ratio(Space::Gib(100.0), Space::Gib(100.0), 0.0), 20.0);
        assert_eq!(automatic_ratio(Space::Gib(100.0), Space::Gib(91.0), 20.0), 3.0);
        assert_eq!(automatic_ratio(Space::Unknown, Space::Gib(91.0), 20.0), 1.0);
    }
}
