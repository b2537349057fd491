//! What operators and callers do to one group besides changing and removing it: its status, and its replication, which no
//! driver has yet (Block Storage API v3, "Generic volume groups").

use super::groups::volume_types;
use super::refusals::{invalid_group, invalid_volume, list};
use super::{Authorized, Caller};
use crate::block_storage::model::group::{Group, Status};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{self, Volume};
use crate::block_storage::store;
use crate::database::Transaction;
use crate::error::{Error, Result};

/// Sets what an operator says. Nobody works on the group any more then.
///
/// # Errors
/// Those of the database.
pub fn reset_status(caller: &Caller<'_>, group: &Authorized<Group>, status: Status) -> Result<()> {
    caller.database.write(|tx| {
        store::groups::lock(tx, &group.id)?;
        store::groups::change(tx, &group.id, &[("status", status.name().into())])?;
        caller.notices().group_reset(tx, &group.id, status.name())?;
        store::workers::end(tx, store::workers::GROUP, &group.id)
    })
}

/// Something that is asked of the replication of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// That it begins.
    Enable,
    /// That it ends.
    Disable,
    /// That the other site takes over.
    Failover {
        /// Although volumes are attached.
        attached: bool,
    },
}

impl Replication {
    fn words(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Failover { .. } => "failover",
        }
    }

    /// The statuses of the group.
    fn from(self) -> &'static [Status] {
        match self {
            Self::Disable => &[Status::Available, Status::Error],
            _ => &[Status::Available],
        }
    }

    /// The replication statuses of group and volumes.
    fn replication_from(self) -> [&'static str; 2] {
        match self {
            Self::Enable => ["disabled", "enabled"],
            Self::Disable => ["enabled", "error"],
            Self::Failover { .. } => ["enabled", "failed-over"],
        }
    }
}

/// Refuses groups and volumes whose types do not ask for replication.
///
/// # Errors
/// [`crate::Kind::Invalid`] with Cinder's texts, those of the database.
pub fn refuse_unreplicated(caller: &Caller<'_>, group: &Authorized<Group>) -> Result<()> {
    let all = store::volume_types::Eyes::All;
    let group_type = caller.database.read(|c| store::group_types::find(c, &group.group_type_id, all))?;
    if !group_type.is_some_and(|found| found.is_replicated()) {
        let id = &group.id;
        return Err(Error::invalid(format!("Invalid group type: Group {id} is not a replication group type.")));
    }
    let lacking = |found: &crate::block_storage::model::volume_type::VolumeType| {
        found.extra_spec("replication_enabled") != Some("<is> True")
    };
    match volume_types(caller, group)?.into_iter().find(lacking) {
        Some(found) => Err(Error::invalid(format!(
            "Invalid volume type: Volume type {} does not have 'replication_enabled' spec key set to '<is> True'.",
            found.id
        ))),
        None => Ok(()),
    }
}

/// Asks something of the replication of a group. No driver replicates, so what is asked fails at once: the replication
/// status of the group and of its volumes is `error` then, as a driver that fails leaves it.
///
/// # Errors
/// [`crate::Kind::Invalid`], [`crate::Kind::InvalidState`] with Cinder's texts, those of the database.
pub fn replicate(caller: &Caller<'_>, group: &Authorized<Group>, what: Replication) -> Result<()> {
    refuse_unreplicated(caller, group)?;
    let id = &group.id;
    caller.database.write(|tx| {
        let now = store::groups::lock(tx, id)?.ok_or_else(|| super::authorized::no_group(id))?;
        let members = store::groups::lock_volumes(tx, id)?;
        refuse_status(&now, &members, what)?;
        fail(tx, &now, &members)
    })?;
    log::error!("group {id}: {} replication: its backend does not replicate", what.words());
    Ok(())
}

fn refuse_status(group: &Group, members: &[Volume], what: Replication) -> Result<()> {
    let verb = what.words();
    let text = |noun: &str, id: &str, status: &str, valid: String, current: &str| {
        format!("{noun} {id} {status} must be {valid}, but current status is: {current}. Cannot {verb} replication.")
    };
    let valid = list(what.from().iter().map(|status| status.name()));
    if !what.from().contains(&group.status) {
        return Err(invalid_group(text("Group", &group.id, "status", valid, group.status.name())));
    }
    let replicated = |status: &Option<String>| status.as_deref().unwrap_or("None").to_owned();
    let unfit = |status: &str| !what.replication_from().contains(&status);
    let valid = || list(what.replication_from());
    let current = replicated(&group.replication_status);
    if unfit(&current) {
        return Err(invalid_group(text("Group", &group.id, "replication status", valid(), &current)));
    }
    for volume in members {
        let idle = [volume::Status::Available, volume::Status::InUse];
        if what != Replication::Disable && !idle.contains(&volume.status) {
            let valid = list(idle.iter().map(|status| status.name()));
            return Err(invalid_volume(text("Volume", &volume.id, "status", valid, volume.status.name())));
        }
        if what == (Replication::Failover { attached: false }) && volume.status == volume::Status::InUse {
            return Err(invalid_volume(format!(
                "Volume {} is attached but allow_attached_volume flag is False. Cannot failover replication.",
                volume.id
            )));
        }
        let current = replicated(&volume.replication_status);
        if unfit(&current) {
            return Err(invalid_volume(text("Volume", &volume.id, "replication status", valid(), &current)));
        }
    }
    Ok(())
}

fn fail(tx: &mut Transaction<'_>, group: &Group, members: &[Volume]) -> Result<()> {
    let error = [("replication_status", "error".into())];
    for volume in members {
        store::volumes::change(tx, &volume.id, &error)?;
    }
    store::groups::change(tx, &group.id, &error).map(|_| ())
}
