//! One kept connection that asks the same again and again: writes a request, reads one answer of HTTP/1.1 to its end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for a connection and for each piece of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest status line with headers.
const HEAD_LIMIT: usize = 64 * 1024;
/// Longest line with the size of a chunk; more is no HTTP.
const CHUNK_LINE_LIMIT: usize = 1024;

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection.
    Connect,
    /// The connection broke, or ended before the answer did.
    Broken,
    /// Nothing came for five seconds.
    Slow,
    /// What came is no HTTP/1.1.
    Malformed,
}

/// What one request gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status code.
    pub(super) status: u16,
    /// Bytes of status line, headers and body as they were transferred.
    pub(super) bytes: u64,
}

/// A connection, made when it is first needed and again when the server ended it.
pub(super) struct Client<'a> {
    addresses: &'a [SocketAddr],
    request: &'a [u8],
    /// No answer is waited for after this.
    until: Instant,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// How the end of a body is told (RFC 9112 section 6.3).
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl<'a> Client<'a> {
    /// A client without a connection yet.
    pub(super) fn new(addresses: &'a [SocketAddr], request: &'a [u8], until: Instant) -> Self {
        Self { addresses, request, until, stream: None, buffer: Vec::new() }
    }

    /// Asks once. After a failure the next call makes a new connection.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) fn ask(&mut self) -> Result<Answer, Failure> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.write_all(self.request).map_err(failure)?;
        let (answer, keep) = self.read_answer(&mut stream)?;
        if keep {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = self.addresses.iter().find_map(|address| TcpStream::connect_timeout(address, PATIENCE).ok());
        let stream = stream.ok_or(Failure::Connect)?;
        let set = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
            .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        set.map(|()| stream).map_err(failure)
    }

    /// Reads one answer; the flag says whether the connection can be used again.
    fn read_answer(&mut self, stream: &mut TcpStream) -> Result<(Answer, bool), Failure> {
        self.buffer.clear();
        let (head, status, framing, keep) = loop {
            if let Some(found) = parse_head(&self.buffer)? {
                // An interim answer (100, 103) stands before the one that was asked for.
                if !(100..200).contains(&found.1) {
                    break found;
                }
                self.buffer.drain(..found.0);
                continue;
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Failure::Malformed);
            }
            if self.fill(stream)? == 0 {
                return Err(Failure::Broken);
            }
        };
        self.buffer.drain(..head);
        let (body, keep) = match framing {
            Framing::Length(length) => (self.skip(stream, length)?, keep),
            Framing::Chunked => (self.chunks(stream)?, keep),
            Framing::UntilClose => (self.rest(stream)?, false),
        };
        // What nobody asked for would be taken for the next answer.
        if keep && !self.buffer.is_empty() {
            return Err(Failure::Malformed);
        }
        Ok((Answer { status, bytes: head as u64 + body }, keep))
    }

    /// Reads once, behind what the buffer holds.
    fn fill(&mut self, stream: &mut TcpStream) -> Result<usize, Failure> {
        // A server that sends a byte every four seconds would hold this thread beyond the end.
        if Instant::now() > self.until + PATIENCE {
            return Err(Failure::Slow);
        }
        let held = self.buffer.len();
        self.buffer.resize(held + 16 * 1024, 0);
        let space = self.buffer.get_mut(held..).unwrap_or_default();
        let result = stream.read(space);
        self.buffer.truncate(held + *result.as_ref().unwrap_or(&0));
        result.map_err(failure)
    }

    /// Takes `length` bytes off the stream.
    fn skip(&mut self, stream: &mut TcpStream, length: u64) -> Result<u64, Failure> {
        let mut missing = length;
        loop {
            let taken = usize::try_from(missing).unwrap_or(usize::MAX).min(self.buffer.len());
            self.buffer.drain(..taken);
            missing -= taken as u64;
            if missing == 0 {
                return Ok(length);
            }
            if self.fill(stream)? == 0 {
                return Err(Failure::Broken);
            }
        }
    }

    /// Takes a chunked body off the stream (RFC 9112 section 7.1), trailers included.
    fn chunks(&mut self, stream: &mut TcpStream) -> Result<u64, Failure> {
        let mut bytes = 0;
        loop {
            let (line, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete(found)) => break found,
                    Ok(httparse::Status::Partial) if self.buffer.len() < CHUNK_LINE_LIMIT => {}
                    _ => return Err(Failure::Malformed),
                }
                if self.fill(stream)? == 0 {
                    return Err(Failure::Broken);
                }
            };
            bytes += self.skip(stream, line as u64)?;
            if size == 0 {
                return Ok(bytes + self.trailers(stream)?);
            }
            // The chunk, and the line break behind it.
            bytes += self.skip(stream, size.saturating_add(2))?;
        }
    }

    /// Takes the lines behind the last chunk, to the empty one.
    fn trailers(&mut self, stream: &mut TcpStream) -> Result<u64, Failure> {
        loop {
            let end = if self.buffer.starts_with(b"\r\n") {
                Some(2)
            } else {
                memchr::memmem::find(&self.buffer, b"\r\n\r\n").map(|at| at + 4)
            };
            if let Some(end) = end {
                return self.skip(stream, end as u64);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err(Failure::Malformed);
            }
            if self.fill(stream)? == 0 {
                return Err(Failure::Broken);
            }
        }
    }

    /// Takes all there is until the server closes.
    fn rest(&mut self, stream: &mut TcpStream) -> Result<u64, Failure> {
        let mut bytes = 0;
        loop {
            bytes += self.buffer.len() as u64;
            self.buffer.clear();
            if self.fill(stream)? == 0 {
                return Ok(bytes);
            }
        }
    }
}

/// Length of the head, status, how the body ends, and whether the connection stays; `None` where the head is not whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, u16, Framing, bool)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Failure::Malformed),
    };
    let status = response.code.unwrap_or(0);
    // HTTP/1.0 keeps a connection only where it says so.
    let mut keep = response.version == Some(1);
    let mut framing = Framing::UntilClose;
    for header in response.headers.iter() {
        let has = |word: &str| {
            std::str::from_utf8(header.value)
                .is_ok_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
        };
        if header.name.eq_ignore_ascii_case("content-length") && !matches!(framing, Framing::Chunked) {
            let length = std::str::from_utf8(header.value).ok().and_then(|value| value.trim().parse().ok());
            framing = Framing::Length(length.ok_or(Failure::Malformed)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && has("chunked") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep = (keep || has("keep-alive")) && !has("close");
        }
    }
    if matches!(status, 100..=199 | 204 | 304) {
        framing = Framing::Length(0);
    }
    Ok(Some((head, status, framing, keep)))
}

fn failure(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Failure::Slow,
        _ => Failure::Broken,
    }
}
