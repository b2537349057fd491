//! Which volumes of a backend are exported: those whose rows say so, and no others. A volume is exported when the first
//! host asks for it, and its row tells where from then on; the export ends with the last of those who use it. Whatever
//! ends between the two steps is put right by [`ensure`], at each start and with each report, which also brings back
//! what a target daemon forgot. Not here: how a volume is exported (`targets/`).

use serde_json::{Value as Json, json};

use super::backends::Backend;
use super::drivers::{Connection as Way, Format, Stored};
use super::settings::Names;
use super::targets::{Export, Served, Serving, Target};
use super::{Place, Shared};
use crate::block_storage::model::attachment::AttachmentDetails;
use crate::block_storage::model::volume::{AttachStatus, Volume};
use crate::block_storage::store::volumes;
use crate::database::{Connection, Transaction, Value};
use crate::error::Result;

/// The export that the row of a volume tells of, where it is one of this target.
fn recorded(target: &dyn Target, volume: &Volume) -> Option<Export> {
    let location = volume.provider_location.clone().filter(|location| !location.is_empty())?;
    let export = Export { location, auth: volume.provider_auth.clone() };
    target.knows(&export).then_some(export)
}

/// Whether a volume is exported, so that a host may be writing to it.
pub(super) fn is_exported(backend: &Backend, volume: &Volume) -> bool {
    backend.target.as_ref().is_some_and(|target| recorded(&**target, volume).is_some())
}

/// Makes a volume reachable, and says how it is reached; with it, what is new and must be recorded.
///
/// # Errors
/// Those of the target and of the driver; `Invalid` where the connector lacks something.
pub(super) fn connect(
    backend: &Backend,
    volume: &Volume,
    stored: Stored<'_>,
    connector: &Json,
) -> Result<(Way, Option<Export>)> {
    let Some(target) = &backend.target else { return Ok((backend.driver.connect(stored, connector)?, None)) };
    target.admit(stored.format, connector)?;
    let path = backend.driver.local_path(stored.name)?;
    let served = Served { name: stored.name, path: &path, format: stored.format };
    let (export, is_new) = match recorded(&**target, volume) {
        Some(export) => (target.restore(served, &export).map(|()| export)?, false),
        None => (target.create(served)?, true),
    };
    let mut way = target.connection(&export, connector)?;
    way.data.insert("volume_id".to_owned(), json!(volume.id));
    Ok((way, is_new.then_some(export)))
}

/// Notes a new export in the row of its volume.
///
/// # Errors
/// Those of the database.
pub(super) fn record(tx: &mut Transaction<'_>, volume_id: &str, export: &Export) -> Result<()> {
    let columns = [("provider_location", (&export.location).into()), ("provider_auth", (&export.auth).into())];
    volumes::change(tx, volume_id, &columns).map(|_| ())
}

/// Whether nobody but `attachment_id` uses a volume.
pub(super) fn is_last(all: &[AttachmentDetails], attachment_id: Option<&str>) -> bool {
    let uses = |one: &AttachmentDetails| one.is_connected() || one.status == AttachStatus::Attached;
    !all.iter().any(|one| Some(one.attachment.id.as_str()) != attachment_id && uses(one))
}

/// Ends the export of a volume that nobody uses any more. Whether its row has to be [told](forget).
///
/// # Errors
/// Those of the target.
pub(super) fn end(backend: &Backend, name: &str, volume: &Volume) -> Result<bool> {
    match &backend.target {
        Some(target) => target.remove(name).map(|()| recorded(&**target, volume).is_some()),
        None => Ok(false),
    }
}

/// Takes the export out of the row of its volume.
///
/// # Errors
/// Those of the database.
pub(super) fn forget(tx: &mut Transaction<'_>, volume_id: &str) -> Result<()> {
    let columns = [("provider_location", Value::Null), ("provider_auth", Value::Null)];
    volumes::change(tx, volume_id, &columns).map(|_| ())
}

/// Serves a volume that has grown at its new length, where it is exported.
///
/// # Errors
/// Those of the target and of the driver.
pub(super) fn grow(backend: &Backend, volume: &Volume, stored: Stored<'_>) -> Result<()> {
    let Some(target) = &backend.target else { return Ok(()) };
    let Some(export) = recorded(&**target, volume) else { return Ok(()) };
    let path = backend.driver.local_path(stored.name)?;
    target.grow(Served { name: stored.name, path: &path, format: stored.format }, &export)
}

/// What the rows tell of the exports of a backend: name, format and export of each volume.
fn wanted(c: &mut Connection, target: &dyn Target, host: &str, names: &Names) -> Result<Vec<(String, Format, Export)>> {
    let mut wanted = Vec::new();
    for volume in volumes::located(c, host)? {
        if let Some(export) = recorded(target, &volume) {
            wanted.push((names.volume(volume.disk_id()), super::format_of(c, &volume)?, export));
        }
    }
    Ok(wanted)
}

/// How the exports of a backend differ from those that the rows tell of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Names of volumes that are exported by their rows alone.
    pub missing: Vec<String>,
    /// Names of volumes that are exported, and not by their rows.
    pub strays: Vec<String>,
}

/// Compares the exports of a backend with its rows, and changes neither.
///
/// # Errors
/// Where the target does not answer, those of the database.
pub(super) fn differences(c: &mut Connection, target: &dyn Target, place: &Place) -> Result<Differences> {
    let wanted = wanted(c, target, &place.host, &place.names)?;
    let serving = target.serving()?;
    let own = |one: &&Serving| one.path.is_some() && one.path == place.driver.local_path(&one.name).ok();
    let there: Vec<&str> = serving.iter().filter(own).map(|one| &*one.name).collect();
    let missing = wanted.iter().map(|(name, ..)| name).filter(|name| !there.contains(&name.as_str()));
    let stray = |name: &&&str| place.names.fit(name) && !wanted.iter().any(|(known, ..)| known == **name);
    Ok(Differences {
        missing: missing.cloned().collect(),
        strays: there.iter().filter(stray).map(|name| (*name).to_owned()).collect(),
    })
}

/// Makes the exports of a backend those that the rows tell of: brings back what is missing, ends what nobody knows of.
/// What can not be brought back is told to the log, and tried again by the next call.
///
/// # Errors
/// Where the target does not answer, those of the database.
pub(super) fn ensure(shared: &Shared, backend: &Backend) -> Result<()> {
    let Some(target) = &backend.target else { return Ok(()) };
    // No order makes or ends an export between the look at the rows and that at the target.
    let _still = backend.hold_exports();
    let wanted = shared.database.read(|c| wanted(c, &**target, &backend.host, &shared.settings.names))?;
    let serving = target.serving()?;
    for (name, format, export) in &wanted {
        let path = backend.driver.local_path(name)?;
        let is_there = serving.iter().any(|one| one.whole && one.name == *name && one.path.as_ref() == Some(&path));
        if is_there {
            continue;
        }
        match target.restore(Served { name, path: &path, format: *format }, export) {
            Ok(()) => log::warn!("{}: the export of {name} was gone and is there again", backend.host),
            Err(error) => log::error!("{}: the export of {name} is gone and can not be made: {error}", backend.host),
        }
    }
    for one in serving.iter().filter(|one| shared.settings.names.fit(&one.name)) {
        // Other backends, and other services, may have the same daemon: what they serve lies elsewhere.
        let own = one.path.is_some() && one.path == backend.driver.local_path(&one.name).ok();
        if own && !wanted.iter().any(|(name, ..)| *name == one.name) {
            target.remove(&one.name)?;
            log::warn!("{}: nobody knew of the export of {}, and it is removed", backend.host, one.name);
        }
    }
    Ok(())
}
