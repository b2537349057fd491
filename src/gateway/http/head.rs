//! The head of an HTTP/1.1 request as CGI variables (RFC 9112 sections 3 and 5, RFC 3875 section 4). Heads that two
//! programs could read differently are refused, since that is how requests are smuggled past a proxy.

use std::mem::MaybeUninit;

use crate::gateway::message::Params;

/// Fields of one head.
const MAX_FIELDS: usize = 100;

/// How a request's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none, or as many bytes as said.
    Length(u64),
    /// By the chunked coding.
    Chunked,
}

/// What a head says.
#[derive(Debug)]
pub struct Head {
    /// The variables of RFC 3875 that the head alone makes.
    pub params: Params,
    /// The body.
    pub framing: Framing,
    /// Whether the connection may serve another request.
    pub keep: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether the method is HEAD.
    pub is_head: bool,
    /// Whether the client speaks HTTP/1.0.
    pub old: bool,
}

/// The answer to a head that is refused: status and reason.
pub type Refusal = (u16, &'static str);

/// Reads a whole head, its empty line included. `constant` are the variables of the connection.
///
/// # Errors
/// The status to answer with. The connection can not go on.
pub fn read(bytes: &[u8], constant: &Params) -> Result<Head, Refusal> {
    if has_bare_line_end(bytes) {
        return Err((400, "a line of the head ends without CR LF"));
    }
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err((431, "too many header fields")),
        Err(httparse::Error::Version) => return Err((505, "an HTTP version other than 1.0 and 1.1")),
        Ok(httparse::Status::Partial) | Err(_) => return Err((400, "a malformed request head")),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err((400, "a malformed request head"));
    };
    let fields = &*request.headers;
    let old = minor == 0;
    let hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("host")).count();
    if hosts > 1 || (hosts == 0 && !old) {
        return Err((400, "no Host field, or more than one"));
    }
    let served = target.starts_with('/') || target.contains("://") || (target == "*" && method == "OPTIONS");
    if !served {
        return Err((400, "a request target in a form that is not served"));
    }
    let framing = framing(fields, old)?;
    let keep = if old { has_token(fields, "connection", "keep-alive") } else { true };
    let keep = keep && !has_token(fields, "connection", "close");
    let expects_continue = !old && has_token(fields, "expect", "100-continue");
    let params = variables(method, target, old, fields, constant);
    Ok(Head { params, framing, keep, expects_continue, is_head: method == "HEAD", old })
}

fn has_bare_line_end(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).any(|at| at == 0 || bytes.get(at - 1) != Some(&b'\r'))
}

/// RFC 9112 section 6: a length and a coding at once, different lengths, or another coding are refused.
fn framing(fields: &[httparse::Header<'_>], old: bool) -> Result<Framing, Refusal> {
    let mut length = None;
    let mut codings = 0;
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let digits = std::str::from_utf8(field.value).ok();
            let digits = digits.filter(|d| !d.is_empty() && d.len() <= 18 && d.bytes().all(|b| b.is_ascii_digit()));
            let Some(value) = digits.and_then(|digits| digits.parse::<u64>().ok()) else {
                return Err((400, "Content-Length is no number"));
            };
            if length.replace(value).is_some() {
                return Err((400, "more than one Content-Length"));
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            codings += 1;
            if !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err((501, "a transfer coding other than chunked"));
            }
        }
    }
    match (length, codings) {
        (None, 0) => Ok(Framing::Length(0)),
        (Some(length), 0) => Ok(Framing::Length(length)),
        (None, 1) if !old => Ok(Framing::Chunked),
        _ => Err((400, "the length of the body is ambiguous")),
    }
}

fn has_token(fields: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    let named = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    let mut tokens = named.flat_map(|field| field.value.split(|byte| *byte == b','));
    tokens.any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

fn variables(method: &str, target: &str, old: bool, fields: &[httparse::Header<'_>], constant: &Params) -> Params {
    // All of it at once: names and values, `HTTP_` before each, the target and its query, the Host again as the name.
    let sizes = fields.iter().map(|field| field.name.len() + field.value.len() + 5);
    let host = fields.iter().find(|field| field.name.eq_ignore_ascii_case("host")).map_or(0, |field| field.value.len());
    let room = sizes.sum::<usize>() + 2 * target.len() + method.len() + host + 80;
    let mut params = constant.with_room_for(room, fields.len() + 5);
    params.push(b"REQUEST_METHOD", method.as_bytes());
    params.push(b"REQUEST_URI", target.as_bytes());
    params.push(b"QUERY_STRING", target.split_once('?').map_or("", |(_, query)| query).as_bytes());
    params.push(b"SERVER_PROTOCOL", if old { b"HTTP/1.0" } else { b"HTTP/1.1" });
    let mut joined = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let same = |other: &&httparse::Header<'_>| other.name.eq_ignore_ascii_case(field.name);
        // `X_Auth_Token` and `X-Auth-Token` would become one variable, so that a client could pass what a proxy removes.
        // `Proxy` would become HTTP_PROXY, which programs read as a setting.
        let ambiguous = field.name.contains('_') || field.name.eq_ignore_ascii_case("proxy");
        if ambiguous || field.name.eq_ignore_ascii_case("transfer-encoding") || fields.iter().take(at).any(|o| same(&o))
        {
            continue;
        }
        let special = ["content-type", "content-length"].iter().any(|name| field.name.eq_ignore_ascii_case(name));
        let prefix: &[u8] = if special { b"" } else { b"HTTP_" };
        let mut others = fields.iter().skip(at + 1).filter(same).peekable();
        if others.peek().is_none() {
            params.push_header(prefix, field.name, field.value);
        } else {
            let between: &[u8] = if field.name.eq_ignore_ascii_case("cookie") { b"; " } else { b", " };
            joined.clear();
            joined.extend_from_slice(field.value);
            for other in others {
                joined.extend_from_slice(between);
                joined.extend_from_slice(other.value);
            }
            params.push_header(prefix, field.name, &joined);
        }
        if field.name.eq_ignore_ascii_case("host") {
            let host = field.value;
            let end =
                memchr::memrchr(b':', host).filter(|at| !host.get(*at..).is_some_and(|tail| tail.contains(&b']')));
            params.push(b"SERVER_NAME", host.get(..end.unwrap_or(host.len())).unwrap_or_default());
        }
    }
    params
}

#[cfg(test)]
mod tests {
    use super::{Framing, read};
    use crate::gateway::message::Params;

    fn status(head: &str) -> u16 {
        read(head.as_bytes(), &Params::default()).map_or_else(|(status, _)| status, |_| 200)
    }

    #[test]
    fn fields_become_variables() {
        let head = "POST /v3/volumes?limit=1 HTTP/1.1\r\nHost: [::1]:8776\r\nContent-Type: application/json\r\n\
                    Content-Length: 2\r\nAccept: a\r\nX-Auth-Token: t\r\nX_Auth_Token: forged\r\nProxy: evil\r\n\
                    accept: b\r\nCookie: a=1\r\nCookie: b=2\r\nExpect: 100-continue\r\n\r\n";
        let head = read(head.as_bytes(), &Params::default()).expect("a good head");
        for (name, value) in [
            ("REQUEST_METHOD", "POST"),
            ("REQUEST_URI", "/v3/volumes?limit=1"),
            ("QUERY_STRING", "limit=1"),
            ("HTTP_HOST", "[::1]:8776"),
            ("SERVER_NAME", "[::1]"),
            ("CONTENT_TYPE", "application/json"),
            ("CONTENT_LENGTH", "2"),
            ("HTTP_ACCEPT", "a, b"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_X_AUTH_TOKEN", "t"),
        ] {
            assert_eq!(head.params.value(name.as_bytes()), Some(value.as_bytes()), "{name}");
        }
        assert_eq!(head.params.value(b"HTTP_PROXY"), None);
        assert_eq!(head.params.iter().filter(|(name, _)| *name == b"HTTP_X_AUTH_TOKEN").count(), 1);
        assert!(head.keep && head.expects_continue && head.framing == Framing::Length(2));
    }

    #[test]
    fn heads_that_could_be_read_in_two_ways_are_refused() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("GET / HTTP/1.0\r\n\r\n", 200),
            ("GET http://a/v3 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET v3 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ] {
            assert_eq!(status(head), expected, "{head}");
        }
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100));
        assert_eq!(status(&many), 431);
    }

    #[test]
    fn a_connection_is_kept_as_the_version_says() {
        for (head, keep) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
        ] {
            assert_eq!(read(head.as_bytes(), &Params::default()).expect(head).keep, keep, "{head}");
        }
    }
}
