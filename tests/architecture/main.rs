//! The rules of `docs/architecture.md` as tests: what source may hold (`source.rs`), and what must be true of every table of
//! routes, schemas and views (`tables.rs`). Beside them: whether every point of a fault is killed at (`points.rs`).

mod points;
mod source;
mod tables;
