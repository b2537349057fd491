//! What lies on a backend: lists of it, and taking it over as a volume or a snapshot.

use serde_json::Value as Json;

use super::services::down_time_seconds;
use super::snapshots::{self, NewSnapshot};
use super::{Authorized, Caller, types};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::service::{Service, VOLUME};
use crate::block_storage::model::snapshot::SnapshotDetails;
use crate::block_storage::model::volume::{AttachStatus, Status, Volume, VolumeDetails};
use crate::block_storage::store::metadata::Table;
use crate::block_storage::{rpc, store};
use crate::config::default as options;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// One backend, or one of a cluster, as the caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// `host@backend`, with or without its pool.
    Host(String),
    /// The name of a cluster.
    Cluster(String),
}

/// The service there, which must be up.
fn service(caller: &Caller<'_>, place: &Where) -> Result<Service> {
    let found = caller.database.read(|c| match place {
        Where::Host(host) => store::services::find(c, service_host(host), VOLUME),
        Where::Cluster(name) => {
            let name = service_host(name);
            let all = store::services::list(c, None, Some(VOLUME))?;
            Ok(all.into_iter().find(|service| service.cluster_name.as_deref() == Some(name)))
        }
    })?;
    let found = found.ok_or_else(|| {
        let on = match place {
            Where::Host(host) => format!("on host {}", service_host(host)),
            Where::Cluster(name) => format!("in cluster {name}"),
        };
        Error::not_found(format!("Service {VOLUME} could not be found {on}."))
    })?;
    if found.disabled || !found.is_up(Timestamp::now(), down_time_seconds(caller.config)) {
        return Err(Error::invalid("Service is unavailable at this time."));
    }
    Ok(found)
}

/// Everything that lies there and could be a volume or a snapshot, as the driver tells it.
///
/// # Errors
/// [`crate::Kind::NotFound`] for an unknown place, [`crate::Kind::Invalid`] where its service is disabled or down,
/// what its service says, those of the database.
pub fn list(caller: &Caller<'_>, place: &Where, of_snapshots: bool) -> Result<Vec<Json>> {
    let host = service(caller, place)?.host;
    let ticket = caller.database.write(|tx| rpc::list_manageable(tx, &caller.requester(), &host, of_snapshots))?;

    match super::attachments::wait(caller, &ticket)? {
        Json::Array(list) => Ok(list),
        _ => Err(Error::internal("a volume service told no list")),
    }
}

/// What the caller wants to take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewManaged {
    /// Where it lies.
    pub place: Where,
    /// Its name there; empty where the caller gives none, which the volume service then refuses.
    pub file: String,
    /// Name of the volume.
    pub name: Option<String>,
    /// Description of the volume.
    pub description: Option<String>,
    /// Its type, by id or name; `None` takes the default one.
    pub volume_type: Option<String>,
    /// Its metadata.
    pub metadata: Vec<(String, String)>,
    /// Its availability zone; `None` takes that of the service.
    pub availability_zone: Option<String>,
    /// Whether machines may start from it.
    pub bootable: bool,
}

/// Takes over a file as a volume. Whether the caller may has been asked before.
///
/// # Errors
/// [`crate::Kind::Invalid`] for a type that does not exist or is encrypted and for a file that is a volume already,
/// where the service is missing, disabled or down; those of the database.
pub fn volume(caller: &Caller<'_>, new: &NewManaged) -> Result<VolumeDetails> {
    let named = new.volume_type.as_deref().filter(|text| !text.is_empty());
    let named = named.map(|text| {
        types::resolve(caller, text)
            .map_err(|_| Error::invalid(format!("Invalid volume type: Cannot find requested '{text}' volume type")))
    });
    let named = named.transpose()?;
    let template = caller.config.text(&options::VOLUME_NAME_TEMPLATE);
    let (before, after) = template.split_once("%s").unwrap_or((template, ""));
    if let Some(id) = new.file.strip_prefix(before).and_then(|rest| rest.strip_suffix(after))
        && caller.database.read(|c| store::volumes::by_id(c, id))?.is_some()
    {
        return Err(Error::invalid("Unable to manage existing volume. The volume is already managed"));
    }
    let volume_type = match named {
        Some(named) => named,
        None => types::default_type(caller)?,
    };
    if caller.database.read(|c| store::encryption::find(c, &volume_type.id))?.is_some() {
        return Err(Error::invalid("Managing to an encrypted volume type is not supported."));
    }
    let service = service(caller, &new.place).map_err(|error| match (error.kind(), &new.place) {
        (crate::Kind::NotFound, Where::Host(host)) => Error::invalid(format!("Host '{host}' not found")),
        (crate::Kind::NotFound, Where::Cluster(name)) => Error::invalid(format!("Cluster '{name}' not found")),
        _ => error,
    })?;
    let host = match &new.place {
        Where::Host(host) if host.contains('#') => host.clone(),
        _ => service.host.clone(),
    };
    let volume = Volume {
        id: uuid::Uuid::new_v4().to_string(),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: new.name.clone(),
        description: new.description.clone(),
        size_gib: 0,
        status: Status::Managing,
        previous_status: None,
        attach_status: AttachStatus::Detached,
        migration_status: None,
        replication_status: None,
        host: Some(host),
        cluster_name: service.cluster_name.clone(),
        service_uuid: None,
        availability_zone: new.availability_zone.clone().or(service.availability_zone),
        volume_type_id: volume_type.id.clone(),
        snapshot_id: None,
        source_volid: None,
        group_id: None,
        consistencygroup_id: None,
        name_id: None,
        provider_location: None,
        provider_auth: None,
        provider_id: None,
        encryption_key_id: None,
        bootable: new.bootable,
        multiattach: volume_type.is_multiattach(),
        shared_targets: Some(true),
        use_quota: true,
    };
    caller.database.write(|tx| {
        store::volumes::insert(tx, &volume)?;
        store::metadata::merge(tx, Table::Volume, &volume.id, &new.metadata)?;
        rpc::manage_volume(tx, &caller.requester(), &volume, &new.file)
    })?;
    caller.doorbell.ring();
    let details = VolumeDetails::bare(volume, Some(volume_type.name));
    Ok(VolumeDetails { metadata: new.metadata.clone(), ..details })
}

/// Takes over a file as a snapshot of `volume`, on whose backend it lies. Whether the caller may has been asked before.
///
/// # Errors
/// As [`volume`], and those of a new snapshot.
pub fn snapshot(
    caller: &Caller<'_>,
    volume: &Authorized<Volume>,
    new: &NewSnapshot,
    file: &str,
) -> Result<SnapshotDetails> {
    service(caller, &Where::Host(volume.host.clone().unwrap_or_default()))?;
    snapshots::manage(caller, volume, new, file)
}
