//! The part of JSONPath that definitions use: names, places, all of a list, entries with a value, alternatives, arithmetic,
//! and the splitting of a text. `$.payload.size`, `payload.a.'b.c'`, `$.payload.list[?key=image_id].value`,
//! `ctxt.user_id|ctxt.user`, `$.payload.bytes / 1024`, `` publisher_id.`split(., 1, 1)` ``.

use serde_json::Value as Json;

use crate::{Error, Result};

/// The most that expressions may stand in each other.
const DEEPEST: usize = 16;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A number or a truth value.
    Constant(Json),
    /// What a walk finds.
    Walk(Vec<Step>),
    /// All that any of them finds, one after the other.
    Any(Vec<Expression>),
    /// Two numbers.
    Arithmetic(Box<Expression>, char, Box<Expression>),
}

/// One step of a walk.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The entry of this name.
    Name(String),
    /// The item at this place, from the end where negative.
    Place(i64),
    /// All items or entries.
    All,
    /// The items whose entry has (or has not) this value.
    Where { key: String, equal: bool, value: String },
    /// A piece of a text.
    Split { separator: String, segment: i64, most: i64 },
    /// The length of a list or a text.
    Length,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where it is none.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let expression = parser.alternatives()?;
        parser.skip_blanks();
        if parser.at < text.len() {
            return Err(parser.strange());
        }
        Ok(expression)
    }

    /// The values that it finds, without nulls.
    pub(super) fn find(&self, root: &Json) -> Vec<Json> {
        match self {
            Self::Constant(value) => vec![value.clone()],
            Self::Any(parts) => parts.iter().flat_map(|part| part.find(root)).collect(),
            Self::Arithmetic(left, sign, right) => {
                let (left, right) = (left.find(root), right.find(root));
                let pairs = left.iter().zip(right.iter().cycle());
                pairs.filter_map(|(left, right)| compute(left, *sign, right)).collect()
            }
            Self::Walk(steps) => {
                let mut found = vec![root.clone()];
                for step in steps {
                    found = found.iter().flat_map(|value| step.take(value)).collect();
                }
                found.retain(|value| !value.is_null());
                found
            }
        }
    }
}

fn compute(left: &Json, sign: char, right: &Json) -> Option<Json> {
    let whole = |json: &Json| json.as_i64();
    let (a, b) = (number(left)?, number(right)?);
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let exact = match sign {
            '+' => a.checked_add(b),
            '-' => a.checked_sub(b),
            '*' => a.checked_mul(b),
            _ => None,
        };
        if let Some(exact) = exact {
            return Some(Json::from(exact));
        }
    }
    let value = match sign {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        _ => a / b,
    };
    serde_json::Number::from_f64(value).map(Json::Number)
}

/// A number, or a text that is one.
pub(super) fn number(value: &Json) -> Option<f64> {
    let number = match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

impl Step {
    fn take(&self, value: &Json) -> Vec<Json> {
        match (self, value) {
            (Self::Name(name), Json::Object(map)) => map.get(name).cloned().into_iter().collect(),
            (Self::Place(place), Json::Array(items)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let at = if *place < 0 { place.saturating_add(length) } else { *place };
                usize::try_from(at).ok().and_then(|at| items.get(at)).cloned().into_iter().collect()
            }
            (Self::All, Json::Array(items)) => items.clone(),
            (Self::All, Json::Object(map)) => map.values().cloned().collect(),
            (Self::Where { key, equal, value }, Json::Array(items)) => {
                let is = |item: &Json| match item.get(key) {
                    Some(Json::String(text)) => Some(text == value),
                    Some(Json::Null) | None => None,
                    Some(other) => Some(value.parse::<Json>().is_ok_and(|value| value == *other)),
                };
                items.iter().filter(|item| is(item) == Some(*equal)).cloned().collect()
            }
            (Self::Split { separator, segment, most }, Json::String(text)) => {
                split(text, separator, *segment, *most).map(Json::from).into_iter().collect()
            }
            (Self::Length, Json::Array(items)) => vec![Json::from(items.len())],
            (Self::Length, Json::String(text)) => vec![Json::from(text.chars().count())],
            _ => Vec::new(),
        }
    }
}

/// The piece of a text at a place, from the end where it is negative. `most` is how often the text is cut at most; without
/// end where it is negative.
pub(super) fn split(text: &str, separator: &str, segment: i64, most: i64) -> Option<String> {
    let pieces: Vec<&str> = match usize::try_from(most) {
        Ok(most) => text.splitn(most.saturating_add(1), separator).collect(),
        Err(_) => text.split(separator).collect(),
    };
    let length = i64::try_from(pieces.len()).unwrap_or(i64::MAX);
    let at = if segment < 0 { segment.saturating_add(length) } else { segment };
    usize::try_from(at).ok().and_then(|at| pieces.get(at)).map(|piece| (*piece).to_owned())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn strange(&self) -> Error {
        Error::invalid(format!("'{}' is no path: '{}' is not understood", self.text, self.rest()))
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, mark: &str) -> bool {
        let there = self.rest().starts_with(mark);
        self.at += if there { mark.len() } else { 0 };
        there
    }

    /// Takes what stands before `end`, and `end`.
    fn until(&mut self, end: char) -> Result<&'a str> {
        let length = self.rest().find(end).ok_or_else(|| self.strange())?;
        let inner = self.rest().get(..length).unwrap_or("");
        self.at += length + end.len_utf8();
        Ok(inner)
    }

    fn alternatives(&mut self) -> Result<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::invalid(format!("'{}' nests too deep", self.text)));
        }
        let mut parts = vec![self.sum()?];
        loop {
            self.skip_blanks();
            if !self.eat("|") {
                break;
            }
            parts.push(self.sum()?);
        }
        self.depth -= 1;
        Ok(match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => Expression::Any(parts.into_iter().chain(last).collect()),
        })
    }

    fn sum(&mut self) -> Result<Expression> {
        self.chain(&['+', '-'], |parser| parser.chain(&['*', '/'], Self::operand))
    }

    fn chain(&mut self, signs: &[char], inner: impl Fn(&mut Self) -> Result<Expression>) -> Result<Expression> {
        let mut left = inner(self)?;
        loop {
            self.skip_blanks();
            let Some(sign) = self.rest().chars().next().filter(|sign| signs.contains(sign)) else { return Ok(left) };
            self.at += sign.len_utf8();
            let right = inner(self)?;
            left = Expression::Arithmetic(Box::new(left), sign, Box::new(right));
        }
    }

    fn operand(&mut self) -> Result<Expression> {
        self.skip_blanks();
        if self.eat("(") {
            let inner = self.alternatives()?;
            self.skip_blanks();
            if !self.eat(")") {
                return Err(self.strange());
            }
            return Ok(inner);
        }
        let digits = self.rest().len()
            - self.rest().trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
        if self.rest().starts_with(|letter: char| letter.is_ascii_digit()) {
            let text = self.rest().get(..digits).unwrap_or("");
            let number: Json = serde_json::from_str(text).map_err(|_| self.strange())?;
            self.at += digits;
            return Ok(Expression::Constant(number));
        }
        self.walk().map(Expression::Walk)
    }

    fn walk(&mut self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        if !self.eat("$") {
            steps.push(self.step()?);
        }
        loop {
            if self.eat(".") {
                steps.push(self.step()?);
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else {
                return Ok(steps);
            }
        }
    }

    /// What stands after a point.
    fn step(&mut self) -> Result<Step> {
        if self.eat("`") {
            let call = self.until('`')?;
            return function(call).ok_or_else(|| self.strange());
        }
        for quote in ['\'', '"'] {
            if self.eat(&quote.to_string()) {
                return Ok(Step::Name(self.until(quote)?.to_owned()));
            }
        }
        if self.eat("*") {
            return Ok(Step::All);
        }
        let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '@' | ':');
        let length = self.rest().len() - self.rest().trim_start_matches(plain).len();
        let name = self.rest().get(..length).filter(|name| !name.is_empty()).ok_or_else(|| self.strange())?;
        self.at += length;
        Ok(Step::Name(name.to_owned()))
    }

    /// What stands in brackets.
    fn bracket(&mut self) -> Result<Step> {
        let inner = self.until(']')?.trim();
        let bare = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
        if inner == "*" {
            return Ok(Step::All);
        }
        if let Some(test) = inner.strip_prefix('?') {
            let test = test.trim().trim_start_matches('(').trim_end_matches(')').trim_start_matches("@.");
            let (key, equal, value) = match test.split_once("!=") {
                Some((key, value)) => (key, false, value),
                None => {
                    let (key, value) = test.split_once('=').ok_or_else(|| self.strange())?;
                    (key, true, value.trim_start_matches('='))
                }
            };
            return Ok(Step::Where { key: bare(key), equal, value: bare(value) });
        }
        Ok(inner.parse().map_or_else(|_| Step::Name(bare(inner)), Step::Place))
    }
}

/// A function of jsonpath-rw-ext.
fn function(call: &str) -> Option<Step> {
    if matches!(call, "len" | "len()") {
        return Some(Step::Length);
    }
    let arguments = call.strip_prefix("split(")?.strip_suffix(')')?;
    let mut parts = arguments.rsplitn(3, ',').map(str::trim);
    let (most, segment, separator) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Step::Split { separator: separator.to_owned(), segment: segment.parse().ok()?, most: most.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::Expression;
    use serde_json::{Value as Json, json};

    fn find(text: &str) -> Vec<Json> {
        let root = json!({"publisher_id": "compute.host.example", "ctxt": {"user": "u", "user_id": null},
            "payload": {"size": 3, "half": 0.5, "text": "8", "null": null, "a": {"b.c": "dotted", "d-e": 1},
                "list": [{"key": "x", "value": 1}, {"key": "image_id", "value": "img"}, {"key": 5}]}});
        Expression::parse(text).unwrap().find(&root)
    }

    #[test]
    fn paths_find_values_that_are_not_null() {
        for (text, found) in [
            ("$.payload.size", json!([3])),
            ("payload.size", json!([3])),
            ("payload[size]", json!([3])),
            ("payload['a'].\"b.c\"", json!(["dotted"])),
            ("payload.a.'d-e'", json!([1])),
            ("payload.null", json!([])),
            ("payload.size.more", json!([])),
            ("ctxt.user_id|ctxt.user", json!(["u"])),
            ("(payload.nothing)|(payload.size)", json!([3])),
            ("payload.list[0].value", json!([1])),
            ("payload.list[-2].value", json!(["img"])),
            ("payload.list[9]", json!([])),
            ("payload.list[*].value", json!([1, "img"])),
            ("$.payload.list[?key=image_id].value", json!(["img"])),
            ("$.payload.list[?(@.key == 'x')].value", json!([1])),
            ("payload.list[?key!=x].value", json!(["img"])),
            ("payload.list[?key=5].key", json!([5])),
            ("payload.list.`len`", json!([3])),
            ("publisher_id.`split(., 1, 1)`", json!(["host.example"])),
            ("publisher_id.`split(., 0, -1)`", json!(["compute"])),
            ("publisher_id.`split(., -1, -1)`", json!(["example"])),
            ("$.payload.size * 1024 + 1", json!([3073])),
            ("1 + $.payload.size * 2", json!([7])),
            ("($.payload.size - 1) / 4", json!([0.5])),
            ("$.payload.text * $.payload.half", json!([4.0])),
            ("$.payload.size / 0", json!([])),
            ("5", json!([5])),
        ] {
            assert_eq!(Json::from(find(text)), found, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", "$.", "payload[", "payload.`sub(a)`", "payload size", "payload.'x", "(payload", &"(".repeat(99)]
        {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
