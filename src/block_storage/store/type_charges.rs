//! What a volume and its snapshots count for under their type, and how that moves to another type: charged under the new one
//! when the move is ordered, so that its limits hold, and taken from the old one when the volume has moved. A project's
//! counts of all types together do not change.

use std::collections::BTreeMap;

use super::quotas::{self, Charge};
use super::snapshots;
use crate::block_storage::model::quota::Limits;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::work::Charged;
use crate::database::{Connection, Transaction};
use crate::error::Result;

/// Charges every project that pays for the volume or for a snapshot of it under the new type; what was charged.
///
/// # Errors
/// [`crate::Kind::OverQuota`], those of the database.
pub fn begin(tx: &mut Transaction<'_>, volume: &Volume, new_type_id: &str, limits: &Limits) -> Result<Vec<Charged>> {
    let charged = of_volume(tx, volume, limits.snapshots_without_gigabytes)?;
    for part in &charged {
        let charge = Charge { asked_gib: Some(volume.size_gib), ..charge(part, new_type_id) };
        quotas::charge(tx, &charge, limits)?;
    }
    Ok(charged)
}

/// Gives back what [`begin`] charged: the volume keeps its type.
///
/// # Errors
/// Those of the database.
pub fn release(tx: &mut Transaction<'_>, new_type_id: &str, charged: &[Charged], limits: &Limits) -> Result<()> {
    charged.iter().try_for_each(|part| quotas::charge(tx, &charge(&times(part, -1), new_type_id), limits))
}

/// Takes from the old type what the volume and its snapshots are now, and gives back what was charged for snapshots that have
/// gone meanwhile. Call it before the statement that gives the volume its new type.
///
/// # Errors
/// Those of the database.
pub fn finish(
    tx: &mut Transaction<'_>,
    volume: &Volume,
    new_type_id: &str,
    charged: &[Charged],
    limits: &Limits,
) -> Result<()> {
    let now = of_volume(tx, volume, limits.snapshots_without_gigabytes)?;
    for part in &now {
        quotas::charge(tx, &charge(&times(part, -1), &volume.volume_type_id), limits)?;
    }
    for part in charged {
        let kept = now.iter().find(|kept| kept.project_id == part.project_id);
        let gone = kept.map_or_else(|| part.clone(), |kept| minus(part, kept));
        quotas::charge(tx, &charge(&times(&gone, -1), new_type_id), limits)?;
    }
    Ok(())
}

/// Counts a volume that has another type already under that one, and no longer under its old one. Call it before the statement
/// that gives the volume its new type.
///
/// # Errors
/// Those of the database.
pub fn exchange(tx: &mut Transaction<'_>, volume: &Volume, new_type_id: &str, limits: &Limits) -> Result<()> {
    for part in of_volume(tx, volume, limits.snapshots_without_gigabytes)? {
        quotas::charge(tx, &Charge { unlimited: true, ..charge(&part, new_type_id) }, limits)?;
        quotas::charge(tx, &charge(&times(&part, -1), &volume.volume_type_id), limits)?;
    }
    Ok(())
}

/// What projects pay for a volume and for its snapshots.
fn of_volume(c: &mut Connection, volume: &Volume, snapshots_without_gigabytes: bool) -> Result<Vec<Charged>> {
    let mut found: BTreeMap<String, Charged> = BTreeMap::new();
    let mut add = |project_id: &str, volumes: i64, snapshots: i64, gigabytes: i64| {
        let none = || Charged { project_id: project_id.to_owned(), volumes: 0, snapshots: 0, gigabytes: 0 };
        let part = found.entry(project_id.to_owned()).or_insert_with(none);
        part.volumes += volumes;
        part.snapshots += snapshots;
        part.gigabytes += gigabytes;
    };
    if volume.use_quota {
        add(&volume.project_id, 1, 0, volume.size_gib);
    }
    for snapshot in snapshots::of_volume(c, &volume.id)?.iter().filter(|snapshot| snapshot.use_quota) {
        let gib = if snapshots_without_gigabytes { 0 } else { snapshot.volume_size_gib };
        add(&snapshot.project_id, 0, 1, gib);
    }
    Ok(found.into_values().collect())
}

fn charge<'a>(part: &'a Charged, type_id: &'a str) -> Charge<'a> {
    Charge {
        project_id: &part.project_id,
        volume_type_id: Some(type_id),
        type_alone: true,
        volumes: part.volumes,
        snapshots: part.snapshots,
        gigabytes: part.gigabytes,
        ..Charge::default()
    }
}

fn times(part: &Charged, factor: i64) -> Charged {
    Charged {
        project_id: part.project_id.clone(),
        volumes: part.volumes * factor,
        snapshots: part.snapshots * factor,
        gigabytes: part.gigabytes * factor,
    }
}

fn minus(part: &Charged, other: &Charged) -> Charged {
    Charged {
        project_id: part.project_id.clone(),
        volumes: part.volumes - other.volumes,
        snapshots: part.snapshots - other.snapshots,
        gigabytes: part.gigabytes - other.gigabytes,
    }
}
