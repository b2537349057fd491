//! Objects that the caller may do something to. There is no other way to such a value than to load the object and to ask
//! the rules, and what changes objects takes nothing else.

use std::ops::Deref;

use super::Caller;
use crate::block_storage::model::attachment::AttachmentDetails;
use crate::block_storage::model::backup::Backup;
use crate::block_storage::model::group::Group;
use crate::block_storage::model::group_snapshot::GroupSnapshot;
use crate::block_storage::model::message::Message;
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::transfer::Transfer;
use crate::block_storage::model::volume::{Standing, Volume, VolumeDetails};
use crate::block_storage::policies;
use crate::block_storage::store;
use crate::error::{Error, Result};
use crate::identity::policy::{Rule, Target};

/// An object that was loaded and that the rules let the caller have.
#[derive(Debug, Clone)]
pub struct Authorized<T>(T);

impl<T> Deref for Authorized<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Authorized<Volume> {
    /// The volume with this id, if the caller may see it and `rules` hold. Who may not see it learns nothing of it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        Self::find(caller, id)?.check_seen(caller, rules)
    }

    /// As [`Authorized::load`], for operators' actions that ask one rule alone.
    ///
    /// # Errors
    /// As [`Authorized::load`].
    pub fn load_unseen(caller: &Caller<'_>, id: &str, rule: &Rule) -> Result<Self> {
        Self::find(caller, id)?.check_all(caller, &[rule])
    }

    /// As [`Authorized::load`], but who may not see a volume of its own project is told so.
    ///
    /// # Errors
    /// As [`Authorized::load`].
    pub fn load_as_source(caller: &Caller<'_>, id: &str) -> Result<Self> {
        Self::find(caller, id)?.check_all(caller, &[&policies::volumes::GET])
    }

    fn find(caller: &Caller<'_>, id: &str) -> Result<Self> {
        let volume = caller.database.read(|c| store::volumes::by_id(c, id))?;
        volume.filter(|volume| caller.sees(&volume.project_id)).map(Self).ok_or_else(|| no_volume(id))
    }

    fn check_seen(self, caller: &Caller<'_>, rules: &[&Rule]) -> Result<Self> {
        check_seen(caller, &self.id, (&self.project_id, &self.user_id), rules)?;
        Ok(self)
    }

    fn check_all(self, caller: &Caller<'_>, rules: &[&Rule]) -> Result<Self> {
        for rule in rules {
            self.check(caller, rule)?;
        }
        Ok(self)
    }

    /// Asks one more rule about this volume.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] with the rule's name.
    pub fn check(&self, caller: &Caller<'_>, rule: &Rule) -> Result<()> {
        let target = Target { project_id: Some(&self.project_id), user_id: Some(&self.user_id), ..Target::default() };
        caller.policy.check(rule, caller.context, &target)
    }
}

impl Authorized<Standing> {
    /// What was found of the volume with this id, if the caller may see it and `rules` hold: for what is written to a volume at
    /// once, without reading it twice.
    ///
    /// # Errors
    /// As [`Authorized::load`] of a volume, but for those of the database.
    pub fn of(caller: &Caller<'_>, id: &str, found: Option<Standing>, rules: &[&Rule]) -> Result<Self> {
        let found = found.filter(|found| caller.sees(&found.project_id)).ok_or_else(|| no_volume(id))?;
        check_seen(caller, id, (&found.project_id, &found.user_id), rules)?;
        Ok(Self(found))
    }
}

impl Authorized<VolumeDetails> {
    /// As [`Authorized::load`] of a volume, with everything that its details show.
    ///
    /// # Errors
    /// As [`Authorized::load`] of a volume.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        let found = caller.database.read(|c| store::volume_details::one(c, id))?;
        let found = found.filter(|found| caller.sees(&found.volume.project_id)).ok_or_else(|| no_volume(id))?;
        check_seen(caller, id, (&found.volume.project_id, &found.volume.user_id), rules)?;
        Ok(Self(found))
    }
}

/// Refuses who may not see a volume of this project and this user, as if there were none, and whom `rules` refuse.
fn check_seen(caller: &Caller<'_>, id: &str, (project_id, user_id): (&str, &str), rules: &[&Rule]) -> Result<()> {
    let target = Target { project_id: Some(project_id), user_id: Some(user_id), ..Target::default() };
    if caller.policy.check(&policies::volumes::GET, caller.context, &target).is_err() {
        return Err(no_volume(id));
    }
    rules.iter().try_for_each(|rule| caller.policy.check(rule, caller.context, &target))
}

impl Authorized<Snapshot> {
    /// The snapshot with this id, if it is of the caller's project and the caller may see it, and `rules` hold.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for another project's, [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        Self::find(caller, id)?.check_all(caller, &[&policies::snapshots::GET])?.check_all(caller, rules)
    }

    /// As [`Authorized::load`], for actions that ask one rule alone.
    ///
    /// # Errors
    /// As [`Authorized::load`].
    pub fn load_unseen(caller: &Caller<'_>, id: &str, rule: &Rule) -> Result<Self> {
        Self::find(caller, id)?.check_all(caller, &[rule])
    }

    fn find(caller: &Caller<'_>, id: &str) -> Result<Self> {
        let snapshot = caller.database.read(|c| store::snapshots::by_id(c, id))?;
        snapshot.filter(|snapshot| caller.sees(&snapshot.project_id)).map(Self).ok_or_else(|| no_snapshot(id))
    }

    fn check_all(self, caller: &Caller<'_>, rules: &[&Rule]) -> Result<Self> {
        let target = Target { project_id: Some(&self.project_id), user_id: Some(&self.user_id), ..Target::default() };
        for rule in rules {
            caller.policy.check(rule, caller.context, &target)?;
        }
        Ok(self)
    }
}

impl Authorized<Backup> {
    /// The backup with this id, if it is of the caller's project and the caller may see it, and `rules` hold.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for another project's, [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        let backup = caller.database.read(|c| store::backups::by_id(c, id))?;
        let backup = backup.filter(|backup| caller.sees(&backup.project_id)).ok_or_else(|| no_backup(id))?;
        let target =
            Target { project_id: Some(&backup.project_id), user_id: Some(&backup.user_id), ..Target::default() };
        for rule in [&policies::backups::GET].iter().chain(rules) {
            caller.policy.check(rule, caller.context, &target)?;
        }
        Ok(Self(backup))
    }
}

impl Authorized<Message> {
    /// The message with this id, if it is of the caller's project and `rule` holds.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rule: &Rule) -> Result<Self> {
        let message = caller.database.read(|c| store::message_lists::by_id(c, id))?;
        let message = message.filter(|message| caller.sees(&message.project_id));
        let message = message.ok_or_else(|| store::message_lists::no_message(id))?;
        caller.policy.check(rule, caller.context, &Target::project(&message.project_id))?;
        Ok(Self(message))
    }
}

impl Authorized<AttachmentDetails> {
    /// The attachment with this id, if its volume is of the caller's project and `rule` holds of it.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rule: &Rule) -> Result<Self> {
        let found = caller.database.read(|c| store::attachments::by_id(c, id))?;
        let found = found.filter(|attachment| caller.sees(&attachment.project_id));
        let attachment = found.ok_or_else(|| store::attachments::no_attachment(id))?;
        caller.policy.check(rule, caller.context, &Target::project(&attachment.project_id))?;
        Ok(Self(attachment))
    }
}

impl Authorized<Transfer> {
    /// The transfer with this id, if its volume is of the caller's project and `rules` hold of the volume.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`], [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        let found = caller.database.read(|c| {
            let Some(transfer) = store::transfers::by_id(c, id)? else { return Ok(None) };
            Ok(store::volumes::by_id(c, &transfer.volume_id)?.map(|volume| (transfer, volume)))
        })?;
        let found = found.filter(|(_, volume)| caller.sees(&volume.project_id));
        let (transfer, volume) = found.ok_or_else(|| store::transfers::no_transfer(id))?;
        let volume = Authorized(volume);
        rules.iter().try_for_each(|rule| volume.check(caller, rule))?;
        Ok(Self(transfer))
    }
}

impl Authorized<Group> {
    /// The group with this id, if it is of the caller's project and the caller may see it, and `rules` hold.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for another project's, [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        let group = caller.database.read(|c| store::groups::by_id(c, id))?;
        let group = group.filter(|group| caller.sees(&group.project_id)).ok_or_else(|| no_group(id))?;
        let target = Target { project_id: Some(&group.project_id), user_id: Some(&group.user_id), ..Target::default() };
        for rule in std::iter::once(&&policies::groups::GET).chain(rules) {
            caller.policy.check(rule, caller.context, &target)?;
        }
        Ok(Self(group))
    }
}

impl Authorized<GroupSnapshot> {
    /// The group snapshot with this id, if it is of the caller's project and the caller may see it, and `rules` hold.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for another project's, [`crate::Kind::Forbidden`], those of the database.
    pub fn load(caller: &Caller<'_>, id: &str, rules: &[&Rule]) -> Result<Self> {
        let found = caller.database.read(|c| store::group_snapshots::by_id(c, id))?;
        let found = found.filter(|found| caller.sees(&found.project_id));
        let found = found.ok_or_else(|| store::group_snapshots::not_found(id))?;
        let target = Target { project_id: Some(&found.project_id), user_id: Some(&found.user_id), ..Target::default() };
        for rule in std::iter::once(&&policies::groups::GET_SNAPSHOT).chain(rules) {
            caller.policy.check(rule, caller.context, &target)?;
        }
        Ok(Self(found))
    }
}

/// What is said of a group that is not there.
pub(super) fn no_group(id: &str) -> Error {
    Error::not_found(format!("Group {id} could not be found."))
}

/// What is said of a volume that is not there.
pub(super) fn no_volume(id: &str) -> Error {
    Error::not_found(format!("Volume {id} could not be found."))
}

/// What is said of a snapshot that is not there.
pub(super) fn no_snapshot(id: &str) -> Error {
    Error::not_found(format!("Snapshot {id} could not be found."))
}

/// What is said of a backup that is not there.
pub(super) fn no_backup(id: &str) -> Error {
    Error::not_found(format!("Backup {id} could not be found."))
}
