//! Ids of samples as they stand in rows: two numbers, `tick` and `origin`, that are kept twice for every sample, in its row and
//! in the index that finds it by its id. SQLite gives a number as many bytes as it needs, so both are kept small.
//!
//! | `origin` | the id | `tick` |
//! |---|---|---|
//! | 0 | any text, in `telemetry_message` | its number there |
//! | -2^62 < `origin` < 0 | a clock of the node and the era of row `-origin` of `telemetry_clock` | the clock within its era |
//! | `origin` > 0 | a clock of the node of that row of `telemetry_origin`, which holds nodes from before there were eras | the whole clock |
//! | below | both halves of another UUID, the second one's highest bits being 10 | the first half |

use std::collections::HashMap;

use super::dictionary::find_or_make;
use super::remembered::Remembered;
use super::samples::for_each_id;
use crate::database::{Connection, Transaction};
use crate::telemetry::model::MessageId;
use crate::{Error, Result};

/// Bits of a clock within its era, which is 163 days: what is left takes six bytes.
const ERA_BITS: u32 = 47;
/// Above the second half of every UUID, and below the number of every clock.
const HALVES: i64 = -(1 << 62);

const OLD_NODE: &str = "SELECT id FROM telemetry_origin WHERE node = ?";
const CLOCK: &str = "SELECT id FROM telemetry_clock WHERE node = ? AND era = ?";

/// The era of a clock.
pub(super) fn era(tick: i64) -> i64 {
    tick >> ERA_BITS
}

/// The origin of the clocks of a node in an era. A node from before there were eras keeps its origin, so that none of its ids is
/// stored in two forms.
pub(super) fn origin(tx: &mut Transaction<'_>, node: i64, era: i64) -> Result<i64> {
    if let Some(old) = tx.row(OLD_NODE, &[node.into()], |row| row.int(0))? {
        return Ok(old);
    }
    let key = [node.into(), era.into()];
    let make = "INSERT INTO telemetry_clock (node, era) VALUES (?, ?)";
    Ok(-find_or_make(tx, (CLOCK, &key), (make, &key))?)
}

/// The `tick` of a clock with this origin.
pub(super) fn tick(clock: i64, origin: i64) -> i64 {
    if origin > 0 { clock } else { clock & ((1 << ERA_BITS) - 1) }
}

/// `tick` and `origin` of an id; nothing where no sample can have it.
pub(super) fn find(connection: &mut Connection, id: &str) -> Result<Option<(i64, i64)>> {
    let number = |row: &crate::database::Row<'_>| row.int(0);
    Ok(match MessageId::parse(id) {
        MessageId::Clock { tick: clock, node } => {
            let origin = match connection.row(OLD_NODE, &[node.into()], number)? {
                Some(old) => Some(old),
                None => connection.row(CLOCK, &[node.into(), era(clock).into()], number)?.map(|id| -id),
            };
            origin.map(|origin| (tick(clock, origin), origin))
        }
        MessageId::Halves { high, low } => Some((high, low)),
        MessageId::Text(text) => {
            let find = "SELECT id FROM telemetry_message WHERE name = ?";
            connection.row(find, &[text.into()], number)?.map(|id| (id, 0))
        }
    })
}

/// The ids of rows, by `tick` and `origin`, as they came.
pub(super) struct Ids {
    messages: HashMap<i64, String>,
    /// Node and era by number.
    clocks: HashMap<i64, (i64, i64)>,
    /// Nodes of whole clocks by number.
    nodes: HashMap<i64, i64>,
}

impl Ids {
    /// Reads what the ids of rows name.
    pub(super) fn read(
        connection: &mut Connection,
        remembered: &Remembered,
        rows: impl Iterator<Item = (i64, i64)> + Clone,
    ) -> Result<Self> {
        let origins = rows.clone().map(|(_, origin)| origin);
        let clocks = origins.clone().filter(|origin| (HALVES + 1..0).contains(origin)).map(|origin| -origin);
        let clocks = remembered.clocks(connection, clocks)?;
        let mut ids = Self { messages: HashMap::new(), clocks, nodes: HashMap::new() };
        let named = rows.filter(|(_, origin)| *origin == 0).map(|(tick, _)| tick);
        for_each_id(connection, "SELECT id, name FROM telemetry_message WHERE id IN ", named, |row| {
            ids.messages.insert(row.int(0)?, row.string(1)?);
            Ok(())
        })?;
        let whole = origins.filter(|origin| *origin > 0);
        for_each_id(connection, "SELECT id, node FROM telemetry_origin WHERE id IN ", whole, |row| {
            ids.nodes.insert(row.int(0)?, row.int(1)?);
            Ok(())
        })?;
        Ok(ids)
    }

    /// The id of one of the rows.
    ///
    /// # Errors
    /// `Internal` where the dictionary lacks what it names.
    pub(super) fn text(&self, tick: i64, origin: i64) -> Result<String> {
        let lost = || Error::internal("an id refers to a row of the dictionary that is not there");
        Ok(match origin {
            0 => self.messages.get(&tick).cloned().ok_or_else(lost)?,
            1.. => MessageId::clock_text(tick, *self.nodes.get(&origin).ok_or_else(lost)?),
            ..=HALVES => MessageId::Halves { high: tick, low: origin }.text(),
            _ => {
                let (node, era) = self.clocks.get(&-origin).ok_or_else(lost)?;
                MessageId::clock_text(era << ERA_BITS | tick, *node)
            }
        })
    }
}
