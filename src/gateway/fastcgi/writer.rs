//! Answers as FastCGI records: a CGI response (RFC 3875 section 6) in `FCGI_STDOUT`, then `FCGI_END_REQUEST`.

use std::io;

use crate::gateway::message::Params;

use super::record::{self, HEADER_BYTES, Header, MAX_CONTENT, VERSION, kind, padding_of};

/// Appends a stream of any length as records of one kind. [`Records::close`] must be called at the end.
#[derive(Debug)]
pub struct Records {
    kind: u8,
    id: u16,
    /// Where the open record's header is in the buffer.
    open: Option<usize>,
    form: Form,
}

/// How many records and bytes an answer has beside its content. Every web server understands both forms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As specification sections 3.3 and 5.3 have it: padding to eight bytes, and an empty record at the end of a stream.
    #[default]
    Full,
    /// Neither: for a web server to which each costs system calls, and which goes by `FCGI_END_REQUEST`.
    Terse,
}

impl Form {
    /// The form that suits the web server which sent these variables. mod_proxy_fcgi, which alone makes such a
    /// SCRIPT_FILENAME, reads header, content and padding of each record with a `read` of its own and polls before each.
    pub fn for_request(params: &Params) -> Self {
        let by_proxy = params.value(b"SCRIPT_FILENAME").is_some_and(|name| name.starts_with(b"proxy:"));
        if by_proxy { Self::Terse } else { Self::Full }
    }
}

impl Records {
    /// A stream of `kind` for the request `id`.
    pub fn new(kind: u8, id: u16, form: Form) -> Self {
        Self { kind, id, open: None, form }
    }

    /// Appends content.
    pub fn put(&mut self, out: &mut Vec<u8>, mut content: &[u8]) {
        while !content.is_empty() {
            let start = *self.open.get_or_insert_with(|| {
                out.resize(out.len() + HEADER_BYTES, 0);
                out.len()
            });
            let room = MAX_CONTENT - (out.len() - start);
            let (now, later) = content.split_at(room.min(content.len()));
            out.extend_from_slice(now);
            content = later;
            if out.len() - start == MAX_CONTENT {
                self.close(out);
            }
        }
    }

    /// Appends what `fill` does, at most a record's content, as a record of its own. What `fill` answers.
    ///
    /// # Errors
    /// Those of `fill`, after which the buffer is of no use.
    pub fn fill(
        &mut self,
        out: &mut Vec<u8>,
        fill: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.close(out);
        let start = out.len() + HEADER_BYTES;
        out.resize(start, 0);
        let count = fill(out)?;
        if out.len() == start {
            out.truncate(start - HEADER_BYTES);
        } else {
            self.open = Some(start);
        }
        Ok(count)
    }

    /// Completes the open record. Must be called before the buffer is sent or anything else is appended to it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let Some(start) = self.open.take() else { return };
        let length = out.len() - start;
        let padding = if self.form == Form::Terse { 0 } else { padding_of(length) };
        out.resize(out.len() + usize::from(padding), 0);
        let header = Header {
            version: VERSION,
            kind: self.kind,
            id: self.id,
            length: u16::try_from(length).unwrap_or(u16::MAX),
            padding,
        };
        if let Some(place) = out.get_mut(start - HEADER_BYTES..start) {
            place.copy_from_slice(&header.to_bytes());
        }
    }

    /// Completes the stream, with its empty record where the form has one, and the request with `FCGI_END_REQUEST`.
    pub fn end(mut self, out: &mut Vec<u8>, app_status: u32, protocol_status: u8) {
        self.close(out);
        if self.form == Form::Full {
            record::append(out, self.kind, self.id, &[]);
        }
        record::append_end(out, self.id, app_status, protocol_status);
    }
}

/// Bytes of a whole answer with so much content, at most.
pub fn length(content: usize) -> usize {
    // Each record may have a header and padding, and three come behind the content.
    content + (content / MAX_CONTENT + 4) * (HEADER_BYTES * 2)
}

/// The stream that carries the answer to request `id`.
pub fn answer(id: u16, form: Form) -> Records {
    Records::new(kind::STDOUT, id, form)
}

#[cfg(test)]
mod tests {
    use super::super::record::{HEADER_BYTES, Header, MAX_CONTENT, kind};
    use super::{Form, answer};
    use crate::gateway::message::Params;

    #[test]
    fn content_of_any_length_comes_back_whole_from_its_records() {
        let lengths = [0, 1, 7, 8, MAX_CONTENT - 1, MAX_CONTENT, MAX_CONTENT + 1, 3 * MAX_CONTENT + 5];
        for (length, form) in lengths.into_iter().flat_map(|length| [(length, Form::Full), (length, Form::Terse)]) {
            let content: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut out = Vec::new();
            let mut records = answer(9, form);
            for piece in content.chunks(1_000) {
                records.put(&mut out, piece);
            }
            records.end(&mut out, 0, 0);
            let (mut rest, mut read, mut kinds) = (&out[..], Vec::new(), Vec::new());
            while let Some((header, tail)) = rest.split_first_chunk::<HEADER_BYTES>() {
                let header = Header::parse(*header);
                assert_eq!((header.version, header.id), (1, 9));
                let length = usize::from(header.length);
                if header.kind == kind::STDOUT {
                    read.extend_from_slice(&tail[..length]);
                }
                assert!(form == Form::Full || header.padding == 0);
                kinds.push((header.kind, length));
                rest = &tail[length + usize::from(header.padding)..];
            }
            assert!(rest.is_empty() && read == content, "{length} bytes");
            assert!(out.len() <= super::length(length), "{length} bytes");
            let empty = kinds.iter().filter(|kind| **kind == (kind::STDOUT, 0)).count();
            assert_eq!(empty, usize::from(form == Form::Full));
            assert_eq!(kinds.last(), Some(&(kind::END_REQUEST, 8)));
        }
    }

    #[test]
    fn only_mod_proxy_fcgi_gets_the_terse_form() {
        let form = |name: &[u8]| {
            let mut params = Params::default();
            params.push(b"SCRIPT_FILENAME", name);
            Form::for_request(&params)
        };
        assert_eq!(form(b"proxy:fcgi://localhost/volume/v3/"), Form::Terse);
        assert_eq!(form(b"/srv/proxy:/hearth"), Form::Full);
        assert_eq!(Form::for_request(&Params::default()), Form::Full);
    }
}
