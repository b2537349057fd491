//! What is asked of a volume service about itself, and of this process, which is one of the services to its callers.

use super::Ticket;
use crate::block_storage::model::service::Service;
use crate::block_storage::model::service_work::ServiceWork;
use crate::block_storage::model::work::{Order, Requester, Work};
use crate::block_storage::store::orders;
use crate::database::Transaction;
use crate::error::Result;
use crate::service::log as lines;

/// Orders something of a service, for whose answer the caller may then [wait](super::wait) where its kind has one.
///
/// # Errors
/// Those of the database.
pub fn ask(tx: &mut Transaction<'_>, requester: &Requester, service: &Service, work: ServiceWork) -> Result<Ticket> {
    let order = Order {
        id: 0,
        backend: Some(service.host.clone()),
        volume_id: service.id.to_string(),
        snapshot_id: None,
        source_volume_id: None,
        work: Work::Service(work),
        requester: requester.clone(),
        attempts: 0,
    };
    orders::place(tx, &order).map(Ticket)
}

/// Whether a level of logs is called so.
pub fn is_log_level(name: &str) -> bool {
    lines::level_named(name).is_some()
}

/// Lets this process write lines from a level on whose target begins with `prefix`.
pub fn set_own_log_level(prefix: &str, level: &str) {
    if let Some(level) = lines::level_named(level) {
        lines::set_level(prefix, level);
    }
}

/// From which level on this process writes lines whose target begins with `prefix`, by target.
pub fn own_log_levels(prefix: &str) -> Vec<(String, &'static str)> {
    lines::levels(prefix)
}
