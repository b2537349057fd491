//! `hearth openapi`: the OpenAPI 3.1 document of a service at one microversion. The document itself is made by
//! `rest/openapi.rs` from the rows that serve.

use crate::error::{Error, Result};
use crate::rest::openapi::{Title, document};
use crate::rest::service::Dialect;
use crate::rest::{Microversion, Route};
use crate::{block_storage, telemetry};

const BLOCK_STORAGE: Title = Title {
    title: "Block Storage API v3",
    summary: "Volumes, snapshots, and what belongs to them, as Cinder serves them.",
};
const METERING: Title = Title {
    title: "Telemetry API v2",
    summary: "Meters, samples, resources and statistics, as Ceilometer serves them.",
};

const ALARMING: Title = Title { title: "Alarming API v2", summary: "Alarms, as Aodh serves them." };

/// The document of the service with this name (`block-storage`, `metering`, `alarming`), as JSON text with a line break at its end; at the
/// highest version where none is named.
///
/// # Errors
/// [`crate::Kind::Invalid`] where there is no such service, or it has no such version.
pub fn text(service: &str, microversion: Option<&str>) -> Result<String> {
    match service {
        "block-storage" => {
            written(BLOCK_STORAGE, block_storage::ROUTES, &block_storage::dialect::DIALECT, microversion)
        }
        "metering" => written(METERING, telemetry::METERING_ROUTES, &telemetry::METERING, microversion),
        "alarming" => written(ALARMING, telemetry::ALARMING_ROUTES, &telemetry::ALARMING, microversion),
        _ => Err(Error::invalid(format!("There is no service {service}."))),
    }
}

/// The document over these rows.
///
/// # Errors
/// As [`text`].
pub fn written<S>(
    title: Title,
    tables: &[&'static [Route<S>]],
    dialect: &Dialect,
    microversion: Option<&str>,
) -> Result<String> {
    let version = match (&dialect.versions, microversion) {
        (Some(versions), None) => versions.max,
        (None, None) => Microversion::MAX,
        (None, Some(_)) => return Err(Error::invalid("The service has no microversions.")),
        (Some(versions), Some(text)) => {
            Microversion::parse(text).filter(|version| version.within(versions.min, versions.max)).ok_or_else(|| {
                Error::invalid(format!("{text} is no version from {} to {}.", versions.min, versions.max))
            })?
        }
    };
    let document = document(title, tables, dialect, version);
    let text = serde_json::to_string_pretty(&document).map_err(Error::internal)?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn the_version_must_be_one_that_is_served() {
        assert!(text("block-storage", None).unwrap().contains("\"version\": \"3.71\""));
        assert!(text("block-storage", Some("3.0")).unwrap().contains("\"version\": \"3.0\""));
        for wrong in ["3.72", "2.0", "latest", "3"] {
            assert!(text("block-storage", Some(wrong)).is_err(), "{wrong}");
        }
        assert!(text("metering", None).unwrap().contains("\"version\": \"2\""));
        assert!(text("metering", Some("3.0")).is_err());
        assert!(text("compute", None).is_err());
    }
}
