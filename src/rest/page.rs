//! Paging and sorting of lists, as every list of Block Storage reads them from the query.

use std::cmp::Ordering;

use super::json::Json;
use super::links::Links;
use super::query::Query;
use crate::error::{Error, Result};

/// One sort key with its direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The key as the caller names it.
    pub key: String,
    /// Smallest first.
    pub ascending: bool,
}

/// The part of a list that the caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most so many items; never above the operator's maximum. 0 is an empty list.
    pub limit: i64,
    /// Whether the caller gave a limit.
    pub limited: bool,
    /// The id of the last item that the caller has seen.
    pub marker: Option<String>,
    /// Items to skip after the marker.
    pub offset: i64,
    /// Sort keys, most significant first; empty where the caller names none.
    pub sort: Vec<SortKey>,
}

/// The names of the query parameters that paging reads; all others are filters.
pub const NAMES: [&str; 6] = ["limit", "marker", "offset", "sort", "sort_key", "sort_dir"];

impl Page {
    /// Reads limit, marker, offset and sort. `maximum` is `osapi_max_limit`.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for a negative or non-numeric limit, an offset outside 0..=2147483647, mixed sort styles, or an
    /// unknown direction.
    pub fn read(query: &Query, maximum: i64) -> Result<Self> {
        let limit = number(query, "limit", i64::MAX)?;
        Ok(Self {
            limit: limit.unwrap_or(maximum).min(maximum),
            limited: limit.is_some(),
            marker: query.last("marker").map(str::to_owned),
            offset: number(query, "offset", 2_147_483_647)?.unwrap_or(0),
            sort: sort(query)?,
        })
    }

    /// Writes `<plural>_links` with the link to the next page, where there may be one: the page is full, or, with a
    /// total count, all items together would fill one. `last` is the id of the page's last item.
    pub fn write_next(&self, plural: &str, path: &str, query: &Query, page: &Full<'_>, links: &Links, json: &mut Json) {
        let full = self.limited_to(page.items) && page.items > 0;
        let left = page.total.is_some_and(|total| self.limited_to(total)) && page.items > 0;
        let Some(last) = page.last.filter(|_| full || left) else { return };
        let href = links.page(path, &query.with("marker", last));
        json.key(&format!("{plural}_links")).array(|json| {
            json.object(|json| {
                json.key("rel").text("next");
                json.key("href").text(&href);
            });
        });
    }

    /// The part of a short list that this page asks for, of a list that is held whole: sorted by its keys (by `created_at`
    /// downwards where it names none; what is equal by `created_at` and `id`), from behind the marker.
    /// `compare` compares two items by a key, and answers `None` for a key that the items have not got.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for an unknown key; `unknown_marker` where no item has the marker's id.
    pub fn cut<T>(
        &self,
        mut items: Vec<T>,
        id: impl Fn(&T) -> &str,
        compare: impl Fn(&T, &T, &str) -> Option<Ordering>,
        unknown_marker: impl FnOnce(&str) -> Error,
    ) -> Result<Vec<T>> {
        let ascending = self.sort.first().is_some_and(|key| key.ascending);
        let mut keys = self.sort.clone();
        for key in ["created_at", "id"] {
            if keys.iter().all(|known| known.key != key) {
                keys.push(SortKey { key: key.to_owned(), ascending });
            }
        }
        if let Some(first) = items.first()
            && keys.iter().any(|key| compare(first, first, &key.key).is_none())
        {
            return Err(Error::invalid("Invalid input received: Invalid sort key"));
        }
        items.sort_by(|a, b| {
            let mut orders = keys.iter().map(|key| {
                let order = compare(a, b, &key.key).unwrap_or(Ordering::Equal);
                if key.ascending { order } else { order.reverse() }
            });
            orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        });
        let after = match &self.marker {
            None => 0,
            Some(marker) => match items.iter().position(|item| id(item) == marker) {
                Some(at) => at + 1,
                None => return Err(unknown_marker(marker)),
            },
        };
        let skip = after.saturating_add(usize::try_from(self.offset).unwrap_or(usize::MAX));
        let take = usize::try_from(self.limit).unwrap_or(usize::MAX);
        Ok(items.into_iter().skip(skip).take(take).collect())
    }

    fn limited_to(&self, items: i64) -> bool {
        self.limit <= items
    }
}

/// What a page holds, to decide whether another may follow.
pub struct Full<'a> {
    /// Items on the page.
    pub items: i64,
    /// Items in all, where the caller asked for the count.
    pub total: Option<i64>,
    /// The id of the last item.
    pub last: Option<&'a str>,
}

/// A number of the query that is 0 or more and at most `max`.
fn number(query: &Query, name: &str, max: i64) -> Result<Option<i64>> {
    let Some(text) = query.last(name) else { return Ok(None) };
    let number: i64 = match text.trim().parse() {
        Ok(number) => number,
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => i64::MAX,
        Err(_) if name == "offset" => return Err(Error::invalid("offset must be an integer")),
        Err(_) => return Err(Error::invalid(format!("{name} param must be an integer"))),
    };
    if number < 0 && name == "offset" {
        return Err(Error::invalid("offset must be >= 0"));
    }
    if number < 0 {
        return Err(Error::invalid(format!("{name} param must be positive")));
    }
    if number > max {
        return Err(Error::invalid(format!("{name} must be <= {max}")));
    }
    Ok(Some(number))
}

/// `sort=key[:dir],...`, or the older `sort_key` and `sort_dir`. A missing direction is descending.
fn sort(query: &Query) -> Result<Vec<SortKey>> {
    let old = query.last("sort_key").is_some() || query.last("sort_dir").is_some();
    let direction = |text: &str| match text.trim() {
        "asc" => Ok(true),
        "desc" => Ok(false),
        _ => Err(Error::invalid("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'.")),
    };
    if let Some(text) = query.last("sort") {
        if old {
            return Err(Error::invalid(
                "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
            ));
        }
        return text
            .split(',')
            .map(|part| {
                let (key, dir) = part.trim().split_once(':').unwrap_or((part.trim(), "desc"));
                Ok(SortKey { key: key.trim().to_owned(), ascending: direction(dir)? })
            })
            .collect();
    }
    if !old {
        return Ok(Vec::new());
    }
    let key = query.last("sort_key").unwrap_or("created_at").trim().to_owned();
    Ok(vec![SortKey { key, ascending: direction(query.last("sort_dir").unwrap_or("desc"))? }])
}

#[cfg(test)]
mod tests {
    use super::{Page, Query};

    #[test]
    fn reads_what_clients_send() {
        let page = Page::read(&Query::parse("limit=5&marker=m&offset=2&sort=name:asc,size"), 1000).unwrap();
        assert_eq!((page.limit, page.marker.as_deref(), page.offset), (5, Some("m"), 2));
        let keys: Vec<_> = page.sort.iter().map(|key| (key.key.as_str(), key.ascending)).collect();
        assert_eq!(keys, [("name", true), ("size", false)]);
        assert_eq!(Page::read(&Query::parse("limit=99999999999999999999"), 1000).unwrap().limit, 1000);
        for wrong in [
            "limit=-1",
            "limit=x",
            "limit=",
            "offset=-1",
            "offset=2147483648",
            "sort=a:up",
            "sort=a:ASC",
            "sort=a&sort_key=b",
        ] {
            assert!(Page::read(&Query::parse(wrong), 1000).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_in_memory_is_cut_as_the_database_would() {
        type Item = (&'static str, i64);
        let items: Vec<Item> = vec![("a", 1), ("b", 3), ("c", 2), ("d", 2)];
        let cut = |query: &str| {
            let page = Page::read(&Query::parse(query), 1000).unwrap();
            let compare = |a: &Item, b: &Item, key: &str| match key {
                "id" => Some(a.0.cmp(b.0)),
                "created_at" => Some(a.1.cmp(&b.1)),
                _ => None,
            };
            let found = page.cut(items.clone(), |item| item.0, compare, |_| crate::Error::not_found("no"));
            found.map(|items| items.iter().map(|item| item.0).collect::<String>()).map_err(|error| error.kind())
        };
        assert_eq!(cut("").as_deref(), Ok("bdca"));
        assert_eq!(cut("sort=created_at:asc").as_deref(), Ok("acdb"));
        assert_eq!(cut("marker=d&limit=1").as_deref(), Ok("c"));
        assert_eq!(cut("marker=d&offset=1").as_deref(), Ok("a"));
        assert_eq!(cut("limit=0").as_deref(), Ok(""));
        assert_eq!(cut("marker=x"), Err(crate::Kind::NotFound));
        assert_eq!(cut("sort=size"), Err(crate::Kind::Invalid));
    }
}
