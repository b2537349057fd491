//! A long answer on its way: made into the bytes of its protocol a piece at a time, when its client has taken the piece before.

use std::io;

use super::fastcgi::record::MAX_CONTENT;
use super::fastcgi::writer::{self as fastcgi, Form};
use super::spool::Spooled;

/// How a body's bytes stand on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    /// As they are.
    Plain,
    /// In records of this request.
    Records { id: u16, form: Form },
}

/// A body whose head was sent, and what comes behind it.
#[derive(Debug)]
pub(super) struct Sending {
    body: Spooled,
    framing: Framing,
    end: Vec<u8>,
    /// Bytes of the body that were made into pieces.
    at: u64,
    /// Everything was.
    over: bool,
}

impl Sending {
    pub(super) fn new(body: Spooled, framing: Framing, end: Vec<u8>) -> Self {
        Self { body, framing, end, at: 0, over: false }
    }

    /// Bytes that it holds in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.body.in_memory()
    }

    /// Bytes that it holds in a file.
    pub(super) fn stored(&self) -> usize {
        self.body.stored()
    }

    /// Bytes of the body that are still to be sent.
    pub(super) fn left(&self) -> usize {
        usize::try_from(self.body.len().saturating_sub(self.at)).unwrap_or(usize::MAX)
    }

    /// Whether there is no piece any more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Appends the next piece: at most a record's content, and with the last one what comes behind the body.
    ///
    /// # Errors
    /// Those of reading the body, after which the answer can not be completed.
    pub(super) fn next(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let count = match self.framing {
            Framing::Plain => self.body.read_at(self.at, MAX_CONTENT, into)?,
            Framing::Records { id, form } => {
                let mut records = fastcgi::answer(id, form);
                let body = &self.body;
                let count = records.fill(into, |into| body.read_at(self.at, MAX_CONTENT, into))?;
                records.close(into);
                count
            }
        };
        self.at += count as u64;
        if count == 0 || self.at >= self.body.len() {
            into.append(&mut self.end);
            self.over = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fastcgi::record::{HEADER_BYTES, Header, MAX_CONTENT};
    use super::super::spool::{Spool, Spooled};
    use super::{Form, Framing, Sending};

    /// A body of which a part lies in a file.
    fn body(length: usize) -> (Vec<u8>, Spooled) {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let (stored, rest) = bytes.split_at(length / 3);
        let mut spool = Spool::default();
        assert!(spool.append(stored));
        (bytes.clone(), spool.end(rest.to_vec()))
    }

    #[test]
    fn pieces_make_the_whole_body_and_its_end() {
        for length in [0, 1, MAX_CONTENT, MAX_CONTENT + 1, 10 * MAX_CONTENT + 3] {
            let (bytes, body) = body(length);
            let mut sending = Sending::new(body, Framing::Plain, b"end".to_vec());
            let mut out = Vec::new();
            while !sending.is_over() {
                let before = out.len();
                sending.next(&mut out).unwrap();
                assert!(out.len() - before <= MAX_CONTENT + 3);
            }
            assert!(out == [bytes.as_slice(), b"end"].concat(), "{length}");
        }
    }

    #[test]
    fn records_hold_the_whole_body() {
        for (length, form) in [(0, Form::Full), (5 * MAX_CONTENT + 9, Form::Full), (70_001, Form::Terse)] {
            let (bytes, body) = body(length);
            let mut sending = Sending::new(body, Framing::Records { id: 9, form }, Vec::new());
            let (mut out, mut read) = (Vec::new(), Vec::new());
            while !sending.is_over() {
                sending.next(&mut out).unwrap();
            }
            let mut rest = &out[..];
            while let Some((header, tail)) = rest.split_first_chunk::<HEADER_BYTES>() {
                let header = Header::parse(*header);
                let content = usize::from(header.length);
                assert!(header.id == 9 && content > 0);
                read.extend_from_slice(&tail[..content]);
                rest = &tail[content + usize::from(header.padding)..];
            }
            assert!(rest.is_empty() && read == bytes, "{length}");
        }
    }
}
