//! How the bytes of volumes reach other hosts: one export for each volume that somebody uses, however many hosts do. As
//! with drivers, each step may be repeated after it was done or broken off. Not here: which volumes are exported
//! (`volume/exports.rs`), and the ways that a driver has by itself (`Driver::connect`).

mod chap;
mod iscsi;
mod lio;
mod nbd;
mod tgt;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::drivers::{Connection, Format};
use crate::config::{Config, backend};
use crate::error::{Error, Result};

/// A volume whose bytes a target serves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served<'a> {
    /// Its name on the backend, which is also its name on the wire.
    pub(super) name: &'a str,
    /// Where this host opens it.
    pub(super) path: &'a Path,
    /// How its bytes are laid out there.
    pub(super) format: Format,
}

/// What is kept of an export in the row of its volume, so that it can be made again as hosts know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Export {
    /// Where it is: the column `provider_location`.
    pub(super) location: String,
    /// What a host has to say: the column `provider_auth`.
    pub(super) auth: Option<String>,
}

/// An export that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Serving {
    /// The name of the volume.
    pub(super) name: String,
    /// What is served, as far as the export was made.
    pub(super) path: Option<PathBuf>,
    /// Whether hosts can use it.
    pub(super) whole: bool,
}

/// A protocol and the program that speaks it. Errors are of kind [`Unavailable`](crate::Kind::Unavailable), with a text
/// that says what an operator has to look at, where nothing else is said.
pub(super) trait Target: Send + Sync {
    /// The protocol as pools report it (`storage_protocol`).
    fn protocol(&self) -> &'static str;

    /// Whether hosts can be told of a larger volume while they use it.
    fn online_extend(&self) -> bool;

    /// Whether the program can be worked with.
    fn check(&self) -> Result<()>;

    /// Refuses what this target can not serve to the host that `connector` describes.
    ///
    /// # Errors
    /// `Invalid` where the connector lacks something; `Unavailable` for a format that the target does not read.
    fn admit(&self, format: Format, connector: &Json) -> Result<()>;

    /// Whether an export was made by a target like this one.
    fn knows(&self, export: &Export) -> bool;

    /// Makes the export of a volume of whose export nothing is recorded. What is there under its name was broken off, or
    /// nobody was told of it, and goes first. Leaves nothing behind where it fails.
    fn create(&self, served: Served<'_>) -> Result<Export>;

    /// Makes sure that a recorded export is there, as hosts know it.
    fn restore(&self, served: Served<'_>, export: &Export) -> Result<()>;

    /// Serves the volume at the length that it has now.
    fn grow(&self, served: Served<'_>, export: &Export) -> Result<()>;

    /// Ends an export, also while hosts use it; one that is not there is no error.
    fn remove(&self, name: &str) -> Result<()>;

    /// How the host that `connector` describes reaches the volume.
    fn connection(&self, export: &Export, connector: &Json) -> Result<Connection>;

    /// Every export that could be one of this target.
    fn serving(&self) -> Result<Vec<Serving>>;
}

/// The target that section `backend` of the configuration names; `None` where volumes are reached in the driver's own way,
/// which is `own` where the section says nothing.
///
/// # Errors
/// `Invalid` where there is no such target, or where its options are wrong.
pub(super) fn open(config: &Config, section: &str, own: Option<&str>) -> Result<Option<Arc<dyn Target>>> {
    let protocol = config.opt_text_in(section, &backend::TARGET_PROTOCOL).filter(|text| !text.is_empty()).or(own);
    let helper = config.text_in(section, &backend::TARGET_HELPER);
    match (protocol, helper) {
        (None | Some("local"), _) => Ok(None),
        (Some("iscsi"), "tgtadm") => Ok(Some(Arc::new(tgt::Tgt::open(config, section)))),
        (Some("iscsi"), "lioadm") => Ok(Some(Arc::new(lio::Lio::open(config, section)))),
        (Some("nbd"), _) => Ok(Some(Arc::new(nbd::Nbd::open(config, section)?))),
        (Some("iscsi"), helper) => {
            Err(Error::invalid(format!("[{section}] target_helper = {helper}: allowed: tgtadm, lioadm.")))
        }
        (Some(protocol), _) => {
            Err(Error::invalid(format!("[{section}] target_protocol = {protocol}: allowed: iscsi, nbd, local.")))
        }
    }
}
