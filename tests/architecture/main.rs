//! The rules of `docs/architecture.md` as tests: what source may hold (`source.rs`), and what must be true of every table of
//! routes, schemas and views (`tables.rs`).

mod source;
mod tables;
