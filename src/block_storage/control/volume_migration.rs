//! Moving a volume to another backend that an operator names, and the end of a move whose content somebody else has copied.

use super::authorized::no_volume;
use super::refusals::invalid_volume;
use super::services::down_time_seconds;
use super::volume_connections::{self, Attached};
use super::{Authorized, Caller, limits};
use crate::block_storage::model::pool::service_host;
use crate::block_storage::model::service::{Service, VOLUME};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{MIGRATE, MIGRATE_LOCKED, MIGRATE_LOCKED_ATTACHED, Status, Volume};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{attachments, moves, services, type_charges, workers};
use crate::block_storage::{rpc, store};
use crate::database::{Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Where a volume is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `host@backend`, with or without its pool.
    Host(String),
    /// The name of a cluster.
    Cluster(String),
}

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Where the volume is to go.
    pub to: Place,
    /// Whether nobody may use it meanwhile.
    pub lock: bool,
}

/// Orders that a volume moves to another backend.
///
/// # Errors
/// [`crate::Kind::Invalid`] where no service of that name is up and takes volumes, [`crate::Kind::InvalidState`], those of the
/// database.
pub fn migrate(caller: &Caller<'_>, volume: &Authorized<Volume>, wanted: &Migration) -> Result<()> {
    let service = service(caller, &wanted.to)?;
    let (Place::Host(name) | Place::Cluster(name)) = &wanted.to;
    caller.database.write(|tx| {
        let now = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
        let elsewhere = match &service.cluster_name {
            Some(cluster) => now.cluster_name.as_ref() != Some(cluster),
            None => now.host.as_ref() != Some(name),
        };
        let rule = match (wanted.lock, now.status) {
            (false, _) => &MIGRATE,
            (true, Status::InUse) => &MIGRATE_LOCKED_ATTACHED,
            (true, _) => &MIGRATE_LOCKED,
        };
        let columns = [("migration_status", "starting".into()), ("previous_status", now.status.name().into())];
        if !elsewhere || now.host.is_none() || !store::volumes::begin(tx, &now.id, rule, &columns)? {
            return Err(invalid_volume(format!(
                "Volume {} status must be available or in-use, must not be migrating, have snapshots, be replicated, be \
                 part of a group and destination host/cluster must be different than the current one",
                now.id
            )));
        }
        let destination = match &wanted.to {
            Place::Host(host) => host,
            Place::Cluster(_) => &service.host,
        };
        rpc::migrate_volume(tx, &caller.requester(), &now, destination)
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// The service there, which must be up and take volumes.
fn service(caller: &Caller<'_>, to: &Place) -> Result<Service> {
    let all = caller.database.read(|c| services::list(c, None, Some(VOLUME)))?;
    let named = |service: &Service| match to {
        Place::Host(host) => service.host == service_host(host),
        Place::Cluster(name) => service.cluster_name.as_deref() == Some(service_host(name)),
    };
    let now = Timestamp::now();
    let up = |service: &Service| !service.disabled && service.is_up(now, down_time_seconds(caller.config));
    all.into_iter().find(|service| named(service) && up(service)).ok_or_else(|| {
        let (Place::Host(name) | Place::Cluster(name)) = to;
        Error::invalid(format!("Invalid host: No available service named '{name}'"))
    })
}

/// Ends the move of a volume whose content was copied to the disk of `new`, or could not be: by a server that uses it. Which of
/// the two the server is to use from now on.
///
/// # Errors
/// [`crate::Kind::InvalidState`] where `new` is not made for this move, those of the database.
pub fn complete(
    caller: &Caller<'_>,
    volume: &Authorized<Volume>,
    new: &Authorized<Volume>,
    failed: bool,
) -> Result<String> {
    if volume.migration_status.is_none() && new.migration_status.is_none() {
        if !failed {
            hand_over(caller, volume, new)?;
        }
        return Ok(new.id.clone());
    }
    caller.database.write(|tx| {
        // Always in this order, whoever is first.
        let volume = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
        let new = store::volumes::lock(tx, &new.id)?.ok_or_else(|| no_volume(&new.id))?;
        check(&volume, &new)?;
        if failed {
            moves::break_off(tx, &caller.requester(), &volume, &new)
        } else {
            exchange(tx, caller, &volume, &new)
        }
    })?;
    caller.doorbell.ring();
    Ok(volume.id.clone())
}

/// A server has exchanged two volumes that nobody moves: its attachments follow.
fn hand_over(caller: &Caller<'_>, volume: &Authorized<Volume>, new: &Authorized<Volume>) -> Result<()> {
    for one in caller.database.read(|c| attachments::of_volume(c, &volume.id))? {
        volume_connections::detach(caller, volume, Some(&one.attachment.id))?;
        let attached = Attached {
            instance_uuid: one.attachment.instance_uuid,
            host_name: one.attachment.attached_host,
            mountpoint: one.attachment.mountpoint.unwrap_or_default(),
            mode: "rw".to_owned(),
        };
        volume_connections::attach(caller, new, &attached)?;
    }
    Ok(())
}

fn check(volume: &Volume, new: &Volume) -> Result<()> {
    if volume.migration_status.is_none() {
        return Err(invalid_volume("Source volume not mid-migration."));
    }
    let Some(status) = &new.migration_status else {
        return Err(invalid_volume("Destination volume not mid-migration."));
    };
    let expected = moves::target_of(&volume.id);
    if *status != expected {
        return Err(invalid_volume(format!("Destination has migration_status {status}, expected {expected}.")));
    }
    Ok(())
}

/// The volume gets the new disk, and the row of the new volume goes with the old one.
fn exchange(tx: &mut Transaction<'_>, caller: &Caller<'_>, volume: &Volume, new: &Volume) -> Result<()> {
    if volume.volume_type_id != new.volume_type_id {
        type_charges::exchange(tx, volume, &new.volume_type_id, &limits::configured(caller.config))?;
    }
    let status = volume.previous_status.unwrap_or(volume.status);
    let own: [(&str, Value<'_>); 5] = [
        ("status", status.name().into()),
        ("previous_status", volume.status.name().into()),
        ("migration_status", "success".into()),
        ("volume_type_id", (&new.volume_type_id).into()),
        ("multiattach", new.multiattach.into()),
    ];
    let columns: Vec<_> = own.into_iter().chain(disk(new)).collect();
    store::volumes::change(tx, &volume.id, &columns)?;
    workers::end(tx, workers::VOLUME, &volume.id)?;
    let was = format!("migration src for {}", volume.id);
    let gone: Vec<_> = disk(volume).into_iter().chain([("display_description", (&was).into())]).collect();
    exchange_administrators_metadata(tx, &volume.id, &new.id)?;
    attachments::remove_all(tx, &volume.id)?;
    attachments::pass_on(tx, &new.id, &volume.id)?;
    attachments::settle(tx, &volume.id)?;
    let old = Volume { host: volume.host.clone(), ..new.clone() };
    moves::leave(tx, &caller.requester(), &old, &gone)
}

/// What a row says of the disk.
fn disk(of: &Volume) -> Vec<(&'static str, Value<'_>)> {
    vec![
        ("host", (&of.host).into()),
        ("cluster_name", (&of.cluster_name).into()),
        ("availability_zone", (&of.availability_zone).into()),
        ("service_uuid", (&of.service_uuid).into()),
        ("_name_id", of.disk_id().into()),
        ("provider_location", (&of.provider_location).into()),
        ("provider_auth", (&of.provider_auth).into()),
        ("provider_id", (&of.provider_id).into()),
        ("encryption_key_id", (&of.encryption_key_id).into()),
        ("shared_targets", of.shared_targets.into()),
    ]
}

/// What administrators' metadata say belongs to the disk, as its format does.
fn exchange_administrators_metadata(tx: &mut Transaction<'_>, one: &str, other: &str) -> Result<()> {
    let ones = metadata::of(tx, Table::VolumeAdmin, one)?;
    let others = metadata::of(tx, Table::VolumeAdmin, other)?;
    metadata::replace(tx, Table::VolumeAdmin, one, &others)?;
    metadata::replace(tx, Table::VolumeAdmin, other, &ones)
}
