//! Volumes that hold the content of images, so that the next volume of an image is a copy of one of them: Cinder's image volume cache.
//! Such a volume is made as every other one, by an order of its own, in the project that the configuration names, and the volume
//! that needs it first waits for that order. So whatever ends at any moment, there is a row for each file, and usage is exact. Where
//! a copy can not be had, the image itself is written. Not here: how that is done (`images.rs`).

use std::borrow::Cow;

use serde_json::json;

use super::{Job, format_of};
use crate::block_storage::model::image::{Image, ImageRef};
use crate::block_storage::model::volume::{DELETE, Status, Volume};
use crate::block_storage::model::work::{Hints, Order, Requester, Work};
use crate::block_storage::notices::{Notices, of_requester};
use crate::block_storage::store::image_cache::{self, Entry};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::quotas::Charge;
use crate::block_storage::store::{orders, pools, volumes};
use crate::block_storage::volume::drivers::Format;
use crate::block_storage::volume::placement;
use crate::database::Transaction;
use crate::error::{Kind, Result};
use crate::service::fault;
use crate::time::Timestamp;

/// How many volumes of images a backend may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Limits {
    /// GiB in all; 0: as many as there is room for.
    pub(in super::super) gib: i64,
    /// Volumes; 0: any number.
    pub(in super::super) count: i64,
}

/// Whose the volumes of images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Tenant {
    pub(in super::super) project_id: String,
    pub(in super::super) user_id: String,
}

/// What there is for a volume that is to be made of an image.
pub(super) enum Looked {
    /// A volume that holds its content already, and the format of that one.
    Found(Box<Volume>, Format),
    /// Such a volume is being made, and the order waits for it.
    Waits,
    /// Nothing: the image is to be written.
    Nothing,
}

/// What is made of an image that is not kept yet.
struct Making<'a> {
    job: &'a Job<'a>,
    tenant: &'a Tenant,
    limits: Limits,
    /// The volume that needs it.
    volume: &'a Volume,
    image: &'a Image,
    reference: &'a ImageRef,
    updated_at: Timestamp,
}

/// Looks for a volume that holds the content of an image, and orders one where it is worth it.
pub(super) fn look(job: &Job<'_>, volume: &Volume, image: &Image, reference: &ImageRef) -> Result<Looked> {
    let settings = &job.shared.settings;
    let (Some(limits), None) = (job.backend.image_cache, &volume.encryption_key_id) else { return Ok(Looked::Nothing) };
    let Some(tenant) = &settings.internal_tenant else {
        log::warn!(
            "images are not kept: cinder_internal_tenant_project_id and cinder_internal_tenant_user_id are not set"
        );
        return Ok(Looked::Nothing);
    };
    let Some(updated_at) = Timestamp::parse(&image.updated_at) else { return Ok(Looked::Nothing) };
    let making = Making { job, tenant, limits, volume, image, reference, updated_at };
    // Two volumes of the same image would order it twice.
    let _alone = job.backend.change_image_cache();
    let looked = job.shared.database.write(|tx| making.look(tx));
    match looked {
        Err(error) if error.kind() == Kind::OverQuota => {
            log::warn!("image {} is not kept on {}: {error}", image.id, job.backend.host);
            Ok(Looked::Nothing)
        }
        Ok(Looked::Waits) => {
            fault::point("image_cache.ordered");
            Ok(Looked::Waits)
        }
        looked => looked,
    }
}

impl Making<'_> {
    fn look(&self, tx: &mut Transaction<'_>) -> Result<Looked> {
        let Self { job, volume, image, .. } = self;
        if image_cache::of_volume(tx, &volume.id)?.is_some() {
            return Ok(Looked::Nothing);
        }
        // It has waited once, for a volume that did not come.
        let has_waited = job.order.source_volume_id.is_some();
        let pool = volume.host.as_deref().unwrap_or_default();
        if let Some(entry) = image_cache::find(tx, pool, &image.id)? {
            let kept = volumes::by_id(tx, &entry.volume_id)?.filter(|kept| kept.host == volume.host);
            let status = kept.as_ref().map(|kept| kept.status);
            match (kept, status) {
                (Some(kept), Some(Status::Available)) if entry.image_updated_at == Some(self.updated_at) => {
                    if kept.size_gib > volume.size_gib {
                        return Ok(Looked::Nothing);
                    }
                    image_cache::touch(tx, &kept.id)?;
                    self.tell(tx, "hit")?;
                    let format = format_of(tx, &kept)?;
                    return Ok(Looked::Found(Box::new(kept), format));
                }
                (Some(kept), Some(Status::Creating | Status::Downloading)) => {
                    if has_waited || entry.image_updated_at != Some(self.updated_at) {
                        return Ok(Looked::Nothing);
                    }
                    return self.wait(tx, &kept.id).map(|()| Looked::Waits);
                }
                // Outdated, or failed, or no longer there.
                (None, _) | (_, Some(Status::Available | Status::Error | Status::ErrorDeleting | Status::Deleting)) => {
                    drop_entry(tx, job, &entry)?;
                }
                // Somebody works with it.
                _ => return Ok(Looked::Nothing),
            }
        }
        self.tell(tx, "miss")?;
        if has_waited || image.misfit(volume.size_gib).is_some() {
            return Ok(Looked::Nothing);
        }
        let size_gib = image.least_gib().unwrap_or(volume.size_gib);
        if !self.make_room(tx, pool, size_gib)? {
            log::warn!("image {} is not kept: there is no room for {size_gib} GiB more on {pool}", image.id);
            return Ok(Looked::Nothing);
        }
        self.order(tx, pool, size_gib)?;
        fault::point("image_cache.before_order");
        Ok(Looked::Waits)
    }

    /// Removes what was used least recently until there is room for another volume; whether there is.
    fn make_room(&self, tx: &mut Transaction<'_>, pool: &str, size_gib: i64) -> Result<bool> {
        let Limits { gib, count } = self.limits;
        if gib > 0 && size_gib > gib {
            return Ok(false);
        }
        if placement::can_grow(tx, self.job.shared, self.volume, size_gib)?.is_err() {
            return Ok(false);
        }
        let mut kept = image_cache::of_pool(tx, pool)?;
        let mut used = kept.iter().map(|entry| entry.size_gib).sum::<i64>() + size_gib;
        let exceeds = |kept: &[Entry], used: i64| {
            let number = i64::try_from(kept.len()).unwrap_or(i64::MAX).saturating_add(1);
            gib > 0 && used > gib || count > 0 && number > count
        };
        while exceeds(&kept, used)
            && let Some(last) = kept.pop()
        {
            used -= last.size_gib;
            drop_entry(tx, self.job, &last)?;
        }
        Ok(!exceeds(&kept, used))
    }

    /// Orders a volume of the image, and lets this order wait for it.
    fn order(&self, tx: &mut Transaction<'_>, pool: &str, size_gib: i64) -> Result<()> {
        let Self { job, tenant, volume, image, .. } = self;
        let kept = Volume {
            project_id: tenant.project_id.clone(),
            user_id: tenant.user_id.clone(),
            name: Some(format!("image-{}", image.id)),
            description: None,
            size_gib,
            bootable: false,
            use_quota: true,
            ..volume.new_like()
        };
        let charge = Charge {
            project_id: &kept.project_id,
            volume_type_id: Some(&kept.volume_type_id),
            volumes: 1,
            gigabytes: size_gib,
            ..Charge::default()
        };
        job.charge(tx, &charge)?;
        volumes::insert(tx, &kept)?;
        metadata::merge(tx, Table::VolumeAdmin, &kept.id, &[("readonly".to_owned(), "True".to_owned())])?;
        pools::promise(tx, pool, size_gib, true)?;
        let entry = Entry {
            volume_id: kept.id.clone(),
            image_id: image.id.clone(),
            pool: pool.to_owned(),
            size_gib,
            image_updated_at: Some(self.updated_at),
        };
        image_cache::insert(tx, &entry)?;
        let image = Some(Box::new(self.reference.clone()));
        let work = Work::CreateVolume { hints: Hints::default(), tried: Vec::new(), image };
        let requester = requester(job, tenant);
        let order =
            Order { volume_id: kept.id.clone(), source_volume_id: None, work, requester, ..Order::clone(job.order) };
        orders::place(tx, &order)?;
        self.wait(tx, &kept.id)
    }

    /// Lets this order be carried out after that of another volume.
    fn wait(&self, tx: &mut Transaction<'_>, volume_id: &str) -> Result<()> {
        orders::end(tx, self.job.order)?;
        let later = Order { source_volume_id: Some(volume_id.to_owned()), ..Order::clone(self.job.order) };
        orders::place(tx, &later).map(|_| ())
    }

    fn tell(&self, tx: &mut Transaction<'_>, what: &str) -> Result<()> {
        let pool = self.volume.host.as_deref().unwrap_or_default();
        tell(tx, self.job, what, &self.image.id, pool)
    }
}

/// Who orders in the name of the tenant to whom such volumes belong.
fn requester(job: &Job<'_>, tenant: &Tenant) -> Requester {
    Requester {
        request_id: job.order.requester.request_id.clone(),
        project_id: tenant.project_id.clone(),
        user_id: tenant.user_id.clone(),
        context: None,
    }
}

fn tell(tx: &mut Transaction<'_>, job: &Job<'_>, what: &str, image_id: &str, pool: &str) -> Result<()> {
    let settings = &job.shared.settings;
    let tenant = settings.internal_tenant.as_ref();
    let own = tenant.map_or_else(|| job.order.requester.clone(), |tenant| requester(job, tenant));
    let notices = Notices::new(Cow::Borrowed(&settings.outbox), &*settings.host, || of_requester(&own)).elevated();
    let payload = json!({"image_id": image_id, "host": pool});
    notices.tell(tx, "volume", &format!("image_volume_cache.{what}"), payload)
}

/// Forgets a volume of an image and orders its end, unless somebody uses it: then it stays as a volume like any other.
fn drop_entry(tx: &mut Transaction<'_>, job: &Job<'_>, entry: &Entry) -> Result<()> {
    log::info!("volume {} of image {} is no longer kept on {}", entry.volume_id, entry.image_id, entry.pool);
    evict(tx, job, &entry.volume_id)?;
    remove(tx, job, &entry.volume_id)
}

fn remove(tx: &mut Transaction<'_>, job: &Job<'_>, volume_id: &str) -> Result<()> {
    if !volumes::begin(tx, volume_id, &DELETE, &[])? {
        return Ok(());
    }
    let Some(volume) = volumes::by_id(tx, volume_id)? else { return Ok(()) };
    let tenant = Tenant { project_id: volume.project_id, user_id: volume.user_id };
    let order = Order {
        volume_id: volume_id.to_owned(),
        source_volume_id: None,
        work: Work::DeleteVolume { cascade: false },
        requester: requester(job, &tenant),
        ..Order::clone(job.order)
    };
    orders::place(tx, &order).map(|_| ())
}

/// Forgets that a volume is one of an image; whether it was. Part of the transaction that ends the volume.
pub(super) fn evict(tx: &mut Transaction<'_>, job: &Job<'_>, volume_id: &str) -> Result<bool> {
    let Some(entry) = image_cache::of_volume(tx, volume_id)? else { return Ok(false) };
    image_cache::evict(tx, volume_id)?;
    tell(tx, job, "evict", &entry.image_id, &entry.pool)?;
    Ok(true)
}

/// Whether a volume is one of an image.
pub(super) fn is_kept(job: &Job<'_>, volume_id: &str) -> Result<bool> {
    job.read(|c| Ok(image_cache::of_volume(c, volume_id)?.is_some()))
}

/// Removes a volume that could not be made of its image; whether it was one that is to be kept for others. Part of the transaction
/// that leaves it in error.
pub(super) fn give_up(tx: &mut Transaction<'_>, job: &Job<'_>, volume_id: &str) -> Result<bool> {
    if !evict(tx, job, volume_id)? {
        return Ok(false);
    }
    remove(tx, job, volume_id)?;
    Ok(true)
}
