//! A web server in bytes: records as a test wants them, right or wrong, and the answers taken apart.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a test waits for bytes that must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const BEGIN: u8 = 1;
pub(crate) const ABORT: u8 = 2;
pub(crate) const END: u8 = 3;
pub(crate) const PARAMS: u8 = 4;
pub(crate) const STDIN: u8 = 5;
pub(crate) const STDOUT: u8 = 6;
pub(crate) const STDERR: u8 = 7;
pub(crate) const DATA: u8 = 8;
pub(crate) const GET_VALUES: u8 = 9;
pub(crate) const GET_VALUES_RESULT: u8 = 10;
pub(crate) const UNKNOWN_TYPE: u8 = 11;

/// One record with any header.
pub(crate) fn record_of(version: u8, kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let [id1, id0] = id.to_be_bytes();
    let [length1, length0] = u16::try_from(content.len()).expect("a record's content").to_be_bytes();
    let mut bytes = vec![version, kind, id1, id0, length1, length0, padding, 0];
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(padding), 0xaa);
    bytes
}

/// One record as the specification has it.
pub(crate) fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    record_of(1, kind, id, content, 0)
}

/// A stream of any length, its end included.
pub(crate) fn stream(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in content.chunks(65_535) {
        bytes.extend(record(kind, id, part));
    }
    bytes.extend(record(kind, id, &[]));
    bytes
}

/// The start of a request in the responder role.
pub(crate) fn begin(id: u16, keep: bool) -> Vec<u8> {
    record(BEGIN, id, &[0, 1, u8::from(keep), 0, 0, 0, 0, 0])
}

/// Name-value pairs.
pub(crate) fn pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(list: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in list {
        for part in [name.as_ref(), value.as_ref()] {
            match part.len() {
                short @ 0..128 => bytes.push(u8::try_from(short).expect("below 128")),
                long => bytes.extend((u32::try_from(long).expect("below 2^31") | 1 << 31).to_be_bytes()),
            }
        }
        bytes.extend_from_slice(name.as_ref());
        bytes.extend_from_slice(value.as_ref());
    }
    bytes
}

/// The variables of a request for a path.
pub(crate) fn variables(method: &str, path: &str, body: usize) -> Vec<(String, Vec<u8>)> {
    let length = if body == 0 { String::new() } else { body.to_string() };
    [
        ("REQUEST_METHOD", method),
        ("REQUEST_URI", path),
        ("QUERY_STRING", path.split_once('?').map_or("", |(_, query)| query)),
        ("CONTENT_LENGTH", &length),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .collect()
}

/// A whole request.
pub(crate) fn request(id: u16, keep: bool, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = begin(id, keep);
    bytes.extend(stream(PARAMS, id, &pairs(&variables(method, path, body.len()))));
    bytes.extend(stream(STDIN, id, body));
    bytes
}

/// A whole GET of a web server that says its name, with id 1, and that keeps the connection.
pub(crate) fn request_of(web_server: &str, path: &str) -> Vec<u8> {
    let mut variables = variables("GET", path, 0);
    variables.push(("SERVER_SOFTWARE".to_owned(), web_server.as_bytes().to_vec()));
    let mut bytes = begin(1, true);
    bytes.extend(stream(PARAMS, 1, &pairs(&variables)));
    bytes.extend(stream(STDIN, 1, b""));
    bytes
}

/// A record that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) id: u16,
    pub(crate) content: Vec<u8>,
}

/// What a request came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) app_status: u32,
    pub(crate) protocol_status: u8,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

trait Socket: Read + Write + Send {}
impl<T: Read + Write + Send> Socket for T {}

/// A connection to a responder.
pub(crate) struct Client {
    socket: Box<dyn Socket>,
    unread: Vec<Record>,
}

impl Client {
    pub(crate) fn unix(path: &Path, deadline: Duration) -> Self {
        Self::over(UnixStream::connect(path).expect("the responder listens"), deadline)
    }

    pub(crate) fn over(socket: UnixStream, deadline: Duration) -> Self {
        socket.set_read_timeout(Some(deadline)).expect("a time-out");
        socket.set_write_timeout(Some(deadline)).expect("a time-out");
        Self { socket: Box::new(socket), unread: Vec::new() }
    }

    pub(crate) fn tcp(address: SocketAddr, deadline: Duration) -> Self {
        let socket = TcpStream::connect(address).expect("the responder listens");
        socket.set_read_timeout(Some(deadline)).expect("a time-out");
        socket.set_write_timeout(Some(deadline)).expect("a time-out");
        Self { socket: Box::new(socket), unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the responder takes what is sent");
    }

    /// Sends what the responder may refuse to take.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// The next record; `None` where the connection has ended.
    pub(crate) fn record(&mut self) -> Option<Record> {
        let mut header = [0; 8];
        let mut read = 0;
        while read < header.len() {
            match self.socket.read(&mut header[read..]) {
                Ok(0) if read == 0 => return None,
                Ok(0) => panic!("the connection ended within a record"),
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no record came: {error}"),
            }
        }
        assert_eq!(header[0], 1, "the version of a record");
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]]))];
        let mut padding = vec![0; usize::from(header[6])];
        self.socket.read_exact(&mut content).expect("content");
        self.socket.read_exact(&mut padding).expect("padding");
        Some(Record { kind: header[1], id: u16::from_be_bytes([header[2], header[3]]), content })
    }

    /// The answer to request `id`; other requests' records are kept for theirs. `None` where the connection ended first.
    pub(crate) fn try_answer(&mut self, id: u16) -> Option<Answer> {
        let (mut out, mut records) = (Vec::new(), std::mem::take(&mut self.unread).into_iter());
        loop {
            let record = records.next().or_else(|| self.record())?;
            match record.kind {
                _ if record.id != id => self.unread.push(record),
                STDOUT => out.extend(record.content),
                STDERR => {}
                END => {
                    self.unread.extend(records);
                    let [a, b, c, d, protocol_status, ..] = record.content[..] else { panic!("a short end") };
                    let app_status = u32::from_be_bytes([a, b, c, d]);
                    return Some(Answer { app_status, protocol_status, ..parse(&out) });
                }
                kind => panic!("a record of type {kind} within an answer"),
            }
        }
    }

    /// The answer to request `id`, which must come.
    pub(crate) fn answer(&mut self, id: u16) -> Answer {
        self.try_answer(id).expect("an answer before the connection ends")
    }

    /// Sends a whole request with id 1 and takes its answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.send(&request(1, true, method, path, body));
        self.answer(1)
    }

    /// Whether the responder says that it does not keep the connection, and has ended it: no web server then counts on it.
    pub(crate) fn is_left(&mut self) -> bool {
        self.record().is_some_and(|record| (record.kind, record.id) == (10, 0)) && self.is_ended()
    }

    /// Whether the responder has ended the connection, without sending anything more.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.record().is_none()
    }
}

/// Takes a CGI response apart.
fn parse(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Answer::default() };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let answer = Answer { head, body: bytes[end + 4..].to_vec(), ..Answer::default() };
    let status = answer.header("Status").and_then(|status| status.get(..3)).and_then(|digits| digits.parse().ok());
    Answer { status: status.unwrap_or(200), ..answer }
}
