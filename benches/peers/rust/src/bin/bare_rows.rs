//! The least that answers from a MariaDB through FastCGI can cost: one prepared statement of the bare driver for each request,
//! its rows as JSON. A thread and a connection to the database for each connection of the web server; no routes, no rights, no
//! versions, no links, nothing of what hangs on a volume.
//!
//! Arguments: the socket of the server, the statement with one mark, its value, and `one` or `many`.

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use hearth_bench_peers::{END_REQUEST, HEADER, STDOUT, records};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Row, Value};

const HEAD: &str = include_str!("../../../head.txt");
/// The most bytes of one record.
const RECORD: usize = 65_528;

struct Asked {
    socket: String,
    statement: String,
    value: String,
    many: bool,
}

fn cell(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::NULL => out.extend_from_slice(b"null"),
        Value::Bytes(bytes) => {
            serde_json::to_writer(out, &String::from_utf8_lossy(bytes)).expect("memory takes everything");
        }
        Value::Int(number) => write!(out, "{number}").expect("memory takes everything"),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            write!(out, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}\"")
                .expect("memory takes everything");
        }
        other => write!(out, "\"{other:?}\"").expect("memory takes everything"),
    }
}

fn object(row: &Row, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, column) in row.columns_ref().iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, &column.name_str()).expect("memory takes everything");
        out.push(b':');
        cell(row.as_ref(at).unwrap_or(&Value::NULL), out);
    }
    out.push(b'}');
}

fn body(database: &mut Conn, asked: &Asked) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(if asked.many { b"{\"volumes\":[" } else { b"{\"volume\":" });
    let rows = database.exec_iter(asked.statement.as_str(), (asked.value.as_str(),)).expect("a statement");
    for (at, row) in rows.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        object(&row.expect("a row"), &mut out);
    }
    out.extend_from_slice(if asked.many { b"]}" } else { b"}" });
    out
}

fn answer(id: [u8; 2], body: &[u8]) -> Vec<u8> {
    let head = format!("{HEAD}Content-Length: {}\r\n\r\n", body.len());
    let mut bytes = Vec::with_capacity(body.len() + head.len() + (body.len() / RECORD + 4) * HEADER);
    for part in std::iter::once(head.as_bytes()).chain(body.chunks(RECORD)) {
        let length = u16::try_from(part.len()).expect("a record's length").to_be_bytes();
        bytes.extend_from_slice(&[1, STDOUT, id[0], id[1], length[0], length[1], 0, 0]);
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(&[1, END_REQUEST, id[0], id[1], 0, 8, 0, 0]);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

fn serve(mut web: UnixStream, asked: &Asked) {
    let options = OptsBuilder::new().socket(Some(&asked.socket)).user(Some("root")).db_name(Some("cinder"));
    let mut database = Conn::new(options.prefer_socket(false)).expect("a connection to the database");
    let (mut keep, mut rest, mut buffer) = (true, Vec::new(), vec![0; 16 * 1024]);
    while keep {
        match web.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => rest.extend_from_slice(&buffer[..length]),
        }
        while let (length, Some(id)) = records(&rest, &mut keep) {
            rest.drain(..length);
            if web.write_all(&answer(id, &body(&mut database, asked))).is_err() {
                return;
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("socket, statement, value, one or many");
    let asked = Asked { socket: next(), statement: next(), value: next(), many: next() == "many" };
    // SAFETY: whoever starts a FastCGI responder hands it its listening socket as fd 0, and nothing else here uses it.
    let listener = UnixListener::from(unsafe { OwnedFd::from_raw_fd(0) });
    std::thread::scope(|scope| {
        for web in listener.incoming().flatten() {
            let asked = &asked;
            scope.spawn(move || serve(web, asked));
        }
    });
}
