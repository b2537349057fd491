//! How an answer looks on the wire: the head of a CGI response or of an HTTP/1.1 response, and which body it may have.

use std::borrow::Cow;

use super::message::Response;

/// A response's header fields.
pub(super) type Fields = [(Cow<'static, str>, Cow<'static, str>)];

/// The reason phrase of a status (RFC 9110 section 15); empty where there is none.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// Whether a response of this status never has a body.
pub(super) fn is_bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// A short answer of the gateway's own, for what never reaches a handler or for a handler that fails.
pub(super) fn plain(status: u16, text: &str) -> Response {
    let mut body = format!("{status} {}", reason(status));
    if !text.is_empty() {
        body.push_str(": ");
        body.push_str(text);
    }
    body.push('\n');
    Response::new(status, "text/plain; charset=utf-8", body)
}

/// How the end of an HTTP body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By its length in bytes.
    Length(usize),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    Close,
    /// There is no body, and its length is not told.
    Nothing,
}

/// Appends the head of a CGI response, as FastCGI and CGI carry it.
pub(super) fn cgi_head(out: &mut Vec<u8>, status: u16, fields: &Fields, end: End) {
    out.extend_from_slice(b"Status: ");
    status_text(out, status);
    write_fields(out, fields, end);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of an HTTP/1.1 response. `date` is the value of its Date field.
pub(super) fn http_head(out: &mut Vec<u8>, status: u16, fields: &Fields, end: End, keep: bool, old: bool, date: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    status_text(out, status);
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n");
    write_fields(out, fields, end);
    match (keep, old) {
        (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
        (true, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (true, false) => {}
    }
    if end == End::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn status_text(out: &mut Vec<u8>, status: u16) {
    decimal(out, usize::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_fields(out: &mut Vec<u8>, fields: &Fields, end: End) {
    for (name, value) in fields {
        // Delimiting the body is the gateway's affair, and a line end in a value would start a field of its own.
        let ours = ["connection", "transfer-encoding", "content-length", "status", "date"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own));
        let broken = |text: &str| memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_some();
        if ours || name.is_empty() || broken(name) || broken(value) {
            continue;
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if let End::Length(length) = end {
        out.extend_from_slice(b"Content-Length: ");
        decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a number in decimal digits.
pub(super) fn decimal(out: &mut Vec<u8>, mut value: usize) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        start -= 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::{End, cgi_head, decimal, http_head};
    use crate::gateway::Response;

    #[test]
    fn numbers_are_written_in_decimal() {
        for value in [0, 9, 10, 200, 4_294_967_296, usize::MAX] {
            let mut out = Vec::new();
            decimal(&mut out, value);
            assert_eq!(out, value.to_string().as_bytes());
        }
    }

    #[test]
    fn heads_have_the_forms_of_their_specifications() {
        let response = Response::new(202, "text/plain", "x").header("X-Id", "7").header("Content-Length", "99");
        let mut cgi = Vec::new();
        cgi_head(&mut cgi, response.status, &response.headers, End::Length(1));
        let expected = "Status: 202 Accepted\r\nContent-Type: text/plain\r\nX-Id: 7\r\nContent-Length: 1\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&cgi), expected);
        let mut http = Vec::new();
        http_head(&mut http, response.status, &response.headers, End::Chunked, false, false, b"now");
        let expected = "HTTP/1.1 202 Accepted\r\nDate: now\r\nContent-Type: text/plain\r\nX-Id: 7\r\n\
                        Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&http), expected);
    }

    #[test]
    fn a_line_end_in_a_header_never_reaches_the_wire() {
        let response = Response::new(200, "text/plain", "").header("X-Bad", "a\r\nSet-Cookie: b").header("X\nY", "c");
        let mut out = Vec::new();
        cgi_head(&mut out, 200, &response.headers, End::Nothing);
        assert_eq!(String::from_utf8_lossy(&out), "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n");
    }
}
