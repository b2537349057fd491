//! Moves between statuses, from the rows of the model to the statements of the database: a move happens for exactly one of
//! those who ask for it.

use crate::block_storage::model::status::{From, Status, Transition};
pub(super) use crate::database::select::marks;
use crate::database::transition::{self, Allowed, End, Move, Object};
use crate::database::{Connection, Value};
use crate::error::Result;

/// How the work of a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

/// Begins a move that `rule` describes; `condition` says a guard in SQL.
///
/// # Errors
/// As all statements.
pub(super) fn begin<S: Status, G: Copy>(
    connection: &mut Connection,
    object: Object<'_>,
    rule: &Transition<S, G>,
    condition: impl Fn(G) -> &'static str,
    columns: &[(&str, Value<'_>)],
) -> Result<bool> {
    let names = |list: &[S]| list.iter().map(|status| status.name()).collect();
    let step = Move {
        from: match rule.from {
            From::Any => Allowed::Any,
            From::Only(list) => Allowed::Only(names(list)),
            From::Except(list) => Allowed::Except(names(list)),
        },
        to: rule.to.map(Status::name),
        instead: rule.instead.iter().map(|(from, to)| (from.name(), to.name())).collect(),
        guards: rule.guards.iter().map(|guard| condition(*guard)).collect(),
        columns,
        worked_on: rule.failed.is_some(),
    };
    transition::begin(connection, object, &step)
}

/// Ends a move that [`begin`] began; where it ended, unless the object was no longer where the move had taken it.
///
/// # Errors
/// As all statements.
pub(super) fn finish<S: Status, G>(
    connection: &mut Connection,
    object: Object<'_>,
    rule: &Transition<S, G>,
    outcome: Outcome,
    columns: &[(&str, Value<'_>)],
) -> Result<Option<End>> {
    let end = match outcome {
        Outcome::Done => rule.done,
        Outcome::Failed => rule.failed,
    };
    let end = end.map_or(End::Deleted, |status| End::Status(status.name()));
    let during: Vec<&'static str> = rule.during().map(Status::name).collect();
    let ended = transition::finish(connection, object, &during, end, columns)?;
    Ok(ended.then_some(end))
}
