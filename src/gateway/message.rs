//! A request and its response, as every way of arriving makes and writes them. CGI's variables (RFC 3875) are the common
//! form: FastCGI and CGI deliver them as they are, the HTTP parser makes them.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

use super::spool::Spooled;

/// The variables of one request: names and values in one buffer. Values may be any bytes.
#[derive(Debug, Default, Clone)]
pub struct Params {
    bytes: Vec<u8>,
    /// Start of the name, start of the value, end of the value.
    spans: Vec<(u32, u32, u32)>,
    /// Bytes of names and values; the buffer may hold what stood between them too.
    size: usize,
}

impl Params {
    /// Adds one variable. A name that is there already is not replaced; [`Params::value`] answers the first.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.end_pair(start, value);
    }

    /// Adds a header under the name that CGI gives it: `prefix`, then capitals, and underscores for hyphens.
    pub(super) fn push_header(&mut self, prefix: &[u8], name: &str, value: &[u8]) {
        let upper = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend(name.bytes().map(upper));
        self.end_pair(start, value);
    }

    /// Adds the value of the name that begins at `start`.
    fn end_pair(&mut self, start: usize, value: &[u8]) {
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.span(start, middle, self.bytes.len());
    }

    fn span(&mut self, start: usize, middle: usize, end: usize) {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.spans.push((at(start), at(middle), at(end)));
        self.size += end - start;
    }

    /// Copies bytes in which pairs stand, for [`Params::adopt`]. Where they begin in the buffer.
    pub(super) fn take_over(&mut self, bytes: &[u8]) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start
    }

    /// Adds the variable whose name and value stand one behind the other in the buffer already, from `start` on.
    pub(super) fn adopt(&mut self, start: usize, name: usize, value: usize) {
        debug_assert!(start + name + value <= self.bytes.len());
        self.span(start, start + name, start + name + value);
    }

    /// The same variables with room for so many bytes and so many variables more.
    pub(super) fn with_room_for(&self, bytes: usize, count: usize) -> Self {
        let mut params = Self {
            bytes: Vec::with_capacity(self.bytes.len() + bytes),
            spans: Vec::with_capacity(self.spans.len() + count),
            size: self.size,
        };
        params.bytes.extend_from_slice(&self.bytes);
        params.spans.extend_from_slice(&self.spans);
        params
    }

    /// The value of a variable such as `REQUEST_METHOD`, as the web server sent it.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.of_length(name.len()).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The variables whose names have so many bytes. Of some 25 variables nearly all are told apart by that alone.
    fn of_length(&self, length: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of_length = move |&&(name, value, _): &&(u32, u32, u32)| (value - name) as usize == length;
        self.spans.iter().filter(of_length).map(|span| self.pair(span))
    }

    fn pair(&self, &(name, value, end): &(u32, u32, u32)) -> (&[u8], &[u8]) {
        (&self.bytes[name as usize..value as usize], &self.bytes[value as usize..end as usize])
    }

    /// All variables in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| self.pair(span))
    }

    /// Makes room for so many bytes of names and values and so many variables more.
    pub fn reserve(&mut self, bytes: usize, count: usize) {
        self.bytes.reserve(bytes);
        self.spans.reserve(count);
    }

    /// Number of variables.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Forgets all variables and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.size = 0;
    }
}

/// The body of a request: what has arrived already, or a reader that waits for the rest.
pub enum Body {
    /// The whole body.
    Whole(Vec<u8>),
    /// A body that is still arriving. Reading waits; an error means that the client went away or was too slow.
    Arriving(Box<dyn Read + Send>),
}

impl Body {
    /// The whole body, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] where the body is longer; whatever reading gives otherwise.
    pub fn read_to_end(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let too_large = || io::Error::from(io::ErrorKind::FileTooLarge);
        match self {
            Self::Whole(bytes) if bytes.len() > limit => Err(too_large()),
            Self::Whole(bytes) => Ok(std::mem::take(bytes)),
            Self::Arriving(reader) => {
                let mut bytes = Vec::new();
                reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
                if bytes.len() > limit { Err(too_large()) } else { Ok(bytes) }
            }
        }
    }
}

/// One request.
pub struct Request {
    /// The variables of RFC 3875, headers among them as `HTTP_*`.
    pub params: Params,
    /// The body.
    pub body: Body,
}

impl Request {
    /// A variable as text; `None` where it is absent or not UTF-8.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.value(name.as_bytes()).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// A header by its lower-case name, as text; `None` where it is absent or not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.as_bytes();
        let prefix: &[u8] = if matches!(name, b"content-type" | b"content-length") { b"" } else { b"HTTP_" };
        let same = |variable: &[u8]| {
            variable.strip_prefix(prefix).is_some_and(|rest| {
                rest.iter().zip(name).all(|(a, b)| *a == if *b == b'-' { b'_' } else { b.to_ascii_uppercase() })
            })
        };
        let (_, value) = self.params.of_length(prefix.len() + name.len()).find(|(key, _)| same(key))?;
        std::str::from_utf8(value).ok()
    }

    /// The method in capitals; `GET` where the web server names none.
    pub fn method(&self) -> &str {
        self.param("REQUEST_METHOD").unwrap_or("GET")
    }

    /// The path as the client sent it, still percent-encoded, without the query.
    pub fn path(&self) -> Cow<'_, str> {
        match self.param("REQUEST_URI").filter(|uri| !uri.is_empty()) {
            Some(uri) => {
                let end = memchr::memchr2(b'?', b'#', uri.as_bytes());
                let uri = end.and_then(|end| uri.get(..end)).unwrap_or(uri);
                if uri.starts_with('/') {
                    return Cow::Borrowed(uri);
                }
                // An absolute-form target (RFC 9112 section 3.2.2) carries scheme and authority before the path.
                match uri.split_once("://") {
                    Some((_, rest)) => Cow::Borrowed(rest.find('/').map_or("/", |at| &rest[at..])),
                    None => Cow::Borrowed(uri),
                }
            }
            None => match (self.param("SCRIPT_NAME").unwrap_or(""), self.param("PATH_INFO").unwrap_or("")) {
                (script, "") => Cow::Borrowed(script),
                ("", path) => Cow::Borrowed(path),
                (script, path) => Cow::Owned(format!("{script}{path}")),
            },
        }
    }

    /// The query without its question mark.
    pub fn query(&self) -> &str {
        self.param("QUERY_STRING").unwrap_or("")
    }
}

/// Writes a body of any length while the client takes it.
pub type BodyWriter = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// The body of a response.
pub enum ResponseBody {
    /// All of it.
    Bytes(Vec<u8>),
    /// All of it, of which a part may lie in a file.
    Spooled(Spooled),
    /// Written as the client takes it; an error of the writer means that the client went away.
    Stream(BodyWriter),
}

impl ResponseBody {
    /// Its length in bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Spooled(body) => Some(body.len()),
            Self::Stream(_) => None,
        }
    }

    /// Writes the whole body.
    ///
    /// # Errors
    /// Those of `out`, and of the file or the writer.
    pub fn write_to(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(&bytes),
            Self::Spooled(body) => body.write_to(out),
            Self::Stream(writer) => writer(out),
        }
    }
}

impl From<Vec<u8>> for ResponseBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseBody({:?} bytes)", self.length())
    }
}

/// One response.
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in the case in which they are sent, and their values.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The body.
    pub body: ResponseBody,
}

impl Response {
    /// A response of `status` with a body of the given type.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        // Room for what the layers above add.
        let mut headers = Vec::with_capacity(8);
        headers.push((Cow::Borrowed("Content-Type"), Cow::Borrowed(content_type)));
        Self { status, headers, body: ResponseBody::Bytes(body.into()) }
    }

    /// The same response with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What the gateway calls for each request, on one of its native threads.
pub type Handler = dyn Fn(Request) -> Response + Send + Sync;

#[cfg(test)]
mod tests {
    use super::{Body, Params, Request};

    fn request(pairs: &[(&str, &str)]) -> Request {
        let mut params = Params::default();
        for (name, value) in pairs {
            params.push(name.as_bytes(), value.as_bytes());
        }
        Request { params, body: Body::Whole(Vec::new()) }
    }

    #[test]
    fn the_path_is_found_in_what_each_web_server_sends() {
        for (server, pairs) in [
            (
                "nginx",
                &[("SCRIPT_NAME", "/volume"), ("DOCUMENT_URI", "/volume"), ("REQUEST_URI", "/volume/v3/a%20b?limit=1")]
                    [..],
            ),
            (
                "mod_proxy_fcgi",
                &[
                    ("SCRIPT_NAME", "/volume/v3/a b"),
                    ("SCRIPT_FILENAME", "proxy:fcgi://localhost/volume/v3/a%20b"),
                    ("REQUEST_URI", "/volume/v3/a%20b?limit=1"),
                ],
            ),
            (
                "mod_fcgid",
                &[("SCRIPT_NAME", "/volume"), ("PATH_INFO", "/v3/a b"), ("REQUEST_URI", "/volume/v3/a%20b?limit=1")],
            ),
            ("an absolute target", &[("REQUEST_URI", "http://host:8776/volume/v3/a%20b?limit=1")]),
        ] {
            assert_eq!(request(pairs).path(), "/volume/v3/a%20b", "{server}");
        }
        assert_eq!(request(&[("SCRIPT_NAME", "/volume"), ("PATH_INFO", "/v3")]).path(), "/volume/v3");
        assert_eq!(request(&[("PATH_INFO", "/v3")]).path(), "/v3");
        assert_eq!(request(&[("REQUEST_URI", "http://host")]).path(), "/");
    }

    #[test]
    fn headers_are_found_by_their_names() {
        let request = request(&[("CONTENT_TYPE", "a/b"), ("HTTP_X_AUTH_TOKEN", "t"), ("X_AUTH", "not a header")]);
        assert_eq!(request.header("content-type"), Some("a/b"));
        assert_eq!(request.header("x-auth-token"), Some("t"));
        assert_eq!(request.header("x-auth"), None);
    }
}
