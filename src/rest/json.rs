//! Writes JSON text straight into a reply's buffer: no tree in between. Commas come by themselves.

use crate::gateway::{ResponseBody, Spool};
use crate::time::Timestamp;

/// Bytes of a text that are held in memory before they are let go of: with an item more, no more than 128 KiB.
const HELD: usize = 128 * 1024 - ITEM;
/// Bytes that most items stay below.
const ITEM: usize = 16 * 1024;

/// A JSON text that is being written.
#[derive(Debug, Default)]
pub struct Json {
    out: Vec<u8>,
    /// What was written before, where it was let go of.
    before: Spool,
}

impl Json {
    /// An empty text with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), before: Spool::default() }
    }

    /// The text of one that never [relieved](Json::relieve) itself.
    pub fn into_bytes(self) -> Vec<u8> {
        debug_assert!(self.before.is_empty());
        self.out
    }

    /// The text as the body of an answer.
    pub fn into_body(self) -> ResponseBody {
        if self.before.is_empty() {
            ResponseBody::Bytes(self.out)
        } else {
            ResponseBody::Spooled(self.before.end(self.out))
        }
    }

    /// Lets go of the memory of what is written, where that is much. To be called between the items of a list that may be long.
    pub fn relieve(&mut self) {
        if self.out.len() < HELD {
            return;
        }
        // The last byte tells whether a comma comes next.
        let (written, last) = self.out.split_at(self.out.len() - 1);
        if self.before.append(written) {
            let last = last.to_vec();
            self.out.clear();
            self.out.extend_from_slice(&last);
        }
    }

    /// Makes room for so many bytes more of a list, as far as they are [held](Json::relieve) together.
    pub fn reserve_relieved(&mut self, bytes: usize) {
        self.out.reserve(bytes.min((HELD + ITEM).saturating_sub(self.out.len())));
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        usize::try_from(self.before.len()).unwrap_or(usize::MAX).saturating_add(self.out.len())
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A comma where a value stands before this place.
    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    /// `{`, what `fill` writes (keys and values), `}`.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'{');
        fill(self);
        self.out.push(b'}');
    }

    /// `[`, what `fill` writes (values), `]`.
    pub fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'[');
        fill(self);
        self.out.push(b']');
    }

    /// As [`Json::array`], for who can not write all values in one place: `[`, to be followed by [`Json::end_array`].
    pub fn begin_array(&mut self) {
        self.separate();
        self.out.push(b'[');
    }

    /// `]`.
    pub fn end_array(&mut self) {
        self.out.push(b']');
    }

    /// The key of the value that is written next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.separate();
        quote(&mut self.out, &[name]);
        self.out.push(b':');
        self
    }

    /// As [`Json::key`], for a name of ours, in which nothing needs to be escaped.
    pub fn name(&mut self, name: &'static str) -> &mut Self {
        self.separate();
        Self::name_into(name, &mut self.out);
        self
    }

    /// Appends a name of ours as [`Json::written_name`] takes it.
    pub(super) fn name_into(name: &'static str, out: &mut Vec<u8>) {
        debug_assert_eq!(plain_length(name.as_bytes()), name.len(), "{name}");
        out.reserve(name.len() + 3);
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    }

    /// As [`Json::name`], of a name as [`Json::name_into`] has written it.
    pub(super) fn written_name(&mut self, name: &[u8]) {
        self.separate();
        self.out.extend_from_slice(name);
    }

    /// A text.
    pub fn text(&mut self, value: &str) {
        self.separate();
        quote(&mut self.out, &[value]);
    }

    /// A text that is made of parts.
    pub fn joined(&mut self, parts: &[&str]) {
        self.separate();
        quote(&mut self.out, parts);
    }

    /// A text or null.
    pub fn opt_text(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        self.separate();
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = value.unsigned_abs();
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            self.out.push(b'-');
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    /// An integer or null.
    pub fn opt_int(&mut self, value: Option<i64>) {
        match value {
            Some(value) => self.int(value),
            None => self.null(),
        }
    }

    /// A number with a point, in the shortest form that reads back as the same; null where it is not finite.
    pub fn real(&mut self, value: f64) {
        self.value(&serde_json::Value::from(value));
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.separate();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.separate();
        self.out.extend_from_slice(b"null");
    }

    /// A time in Block Storage's form, always with six digits of the second.
    pub fn time(&mut self, value: Timestamp) {
        self.separate();
        self.out.push(b'"');
        value.write(b'T', &mut self.out);
        self.out.push(b'"');
    }

    /// A time or null.
    pub fn opt_time(&mut self, value: Option<Timestamp>) {
        match value {
            Some(value) => self.time(value),
            None => self.null(),
        }
    }

    /// Any JSON value.
    pub fn value(&mut self, value: &serde_json::Value) {
        self.separate();
        // Writing a tree into memory can not fail; nothing would be written if it did.
        let _ = serde_json::to_writer(&mut self.out, value);
    }
}

/// Appends `parts`, one behind the other, as one JSON string (RFC 8259 section 7). Runs without special characters are
/// copied whole.
fn quote(out: &mut Vec<u8>, parts: &[&str]) {
    out.push(b'"');
    for part in parts {
        escape(out, part.as_bytes());
    }
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, mut rest: &[u8]) {
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { break };
        rest = after;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
}

/// Bytes before the first that must be escaped.
fn plain_length(bytes: &[u8]) -> usize {
    let special = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f);
    // A block is looked at as a whole, without a branch for each byte, which the compiler makes one vector of.
    let mut blocks = bytes.chunks_exact(16);
    let clean = blocks.by_ref().take_while(|block| !block.iter().fold(false, |any, byte| any | special(*byte))).count();
    let rest = bytes.get(clean * 16..).unwrap_or_default();
    clean * 16 + rest.iter().position(|byte| special(*byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::Json;
    use crate::gateway::ResponseBody;

    #[test]
    fn a_text_is_the_same_where_it_lets_go_of_its_beginning() {
        let write = |relieved: bool| {
            let mut json = Json::default();
            json.begin_array();
            for at in 0..50_000 {
                json.object(|json| json.name("at").int(at));
                if relieved {
                    json.relieve();
                }
            }
            json.end_array();
            let length = json.len();
            (length, json.into_body())
        };
        let ((_, held), (length, relieved)) = (write(false), write(true));
        assert!(matches!((&held, &relieved), (ResponseBody::Bytes(_), ResponseBody::Spooled(_))));
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        held.write_to(&mut whole).unwrap();
        relieved.write_to(&mut parts).unwrap();
        assert!(whole == parts && length == whole.len() && length > 3 * super::HELD);
    }

    #[test]
    fn what_it_writes_reads_back() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array(|json| {
                json.int(i64::MIN);
                json.int(0);
                json.real(1.5);
                json.null();
                json.bool(true);
            });
            json.key("b\"\u{1}").text("line\n\u{7f}é𝄞\\");
            json.name("c").object(|_| {});
            json.key("d").array(|json| {
                json.object(|json| json.key("x").int(-7));
                json.object(|json| json.key("y").opt_text(None));
            });
            json.name("e").joined(&["/a", "", "\"\n", "b"]);
        });
        let read: serde_json::Value = serde_json::from_slice(&json.into_bytes()).unwrap();
        let expected = serde_json::json!({"a": [i64::MIN, 0, 1.5, null, true], "b\"\u{1}": "line\n\u{7f}é𝄞\\", "c": {},
            "d": [{"x": -7}, {"y": null}], "e": "/a\"\nb"});
        assert_eq!(read, expected);
    }
}
