//! Records, the unit of transfer (specification section 3.3), and their constants (section 8).

/// The only protocol version.
pub const VERSION: u8 = 1;
/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 8;
/// The most content that one record of ours carries: the largest multiple of eight that fits.
pub const MAX_CONTENT: usize = 65_528;
/// The flag of `FCGI_BEGIN_REQUEST` that asks to keep the connection.
pub const KEEP_CONNECTION: u8 = 1;
/// The responder role, the only one served.
pub const ROLE_RESPONDER: u16 = 1;

/// Record types.
pub mod kind {
    /// Starts a request.
    pub const BEGIN_REQUEST: u8 = 1;
    /// Gives a request up.
    pub const ABORT_REQUEST: u8 = 2;
    /// Ends a request.
    pub const END_REQUEST: u8 = 3;
    /// Stream of variables.
    pub const PARAMS: u8 = 4;
    /// Stream of the body.
    pub const STDIN: u8 = 5;
    /// Stream of the answer.
    pub const STDOUT: u8 = 6;
    /// Stream of error messages.
    pub const STDERR: u8 = 7;
    /// A second stream, of the filter role only.
    pub const DATA: u8 = 8;
    /// Asks for limits.
    pub const GET_VALUES: u8 = 9;
    /// Tells limits.
    pub const GET_VALUES_RESULT: u8 = 10;
    /// Answers a management record of an unknown type.
    pub const UNKNOWN_TYPE: u8 = 11;
}

/// Values of `protocolStatus` in `FCGI_END_REQUEST`.
pub mod status {
    /// The request was answered.
    pub const REQUEST_COMPLETE: u8 = 0;
    /// Refused because too much is going on.
    pub const OVERLOADED: u8 = 2;
    /// Refused because the role is not served.
    pub const UNKNOWN_ROLE: u8 = 3;
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version, as sent.
    pub version: u8,
    /// One of [`kind`], or a type that is not known.
    pub kind: u8,
    /// The request; 0 in management records.
    pub id: u16,
    /// Bytes of content.
    pub length: u16,
    /// Bytes of padding behind the content.
    pub padding: u8,
}

impl Header {
    /// Reads a header; every eight bytes are one.
    pub fn parse(bytes: [u8; HEADER_BYTES]) -> Self {
        let [version, kind, id1, id0, length1, length0, padding, _reserved] = bytes;
        Self {
            version,
            kind,
            id: u16::from_be_bytes([id1, id0]),
            length: u16::from_be_bytes([length1, length0]),
            padding,
        }
    }

    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [id1, id0] = self.id.to_be_bytes();
        let [length1, length0] = self.length.to_be_bytes();
        [self.version, self.kind, id1, id0, length1, length0, self.padding, 0]
    }
}

/// Appends a record of at most [`MAX_CONTENT`] bytes, padded to a multiple of eight; what is longer is cut.
pub fn append(out: &mut Vec<u8>, kind: u8, id: u16, content: &[u8]) {
    let content = content.get(..MAX_CONTENT).unwrap_or(content);
    let length = u16::try_from(content.len()).unwrap_or(0);
    let padding = padding_of(content.len());
    out.extend_from_slice(&Header { version: VERSION, kind, id, length, padding }.to_bytes());
    out.extend_from_slice(content);
    out.resize(out.len() + usize::from(padding), 0);
}

/// Appends `FCGI_END_REQUEST`.
pub fn append_end(out: &mut Vec<u8>, id: u16, app_status: u32, protocol_status: u8) {
    let [a, b, c, d] = app_status.to_be_bytes();
    append(out, kind::END_REQUEST, id, &[a, b, c, d, protocol_status, 0, 0, 0]);
}

/// Bytes of padding that bring content of `length` bytes to a multiple of eight.
pub(super) fn padding_of(length: usize) -> u8 {
    u8::try_from(length.wrapping_neg() & 7).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Header, append, append_end, kind, padding_of};

    #[test]
    fn a_header_reads_what_it_wrote() {
        let header = Header { version: 1, kind: kind::STDIN, id: 0x1234, length: 65_535, padding: 255 };
        assert_eq!(Header::parse(header.to_bytes()), header);
    }

    #[test]
    fn records_are_padded_to_a_multiple_of_eight() {
        for length in 0..32_usize {
            let mut out = Vec::new();
            append(&mut out, kind::STDOUT, 1, &vec![7; length]);
            assert_eq!(out.len() % 8, 0, "{length}");
            assert_eq!(out.len(), 8 + length + usize::from(padding_of(length)));
        }
    }

    #[test]
    fn the_end_of_a_request_has_the_bytes_of_the_specification() {
        let mut out = Vec::new();
        append_end(&mut out, 258, 1, 2);
        assert_eq!(out, [1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0]);
    }
}
