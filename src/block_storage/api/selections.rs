//! What of a list a query asks for: paging, order and filters as a [`Selection`]. Everything is compared as text, number,
//! truth or time by the column's kind; what can not be, such as a size that is no number, finds nothing.

use super::{flag, list_filters};
use crate::block_storage::BlockStorage;
use crate::block_storage::model::selection::{Column, Comparison, Condition, Holds, Order, Scalar, Selection};
use crate::config::default::OSAPI_MAX_LIMIT;
use crate::error::{Error, Result};
use crate::rest::page::Full;
use crate::rest::query::Query;
use crate::rest::view::View;
use crate::rest::{Call, Page, Parameter, Reply, python, query};
use crate::time::Timestamp;

/// The version from which on filters of callers who are no administrators are refused where they are unknown.
const STRICT: u16 = 31;
/// The version that knows `with_count`.
const COUNT: u16 = 45;

/// The parameters of paging and order.
pub(super) const PAGING: [Parameter; 7] = [
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "The id of the last item that the caller has seen"),
    Parameter::new("offset", "Items to skip after the marker"),
    Parameter::new("sort", "Keys and directions: name:asc,created_at:desc"),
    Parameter::new("sort_key", "An older form of sort"),
    Parameter::new("sort_dir", "An older form of sort"),
    Parameter::new("with_count", "Whether the number of items on all pages is answered").since(COUNT),
];

/// A list as it is read from a query.
pub(super) struct Listed {
    /// Its name among the resource filters.
    pub(super) resource: &'static str,
    /// Its columns.
    pub(super) columns: &'static [Column],
    /// Whether `created_at` and `updated_at` take comparisons (`gt:2026-11-22,lt:2026-11-23`).
    pub(super) compares_times: bool,
    /// Filters that everybody may use before the version from which on unknown ones are refused; others are left out in
    /// silence. `None`: whatever is named is a filter, and an unknown one finds nothing.
    pub(super) early: Option<&'static [&'static str]>,
    /// Filters that came later, with their versions: before that version they are left out in silence.
    pub(super) late: &'static [(&'static str, u16)],
    /// The version from which on lists may be sorted by name.
    pub(super) sorts_by_name: u16,
    /// Whether the number of items on all pages can be asked for; elsewhere `with_count` is an unknown filter.
    pub(super) counts: bool,
}

/// What a query asks for.
pub(super) struct Asked {
    /// For the store.
    pub(super) selection: Selection,
    /// For the link to the next page.
    pub(super) page: Page,
    /// Whether the number of items on all pages is answered.
    pub(super) counted: bool,
}

impl Listed {
    /// Reads a query.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] with Cinder's texts.
    pub(super) fn read(&self, call: &Call<'_, BlockStorage>) -> Result<Asked> {
        self.read_except(call, &[])
    }

    /// As [`Listed::read`], but what is in `own` is no filter: the list reads it itself.
    ///
    /// # Errors
    /// As [`Listed::read`].
    pub(super) fn read_except(&self, call: &Call<'_, BlockStorage>, own: &[&str]) -> Result<Asked> {
        self.read_from(call, own, STRICT)
    }

    /// As [`Listed::read`], but no version refuses filters that are unknown.
    ///
    /// # Errors
    /// As [`Listed::read`].
    pub(super) fn read_leniently(&self, call: &Call<'_, BlockStorage>) -> Result<Asked> {
        self.read_from(call, &[], u16::MAX)
    }

    fn read_from(&self, call: &Call<'_, BlockStorage>, own: &[&str], strict: u16) -> Result<Asked> {
        let page = Page::read(&call.query, call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
        let counts = self.counts && call.at_least(COUNT);
        let mut own = own.to_vec();
        if counts {
            own.push("with_count");
        }
        let counted = counts && flag(call, "with_count")?;
        let mut selection = self.select(call, strict, &own)?;
        selection.order = self.order(call, &page)?;
        selection.marker.clone_from(&page.marker);
        selection.limit = page.limit;
        selection.offset = page.offset;
        Ok(Asked { selection, page, counted })
    }

    /// What a query asks for in versions that read nothing of it: the first page of everything.
    ///
    /// # Errors
    /// [`crate::Kind::Internal`] for a list without a time or an id.
    pub(super) fn whole(&self, call: &Call<'_, BlockStorage>) -> Result<Asked> {
        let page = Page::read(&Query::default(), call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
        let project_id = Some(call.context.project_id.clone());
        let selection =
            Selection { project_id, order: self.order(call, &page)?, limit: page.limit, ..Selection::default() };
        Ok(Asked { selection, page, counted: false })
    }

    /// Reads the filters of a query; from version 3.`strict` on unknown ones are refused.
    ///
    /// # Errors
    /// As [`Listed::read`].
    pub(super) fn select(&self, call: &Call<'_, BlockStorage>, strict: u16, own: &[&str]) -> Result<Selection> {
        let everybodys = call.context.is_admin && self.of_all(call)?;
        let mut filters = list_filters::read(call, self.resource, strict, self.early, own)?;
        if !call.at_least(STRICT) {
            let too_early = |name: &str| self.late.iter().any(|(late, since)| name == *late && !call.at_least(*since));
            filters.retain(|(name, _)| !too_early(name));
        }
        let mut conditions = Vec::with_capacity(filters.len() + 1);
        for (name, value) in &filters {
            self.condition(call, name, value, &mut conditions)?;
        }
        let project_id = if everybodys { None } else { Some(call.context.project_id.clone()) };
        Ok(Selection { project_id, conditions, ..Selection::default() })
    }

    /// Whether the items of all projects are asked for.
    fn of_all(&self, call: &Call<'_, BlockStorage>) -> Result<bool> {
        flag(call, "all_tenants").map_err(|error| match (self.resource, call.query.last("all_tenants")) {
            ("backup", Some(text)) => Error::invalid(format!("all_tenants must be a boolean, got '{text}'.")),
            _ => error,
        })
    }

    fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The order that a page asks for. What is equal by all keys is sorted by time and id, in the direction of the first.
    fn order(&self, call: &Call<'_, BlockStorage>, page: &Page) -> Result<Vec<Order>> {
        let unknown = || Error::invalid("Invalid input received: Invalid sort key");
        let mut order: Vec<Order> = Vec::with_capacity(page.sort.len() + 2);
        for key in &page.sort {
            if key.key == "name" && !call.at_least(self.sorts_by_name) {
                return Err(unknown());
            }
            order.push(Order { by: self.column(&key.key).ok_or_else(unknown)?, ascending: key.ascending });
        }
        let ascending = order.first().is_some_and(|first| first.ascending);
        for name in ["created_at", "id"] {
            let by = self.column(name).ok_or_else(|| Error::internal("a list has no time or no id"))?;
            if order.iter().all(|known| known.by.column != by.column) {
                order.push(Order { by, ascending });
            }
        }
        Ok(order)
    }

    /// Adds what one filter demands.
    fn condition(
        &self,
        call: &Call<'_, BlockStorage>,
        name: &str,
        value: &str,
        conditions: &mut Vec<Condition>,
    ) -> Result<()> {
        let pairs = |make: fn(String, String) -> Condition| match python::dictionary(value) {
            Some(pairs) => pairs.into_iter().map(|(key, value)| make(key, value)).collect(),
            None => vec![Condition::Never],
        };
        match name {
            "metadata" => conditions.extend(pairs(Condition::HasMetadata)),
            "glance_metadata" => conditions.extend(pairs(Condition::HasImageMetadata)),
            _ => match (self.column(name), name.strip_suffix('~')) {
                (Some(column), _) if self.compares_times && matches!(name, "created_at" | "updated_at") => {
                    times(column, value, conditions)?;
                }
                (Some(column), _) if matches!(name, "host" | "cluster_name") => {
                    conditions.push(Condition::Within(column, value.to_owned()));
                }
                (Some(column), _) => conditions.push(match scalar(call, column, value)? {
                    Some(value) => Condition::Is(column, value),
                    None => Condition::Never,
                }),
                (None, Some(part)) => conditions.push(match self.column(part) {
                    Some(column) if column.holds == Holds::Text => Condition::Contains(column, value.to_owned()),
                    _ => Condition::Never,
                }),
                (None, None) => conditions.push(Condition::Never),
            },
        }
        Ok(())
    }
}

/// The value that a column is compared with; `None` where it can hold no such value.
fn scalar(call: &Call<'_, BlockStorage>, column: &Column, text: &str) -> Result<Option<Scalar>> {
    Ok(match column.holds {
        Holds::Text => Some(Scalar::Text(text.to_owned())),
        Holds::Number => text.trim().parse().ok().map(Scalar::Number),
        Holds::Time => Timestamp::parse(text).map(Scalar::Time),
        Holds::Truth => Some(Scalar::Truth(truth(call, column.name, text)?)),
    })
}

/// Version 3.2 takes only what is a boolean; before it, anything that is not empty and does not say `false` is true.
fn truth(call: &Call<'_, BlockStorage>, name: &str, text: &str) -> Result<bool> {
    if !call.at_least(2) {
        return Ok(!matches!(text, "" | "False" | "false" | "FALSE"));
    }
    query::boolean(text).ok_or_else(|| Error::invalid(format!("Invalid input received: '{name} = {text}'")))
}

/// `gt:2026-11-22T11:36:41,lt:...`: every comparison must hold.
fn times(column: &'static Column, text: &str, conditions: &mut Vec<Condition>) -> Result<()> {
    for part in text.split(',') {
        let (word, time) = part.split_once(':').unwrap_or((part, ""));
        let comparison = Comparison::parse(word).ok_or_else(|| Error::invalid(format!("Invalid {word} operator")))?;
        let time = Timestamp::parse(time).ok_or_else(|| Error::invalid(format!("Invalid {time} value")))?;
        conditions.push(Condition::Compares(column, comparison, time));
    }
    Ok(())
}

/// Bytes by which items may be longer than the first before room has to be made anew.
const MORE: usize = 32;

/// What is written of a list.
pub(super) struct Written<'a, T: 'static> {
    /// The name of the list, which is also that of its links.
    pub(super) plural: &'a str,
    /// The path of the next page.
    pub(super) path: &'a str,
    /// The form of an item.
    pub(super) view: &'a View<T>,
    /// The items.
    pub(super) items: &'a [T],
    /// The id of an item.
    pub(super) id: fn(&T) -> &str,
    /// How many there are on all pages.
    pub(super) count: Option<i64>,
    /// The attributes that the caller sees.
    pub(super) allowed: u32,
}

impl<T> Written<'_, T> {
    /// Writes the list, the link to the next page, and the count.
    pub(super) fn reply(&self, call: &Call<'_, BlockStorage>, page: &Page) -> Reply {
        self.linked(call, page, self.plural)
    }

    /// As [`Written::reply`], for lists whose links have another name: `<links>_links`.
    pub(super) fn linked(&self, call: &Call<'_, BlockStorage>, page: &Page, links: &str) -> Reply {
        let viewer = call.viewer(self.allowed);
        let shown = self.view.shown(&viewer);
        let full = Full {
            items: i64::try_from(self.items.len()).unwrap_or(i64::MAX),
            total: self.count,
            last: self.items.last().map(self.id),
        };
        call.json(|json| {
            json.object(|json| {
                json.key(self.plural).array(|json| {
                    for (at, item) in self.items.iter().enumerate() {
                        let before = json.len();
                        shown.object(item, json);
                        if at == 0 {
                            // Items are much alike: room for all of them at once leaves no outgrown pieces behind.
                            json.reserve_relieved((json.len() - before + MORE) * (self.items.len() - 1));
                        }
                        json.relieve();
                    }
                });
                page.write_next(links, self.path, &call.query, &full, &call.links, json);
                if let Some(count) = self.count {
                    json.key("count").int(count);
                }
            });
        })
    }
}
