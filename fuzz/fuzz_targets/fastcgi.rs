//! The FastCGI parser: whatever arrives, it neither panics nor passes its limits, and it tells the same whether the bytes
//! come whole or in pieces. The first byte of the input says how long the pieces are.
//!
//! `cargo +nightly fuzz run fastcgi -- -max_total_time=60`

#![no_main]

use hearth::gateway::fastcgi::Responder;
use hearth::gateway::protocol::{Event, Limits, Violation};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits =
    Limits { params_bytes: 4_096, params_count: 32, requests: 4, connections: 10, requests_of_process: 10 };

/// What the parser told, with bodies joined.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Head(u16, bool, Option<u64>, Vec<(Vec<u8>, Vec<u8>)>),
    Data(u16, Vec<u8>),
    Other(String),
    Sent(Vec<u8>),
}

fn told(pieces: impl Iterator<Item = impl AsRef<[u8]>>) -> (Vec<Told>, Option<Violation>) {
    let (mut responder, mut all) = (Responder::default(), Vec::new());
    for piece in pieces {
        let result = responder.receive(piece.as_ref(), &LIMITS, &mut |event| {
            let last = all.last_mut();
            let new = match (event, last) {
                (Event::Head { id, keep, params, length, .. }, _) => {
                    assert!(params.len() <= LIMITS.params_count && params.size() <= LIMITS.params_bytes);
                    let pairs = params.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                    Told::Head(id, keep, length, pairs)
                }
                (Event::Data { id, bytes }, Some(Told::Data(same, body))) if *same == id => {
                    body.extend_from_slice(bytes);
                    return Ok(());
                }
                (Event::Data { id, bytes }, _) => Told::Data(id, bytes.to_vec()),
                (Event::End { id }, _) => Told::Other(format!("end {id}")),
                (Event::Abort { id, keep, headless }, _) => Told::Other(format!("abort {id} {keep} {headless}")),
                (Event::Reuse { id }, _) => Told::Other(format!("reuse {id}")),
                (Event::Refuse { id, keep, status, .. }, _) => Told::Other(format!("refuse {id} {keep} {status}")),
                (Event::Send(bytes), _) => Told::Sent(bytes.to_vec()),
            };
            all.push(new);
            Ok(())
        });
        if let Err(violation) = result {
            return (all, Some(violation));
        }
    }
    (all, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else { return };
    let pieces = bytes.chunks(usize::from(*first) % 41 + 1);
    assert_eq!(told(pieces), told(std::iter::once(bytes)));
});
