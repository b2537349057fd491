//! What an HTTP/1.1 answer needs beside its head: the date, and chunks.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that a chunk's size line takes: eight digits, always, so that it can be filled in later.
pub const CHUNK_HEAD_BYTES: usize = 10;

thread_local! {
    /// The second and its text: the same for many answers.
    static DATE: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
}

/// Calls `with` with the present date in the form of RFC 9110 section 5.6.7.
pub fn with_date<R>(with: impl FnOnce(&[u8]) -> R) -> R {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DATE.with_borrow_mut(|(known, text)| {
        if *known != second || text.is_empty() {
            *known = second;
            *text = date(second).into_bytes();
        }
        with(text)
    })
}

fn date(second: u64) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let Ok(instant) = jiff::Timestamp::from_second(second) else { return String::new() };
    instant.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Completes a chunk that starts at `start` with the place of its size line; an empty one disappears.
pub fn close_chunk(out: &mut Vec<u8>, start: usize) {
    let length = out.len().saturating_sub(start + CHUNK_HEAD_BYTES);
    if length == 0 {
        out.truncate(start);
        return;
    }
    let size = format!("{length:08x}\r\n");
    if let Some(place) = out.get_mut(start..start + CHUNK_HEAD_BYTES) {
        place.copy_from_slice(size.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_HEAD_BYTES, close_chunk, date};

    #[test]
    fn the_date_has_the_form_of_the_rfc() {
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn a_chunk_tells_its_size_and_an_empty_one_is_not_written() {
        let mut out = vec![0; CHUNK_HEAD_BYTES];
        out.extend_from_slice(&[b'x'; 26]);
        close_chunk(&mut out, 0);
        assert_eq!(out, format!("0000001a\r\n{}\r\n", "x".repeat(26)).into_bytes());
        let mut empty = vec![0; CHUNK_HEAD_BYTES];
        close_chunk(&mut empty, 0);
        assert!(empty.is_empty());
    }
}
