//! What every iSCSI target has in common: its name and its portals, what is kept of it in the row of the volume (in the
//! form of Cinder, which is that of a discovery), and what os-brick and Nova read. Not here: who serves it.

use serde_json::{Map, Value as Json, json};

use super::Export;
use super::chap::Credentials;
use crate::block_storage::volume::drivers::{Connection, Format};
use crate::config::{Config, backend};
use crate::error::{Error, Result};

/// Letters of an identity that targets keep.
const IDENTITY: usize = 36;

/// Where and under which names volumes are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Portals {
    /// What stands before the names of volumes.
    pub(super) prefix: String,
    /// Addresses of this host.
    pub(super) addresses: Vec<String>,
    /// The port on each of them.
    pub(super) port: i64,
    /// Whether hosts are told that they may discard.
    pub(super) discard: bool,
}

impl Portals {
    pub(super) fn read(config: &Config, section: &str) -> Self {
        let first = config.text_in(section, &backend::TARGET_IP_ADDRESS).to_owned();
        let more = config.list_in(section, &backend::TARGET_SECONDARY_IP_ADDRESSES).iter().cloned();
        Self {
            prefix: config.text_in(section, &backend::TARGET_PREFIX).to_owned(),
            addresses: std::iter::once(first).chain(more).collect(),
            port: config.integer_in(section, &backend::TARGET_PORT),
            discard: config.boolean_in(section, &backend::REPORT_DISCARD_SUPPORTED),
        }
    }

    /// The name of a volume's target.
    pub(super) fn iqn(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What is kept of an export.
    pub(super) fn export(&self, name: &str, number: u32, lun: u32, credentials: &Credentials) -> Export {
        let portals: Vec<String> = self.addresses.iter().map(|address| socket(address, self.port)).collect();
        Export {
            location: format!("{},{number} {} {lun}", portals.join(";"), self.iqn(name)),
            auth: Some(credentials.auth()),
        }
    }

    /// How a host reaches the volume.
    ///
    /// # Errors
    /// `Internal` where nothing like an export is recorded.
    pub(super) fn connection(&self, export: &Export, connector: &Json) -> Result<Connection> {
        let found = Location::parse(&export.location);
        let found = found.ok_or_else(|| Error::internal(format!("{:?} is no iSCSI target", export.location)))?;
        let mut data = Map::new();
        let mut tell = |key: &str, value: Json| data.insert(key.to_owned(), value);
        tell("target_discovered", json!(false));
        let count = found.portals.len();
        if count > 1 || connector.get("multipath") == Some(&json!(true)) {
            tell("target_portals", json!(found.portals));
            tell("target_iqns", json!(vec![found.iqn; count]));
            tell("target_luns", json!(vec![found.lun; count]));
        }
        tell("target_portal", json!(found.portals.first()));
        tell("target_iqn", json!(found.iqn));
        tell("target_lun", json!(found.lun));
        if let Some(chap) = export.auth.as_deref().and_then(Credentials::parse) {
            tell("auth_method", json!("CHAP"));
            tell("auth_username", json!(chap.user));
            tell("auth_password", json!(chap.secret));
        }
        if self.discard {
            tell("discard", json!(true));
        }
        Ok(Connection { driver_volume_type: "iscsi", data })
    }
}

/// Refuses a host that does not say which initiator it is.
///
/// # Errors
/// `Invalid`, with Cinder's text.
pub(super) fn check_initiator(connector: &Json) -> Result<()> {
    if connector.get("initiator").is_some() {
        return Ok(());
    }
    Err(Error::invalid("Invalid input received: Connector doesn't have required information: initiator"))
}

/// Refuses what a target would serve as it lies there, its format with it.
///
/// # Errors
/// `Unavailable` for any other format than raw.
pub(super) fn check_format(format: Format, server: &str) -> Result<()> {
    if format == Format::Raw {
        return Ok(());
    }
    Err(Error::unavailable(
        "The backend can not export volumes of this format.",
        format!("{server} serves raw volumes alone, and this one is {}: see target_protocol = nbd", format.name()),
    ))
}

/// What a host has to say of a recorded export.
///
/// # Errors
/// `Internal` where nothing of it is recorded.
pub(super) fn credentials(name: &str, export: &Export) -> Result<Credentials> {
    let found = export.auth.as_deref().and_then(Credentials::parse);
    found.ok_or_else(|| Error::internal(format!("no credentials of {name} are recorded")))
}

/// What a target tells hosts of the volume `name`, by which they know it again on another path: its last letters, where
/// its id is.
pub(super) fn identity(name: &str) -> &str {
    name.get(name.len().saturating_sub(IDENTITY)..).unwrap_or(name)
}

/// A column `provider_location`: `portal;portal,number iqn lun`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location<'a> {
    portals: Vec<&'a str>,
    pub(super) iqn: &'a str,
    /// The number of the volume in its target.
    pub(super) lun: u32,
}

impl<'a> Location<'a> {
    pub(super) fn parse(location: &'a str) -> Option<Self> {
        let mut words = location.split(' ');
        let (portals, iqn) = (words.next()?, words.next().filter(|iqn| !iqn.is_empty())?);
        let portals: Vec<&str> = portals.split_once(',')?.0.split(';').collect();
        let lun = words.next().and_then(|lun| lun.parse().ok()).unwrap_or(0);
        Some(Self { portals, iqn, lun })
    }
}

/// An address with its port, as URLs write it.
pub(super) fn socket(address: &str, port: i64) -> String {
    let bare = address.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portals(addresses: &[&str]) -> Portals {
        Portals {
            prefix: "iqn.2010-10.org.openstack:".to_owned(),
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            port: 3260,
            discard: false,
        }
    }

    fn chap() -> Credentials {
        Credentials { user: "name".to_owned(), secret: "secret".to_owned() }
    }

    #[test]
    fn an_export_is_recorded_and_told_as_cinder_does() {
        let portals = portals(&["10.0.0.1"]);
        let export = portals.export("volume-a", 3, 1, &chap());
        assert_eq!(export.location, "10.0.0.1:3260,3 iqn.2010-10.org.openstack:volume-a 1");
        assert_eq!(export.auth.as_deref(), Some("CHAP name secret"));
        let told = portals.connection(&export, &json!({"multipath": false})).unwrap();
        assert_eq!(told.driver_volume_type, "iscsi");
        let expected = json!({
            "target_discovered": false, "target_portal": "10.0.0.1:3260", "target_lun": 1,
            "target_iqn": "iqn.2010-10.org.openstack:volume-a",
            "auth_method": "CHAP", "auth_username": "name", "auth_password": "secret",
        });
        assert_eq!(Json::Object(told.data), expected);
    }

    #[test]
    fn several_paths_are_told_where_there_are_some_and_where_the_host_wants_a_list() {
        let both = portals(&["10.0.0.1", "fd00::1"]);
        let told = both.connection(&both.export("volume-a", 1, 1, &chap()), &json!({})).unwrap().data;
        assert_eq!(told["target_portals"], json!(["10.0.0.1:3260", "[fd00::1]:3260"]));
        assert_eq!((&told["target_luns"], &told["target_portal"]), (&json!([1, 1]), &json!("10.0.0.1:3260")));
        let one = portals(&["10.0.0.1"]);
        let told = one.connection(&one.export("volume-a", 1, 1, &chap()), &json!({"multipath": true})).unwrap().data;
        assert_eq!(told["target_iqns"], json!(["iqn.2010-10.org.openstack:volume-a"]));
    }

    #[test]
    fn what_other_drivers_record_is_no_target() {
        for location in ["", "server:/share", "nbd://10.0.0.1:10809/volume-a", "10.0.0.1:3260,1"] {
            assert_eq!(Location::parse(location), None, "{location}");
        }
    }
}
