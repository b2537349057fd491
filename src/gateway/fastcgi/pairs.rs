//! Name-value pairs (specification section 3.4), read from a stream that may be cut at any byte.

use crate::gateway::message::Params;

/// Why variables are refused. The connection goes on; the request does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// More bytes or more variables than allowed.
    TooLarge,
    /// The stream ended within a pair.
    Truncated,
}

/// Reads pairs; keeps what the last piece left unfinished.
#[derive(Debug, Default)]
pub struct PairReader {
    params: Params,
    partial: Vec<u8>,
}

/// The lengths that start a pair, and the bytes that they take.
fn lengths(bytes: &[u8]) -> Option<(usize, usize, usize)> {
    let (name, first) = length(bytes)?;
    let (value, second) = length(bytes.get(first..)?)?;
    Some((name, value, first + second))
}

/// One length: one byte below 128, else four with the top bit set.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [short, ..] if short < 0x80 => Some((usize::from(short), 1)),
        [a, b, c, d, ..] => Some((u32::from_be_bytes([a & 0x7f, b, c, d]) as usize, 4)),
        _ => None,
    }
}

impl PairReader {
    /// Takes the next piece of the stream.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] as soon as a length shows that a limit will be passed: nothing is reserved for it.
    pub fn take(&mut self, mut piece: &[u8], max_bytes: usize, max_count: usize) -> Result<(), Refusal> {
        while !self.partial.is_empty() && !piece.is_empty() {
            // Only as much as this pair needs goes through the buffer: first the lengths, byte by byte, then the rest.
            let wanted = match lengths(&self.partial) {
                Some((name, value, start)) => start + self.admit(name, value, max_bytes, max_count)?,
                None => self.partial.len() + 1,
            };
            let missing = wanted.saturating_sub(self.partial.len()).min(piece.len());
            let (now, later) = piece.split_at(missing);
            self.partial.extend_from_slice(now);
            piece = later;
            if self.finish_partial(max_bytes, max_count)? {
                self.partial.clear();
            }
        }
        if piece.is_empty() {
            return Ok(());
        }
        if self.params.is_empty() {
            // Nearly always all variables come in one piece, and web servers send about 25.
            self.params.reserve(piece.len(), 32.min(max_count));
        }
        // The piece is copied as a whole, lengths and all: many short copies would cost more.
        let mut place = self.params.take_over(piece);
        while let Some((name, value, start)) = lengths(piece) {
            let size = self.admit(name, value, max_bytes, max_count)?;
            let Some(rest) = piece.get(start + size..) else { break };
            self.params.adopt(place + start, name, value);
            place += start + size;
            piece = rest;
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    /// The variables, once the stream has ended.
    ///
    /// # Errors
    /// [`Refusal::Truncated`] where it ended within a pair.
    pub fn finish(self) -> Result<Params, Refusal> {
        if self.partial.is_empty() { Ok(self.params) } else { Err(Refusal::Truncated) }
    }

    /// Bytes of a pair's name and value, if there is room for it.
    fn admit(&self, name: usize, value: usize, max_bytes: usize, max_count: usize) -> Result<usize, Refusal> {
        let size = name.saturating_add(value);
        let fits = self.params.size().saturating_add(size) <= max_bytes && self.params.len() < max_count;
        if fits { Ok(size) } else { Err(Refusal::TooLarge) }
    }

    /// Moves the pair in the buffer to the variables if it is whole.
    fn finish_partial(&mut self, max_bytes: usize, max_count: usize) -> Result<bool, Refusal> {
        let Some((name, value, start)) = lengths(&self.partial) else { return Ok(false) };
        let size = self.admit(name, value, max_bytes, max_count)?;
        let Some(pair) = self.partial.get(start..start + size) else { return Ok(false) };
        let (name, value) = pair.split_at(name);
        self.params.push(name, value);
        Ok(true)
    }
}

/// Appends one pair, as `FCGI_GET_VALUES_RESULT` carries it.
pub fn append(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, value] {
        match u8::try_from(part.len()) {
            Ok(short) if short < 0x80 => out.push(short),
            _ => {
                let long = u32::try_from(part.len()).unwrap_or(u32::MAX) | 0x8000_0000;
                out.extend_from_slice(&long.to_be_bytes());
            }
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::{PairReader, Refusal, append};

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    fn sample() -> (Vec<u8>, Pairs) {
        let long = vec![b'v'; 300];
        let pairs: Pairs = vec![
            (b"REQUEST_METHOD".to_vec(), b"GET".to_vec()),
            (b"EMPTY".to_vec(), Vec::new()),
            (Vec::new(), b"nameless".to_vec()),
            (b"HTTP_USER_AGENT".to_vec(), b"caf\xe9".to_vec()),
            (b"LONG".to_vec(), long.clone()),
            (long, b"x".to_vec()),
            (b"E127".to_vec(), vec![0; 127]),
            (b"E128".to_vec(), vec![0; 128]),
        ];
        let mut bytes = Vec::new();
        for (name, value) in &pairs {
            append(&mut bytes, name, value);
        }
        (bytes, pairs)
    }

    #[test]
    fn a_stream_cut_at_any_two_bytes_reads_the_same() {
        let (bytes, expected) = sample();
        for first in 0..bytes.len() {
            for second in [first, first + 1, first + 7, first + 150] {
                let second = second.min(bytes.len());
                let mut reader = PairReader::default();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    reader.take(piece, 10_000, 100).expect("within limits");
                }
                let params = reader.finish().expect("whole");
                let read: Vec<_> = params.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                assert_eq!(read, expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_stream_that_arrives_byte_by_byte_reads_the_same() {
        let (bytes, expected) = sample();
        let mut reader = PairReader::default();
        for byte in bytes {
            reader.take(&[byte], 10_000, 100).expect("within limits");
        }
        assert_eq!(reader.finish().expect("whole").len(), expected.len());
    }

    #[test]
    fn a_length_of_two_gigabytes_is_refused_before_its_bytes_arrive() {
        let mut reader = PairReader::default();
        assert_eq!(reader.take(&[1, 0xff, 0xff, 0xff, 0xff], 65_536, 100), Err(Refusal::TooLarge));
        let mut split = PairReader::default();
        split.take(&[1, 0xff], 65_536, 100).expect("not known yet");
        assert_eq!(split.take(&[0xff, 0xff, 0xff, b'N'], 65_536, 100), Err(Refusal::TooLarge));
    }

    #[test]
    fn limits_are_exact() {
        let mut bytes = Vec::new();
        append(&mut bytes, b"NAME", b"value!");
        assert_eq!(PairReader::default().take(&bytes, 10, 1), Ok(()));
        assert_eq!(PairReader::default().take(&bytes, 9, 1), Err(Refusal::TooLarge));
        assert_eq!(PairReader::default().take(&bytes, 10, 0), Err(Refusal::TooLarge));
    }

    #[test]
    fn an_end_within_a_pair_is_an_error() {
        let (bytes, _) = sample();
        let mut reader = PairReader::default();
        reader.take(&bytes[..bytes.len() - 1], 10_000, 100).expect("within limits");
        assert_eq!(reader.finish().err(), Some(Refusal::Truncated));
    }
}
