//! One FastCGI connection as seen by an application: bytes of the web server in, events out. Several requests may be on
//! the way at once, each identified by its id (specification sections 3 to 5). Answers are not its affair.

use super::pairs::{self, PairReader, Refusal};
use super::record::{self, HEADER_BYTES, Header, KEEP_CONNECTION, ROLE_RESPONDER, VERSION, kind, status};
use crate::gateway::message::Params;
use crate::gateway::protocol::{Event, Limits, Violation};

/// The state of one connection's incoming bytes.
#[derive(Debug, Default)]
pub struct Responder {
    place: Place,
    /// Bytes of a header, or of a body that must be whole to be understood.
    gathered: Vec<u8>,
    requests: Vec<Request>,
    /// What the last refused role, answered query or unknown type put here to be sent.
    reply: Vec<u8>,
}

/// Where the next byte belongs.
#[derive(Debug, Default, Clone, Copy)]
enum Place {
    #[default]
    Header,
    Content {
        header: Header,
        left: usize,
    },
    Padding {
        left: usize,
    },
}

/// A request whose streams have not ended.
#[derive(Debug)]
struct Request {
    id: u16,
    keep: bool,
    /// The variables, until they are whole; then the body's turn has come.
    params: Option<PairReader>,
}

impl Responder {
    /// Whether bytes of an unfinished record or request have arrived.
    pub fn is_midway(&self) -> bool {
        !self.requests.is_empty() || !self.gathered.is_empty() || !matches!(self.place, Place::Header)
    }

    /// Takes all of `bytes` and tells what they mean.
    ///
    /// # Errors
    /// What no web server may send, or what `tell` answers: both end the connection.
    pub fn receive(
        &mut self,
        mut bytes: &[u8],
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        while !bytes.is_empty() {
            match self.place {
                Place::Header => bytes = self.header(bytes, limits, tell)?,
                Place::Content { header, left } => {
                    let (now, later) = bytes.split_at(left.min(bytes.len()));
                    bytes = later;
                    self.content(header, now, limits, tell)?;
                    let left = left - now.len();
                    if left == 0 {
                        self.end_of_content(header, limits, tell)?;
                    } else {
                        self.place = Place::Content { header, left };
                    }
                }
                Place::Padding { left } => {
                    let skipped = left.min(bytes.len());
                    bytes = bytes.get(skipped..).unwrap_or_default();
                    self.place = if skipped == left { Place::Header } else { Place::Padding { left: left - skipped } };
                }
            }
        }
        Ok(())
    }

    /// Reads a header, from the bytes directly where it is whole in them.
    fn header<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<&'a [u8], Violation> {
        let (header, rest) = match bytes.split_first_chunk::<HEADER_BYTES>() {
            Some((whole, rest)) if self.gathered.is_empty() => (*whole, rest),
            _ => {
                let missing = HEADER_BYTES.saturating_sub(self.gathered.len()).min(bytes.len());
                let (now, rest) = bytes.split_at(missing);
                self.gathered.extend_from_slice(now);
                let Some(whole) = self.gathered.first_chunk::<HEADER_BYTES>().copied() else { return Ok(rest) };
                self.gathered.clear();
                (whole, rest)
            }
        };
        let header = Header::parse(header);
        if header.version != VERSION {
            return Err(Violation("a record of an unknown protocol version"));
        }
        if header.length == 0 {
            self.end_of_content(header, limits, tell)?;
        } else {
            self.place = Place::Content { header, left: usize::from(header.length) };
        }
        Ok(rest)
    }

    /// Takes a part of a record's content: streams pass on, what must be whole is gathered.
    fn content(
        &mut self,
        header: Header,
        part: &[u8],
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        match (header.kind, header.id) {
            (kind::GET_VALUES, 0) => self.gathered.extend_from_slice(part),
            (_, 0) => {}
            (kind::BEGIN_REQUEST, _) => {
                let missing = 8_usize.saturating_sub(self.gathered.len()).min(part.len());
                self.gathered.extend_from_slice(part.get(..missing).unwrap_or_default());
            }
            (kind::PARAMS, id) => {
                let Some(at) = self.position(id) else { return Ok(()) };
                let Some(request) = self.requests.get_mut(at) else { return Ok(()) };
                // Variables behind their own end belong to nothing.
                let Some(reader) = &mut request.params else { return Ok(()) };
                if reader.take(part, limits.params_bytes, limits.params_count).is_err() {
                    let keep = request.keep;
                    self.requests.swap_remove(at);
                    tell(Event::Refuse { id, keep, status: 431, why: "too many or too large request variables" })?;
                }
            }
            (kind::STDIN, id) if self.in_body(id) => tell(Event::Data { id, bytes: part })?,
            // The body of a request that was answered already, the filter role's data, records of unknown types.
            _ => {}
        }
        Ok(())
    }

    /// Acts on a record whose content is whole.
    fn end_of_content(
        &mut self,
        header: Header,
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let left = usize::from(header.padding);
        self.place = if left == 0 { Place::Header } else { Place::Padding { left } };
        match (header.kind, header.id) {
            (kind::GET_VALUES, 0) => self.values(limits, tell),
            (unknown, 0) => {
                self.reply.clear();
                record::append(&mut self.reply, kind::UNKNOWN_TYPE, 0, &[unknown, 0, 0, 0, 0, 0, 0, 0]);
                tell(Event::Send(&self.reply))
            }
            (kind::BEGIN_REQUEST, id) => self.begin(id, limits, tell),
            (kind::ABORT_REQUEST, id) => {
                let request = self.position(id).map(|at| self.requests.swap_remove(at));
                let keep = request.as_ref().is_none_or(|request| request.keep);
                let headless = request.is_some_and(|request| request.params.is_some());
                tell(Event::Abort { id, keep, headless })
            }
            (kind::PARAMS, id) if header.length == 0 => self.end_of_params(id, tell),
            (kind::STDIN, id) if header.length == 0 && self.in_body(id) => {
                self.requests.retain(|request| request.id != id);
                tell(Event::End { id })
            }
            _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        id: u16,
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some([role1, role0, flags, ..]) = self.gathered.first_chunk::<8>().copied() else {
            return Err(Violation("FCGI_BEGIN_REQUEST shorter than eight bytes"));
        };
        self.gathered.clear();
        let keep = flags & KEEP_CONNECTION != 0;
        if let Some(at) = self.position(id) {
            let old = self.requests.swap_remove(at);
            if old.params.is_some() {
                return Err(Violation("FCGI_BEGIN_REQUEST with the id of a request that is arriving"));
            }
            tell(Event::Reuse { id })?;
        }
        if u16::from_be_bytes([role1, role0]) != ROLE_RESPONDER {
            self.reply.clear();
            record::append_end(&mut self.reply, id, 0, status::UNKNOWN_ROLE);
            tell(Event::Send(&self.reply))?;
            return if keep { Ok(()) } else { Err(Violation("a role that is not served")) };
        }
        if self.requests.len() >= limits.requests {
            return tell(Event::Refuse { id, keep, status: 503, why: "too many requests on one connection" });
        }
        self.requests.push(Request { id, keep, params: Some(PairReader::default()) });
        Ok(())
    }

    fn end_of_params(
        &mut self,
        id: u16,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some(at) = self.position(id) else { return Ok(()) };
        let Some(request) = self.requests.get_mut(at) else { return Ok(()) };
        let keep = request.keep;
        let Some(reader) = request.params.take() else { return Ok(()) };
        let length = |params: &Params| match params.value(b"CONTENT_LENGTH") {
            None | Some(b"") => Ok(None),
            Some(digits) if digits.iter().all(u8::is_ascii_digit) => {
                std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).map(Some).ok_or(())
            }
            Some(_) => Err(()),
        };
        match reader.finish().map(|params| (length(&params), params)) {
            Ok((Ok(length), params)) => tell(Event::Head { id, keep, params, length, go_ahead: None }),
            Ok((Err(()), _)) => {
                self.requests.swap_remove(at);
                tell(Event::Refuse { id, keep, status: 400, why: "CONTENT_LENGTH is no number" })
            }
            Err(Refusal::Truncated | Refusal::TooLarge) => {
                self.requests.swap_remove(at);
                tell(Event::Refuse { id, keep, status: 400, why: "the request variables end within a pair" })
            }
        }
    }

    /// Answers `FCGI_GET_VALUES` (section 4.1): each name that is known once, however often it was asked.
    fn values(
        &mut self,
        limits: &Limits,
        tell: &mut dyn FnMut(Event<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let mut reader = PairReader::default();
        let read = reader.take(&self.gathered, usize::from(u16::MAX), usize::from(u16::MAX));
        self.gathered.clear();
        let asked = read.and_then(|()| reader.finish());
        let Ok(asked) = asked else { return Err(Violation("FCGI_GET_VALUES that ends within a pair")) };
        let known: [(&[u8], usize); 3] = [
            (b"FCGI_MAX_CONNS", limits.connections),
            (b"FCGI_MAX_REQS", limits.requests_of_process),
            (b"FCGI_MPXS_CONNS", 1),
        ];
        let mut content = Vec::new();
        for (name, value) in known {
            if asked.value(name).is_some() {
                pairs::append(&mut content, name, value.to_string().as_bytes());
            }
        }
        self.reply.clear();
        record::append(&mut self.reply, kind::GET_VALUES_RESULT, 0, &content);
        tell(Event::Send(&self.reply))
    }

    fn position(&self, id: u16) -> Option<usize> {
        self.requests.iter().position(|request| request.id == id)
    }

    fn in_body(&self, id: u16) -> bool {
        self.position(id).and_then(|at| self.requests.get(at)).is_some_and(|request| request.params.is_none())
    }
}
