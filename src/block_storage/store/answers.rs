//! What a volume service answers to an order for which somebody waits: a value, or why it was not done. Not here: where
//! an answer lies meanwhile (`database/answers.rs`).

use serde_json::{Value as Json, json};

use super::orders::{self, Held};
use crate::database::{Connection, Transaction, answers};
use crate::error::{Error, Kind, Result};

/// What came of an order.
pub type Answer = Result<Json>;

/// The kinds of refusals that reach the caller; any other tells nothing.
const KINDS: [(&str, Kind); 5] = [
    ("not_found", Kind::NotFound),
    ("invalid", Kind::Invalid),
    ("invalid_state", Kind::InvalidState),
    ("conflict", Kind::Conflict),
    ("unavailable", Kind::Unavailable),
];

/// How long an answer waits for somebody who asked: longer than anybody does.
const UNFETCHED_SECONDS: i64 = 3600;

/// Ends an order with an answer.
///
/// # Errors
/// [`Kind::Conflict`] where the order was lost to another process; those of the database, as all functions of this file.
pub fn give(tx: &mut Transaction<'_>, held: &Held, answer: &Answer) -> Result<()> {
    let json = match answer {
        Ok(value) => json!({ "done": value }),
        Err(error) => {
            let kind = KINDS.iter().find(|(_, kind)| *kind == error.kind()).map_or("internal", |(name, _)| *name);
            json!({"refused": kind, "text": error.public()})
        }
    };
    orders::ours(held, answers::give(tx, held.taken(), &json.to_string())?)
}

/// The answer to an order; `None` while there is none.
pub fn find(c: &mut Connection, order: i64) -> Result<Option<Answer>> {
    Ok(answers::find(c, order)?.map(|text| read(&text)))
}

fn read(text: &str) -> Answer {
    let mut json: Json = serde_json::from_str(text).unwrap_or_default();
    if let Some(done) = json.get_mut("done") {
        return Ok(done.take());
    }
    let text_of = |key: &str| json.get(key).and_then(Json::as_str).unwrap_or_default();
    let refused = text_of("refused");
    match KINDS.iter().find(|(name, _)| *name == refused) {
        Some((_, kind)) => Err(Error::new(*kind, text_of("text").to_owned())),
        None => Err(Error::internal(format!("a volume service refused an order: {text}"))),
    }
}

/// Takes an answer away.
pub fn remove(tx: &mut Transaction<'_>, order: i64) -> Result<()> {
    answers::remove(tx, order)
}

/// Takes an order back that nobody has begun; `false` where somebody has.
pub fn withdraw(tx: &mut Transaction<'_>, order: i64) -> Result<bool> {
    answers::withdraw(tx, order)
}

/// Takes answers away whose callers are gone.
pub fn remove_unfetched(tx: &mut Transaction<'_>) -> Result<u64> {
    answers::remove_unfetched(tx, UNFETCHED_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_tells_the_caller_nothing() {
        for text in ["", "7", "{\"refused\": \"secret\", \"text\": \"/var/lib\"}"] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Internal);
            assert!(!error.public().contains("/var"));
        }
        assert_eq!(read("{\"done\": null}").unwrap(), Json::Null);
        assert_eq!(read("{\"refused\": \"conflict\", \"text\": \"no\"}").unwrap_err().public(), "no");
    }
}
