//! The least a FastCGI responder can do: one thread, one epoll, one read and one write a request, the same answer each
//! time. It is the limit of answering through FastCGI on one thread, and nothing to build on: it trusts the web server,
//! takes one request at a time per connection, and holds a client to a request of 16 KiB without a body of its own.

use std::os::fd::{AsRawFd, OwnedFd};

use hearth_bench_peers::{END_REQUEST, HEADER, STDOUT, records};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, read, write};
use rustix::net::{SocketFlags, accept_with};

const DOCUMENT: &str = include_str!("../../../document.json");
const HEAD: &str = include_str!("../../../head.txt");
const LISTENER: u64 = u64::MAX;

/// What is known of a connection between two reads.
struct Connection {
    socket: OwnedFd,
    /// Bytes of a record whose end has not arrived.
    rest: Vec<u8>,
    keep: bool,
}

/// The whole answer of one request: a STDOUT record and END_REQUEST, the request id left zero.
fn answer() -> Vec<u8> {
    let content = format!("{HEAD}Content-Length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len());
    let length = u16::try_from(content.len()).expect("the document fits one record").to_be_bytes();
    let mut bytes = vec![1, STDOUT, 0, 0, length[0], length[1], 0, 0];
    bytes.extend_from_slice(content.as_bytes());
    bytes.extend_from_slice(&[1, END_REQUEST, 0, 0, 0, 8, 0, 0]);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// Reads once and answers what is complete. `false` ends the connection.
fn serve(connection: &mut Connection, buffer: &mut Vec<u8>, answer: &mut [u8]) -> bool {
    buffer.clear();
    buffer.append(&mut connection.rest);
    match read(&connection.socket, spare_capacity(buffer)) {
        Ok(0) => return false,
        Ok(_) => {}
        Err(Errno::AGAIN | Errno::INTR) => {
            connection.rest.extend_from_slice(buffer);
            return true;
        }
        Err(_) => return false,
    }
    let mut done = 0;
    loop {
        let (length, complete) = records(&buffer[done..], &mut connection.keep);
        done += length;
        let Some(id) = complete else { break };
        let end = answer.len() - 2 * HEADER;
        answer[2..4].copy_from_slice(&id);
        answer[end + 2..end + 4].copy_from_slice(&id);
        // Under 600 bytes: a socket that does not take them at once has a peer that does not read.
        if write(&connection.socket, answer) != Ok(answer.len()) || !connection.keep {
            return false;
        }
    }
    connection.rest.extend_from_slice(&buffer[done..]);
    true
}

fn main() {
    let listener = rustix::stdio::stdin();
    rustix::io::ioctl_fionbio(listener, true).expect("fd 0 is a socket");
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    epoll::add(&poll, listener, EventData::new_u64(LISTENER), EventFlags::IN).expect("fd 0 is a listening socket");

    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(64);
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut answer = answer();
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in &events {
            let slot = if event.data.u64() == LISTENER {
                let Ok(socket) = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) else { continue };
                let slot = usize::try_from(socket.as_raw_fd()).expect("a descriptor is not negative");
                let data = EventData::new_u64(slot as u64);
                epoll::add(&poll, &socket, data, EventFlags::IN).expect("the descriptor is new");
                if connections.len() <= slot {
                    connections.resize_with(slot + 1, || None);
                }
                connections[slot] = Some(Connection { socket, rest: Vec::new(), keep: false });
                continue;
            } else {
                event.data.u64() as usize
            };
            if let Some(connection) = &mut connections[slot]
                && !serve(connection, &mut buffer, &mut answer)
            {
                connections[slot] = None;
            }
        }
    }
}
