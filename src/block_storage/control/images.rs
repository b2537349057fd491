//! Images: what a volume can be made of, an image that is made of a volume, and a volume that gets the content of an image.
//! Glance is asked before the one transaction, and never while it runs.

use serde_json::Value as Json;

use super::authorized::no_volume;
use super::refusals::invalid_volume;
use super::{Authorized, Caller, keys};
use crate::block_storage::glance::{Glance, NewImage};
use crate::block_storage::key_store::NewKey;
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::model::image::{Access, Image, ImageRef, KEY_ID, Upload};
use crate::block_storage::model::snapshot::Snapshot;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{
    Move, REIMAGE, REIMAGE_ERROR, REIMAGE_RESERVED, Status, UPLOAD, UPLOAD_ATTACHED, Volume,
};
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::policies::volume_actions as rules;
use crate::block_storage::store::metadata::Table;
use crate::block_storage::{rpc, store};
use crate::config::glance as options;
use crate::database::Transaction;
use crate::error::{Error, Kind, Result};

/// The properties that say that an image is one of Nova's, of a machine's volumes.
const MAPPING: &str = "block_device_mapping";
/// The extra spec that says which of Glance's stores takes the images of a type's volumes.
const STORE_SPEC: &str = "image_service:store_id";
/// Beginnings of names that images made of volumes never get.
const RESERVED: [&str; 3] = ["os_glance", "img_signature", "signature_verified"];

/// An image of which a volume is to be made.
pub(super) struct ImageSource {
    pub(super) image: Image,
    pub(super) access: Access,
}

impl ImageSource {
    /// What the order carries.
    pub(super) fn reference(&self) -> ImageRef {
        ImageRef { id: self.image.id.clone(), access: self.access.clone() }
    }
}

/// What the caller of a creation names as its image.
pub(super) enum Named {
    Image(Box<ImageSource>),
    /// The snapshot that an image of Nova's stands for.
    Snapshot(Box<Authorized<Snapshot>>),
}

/// The image that a text names: an id, a URL that ends with one, or a name. With `snapshots`, an image of Nova's stands for
/// the snapshot of its boot volume.
///
/// # Errors
/// [`Kind::Invalid`] where there is none, [`Kind::Conflict`] where there are several, [`Kind::NotFound`] where a snapshot
/// is not there.
pub(super) fn named(caller: &Caller<'_>, text: &str, snapshots: bool) -> Result<Named> {
    let none =
        |cause: Error| Error::invalid("Invalid image identifier or unable to access requested image.").because(cause);
    let glance = Glance::of_caller(caller.config, caller.context).map_err(none)?;
    let id = text.rsplit('/').next().unwrap_or_default();
    let found = match glance.image(id) {
        Ok(image) => Ok(image),
        Err(error) if error.kind() == Kind::Unavailable => Err(error),
        Err(_) => by_name(&glance, text)?,
    };
    let image = found.map_err(none)?;
    match boot_snapshot(caller, &image)? {
        Some((snapshot, _)) if snapshots => Ok(Named::Snapshot(Box::new(snapshot))),
        _ => Ok(Named::Image(Box::new(ImageSource { image, access: glance.access() }))),
    }
}

/// The only image of a name; the inner error is why there is none.
fn by_name(glance: &Glance, name: &str) -> Result<Result<Image>> {
    let ids = match glance.named(name) {
        Ok(ids) => ids,
        Err(error) => return Ok(Err(error)),
    };
    match ids.as_slice() {
        [] => Ok(Err(Error::not_found(format!("no image is called {name:?}")))),
        [id] => Ok(glance.image(id)),
        _ => Err(Error::conflict(format!("Multiple matches found for '{name}', use an ID to be more specific."))),
    }
}

/// The snapshot for which an image of Nova's stands, and its size in GiB as the image tells it.
fn boot_snapshot(caller: &Caller<'_>, image: &Image) -> Result<Option<(Authorized<Snapshot>, Option<i64>)>> {
    let mapping: Json = match image.property(MAPPING).map(serde_json::from_str) {
        Some(Ok(mapping)) => mapping,
        _ => return Ok(None),
    };
    let is_boot = |device: &&Json| {
        device.get("source_type").and_then(Json::as_str) == Some("snapshot")
            && device.get("boot_index").and_then(Json::as_i64) == Some(0)
    };
    let Some(device) = mapping.as_array().and_then(|devices| devices.iter().find(is_boot)) else { return Ok(None) };
    let id = device.get("snapshot_id").and_then(Json::as_str).unwrap_or_default();
    match Authorized::<Snapshot>::load(caller, id, &[]) {
        Ok(snapshot) => Ok(Some((snapshot, device.get("volume_size").and_then(Json::as_i64)))),
        Err(error) if error.kind() == Kind::NotFound => {
            Err(Error::not_found(format!("Nova specific image is found, but boot volume snapshot id:{id} not found.")))
        }
        Err(error) => Err(error),
    }
}

/// Refuses an image that does not fit.
pub(super) fn check_fit(image: &Image, size_gib: i64) -> Result<()> {
    image.misfit(size_gib).map_or(Ok(()), |why| Err(Error::invalid(why)))
}

/// Refuses an image for a volume that is encrypted like this where it has to be encrypted, which only a host could do.
pub(super) fn check_encryption(image: &Image, encryption: &TypeEncryption) -> Result<()> {
    if encryption.is_written_here() {
        return Ok(());
    }
    let (id, provider) = (&image.id, &encryption.provider);
    let text = format!("Image {id} can not be encrypted for a volume whose provider of encryption is {provider}.");
    Err(Error::new(Kind::NotImplemented, text))
}

/// What the caller wants of the new image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// `raw`, `qcow2` and so on.
    pub disk_format: String,
    /// `bare` and so on.
    pub container_format: Option<String>,
    /// Whether an attached volume is taken too.
    pub force: bool,
    /// Who may see it; `None` in versions that do not say so.
    pub visibility: Option<String>,
    /// Whether it can not be deleted; `None` in versions that do not say so.
    pub protected: Option<bool>,
}

/// What the caller learns of a new image.
pub struct Uploading {
    /// The volume as it is then.
    pub volume: Volume,
    /// Its type.
    pub volume_type: Option<VolumeType>,
    /// The image.
    pub image: Image,
}

/// Makes an image, and orders that it gets the content of a volume.
///
/// # Errors
/// [`Kind::Invalid`] also with the words of Glance, [`Kind::InvalidState`], [`Kind::Forbidden`], those of the database.
pub fn upload(caller: &Caller<'_>, volume: &Authorized<Volume>, wanted: &Wanted) -> Result<Uploading> {
    caller.enforce(&rules::UPLOAD_IMAGE)?;
    if volume.encryption_key_id.is_some() && (wanted.disk_format.as_str(), wanted.container_format.as_deref()) != RAW {
        return Err(Error::invalid(
            "An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which are \
             the defaults for these options.",
        ));
    }
    if wanted.visibility.as_deref() == Some("public") {
        caller.enforce(&rules::UPLOAD_PUBLIC)?;
    }
    let force = wanted.force && caller.config.boolean(&options::ENABLE_FORCE_UPLOAD);
    let moves: &[&Move] = if force { &[&UPLOAD, &UPLOAD_ATTACHED] } else { &[&UPLOAD] };
    if !moves.iter().any(|rule| rule.from.holds(volume.status)) {
        return Err(busy(&volume.id, force));
    }
    if wanted.container_format.as_deref() == Some("compressed") {
        return Err(Error::invalid("Image compression upload disallowed, but container_format is compressed"));
    }
    let (kept, volume_type) = caller.database.read(|c| {
        let kept = store::metadata::of(c, Table::VolumeImage, &volume.id)?;
        Ok((kept, store::volume_types::of_object(c, &volume.volume_type_id)?))
    })?;
    let base_image_id = kept.iter().find(|(key, _)| key == "image_id").map(|(_, id)| id.clone());
    let glance = Glance::of_caller(caller.config, caller.context).map_err(|error| told(&error))?;
    // A key ends with what has it, so that the image gets one of its own.
    let key = volume.encryption_key_id.as_deref().map(|id| keys::copy(caller, id)).transpose()?;
    let write = || {
        let image = glance.create(&new_image(caller, key.as_ref(), wanted, kept)).map_err(|error| told(&error))?;
        let upload = Upload {
            image: ImageRef { id: image.id.clone(), access: glance.access() },
            disk_format: wanted.disk_format.clone(),
            store_id: volume_type.as_ref().and_then(|found| found.extra_spec(STORE_SPEC)).map(str::to_owned),
            base_image_id,
        };
        let ordered = caller.database.write(|tx| {
            key.iter().try_for_each(|key| key.claim(tx))?;
            order_upload(tx, caller, &volume.id, moves, force, upload.clone())
        });
        if ordered.is_err()
            && let Err(error) = glance.delete(&image.id)
        {
            // It stays as an image without data, which its owner sees.
            log::warn!("image {} is left without data: {error}", image.id);
        }
        ordered.map(|volume| (volume, image))
    };
    let keys: Vec<&NewKey> = key.iter().collect();
    let (volume, image) = keys::with(caller, &keys, write)?;
    caller.doorbell.ring();
    Ok(Uploading { volume, volume_type, image })
}

/// What Cinder answers for everything that goes wrong in this action.
fn told(error: &Error) -> Error {
    Error::invalid(error.public().to_owned()).because(error)
}

fn busy(id: &str, force: bool) -> Error {
    let expected = if force { "available or in-use" } else { "available" };
    invalid_volume(format!("Volume {id} status must be {expected}"))
}

/// The image with what the volume keeps of the one that it was made of.
fn new_image(caller: &Caller<'_>, key: Option<&NewKey>, wanted: &Wanted, kept: Vec<(String, String)>) -> NewImage {
    let core = caller.config.list(&options::GLANCE_CORE_PROPERTIES);
    let reserved = caller.config.list(&options::RESERVED_IMAGE_NAMESPACES);
    let own = |name: &str| RESERVED.iter().any(|space| name.starts_with(space));
    let elsewhere = |name: &str| reserved.iter().any(|space| name.starts_with(space.as_str()));
    let mut properties: Vec<(String, String)> = Vec::new();
    if !core.is_empty() {
        let copied = kept.into_iter().filter(|(name, _)| !core.contains(name) && !own(name) && !elsewhere(name));
        properties.extend(copied);
    }
    if let Some(key) = key {
        properties.retain(|(name, _)| !name.starts_with("cinder_encryption_key_"));
        properties.push((KEY_ID.to_owned(), key.id.clone()));
        properties.push(("cinder_encryption_key_deletion_policy".to_owned(), "on_image_deletion".to_owned()));
    }
    NewImage {
        name: wanted.name.clone(),
        disk_format: wanted.disk_format.clone(),
        container_format: wanted.container_format.clone(),
        visibility: wanted.visibility.clone(),
        protected: wanted.protected,
        properties,
    }
}

fn order_upload(
    tx: &mut Transaction<'_>,
    caller: &Caller<'_>,
    id: &str,
    moves: &[&Move],
    force: bool,
    upload: Upload,
) -> Result<Volume> {
    let now = store::volumes::lock(tx, id)?.ok_or_else(|| no_volume(id))?;
    let rule = moves.iter().find(|rule| rule.from.holds(now.status)).ok_or_else(|| busy(id, force))?;
    let columns = [("previous_status", now.status.name().into())];
    if !store::volumes::begin(tx, id, rule, &columns)? {
        return Err(busy(id, force));
    }
    let volume = store::volumes::by_id(tx, id)?.ok_or_else(|| no_volume(id))?;
    rpc::upload_volume(tx, &caller.requester(), &volume, upload)?;
    Ok(volume)
}

/// Orders that a volume gets the content of an image; with `reserved`, also one that is kept for a server.
///
/// # Errors
/// [`Kind::NotFound`] for the image, [`Kind::Invalid`], [`Kind::InvalidState`], [`Kind::Conflict`] where several servers
/// have the volume, [`Kind::Forbidden`], [`Kind::Unavailable`], those of the database.
pub fn reimage(caller: &Caller<'_>, volume: &Authorized<Volume>, image_id: &str, reserved: bool) -> Result<()> {
    let glance = Glance::of_caller(caller.config, caller.context)?;
    let image = glance.image(image_id)?;
    let snapshot = boot_snapshot(caller, &image)?;
    if let Some((_, Some(size_gib))) = &snapshot
        && *size_gib > volume.size_gib
    {
        let own = volume.size_gib;
        return Err(Error::invalid(format!(
            "Volume size must be greater than the image size. (Image: {size_gib}, Volume: {own})."
        )));
    }
    let rule = if volume.status == Status::Reserved { &rules::REIMAGE_RESERVED } else { &rules::REIMAGE };
    volume.check(caller, rule)?;
    let id = &volume.id;
    if caller.database.read(|c| store::attachments::count(c, id))? > 1 {
        return Err(several());
    }
    let moves: &[&Move] =
        if reserved { &[&REIMAGE, &REIMAGE_ERROR, &REIMAGE_RESERVED] } else { &[&REIMAGE, &REIMAGE_ERROR] };
    let expected = if reserved { "available, error or reserved" } else { "available or error" };
    let busy = |status: Status| {
        invalid_volume(format!("Volume {id} status must be {expected}, but current status is {status}."))
    };
    if !moves.iter().any(|rule| rule.from.holds(volume.status)) {
        return Err(busy(volume.status));
    }
    check_fit(&image, volume.size_gib)?;
    if volume.encryption_key_id.is_some()
        && let Some(encryption) = caller.database.read(|c| store::encryption::find(c, &volume.volume_type_id))?
    {
        check_encryption(&image, &encryption)?;
    }
    let reference = ImageRef { id: image.id, access: glance.access() };
    caller.database.write(|tx| {
        let now = store::volumes::lock(tx, id)?.ok_or_else(|| no_volume(id))?;
        let rule = moves.iter().find(|rule| rule.from.holds(now.status)).ok_or_else(|| busy(now.status))?;
        if !store::volumes::begin(tx, id, rule, &[("previous_status", now.status.name().into())])? {
            return Err(several());
        }
        let volume = Volume { status: Status::Downloading, previous_status: Some(now.status), ..now };
        let source = match &snapshot {
            Some((snapshot, _)) => store::volumes::by_id(tx, &snapshot.volume_id)?.map(|of| (snapshot.id.as_str(), of)),
            None => None,
        };
        let source = source.as_ref().map(|(id, of)| (*id, of));
        rpc::reimage_volume(tx, &caller.requester(), &volume, reference.clone(), source)
    })?;
    caller.doorbell.ring();
    Ok(())
}

fn several() -> Error {
    Error::conflict("Cannot re-image a volume which is attached to more than one server.")
}

/// Whether extra specs name a store of Glance's.
pub(super) fn names_store(specs: &[(String, Option<String>)]) -> bool {
    specs.iter().any(|(key, _)| key == STORE_SPEC)
}

/// Refuses the extra spec that names a store which Glance does not have, or can not write to.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::Invalid`], [`Kind::Unavailable`].
pub(super) fn check_store(caller: &Caller<'_>, specs: &[(String, Option<String>)]) -> Result<()> {
    let Some((_, wanted)) = specs.iter().find(|(key, _)| key == STORE_SPEC) else { return Ok(()) };
    let wanted = wanted.as_deref().unwrap_or("None");
    let stores = Glance::of_caller(caller.config, caller.context)?.stores()?;
    match stores.iter().find(|(id, _)| id == wanted) {
        None => Err(Error::not_found(format!("Store {wanted} not enabled in glance."))),
        Some((_, true)) => Err(Error::invalid(format!("Store {wanted} is read-only in glance."))),
        Some(_) => Ok(()),
    }
}

/// The formats in which encrypted volumes can be uploaded.
const RAW: (&str, Option<&str>) = ("raw", Some("bare"));
