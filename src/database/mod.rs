//! The database: SQLite, MariaDB or PostgreSQL behind one connection, one row and one set of values (design, sections 7
//! and 8). It knows tables, lists, transitions and orders, and nothing of what they mean: that is for the `store/` folders.

pub mod answers;
mod catalog;
pub mod check;
mod connection;
mod drivers;
mod engine;
mod guesses;
pub mod migrate;
mod options;
pub mod orders;
pub mod outbox;
pub mod partitions;
mod pool;
pub mod purge;
mod row;
pub mod schema;
pub mod seeds;
pub mod select;
pub mod table;
pub mod transition;
mod turns;
mod url;
mod value;

pub use connection::{Connection, Transaction};
pub use engine::Engine;
pub use guesses::Guesses;
pub use options::{Options, Synchronous};
pub use pool::Database;
pub use row::Row;
pub use turns::Turn;
pub use value::Value;
