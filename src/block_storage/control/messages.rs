//! Messages to users about work that failed after the answer.

use super::{Authorized, Caller};
use crate::block_storage::model::message::Message;
use crate::block_storage::model::selection::Selection;
use crate::block_storage::policies::messages as rules;
use crate::block_storage::store::message_lists as store;
use crate::error::Result;

/// The messages of one page.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::NotFound`] for an unknown marker, those of the database.
pub fn list(caller: &Caller<'_>, selection: &Selection) -> Result<Vec<Message>> {
    caller.enforce(&rules::GET_ALL)?;
    caller.database.read(|c| store::page(c, selection))
}

/// Removes a message.
///
/// # Errors
/// [`crate::Kind::NotFound`] where it has gone meanwhile, those of the database.
pub fn delete(caller: &Caller<'_>, message: &Authorized<Message>) -> Result<()> {
    let removed = caller.database.write(|tx| store::remove(tx, &message.id))?;
    if removed { Ok(()) } else { Err(store::no_message(&message.id)) }
}
