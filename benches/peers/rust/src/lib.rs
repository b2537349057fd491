//! What the peers read of FastCGI. Section 3.3 of its specification has the record, section 5 the order of records.

/// Bytes of a record's header.
pub const HEADER: usize = 8;
const BEGIN_REQUEST: u8 = 1;
/// The type of the record that ends a request.
pub const END_REQUEST: u8 = 3;
const STDIN: u8 = 5;
/// The type of records that hold the answer.
pub const STDOUT: u8 = 6;
const KEEP_CONNECTION: u8 = 1;

/// Goes through the whole records of `input`. Answers how many bytes they had, and the id of a request that is complete.
pub fn records(input: &[u8], keep: &mut bool) -> (usize, Option<[u8; 2]>) {
    let mut at = 0;
    while let Some(&[_, kind, id1, id0, length1, length0, padding, _]) = input[at..].first_chunk::<HEADER>() {
        let length = usize::from(u16::from_be_bytes([length1, length0]));
        let end = at + HEADER + length + usize::from(padding);
        if end > input.len() {
            break;
        }
        if kind == BEGIN_REQUEST && length == 8 {
            *keep = input[at + HEADER + 2] & KEEP_CONNECTION != 0;
        }
        at = end;
        if kind == STDIN && length == 0 {
            return (at, Some([id1, id0]));
        }
    }
    (at, None)
}
