//! Telling servers what has become of the volumes that they use.

use super::{Job, events};
use crate::block_storage::compute;
use crate::block_storage::model::work::{Order, ServerEvent, Work};
use crate::block_storage::store::{attachments, orders};
use crate::config::default;
use crate::database::Transaction;
use crate::error::Result;

/// Orders that the servers which use a volume are told what has become of it. Part of the transaction in which it does, so that
/// each of them learns it, whatever ends meanwhile.
pub(super) fn order_to_tell(
    tx: &mut Transaction<'_>,
    job: &Job<'_>,
    volume_id: &str,
    event: ServerEvent,
) -> Result<()> {
    // There is no Nova without Keystone.
    if job.shared.config.text(&default::AUTH_STRATEGY) != "keystone" {
        return Ok(());
    }
    let all = attachments::of_volume(tx, volume_id)?;
    let server_ids: Vec<String> = all.into_iter().filter_map(|one| one.attachment.instance_uuid).collect();
    if server_ids.is_empty() {
        return Ok(());
    }
    orders::place(
        tx,
        &Order { work: Work::TellServers { server_ids, event }, source_volume_id: None, ..Order::clone(job.order) },
    )
    .map(|_| ())
}

/// Tells servers what has become of a volume. Once more does no harm.
pub(super) fn tell(job: &Job<'_>, server_ids: &[String], event: ServerEvent) -> Result<()> {
    let volume_id = &job.order.volume_id;
    let told = job.step(|_| compute::tell(&job.shared.config, (event.name(), event.since()), server_ids, volume_id));
    job.end(|tx| match told {
        Ok(()) => Ok(()),
        Err(_) => {
            let untold = match event {
                ServerEvent::Extended => events::SERVERS_NOT_TOLD,
                ServerEvent::Reimaged => events::SERVERS_NOT_TOLD_OF_IMAGE,
            };
            job.tell(tx, volume_id, untold)
        }
    })
}
