//! The three drivers behind one set of verbs. What a driver says, its values and its errors, is turned into ours here
//! and nowhere else.

mod mysql;
mod postgres;
mod sqlite;

use std::cell::Cell;

use super::engine::Engine;
use super::options::Options;
use super::row::Row;
use super::url::Location;
use super::value::Value;
use crate::{Error, Kind, Result};

/// What a driver's error means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The connection serves on.
    Kept,
    /// The connection is of no more use.
    Lost,
}

/// A failure of a driver, in our terms.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) fate: Fate,
}

impl Failure {
    fn kept(error: Error) -> Self {
        Self { error, fate: Fate::Kept }
    }

    fn lost(cause: impl std::fmt::Display) -> Self {
        Self { error: Error::unavailable("The database does not answer.", cause), fate: Fate::Lost }
    }

    fn of_kind(kind: Kind, public: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::kept(Error::new(kind, public).because(cause))
    }

    fn duplicate(cause: impl std::fmt::Display) -> Self {
        Self::of_kind(Kind::Duplicate, "An object with the same key exists already.", cause)
    }

    fn transient(cause: impl std::fmt::Display) -> Self {
        Self::of_kind(Kind::Transient, "The database is busy.", cause)
    }

    fn too_slow(cause: impl std::fmt::Display) -> Self {
        Self::of_kind(Kind::Unavailable, "The database took too long to answer.", cause)
    }

    fn refused(cause: impl std::fmt::Display) -> Self {
        Self::of_kind(Kind::Unavailable, "The database can not be used.", cause)
    }

    /// A table or a column is missing: nobody has made it yet, or a later release has.
    fn incomplete(cause: impl std::fmt::Display) -> Self {
        Self::refused(format_args!("{cause} (look with 'hearth db check'; 'hearth db sync' makes what is missing)"))
    }

    fn reference(cause: impl std::fmt::Display) -> Self {
        Self::of_kind(Kind::Conflict, "The object is in use, or refers to one that does not exist.", cause)
    }

    fn unfit(cause: impl std::fmt::Display) -> Self {
        Self::of_kind(Kind::Invalid, "A value is too long, too large or not text that the database can keep.", cause)
    }

    fn internal(cause: impl std::fmt::Display) -> Self {
        Self::kept(Error::internal(cause))
    }
}

/// The result of a driver's verb.
pub(super) type Outcome<T> = std::result::Result<T, Failure>;

/// One open connection.
pub(super) enum Driver {
    Sqlite(sqlite::Session),
    Mysql(mysql::Session),
    Postgres(postgres::Session),
}

/// Sends a verb to the driver that is there.
macro_rules! each {
    ($driver:expr, $session:ident => $verb:expr) => {
        match $driver {
            Driver::Sqlite($session) => $verb,
            Driver::Mysql($session) => $verb,
            Driver::Postgres($session) => $verb,
        }
    };
}

impl Driver {
    /// Opens a connection and sets it up.
    pub(super) fn open(location: &Location, options: &Options) -> Outcome<Self> {
        match location {
            Location::File(path) => sqlite::Session::open(path, options).map(Driver::Sqlite),
            Location::Mysql(server) => mysql::Session::open(server, options).map(Driver::Mysql),
            Location::Postgres(server) => postgres::Session::open(server, options).map(Driver::Postgres),
        }
    }

    pub(super) fn engine(&self) -> Engine {
        match self {
            Driver::Sqlite(_) => Engine::Sqlite,
            Driver::Mysql(_) => Engine::Mysql,
            Driver::Postgres(_) => Engine::Postgres,
        }
    }

    /// Calls `each_row` for each row of the answer. Its error ends the statement.
    pub(super) fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each_row: &mut dyn FnMut(&mut Row<'_>) -> Result<()>,
    ) -> Outcome<()> {
        each!(self, session => session.query(sql, params, each_row))
    }

    /// Runs a statement that answers no rows; how many rows it touched.
    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Outcome<u64> {
        each!(self, session => session.execute(sql, params))
    }

    /// Runs statements without parameters, as they are.
    pub(super) fn batch(&mut self, sql: &str) -> Outcome<()> {
        each!(self, session => session.batch(sql))
    }

    /// The number that the last `INSERT` was given, where the engine keeps it aside.
    pub(super) fn last_insert_id(&mut self) -> i64 {
        match self {
            Driver::Mysql(session) => session.last_insert_id(),
            Driver::Sqlite(_) | Driver::Postgres(_) => 0,
        }
    }

    /// Lets go of what a connection need not have while nobody uses it. To be called between transactions.
    pub(super) fn rest(&mut self) {
        if let Driver::Mysql(session) = self {
            session.rest();
        }
    }

    /// Asks the server whether it is still there.
    pub(super) fn ping(&mut self) -> Outcome<()> {
        match self {
            Driver::Sqlite(_) => Ok(()),
            Driver::Mysql(session) => session.ping(),
            Driver::Postgres(session) => session.ping(),
        }
    }
}

/// The cells of a row, as each driver holds them.
pub(super) enum Cells<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Mysql(&'a mut ::mysql::Row),
    Postgres(&'a ::postgres::Row),
}

impl Cells<'_> {
    /// The bytes of a cell, taken out of the row, where its driver holds them so that they can be.
    pub(super) fn take(&mut self, column: usize) -> Option<Vec<u8>> {
        match self {
            Cells::Mysql(row) => mysql::take(row, column),
            Cells::Sqlite(_) | Cells::Postgres(_) => None,
        }
    }

    pub(super) fn value(&self, column: usize) -> Result<Value<'_>> {
        match self {
            Cells::Sqlite(row) => sqlite::value(row, column),
            Cells::Mysql(row) => mysql::value(row, column),
            Cells::Postgres(row) => postgres::value(row, column),
        }
    }
}

/// A random number for the jitter of waits: no two processes that wait for one lock should knock in step.
pub(super) fn jitter(below: u64) -> u64 {
    thread_local! {
        static STATE: Cell<u64> = {
            use std::hash::{BuildHasher, Hasher};
            Cell::new(std::collections::hash_map::RandomState::new().build_hasher().finish() | 1)
        };
    }
    STATE.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x % below.max(1)
    })
}
