//! A new volume: empty, from a snapshot, from another volume, or from a backup. Everything that can be wrong is found before the one
//! transaction that writes the volume, charges the project, and orders the work.

use super::authorized::{no_snapshot, no_volume};
use super::images::{self, ImageSource};
use super::refusals::{invalid_backup, invalid_input, invalid_snapshot, invalid_volume, list};
use super::{Authorized, Caller, backup_restore, group_members, keys, limits, types};
use crate::block_storage::key_store::NewKey;
use crate::block_storage::model::backup::{Backup, RESTORE};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::model::group::Group;
use crate::block_storage::model::image::KEY_ID;
use crate::block_storage::model::service;
use crate::block_storage::model::snapshot::{CREATE_VOLUME, Snapshot};
use crate::block_storage::model::volume::{AttachStatus, CLONE, Status, Volume, VolumeDetails};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::model::work::Hints;
use crate::block_storage::policies::volumes as rules;
use crate::block_storage::store::metadata::{Source, Table};
use crate::block_storage::store::quotas::{Charge, charge};
use crate::block_storage::store::volume_types::Eyes;
use crate::block_storage::{rpc, store};
use crate::config::{Config, default as options, hearth};
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// What the caller wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// GiB; `None` takes those of the source.
    pub size_gib: Option<i64>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Its type, by id or name; `None` takes that of the source, or the default.
    pub volume_type: Option<String>,
    /// Its metadata.
    pub metadata: Vec<(String, String)>,
    /// Where it should be.
    pub availability_zone: Option<String>,
    /// The snapshot whose content it gets.
    pub snapshot_id: Option<String>,
    /// The volume whose content it gets.
    pub source_volid: Option<String>,
    /// The image whose content it gets, by id, by a URL that ends with it, or by name.
    pub image: Option<String>,
    /// Whether an image of Nova's stands for the snapshot of its boot volume.
    pub follows_image: bool,
    /// The backup whose content it gets.
    pub backup_id: Option<String>,
    /// Whether that is what a restore asks for, which leaves a volume that fails in `error_restoring`.
    pub by_restore: bool,
    /// The group that it belongs to.
    pub group_id: Option<String>,
    /// Where it should be in terms of others.
    pub hints: Hints,
}

/// Where the content of a new volume comes from.
pub(super) enum Content {
    Empty,
    Snapshot(Box<(Authorized<Snapshot>, Volume)>),
    Volume(Box<Authorized<Volume>>),
    /// Written by a backup service, once a volume service has made the empty volume.
    Backup(Box<Authorized<Backup>>),
    Image(Box<ImageSource>),
}

impl Content {
    /// The volume on whose backend the content lies.
    fn volume(&self) -> Option<&Volume> {
        match self {
            Self::Empty | Self::Backup(_) | Self::Image(_) => None,
            Self::Snapshot(both) => Some(&both.1),
            Self::Volume(volume) => Some(volume.as_ref()),
        }
    }

    /// The content of a snapshot.
    pub(super) fn of_snapshot(caller: &Caller<'_>, snapshot: Authorized<Snapshot>) -> Result<Self> {
        let volume = caller.database.read(|c| store::volumes::by_id(c, &snapshot.volume_id))?;
        let volume = volume.ok_or_else(|| no_volume(&snapshot.volume_id))?;
        Ok(Self::Snapshot(Box::new((snapshot, volume))))
    }

    /// The content of a volume.
    pub(super) fn of_volume(volume: Authorized<Volume>) -> Self {
        Self::Volume(Box::new(volume))
    }

    /// GiB of the content.
    pub(super) fn size_gib(&self) -> Option<i64> {
        match self {
            Self::Empty | Self::Image(_) => None,
            Self::Snapshot(both) => Some(both.0.volume_size_gib),
            Self::Volume(volume) => Some(volume.size_gib),
            Self::Backup(backup) => Some(backup.size_gib),
        }
    }

    /// The key that the content is encrypted with.
    fn key_id(&self) -> Option<&str> {
        match self {
            Self::Empty => None,
            Self::Image(source) => source.image.property(KEY_ID),
            Self::Snapshot(both) => both.0.encryption_key_id.as_deref().or(both.1.encryption_key_id.as_deref()),
            Self::Volume(volume) => volume.encryption_key_id.as_deref(),
            Self::Backup(backup) => backup.encryption_key_id.as_deref(),
        }
    }

    /// The type of the content.
    pub(super) fn type_id(&self) -> Option<&str> {
        match self {
            Self::Empty | Self::Backup(_) | Self::Image(_) => None,
            Self::Snapshot(both) => Some(&both.0.volume_type_id),
            Self::Volume(volume) => Some(&volume.volume_type_id),
        }
    }
}

/// Makes a volume, which then waits for a volume service.
///
/// # Errors
/// [`crate::Kind::NotFound`] for what it is to be made of, [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`], [`crate::Kind::InvalidState`],
/// [`crate::Kind::OverQuota`], [`crate::Kind::NotImplemented`], those of the database.
pub fn create(caller: &Caller<'_>, new: &NewVolume) -> Result<VolumeDetails> {
    let named = new.volume_type.as_deref().filter(|text| !text.is_empty());
    let named = named.map(|text| types::resolve(caller, text)).transpose()?;
    let content = content(caller, new)?;
    let group = new.group_id.as_deref().map(|id| Authorized::<Group>::load(caller, id, &[])).transpose()?;
    if matches!(content, Content::Image(_)) {
        caller.enforce(&rules::CREATE_FROM_IMAGE)?;
    }
    caller.enforce(&rules::CREATE)?;
    let size_gib = size(new, &content)?;
    if let Content::Image(source) = &content {
        images::check_fit(&source.image, size_gib)?;
    }
    if let Some(group) = &group {
        group_members::refuse_unfit_type(caller, group, named.as_ref())?;
    }
    let volume_type = match named {
        Some(named) => named,
        None => type_of(caller, &content)?,
    };
    check_type_size(&volume_type, size_gib)?;
    check_type_change(caller, &content, &volume_type)?;
    check_content(&content, size_gib)?;
    let wanted = group.as_ref().and_then(|group| group.availability_zone.as_deref());
    let zone = zone(caller, wanted.or(new.availability_zone.as_deref()), &content, &volume_type)?;
    let encryption = caller.database.read(|c| store::encryption::find(c, &volume_type.id))?;
    if let (Some(encryption), Content::Image(source), None) = (&encryption, &content, content.key_id()) {
        images::check_encryption(&source.image, encryption)?;
    }
    if volume_type.is_multiattach() {
        if encryption.is_some() {
            return Err(invalid_volume("Multiattach cannot be used with encrypted volumes."));
        }
        caller.enforce(&rules::MULTIATTACH)?;
    }
    let key = key(caller, &content, encryption.as_ref())?;
    let group_id = group.as_ref().map(|group| group.id.clone());
    let encryption_key_id = key.as_ref().map(|key| key.id.clone());
    let volume = Volume { group_id, encryption_key_id, ..volume(caller, new, &content, &volume_type, size_gib, zone) };
    let write = || {
        caller.database.write(|tx| {
            if let Some(group) = &group {
                group_members::hold(tx, group, content.volume())?;
            }
            key.iter().try_for_each(|key| key.claim(tx))?;
            let details = place(tx, caller, new, &content, &volume, &volume_type.name)?;
            refuse_second(tx, caller, new, &volume)?;
            Ok(details)
        })
    };
    let keys: Vec<&NewKey> = key.iter().collect();
    let details = keys::with(caller, &keys, write)?;
    caller.doorbell.ring();
    Ok(details)
}

/// Where names are unique, refuses a volume whose name its project has already. Whoever was first holds the project's usage until
/// its volume is there.
fn refuse_second(tx: &mut Transaction<'_>, caller: &Caller<'_>, new: &NewVolume, volume: &Volume) -> Result<()> {
    let name = volume.name.as_deref().unwrap_or_default();
    if name.is_empty() || new.by_restore || !caller.config.boolean(&hearth::UNIQUE_VOLUME_NAMES) {
        return Ok(());
    }
    match store::volumes::of_same_name(tx, volume)? {
        Some(other) => Err(Error::conflict(format!("Volume {other} has the name '{name}' already."))),
        None => Ok(()),
    }
}

/// The key of a volume with this content, of a type that is encrypted like this. Content is encrypted already, or not:
/// what was backed up without encryption is written back as it is.
///
/// # Errors
/// [`crate::Kind::Invalid`] where the key store has none, or where encrypted content would lie in a volume without a key.
pub(super) fn key(
    caller: &Caller<'_>,
    content: &Content,
    encryption: Option<&TypeEncryption>,
) -> Result<Option<NewKey>> {
    match (encryption, content.key_id(), content) {
        (Some(_), Some(id), _) => keys::copy(caller, id).map(Some),
        (Some(_), None, Content::Backup(_)) | (None, None, _) => Ok(None),
        (Some(encryption), None, _) => keys::create(caller, encryption).map(Some),
        (None, Some(_), Content::Backup(_)) => {
            Err(invalid_input("The backup is of an encrypted volume: the volume must have the same volume type."))
        }
        (None, Some(_), _) => Ok(None),
    }
}

fn content(caller: &Caller<'_>, new: &NewVolume) -> Result<Content> {
    let snapshot = new.snapshot_id.as_deref().map(|id| Authorized::<Snapshot>::load(caller, id, &[])).transpose()?;
    let source = new.source_volid.as_deref().map(|id| Authorized::<Volume>::load_as_source(caller, id)).transpose()?;
    let backup = new.backup_id.as_deref().map(|id| Authorized::<Backup>::load(caller, id, &[])).transpose()?;
    let given = [snapshot.is_some(), source.is_some(), new.image.is_some(), backup.is_some()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(invalid_input("May specify only one of backup, imageRef, snapshot, source volume"));
    }
    Ok(match (snapshot, source, backup, &new.image) {
        (Some(snapshot), ..) => Content::of_snapshot(caller, snapshot)?,
        (None, Some(source), ..) => Content::of_volume(source),
        (None, None, Some(backup), _) => Content::Backup(Box::new(backup)),
        (None, None, None, Some(text)) => match images::named(caller, text, new.follows_image)? {
            images::Named::Image(source) => Content::Image(source),
            images::Named::Snapshot(snapshot) => Content::of_snapshot(caller, *snapshot)?,
        },
        (None, None, None, None) => Content::Empty,
    })
}

/// The size that is wanted, or that of the content.
fn size(new: &NewVolume, content: &Content) -> Result<i64> {
    const GENERIC: &str =
        "The server could not comply with the request since it is either malformed or otherwise incorrect.";
    new.size_gib.or_else(|| content.size_gib()).ok_or_else(|| Error::invalid(GENERIC))
}

/// The content's type, or the default one.
fn type_of(caller: &Caller<'_>, content: &Content) -> Result<VolumeType> {
    if let Content::Image(source) = content
        && let Some(text) = source.image.property("cinder_img_volume_type")
    {
        return types::resolve(caller, text);
    }
    match content.type_id() {
        Some(id) => caller.database.read(|c| types::find(c, id, Eyes::All)),
        None => types::default_type(caller),
    }
}

/// Refuses sizes that the type does not allow.
pub(super) fn check_type_size(volume_type: &VolumeType, size_gib: i64) -> Result<()> {
    let operators = |text: &str| Error::internal(format!("extra spec of type {}: {text:?} is no size", volume_type.id));
    let name = &volume_type.name;
    if let Some(least) = volume_type.least_size_gib().map_err(operators)?
        && size_gib < least
    {
        return Err(invalid_input(format!(
            "Specified volume size of '{size_gib}' is less than the minimum required size of '{least}' for volume type \
             '{name}'."
        )));
    }
    if let Some(greatest) = volume_type.greatest_size_gib().map_err(operators)?
        && size_gib > greatest
    {
        return Err(invalid_input(format!(
            "Specified volume size of '{size_gib}' is greater than the maximum allowable size of '{greatest}' for volume \
             type '{name}'."
        )));
    }
    Ok(())
}

/// Content can go to another type only where one backend surely serves both.
fn check_type_change(caller: &Caller<'_>, content: &Content, volume_type: &VolumeType) -> Result<()> {
    let Some(old) = content.type_id().filter(|id| *id != volume_type.id) else { return Ok(()) };
    let possible = caller.database.read(|c| {
        let same_encryption = store::sources::same_encryption(c, old, &volume_type.id)?;
        let backends = store::services::list(c, None, Some(service::VOLUME))?.len();
        let old = store::volume_types::of_object(c, old)?;
        let backend_name = |specs: &VolumeType| specs.extra_spec("volume_backend_name").map(str::to_owned);
        let names = (old.as_ref().and_then(backend_name), backend_name(volume_type));
        Ok(same_encryption && (backends == 1 || matches!(names, (Some(one), Some(other)) if one == other)))
    })?;
    if possible {
        return Ok(());
    }
    let advice = match content {
        Content::Snapshot(..) => "recommend omitting the type argument",
        _ => "either match source volume, or omit type argument",
    };
    Err(invalid_input(format!(
        "Invalid volume_type provided: {} (requested type is not compatible; {advice}).",
        volume_type.id
    )))
}

/// The content must be there, and fit.
fn check_content(content: &Content, size_gib: i64) -> Result<()> {
    match content {
        Content::Empty | Content::Image(_) => Ok(()),
        Content::Snapshot(both) => {
            let snapshot = &both.0;
            refuse_unusable_snapshot(snapshot)?;
            let content_gib = snapshot.volume_size_gib;
            if size_gib >= content_gib {
                return Ok(());
            }
            Err(invalid_input(format!(
                "Volume size '{size_gib}'GB cannot be smaller than the snapshot size {content_gib}GB. They must be >= \
                 original snapshot size."
            )))
        }
        Content::Volume(volume) => {
            refuse_unusable_volume(volume)?;
            let content_gib = volume.size_gib;
            if size_gib >= content_gib {
                return Ok(());
            }
            Err(invalid_input(format!(
                "Volume size '{size_gib}'GB cannot be smaller than original volume size  {content_gib}GB. They must be >= \
                 original volume size."
            )))
        }
        Content::Backup(backup) => {
            refuse_unusable_backup(backup)?;
            let content_gib = backup.size_gib;
            if size_gib >= content_gib {
                return Ok(());
            }
            Err(invalid_input(format!(
                "Volume size {size_gib}GB cannot be smaller than the backup size {content_gib}GB. It must be >= backup size."
            )))
        }
    }
}

fn refuse_unusable_snapshot(snapshot: &Snapshot) -> Result<()> {
    if CREATE_VOLUME.from.holds(snapshot.status) {
        return Ok(());
    }
    Err(invalid_snapshot("Originating snapshot status must be one of 'available' values"))
}

fn refuse_unusable_volume(volume: &Volume) -> Result<()> {
    if CLONE.from.holds(volume.status) {
        return Ok(());
    }
    Err(invalid_volume("Originating source volume status must be one of 'available, in-use' values"))
}

fn refuse_unusable_backup(backup: &Backup) -> Result<()> {
    if RESTORE.from.holds(backup.status) {
        return Ok(());
    }
    Err(invalid_backup("Originating backup status must be one of 'available' values"))
}

/// The zone of the volume; `None` where its type lets the scheduler choose among several.
fn zone(
    caller: &Caller<'_>,
    wanted: Option<&str>,
    content: &Content,
    volume_type: &VolumeType,
) -> Result<Option<String>> {
    let config = caller.config;
    let mut known = known_zones(caller)?;
    let of_type = volume_type.availability_zones();
    if let Some(of_type) = &of_type {
        known.retain(|zone| of_type.contains(&zone.as_str()));
        if known.is_empty() {
            let zones = list(of_type.iter().copied());
            return Err(Error::invalid(format!("Volume type is only supported in these availability zones: {zones}")));
        }
    }
    known.sort_unstable();
    known.dedup();
    let default = || default_zone(config);
    let source_zone = content.volume().and_then(|volume| volume.availability_zone.clone());
    let wanted = wanted.map(str::to_owned).or_else(|| source_zone.clone());
    let mut wanted = wanted.or_else(|| if of_type.is_none() { default() } else { None });
    if let Some(zone) = wanted.as_ref().filter(|zone| !known.contains(zone)) {
        if !config.boolean(&options::ALLOW_AVAILABILITY_ZONE_FALLBACK) {
            return Err(Error::invalid(format!("Availability zone '{zone}' is invalid.")));
        }
        log::warn!("availability zone '{zone}' is not known: the default one is taken");
        wanted = default();
    }
    if let (Some(wanted), Some(source)) = (&wanted, &source_zone)
        && config.boolean(&options::CLONED_VOLUME_SAME_AZ)
        && wanted != source
    {
        let noun = if matches!(content, Content::Snapshot(..)) { "snapshot" } else { "source volume" };
        return Err(invalid_input(format!("Volume must be in the same availability zone as the {noun}")));
    }
    Ok(match wanted {
        Some(wanted) => Some(wanted),
        None if known.len() == 1 => known.pop(),
        None => None,
    })
}

/// The zone of what names none.
pub(super) fn default_zone(config: &Config) -> Option<String> {
    let options = [&options::DEFAULT_AVAILABILITY_ZONE, &options::STORAGE_AVAILABILITY_ZONE];
    let texts = options.into_iter().filter_map(|option| config.opt_text(option));
    texts.into_iter().find(|text| !text.is_empty()).map(str::to_owned)
}

/// The zones of the volume services, and this host's own.
pub(super) fn known_zones(caller: &Caller<'_>) -> Result<Vec<String>> {
    let services = caller.database.read(|c| store::services::list(c, None, Some(service::VOLUME)))?;
    let mut known: Vec<String> = services.into_iter().filter_map(|service| service.availability_zone).collect();
    known.push(caller.config.text(&options::STORAGE_AVAILABILITY_ZONE).to_owned());
    Ok(known)
}

/// A volume of the caller that is to be made.
pub(super) fn volume(
    caller: &Caller<'_>,
    new: &NewVolume,
    content: &Content,
    volume_type: &VolumeType,
    size_gib: i64,
    zone: Option<String>,
) -> Volume {
    Volume {
        id: uuid::Uuid::new_v4().to_string(),
        project_id: caller.context.project_id.clone(),
        user_id: caller.context.user_id.clone(),
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: new.name.clone(),
        description: new.description.clone(),
        size_gib,
        status: Status::Creating,
        previous_status: None,
        attach_status: AttachStatus::Detached,
        migration_status: None,
        replication_status: None,
        host: None,
        cluster_name: None,
        service_uuid: None,
        availability_zone: zone,
        volume_type_id: volume_type.id.clone(),
        snapshot_id: match content {
            Content::Snapshot(both) => Some(both.0.id.clone()),
            _ => None,
        },
        source_volid: match content {
            Content::Volume(source) => Some(source.id.clone()),
            _ => None,
        },
        group_id: None,
        consistencygroup_id: None,
        name_id: None,
        provider_location: None,
        provider_auth: None,
        provider_id: None,
        encryption_key_id: None,
        bootable: content.volume().is_some_and(|volume| volume.bootable),
        multiattach: volume_type.is_multiattach(),
        shared_targets: Some(true),
        use_quota: true,
    }
}

/// Writes the volume, charges the project, orders the work.
pub(super) fn place(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    new: &NewVolume,
    content: &Content,
    volume: &Volume,
    type_name: &str,
) -> Result<VolumeDetails> {
    // The source is held, so that it is still there and whole when the order is.
    let source = match content {
        Content::Empty | Content::Backup(_) | Content::Image(_) => None,
        Content::Snapshot(both) => {
            let (snapshot, volume) = &**both;
            let source = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
            let now = store::snapshots::lock(tx, &snapshot.id)?.ok_or_else(|| no_snapshot(&snapshot.id))?;
            refuse_unusable_snapshot(&now)?;
            Some(source)
        }
        Content::Volume(volume) => {
            let source = store::volumes::lock(tx, &volume.id)?.ok_or_else(|| no_volume(&volume.id))?;
            refuse_unusable_volume(&source)?;
            Some(source)
        }
    };
    let limits = limits::configured(caller.config);
    let charged = Charge {
        project_id: &volume.project_id,
        volume_type_id: Some(&volume.volume_type_id),
        volumes: 1,
        gigabytes: volume.size_gib,
        single_gib: Some(volume.size_gib),
        ..Charge::default()
    };
    charge(tx, &charged, &limits)?;
    store::volumes::insert(tx, volume)?;
    store::metadata::add(tx, Table::Volume, &volume.id, &new.metadata)?;
    if volume.bootable {
        match content {
            Content::Empty | Content::Backup(_) | Content::Image(_) => {}
            Content::Snapshot(both) => {
                store::metadata::copy_image_metadata(tx, Source::Snapshot(&both.0.id), &volume.id)?;
            }
            Content::Volume(source) => {
                store::metadata::copy_image_metadata(tx, Source::Volume(&source.id), &volume.id)?;
            }
        }
    }
    match content {
        Content::Image(image) => {
            rpc::create_volume_from_image(tx, &caller.requester(), volume, image.reference(), &new.hints)?;
        }
        _ => rpc::create_volume(tx, &caller.requester(), volume, source.as_ref(), &new.hints)?,
    }
    if let Content::Backup(backup) = content {
        backup_restore::order_new(tx, caller, backup, volume, new.by_restore)?;
    }
    let details = VolumeDetails::bare(volume.clone(), Some(type_name.to_owned()));
    Ok(VolumeDetails { metadata: new.metadata.clone(), ..details })
}
