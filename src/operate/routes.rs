//! `hearth routes`: the route table of a service as tab-separated values, made from the rows that dispatch.
//! Columns: method, path, action, min_mv, max_mv, success, policy.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::openapi::full_path;
use crate::rest::service::Dialect;
use crate::rest::{Microversion, Route};
use crate::{block_storage, telemetry};

/// The names of the columns.
pub const COLUMNS: &str = "method\tpath\taction\tmin_mv\tmax_mv\tsuccess\tpolicy";

/// What needs no token and is served before any row is looked for: path, status, whether it takes part in microversions.
const BLOCK_STORAGE_FRONT: &[(&str, u16, bool)] =
    &[("/", 300, false), ("/v3/", 200, true), ("/healthcheck", 200, false)];
const TELEMETRY_FRONT: &[(&str, u16, bool)] = &[("/", 200, false), ("/healthcheck", 200, false)];

/// The table of the service with this name: `block-storage`, `metering` or `alarming`.
///
/// # Errors
/// [`crate::Kind::Invalid`] where there is no such service.
pub fn table(service: &str) -> Result<String> {
    match service {
        "block-storage" => Ok(written(block_storage::ROUTES, &block_storage::dialect::DIALECT, BLOCK_STORAGE_FRONT)),
        "metering" => Ok(written(telemetry::METERING_ROUTES, &telemetry::METERING, TELEMETRY_FRONT)),
        "alarming" => Ok(written(telemetry::ALARMING_ROUTES, &telemetry::ALARMING, TELEMETRY_FRONT)),
        _ => Err(Error::invalid(format!("There is no service {service}."))),
    }
}

/// The table over these rows, with a line of the columns' names.
pub fn written<S>(tables: &[&'static [Route<S>]], dialect: &Dialect, front: &[(&str, u16, bool)]) -> String {
    let mut out = format!("{COLUMNS}\n");
    for (path, status, versioned) in front {
        let (min, max) = range(dialect, Microversion::MIN, Microversion::MAX);
        let min = if *versioned { min } else { unversioned().0 };
        line(&mut out, &["GET", path, "", &min, &max, &status.to_string(), "none (no token needed)"]);
    }
    for route in tables.iter().copied().flatten() {
        let (min, max) = range(dialect, route.since, route.until);
        let policy: Vec<String> = route.rules.iter().map(|rule| describe(rule)).collect();
        let policy = if policy.is_empty() { "none (any authenticated user)".to_owned() } else { policy.join("; ") };
        line(
            &mut out,
            &[
                route.method.name(),
                &full_path(dialect, route.path),
                route.action,
                &min,
                &max,
                &route.success.to_string(),
                &policy,
            ],
        );
    }
    out
}

fn line(out: &mut String, cells: &[&str]) {
    // Writing to a String can not fail.
    let _ = writeln!(out, "{}", cells.join("\t"));
}

fn unversioned() -> (String, String) {
    ("n/a".to_owned(), "n/a".to_owned())
}

/// The versions of a row as far as the service has versions at all.
fn range(dialect: &Dialect, since: Microversion, until: Microversion) -> (String, String) {
    match &dialect.versions {
        Some(versions) => (since.max(versions.min).to_string(), until.min(versions.max).to_string()),
        None => unversioned(),
    }
}

/// A rule's name and, in a few words, whom it allows by default.
fn describe(rule: &Rule) -> String {
    let words = match rule.check {
        "rule:xena_system_admin_or_project_reader" => "project reader or admin",
        "rule:xena_system_admin_or_project_member" => "project member or admin",
        "rule:admin_api" => "admin only",
        "" => "any authenticated user",
        other => other,
    };
    format!("{} [{words}]", rule.name)
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, table};

    #[test]
    fn every_line_has_every_column_and_no_two_are_the_same() {
        for service in ["block-storage", "metering", "alarming"] {
            check(&table(service).unwrap());
        }
        let text = table("block-storage").unwrap();
        assert!(text.contains("GET\t/v3/{project_id}/types\t\t3.0\t3.71\t200\tvolume_extension:type_get_all [project"));
        assert!(table("metering").unwrap().contains("GET\t/v2/meters\t\tn/a\tn/a\t200\ttelemetry:get_meters"));
        assert!(table("compute").is_err());
    }

    fn check(text: &str) {
        let mut keys = std::collections::HashSet::new();
        for line in text.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), COLUMNS.split('\t').count(), "{line}");
            assert!(keys.insert(cells[..4].join(" ")), "{line} is there twice");
        }
    }
}
