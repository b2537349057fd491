//! Removing what stayed in the files of volumes, because somebody used them when it was to go, or because a process was
//! killed. Each has an order, so that nobody begins to use the volume meanwhile. Not here: what that is (`drivers/file/inside.rs`).

use super::super::{Shared, exports};
use super::{Job, format_of, is_attached, stored};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::work::{Order, Requester, Work};
use crate::block_storage::store::{attachments, census, orders, volumes};
use crate::block_storage::volume::backends::Backend;
use crate::database::Connection;
use crate::error::Result;

pub(super) fn run(job: &Job<'_>) -> Result<()> {
    let found = job.read(|c| {
        let volume = volumes::by_id(c, &job.order.volume_id)?.filter(|volume| job.is_here(volume));
        match volume {
            Some(volume) if is_free(c, job.backend, &volume)? => Ok(Some((format_of(c, &volume)?, volume))),
            _ => Ok(None),
        }
    });
    let Some((format, volume)) = found? else { return job.obsolete() };
    let name = job.volume_name(&volume);
    // Where it fails, the log says why, and another order is placed later.
    let _ = job.step(|driver| driver.tend_volume(stored(&name, &volume, format)));
    job.end(|_| Ok(()))
}

/// Whether nobody uses a volume, or is about to.
fn is_free(c: &mut Connection, backend: &Backend, volume: &Volume) -> Result<bool> {
    let used = is_attached(volume) || exports::is_exported(backend, volume);
    Ok(!used && exports::is_last(&attachments::of_volume(c, &volume.id)?, None))
}

/// Places an order for each volume of a backend that needs one and that nobody uses. How many that were.
///
/// # Errors
/// Those of the driver and of the database.
pub(in super::super) fn place_orders(shared: &Shared, backend: &Backend) -> Result<usize> {
    let names = backend.driver.untended()?;
    if names.is_empty() {
        return Ok(0);
    }
    shared.database.write(|tx| {
        let mut placed = 0;
        for resident in census::residents(tx, &backend.host)? {
            if resident.is_snapshot || !names.contains(&shared.settings.names.volume(&resident.disk_id)) {
                continue;
            }
            let volume = volumes::by_id(tx, &resident.id)?.filter(|volume| volume.disk_id() == resident.disk_id);
            let Some(volume) = volume else { continue };
            if !is_free(tx, backend, &volume)? || orders::is_placed(tx, &Work::TendVolume, &volume.id)? {
                continue;
            }
            let order = Order {
                id: 0,
                backend: Some(backend.host.clone()),
                volume_id: volume.id,
                snapshot_id: None,
                source_volume_id: None,
                work: Work::TendVolume,
                requester: Requester { project_id: volume.project_id, ..Requester::default() },
                attempts: 0,
            };
            orders::place(tx, &order)?;
            placed += 1;
        }
        Ok(placed)
    })
}
