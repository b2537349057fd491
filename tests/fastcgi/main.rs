//! The gateway by bytes: split, interleaved, aborted, oversized, slow and random input, against the real engine on real
//! sockets. Every observation about web servers in `tests/data/gateway.md` is a test here.

mod baseline;
mod bytes;
mod cases;
mod child;
mod engine;
mod fixture;
mod records;
