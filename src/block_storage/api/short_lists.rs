//! Lists that are held whole and cut into pages in memory: types, group types, QoS specs. Not here: lists that the
//! database cuts (`selections.rs`).

use crate::block_storage::BlockStorage;
use crate::rest::page::Full;
use crate::rest::view::View;
use crate::rest::{Call, Page, Reply};

/// How the items of such a list are written.
pub(super) struct ShortList<T: 'static> {
    /// The key of the items in the answer.
    pub(super) envelope: &'static str,
    /// The key of the links is this with `_links`.
    pub(super) links: &'static str,
    /// The path of the list, below the project.
    pub(super) path: &'static str,
    /// The form of an item.
    pub(super) view: &'static View<T>,
    /// The id of an item.
    pub(super) id: fn(&T) -> &str,
}

impl<T> ShortList<T> {
    /// Writes the items that [`Page::cut`] has left, and the link to those behind them. `allowed`: what policy lets the
    /// caller see of an item.
    pub(super) fn reply(&self, call: &Call<'_, BlockStorage>, page: &Page, found: &[T], allowed: u32) -> Reply {
        let viewer = call.viewer(allowed);
        call.json(|json| {
            json.object(|json| {
                json.key(self.envelope)
                    .array(|json| found.iter().for_each(|item| self.view.object(item, &viewer, json)));
                let items = i64::try_from(found.len()).unwrap_or(i64::MAX);
                let full = Full { items, total: None, last: found.last().map(self.id) };
                page.write_next(self.links, self.path, &call.query, &full, &call.links, json);
            });
        })
    }
}
