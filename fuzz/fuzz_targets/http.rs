//! The HTTP/1.1 parser: whatever arrives, it neither panics nor passes its limits, and it tells the same requests whether
//! the bytes come whole or in pieces. The first byte of the input says how long the pieces are.
//!
//! `cargo +nightly fuzz run http -- -max_total_time=60`

#![no_main]

use hearth::gateway::http::{Parser, Peer};
use hearth::gateway::protocol::{Event, Limits};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits =
    Limits { params_bytes: 4_096, params_count: 32, requests: 4, connections: 10, requests_of_process: 10 };

/// The requests that were told, each with its body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    heads: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    bodies: Vec<Vec<u8>>,
    ended: usize,
    refused: bool,
}

fn told(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> Told {
    let (mut parser, mut all) = (Parser::new(&Peer { client: None, port: None }), Told::default());
    for piece in pieces {
        let mut bytes = piece.as_ref();
        // Each request that is whole is answered at once, so that the next one's turn comes.
        loop {
            let before = all.ended;
            let mut tell = |event: Event<'_>, _| {
                assert!(!all.refused, "nothing is told behind a refusal");
                match event {
                    Event::Head { params, .. } => {
                        assert_eq!(all.heads.len(), all.ended, "one request at a time");
                        all.heads.push(params.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
                        all.bodies.push(Vec::new());
                    }
                    Event::Data { bytes, .. } => all.bodies.last_mut().expect("a head").extend_from_slice(bytes),
                    Event::End { .. } => all.ended += 1,
                    Event::Refuse { .. } => all.refused = true,
                    Event::Abort { .. } | Event::Reuse { .. } | Event::Send(_) => unreachable!("FastCGI's events"),
                }
                Ok(())
            };
            let result = match std::mem::take(&mut bytes) {
                [] => parser.answered(&LIMITS, &mut tell),
                bytes => parser.receive(bytes, &LIMITS, &mut tell),
            };
            result.expect("the callback refuses nothing, and only whole requests are answered");
            if all.ended == before {
                break;
            }
        }
    }
    all
}

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else { return };
    let pieces = bytes.chunks(usize::from(*first) % 41 + 1);
    assert_eq!(told(pieces), told(std::iter::once(bytes)));
});
