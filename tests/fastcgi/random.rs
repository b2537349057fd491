//! Random input: whatever arrives, in whatever pieces, the server answers the next client, and a good request among
//! changed ones is answered rightly.

use hearth::gateway::Settings;
use hearth::gateway::fastcgi::Responder;
use hearth::gateway::http::{Parser, Peer};
use hearth::gateway::protocol::{Event, Limits};

use super::bytes::request;
use super::fixture::Fixture;

/// A small generator (xorshift64*) so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }
}

const LIMITS: Limits =
    Limits { params_bytes: 5_000, params_count: 50, requests: 4, connections: 10, requests_of_process: 10 };

/// Some requests with some bytes changed, removed or doubled.
fn mangled(random: &mut Random, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.repeat(1 + random.below(3));
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = u8::try_from(random.below(256)).expect("a byte"),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.drain(at..(at + 1 + random.below(20)).min(bytes.len()))),
            _ => {
                let end = (at + random.below(30)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// What a parser makes of bytes in the given pieces, as text.
fn events_of(bytes: &[u8], cuts: &[usize], http: bool) -> String {
    let mut told = String::new();
    let mut tell = |event: Event<'_>| {
        match event {
            Event::Head { id, keep, params, length, .. } => {
                told.push_str(&format!("head {id} {keep} {length:?} {}\n", params.len()));
            }
            Event::Data { id, bytes } => told.push_str(&format!("data {id} {}\n", String::from_utf8_lossy(bytes))),
            Event::End { id } => told.push_str(&format!("end {id}\n")),
            Event::Abort { id, keep, headless } => told.push_str(&format!("abort {id} {keep} {headless}\n")),
            Event::Reuse { id } => told.push_str(&format!("reuse {id}\n")),
            Event::Refuse { id, status, .. } => told.push_str(&format!("refuse {id} {status}\n")),
            Event::Send(bytes) => told.push_str(&format!("send {bytes:?}\n")),
        }
        Ok(())
    };
    let mut responder = Responder::default();
    let mut parser = Parser::new(&Peer { client: None, port: None });
    let mut failure = None;
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let piece = &bytes[from.min(to)..to];
        from = to;
        let result = if http {
            let mut tell = |event: Event<'_>, _| tell(event);
            parser.receive(piece, &LIMITS, &mut tell).and_then(|()| match parser.is_holding() {
                true => parser.answered(&LIMITS, &mut tell),
                false => Ok(()),
            })
        } else {
            responder.receive(piece, &LIMITS, &mut tell)
        };
        if let Err(violation) = result {
            failure = Some(violation);
            break;
        }
    }
    // Where a body is cut into pieces does not matter.
    let mut lines: Vec<String> = Vec::new();
    for line in told.lines() {
        let joined = line.starts_with("data ").then(|| line.splitn(3, ' ').collect::<Vec<_>>());
        match (joined.as_deref(), lines.last_mut()) {
            (Some([_, id, text]), Some(last)) if last.starts_with(&format!("data {id} ")) => last.push_str(text),
            _ => lines.push(line.to_owned()),
        }
    }
    format!("{}\n{failure:?}", lines.join("\n"))
}

#[test]
fn mangled_fastcgi_means_the_same_in_any_pieces() {
    let mut random = Random(0x5eed_0001);
    let good = [request(1, true, "POST", "/echo", b"a body"), request(2, false, "GET", "/hello", b"")].concat();
    for round in 0..4_000 {
        let bytes = mangled(&mut random, &good);
        let whole = events_of(&bytes, &[], false);
        let mut cuts: Vec<usize> = (0..random.below(8)).map(|_| random.below(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        assert_eq!(events_of(&bytes, &cuts, false), whole, "round {round}, cut at {cuts:?}");
    }
}

#[test]
fn mangled_http_never_panics_and_never_answers_what_is_not_whole() {
    let mut random = Random(0x5eed_0002);
    let good = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n\
                 GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for _ in 0..4_000 {
        let bytes = mangled(&mut random, good);
        let mut cuts: Vec<usize> = (0..random.below(8)).map(|_| random.below(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let told = events_of(&bytes, &cuts, true);
        let (heads, ends) = (told.matches("head ").count(), told.matches("end ").count());
        assert!(ends <= heads, "{told}");
    }
}

#[test]
fn a_server_that_is_sent_noise_answers_the_next_client() {
    let mut random = Random(0x5eed_0003);
    let fixture = Fixture::start(Settings { workers: 2, ..Settings::default() });
    let good = request(1, true, "POST", "/echo", b"a body");
    for _ in 0..300 {
        let mut client = fixture.client();
        let bytes = if random.below(3) == 0 {
            (0..random.below(3_000)).map(|_| u8::try_from(random.next() & 0xff).expect("a byte")).collect()
        } else {
            mangled(&mut random, &good)
        };
        // It may end the connection before it has everything.
        let _ = client.try_send(&bytes);
        drop(client);
        assert_eq!(fixture.client().ask("POST", "/echo", b"well").text(), "well");
    }
    assert_eq!(fixture.controller.snapshot().panicked, 0);
}
