//! Answers as FastCGI records: a CGI response (RFC 3875 section 6) in `FCGI_STDOUT`, then `FCGI_END_REQUEST`.

use super::record::{self, HEADER_BYTES, Header, MAX_CONTENT, VERSION, kind, padding_of};

/// Appends a stream of any length as records of one kind. [`Records::close`] must be called at the end.
#[derive(Debug)]
pub struct Records {
    kind: u8,
    id: u16,
    /// Where the open record's header is in the buffer.
    open: Option<usize>,
}

impl Records {
    /// A stream of `kind` for the request `id`.
    pub fn new(kind: u8, id: u16) -> Self {
        Self { kind, id, open: None }
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

    /// Completes the open record. Must be called before the buffer is sent or anything else is appended to it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let Some(start) = self.open.take() else { return };
        let length = out.len() - start;
        let padding = padding_of(length);
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

    /// Completes the stream with its empty record, and the request with `FCGI_END_REQUEST`.
    pub fn end(mut self, out: &mut Vec<u8>, app_status: u32, protocol_status: u8) {
        self.close(out);
        record::append(out, self.kind, self.id, &[]);
        record::append_end(out, self.id, app_status, protocol_status);
    }
}

/// The stream that carries the answer to request `id`.
pub fn answer(id: u16) -> Records {
    Records::new(kind::STDOUT, id)
}

#[cfg(test)]
mod tests {
    use super::super::record::{HEADER_BYTES, Header, MAX_CONTENT, kind};
    use super::answer;

    #[test]
    fn content_of_any_length_comes_back_whole_from_its_records() {
        for length in [0, 1, 7, 8, MAX_CONTENT - 1, MAX_CONTENT, MAX_CONTENT + 1, 3 * MAX_CONTENT + 5] {
            let content: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut out = Vec::new();
            let mut records = answer(9);
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
                kinds.push((header.kind, length));
                rest = &tail[length + usize::from(header.padding)..];
            }
            assert!(rest.is_empty() && read == content, "{length} bytes");
            assert_eq!(kinds[kinds.len() - 2..], [(kind::STDOUT, 0), (kind::END_REQUEST, 8)]);
        }
    }
}
