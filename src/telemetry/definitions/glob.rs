//! Which types of notifications a definition is for.

use regex::{Regex, RegexBuilder};

use crate::{Error, Result};

/// The most bytes of memory that one expression may take.
const PATTERN_BYTES: usize = 1 << 18;

/// Types as event definitions name them: globs, of which those that begin with `!` exclude.
#[derive(Debug)]
pub(super) struct Globs {
    included: Vec<Regex>,
    excluded: Vec<Regex>,
}

impl Globs {
    /// Reads one glob or a list; exclusions alone mean everything else.
    pub(super) fn read(texts: &[String]) -> Result<Self> {
        let (mut included, mut excluded) = (Vec::new(), Vec::new());
        for text in texts {
            match text.strip_prefix('!') {
                Some(rest) => excluded.push(compile(&glob(rest))?),
                None => included.push(compile(&glob(text))?),
            }
        }
        if included.is_empty() && !excluded.is_empty() {
            included.push(compile("^")?);
        }
        Ok(Self { included, excluded })
    }

    /// Whether a type is named and not excluded.
    pub(super) fn hold(&self, event_type: &str) -> bool {
        let any = |list: &[Regex]| list.iter().any(|regex| regex.is_match(event_type));
        any(&self.included) && !any(&self.excluded)
    }
}

/// A type as meter definitions name it: an expression that the beginning of the type matches, or a glob.
pub(super) fn beginning(text: &str) -> Result<Regex> {
    compile(&format!("^(?:{text})")).or_else(|_| compile(&glob(text)))
}

fn compile(pattern: &str) -> Result<Regex> {
    let regex = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build();
    regex.map_err(|error| Error::invalid(format!("{pattern}: {error}")))
}

/// Python's `fnmatch` as a regular expression.
fn glob(text: &str) -> String {
    let mut pattern = "(?s)^".to_owned();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        let rest = text.get(at + letter.len_utf8()..).unwrap_or("");
        match letter {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '[' if rest.find(']').is_some_and(|end| end > 0) => {
                let set: String =
                    letters.by_ref().map(|(_, letter)| letter).take_while(|letter| *letter != ']').collect();
                let (negated, set) = set.strip_prefix('!').map_or(("", set.as_str()), |set| ("^", set));
                let set = set.replace('\\', "\\\\").replace('[', "\\[").replace('^', "\\^").replace('&', "\\&");
                pattern.push_str(&format!("[{negated}{set}]"));
            }
            other => pattern.push_str(&regex::escape(&other.to_string())),
        }
    }
    pattern.push('$');
    pattern
}

#[cfg(test)]
mod tests {
    use super::{Globs, beginning};

    #[test]
    fn globs_include_and_exclude() {
        let globs =
            |texts: &[&str]| Globs::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap();
        for (texts, event_type, holds) in [
            (&["volume.create.*"][..], "volume.create.end", true),
            (&["volume.create.*"], "volume.create", false),
            (&["volume.create.*"], "volumeXcreate.end", false),
            (&["a", "b.[se]*"], "b.end", true),
            (&["b.[!se]*"], "b.end", false),
            (&["!image.*"], "volume.create.end", true),
            (&["!image.*"], "image.send", false),
            (&["*", "!*.start"], "volume.create.start", false),
            (&[], "a", false),
        ] {
            assert_eq!(globs(texts).hold(event_type), holds, "{texts:?} {event_type}");
        }
    }

    #[test]
    fn an_expression_matches_the_beginning() {
        for (text, event_type, holds) in [
            ("volume.create.*", "volume.create.end", true),
            ("capacity.pool.*", "capacity.pool", true),
            ("image.upload", "image.upload.more", true),
            ("upload", "image.upload", false),
            ("a|b", "b", true),
            ("*.end", "volume.create.end", true),
        ] {
            assert_eq!(beginning(text).unwrap().is_match(event_type), holds, "{text} {event_type}");
        }
    }
}
