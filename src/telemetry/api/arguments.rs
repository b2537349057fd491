//! The arguments of a query, as WSME reads them: parallel arrays of the parts of objects, whole numbers, flags, and no
//! argument that nobody knows (specification: simple query).

use crate::error::Result;
use crate::rest::query::{Query, boolean};
use crate::telemetry::control::refusals::{invalid_input, unknown_argument};
use crate::telemetry::control::simple_query::Item;

/// The arguments of [`items`].
pub(super) const QUERY: [&str; 4] = ["q.field", "q.op", "q.value", "q.type"];

/// Refuses arguments that are not among `known` or the parts of `q`.
pub(super) fn check(query: &Query, known: &[&str]) -> Result<()> {
    match query.pairs().find(|(name, _)| !known.contains(name) && !QUERY.contains(name)) {
        Some((name, _)) => Err(unknown_argument(name, "")),
        None => Ok(()),
    }
}

/// The items of the simple query. The parts of an item are found by their place among parts of the same name.
pub(super) fn items(query: &Query) -> Vec<Item> {
    let [fields, ops, values, kinds] = QUERY.map(|name| texts(query, name));
    let count = [&fields, &ops, &values, &kinds].into_iter().map(Vec::len).max().unwrap_or(0);
    let item = |at: usize| Item {
        field: fields.get(at).cloned(),
        op: ops.get(at).cloned(),
        value: values.get(at).cloned(),
        kind: kinds.get(at).cloned(),
    };
    (0..count).map(item).collect()
}

/// Every value of an argument.
pub(super) fn texts(query: &Query, name: &str) -> Vec<String> {
    query.all(name).map(str::to_owned).collect()
}

/// An argument that may be given once.
fn single<'q>(query: &'q Query, name: &'q str) -> Result<Option<&'q str>> {
    let mut all = query.all(name);
    let first = all.next();
    match all.next() {
        None => Ok(first),
        Some(_) => {
            let all = texts(query, name).join("', '");
            Err(invalid_input(name, &format!("['{all}']"), "given more than once"))
        }
    }
}

/// A whole number. Numbers beyond 128 bits count as the greatest ones.
pub(super) fn integer(query: &Query, name: &str) -> Result<Option<i128>> {
    let Some(text) = single(query, name)? else { return Ok(None) };
    let digits = text.trim().strip_prefix(['+', '-']).unwrap_or(text.trim());
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid_input(name, text, "unable to convert to int"));
    }
    let beyond = if text.trim().starts_with('-') { i128::MIN } else { i128::MAX };
    Ok(Some(text.trim().parse().unwrap_or(beyond)))
}

/// The number of items that a list is to have.
pub(super) fn limit(query: &Query) -> Result<Option<i64>> {
    let limit = integer(query, "limit")?;
    Ok(limit.map(|limit| i64::try_from(limit).unwrap_or(if limit < 0 { -1 } else { i64::MAX })))
}

/// A flag; texts that are no truth values count as false.
pub(super) fn flag(query: &Query, name: &str) -> Result<bool> {
    Ok(single(query, name)?.and_then(boolean).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::{Item, Query, check, flag, integer, items, limit};

    #[test]
    fn parts_of_items_are_found_by_their_place() {
        let query = Query::parse("q.field=resource_id&q.value=x&q.field=timestamp&q.op=ge&q.value=2015-01-01");
        let text = |text: &str| Some(text.to_owned());
        let first = Item { field: text("resource_id"), op: text("ge"), value: text("x"), kind: None };
        let second = Item { field: text("timestamp"), op: None, value: text("2015-01-01"), kind: None };
        assert_eq!(items(&query), [first, second]);
        assert_eq!(items(&Query::parse("limit=1")), []);
    }

    #[test]
    fn numbers_are_whole_and_given_once() {
        let number = |text: &str| integer(&Query::parse(text), "period").map_err(|error| error.public().to_owned());
        assert_eq!(number("a=1"), Ok(None));
        assert_eq!(number("period=-12"), Ok(Some(-12)));
        assert_eq!(number("period=99999999999999999999999999999999999999999999"), Ok(Some(i128::MAX)));
        let wrong = |text: &str| {
            Err(format!("Invalid input for field/attribute period. Value: '{text}'. unable to convert to int"))
        };
        for text in ["abc", "", "1.5", "0x10"] {
            assert_eq!(number(&format!("period={text}")), wrong(text));
        }
        assert!(number("period=1&period=2").is_err());
        assert_eq!(limit(&Query::parse("limit=99999999999999999999")).unwrap(), Some(i64::MAX));
        assert!(flag(&Query::parse("unique=Yes"), "unique").unwrap());
        assert!(!flag(&Query::parse("unique=maybe"), "unique").unwrap());
    }

    #[test]
    fn arguments_that_nobody_knows_are_refused() {
        assert!(check(&Query::parse("limit=1&q.type="), &["limit"]).is_ok());
        let refused = check(&Query::parse("bogus=1"), &["limit"]).unwrap_err();
        assert_eq!(refused.public(), "Unknown argument: \"bogus\"");
    }
}
