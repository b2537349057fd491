//! The chunked transfer coding (RFC 9112 section 7.1), read from bytes that may be cut anywhere. Strict: what two
//! programs could read differently is refused, since that is how requests are smuggled.

/// Bytes of a chunk's size line, extensions included, and of all trailer fields.
const MAX_LINE: usize = 4_096;

/// The state of one body.
#[derive(Debug, Default)]
pub struct Chunked {
    place: Place,
    line: Vec<u8>,
    trailer_bytes: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    Data(u64),
    /// The line end behind a chunk's data; how many of its two bytes have come.
    DataEnd(usize),
    Trailer,
    Done,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the body.
    Data(&'a [u8]),
    /// The bytes given are used up.
    More,
    /// The body has ended; what is left belongs to the next request.
    End,
}

/// A coding that is not exactly as the RFC has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl Chunked {
    /// The next piece in `bytes`, which is moved on behind it. To be called until it answers `More` or `End`.
    ///
    /// # Errors
    /// [`Malformed`] where the coding is broken; nothing behind it can be trusted.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Piece<'a>, Malformed> {
        loop {
            match self.place {
                Place::Done => return Ok(Piece::End),
                _ if bytes.is_empty() => return Ok(Piece::More),
                Place::Size => {
                    if self.line(bytes)? {
                        let size = size(&self.line)?;
                        self.line.clear();
                        self.place = if size == 0 { Place::Trailer } else { Place::Data(size) };
                    }
                }
                Place::Data(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (now, later) = bytes.split_at(length);
                    *bytes = later;
                    let left = left - length as u64;
                    self.place = if left == 0 { Place::DataEnd(0) } else { Place::Data(left) };
                    return Ok(Piece::Data(now));
                }
                Place::DataEnd(seen) => {
                    let expected = if seen == 0 { b'\r' } else { b'\n' };
                    let Some((first, rest)) = bytes.split_first() else { return Ok(Piece::More) };
                    if *first != expected {
                        return Err(Malformed);
                    }
                    *bytes = rest;
                    self.place = if seen == 0 { Place::DataEnd(1) } else { Place::Size };
                }
                Place::Trailer => {
                    if self.line(bytes)? {
                        self.trailer_bytes += self.line.len() + 2;
                        if self.trailer_bytes > MAX_LINE {
                            return Err(Malformed);
                        }
                        if self.line.is_empty() {
                            self.place = Place::Done;
                        }
                        self.line.clear();
                    }
                }
            }
        }
    }

    /// Gathers a line; whether it is whole now, without its line end.
    fn line(&mut self, bytes: &mut &[u8]) -> Result<bool, Malformed> {
        let end = memchr::memchr(b'\n', bytes);
        let (now, later) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
        *bytes = later;
        if self.line.len() + now.len() > MAX_LINE {
            return Err(Malformed);
        }
        self.line.extend_from_slice(now);
        if end.is_none() {
            return Ok(false);
        }
        self.line.pop();
        // A line end is CR LF; a CR alone within the line is refused too.
        let whole = self.line.pop() == Some(b'\r') && !self.line.contains(&b'\r');
        if whole { Ok(true) } else { Err(Malformed) }
    }
}

/// The size in a chunk's first line: hexadecimal digits, then nothing or an extension.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at(end);
    let rest = rest.trim_ascii_start();
    if digits.is_empty() || digits.len() > 15 || !(rest.is_empty() || rest.starts_with(b";")) {
        return Err(Malformed);
    }
    std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Chunked, Malformed, Piece};

    fn decode(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), Malformed> {
        let (mut chunked, mut body, mut ended, mut left) = (Chunked::default(), Vec::new(), false, 0);
        for piece in pieces {
            let mut bytes = *piece;
            loop {
                match chunked.next(&mut bytes)? {
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::More => break,
                    Piece::End => {
                        ended = true;
                        left += bytes.len();
                        break;
                    }
                }
            }
        }
        Ok((body, ended, left))
    }

    #[test]
    fn a_body_cut_at_any_byte_reads_the_same() {
        let coded = b"5;name=value\r\nhello\r\n1\r\n \r\n0005\r\nworld\r\n0\r\nTrailer: x\r\n\r\nGET /";
        for cut in 0..coded.len() {
            let (first, second) = coded.split_at(cut);
            assert_eq!(decode(&[first, second]).map(|(body, ..)| body), Ok(b"hello world".to_vec()), "cut at {cut}");
        }
        assert_eq!(decode(&[coded]), Ok((b"hello world".to_vec(), true, 5)));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for coded in [
            &b"\r\n"[..],
            b"g\r\n",
            b"0x5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"-1\r\n",
            b"5\nhello\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\n0\r\n",
            b"5\r\nhelloworld\r\n",
            b"5 5\r\nhello\r\n",
            b"5\rx\r\nhello\r\n",
            b"ffffffffffffffff\r\n",
            b"0\r\nX: y\n\n",
        ] {
            assert_eq!(decode(&[coded]), Err(Malformed), "{}", String::from_utf8_lossy(coded));
        }
        let endless = vec![b'0'; 5_000];
        assert_eq!(decode(&[&endless]), Err(Malformed));
    }
}
