//! A connection to any of the three engines, and a transaction on it.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::drivers::{Driver, Failure, Fate, Outcome};
use super::engine::Engine;
use super::row::Row;
use super::value::Value;
use crate::{Error, Kind, Result};

/// One connection. Statements are the portable texts of `engine.rs`; prepared ones are kept.
pub struct Connection {
    driver: Driver,
    opened: Instant,
    /// The connection is of no more use.
    lost: bool,
    /// Between BEGIN and its end.
    in_transaction: bool,
    /// A statement of the transaction failed and was not undone.
    failed: bool,
}

impl Connection {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver, opened: Instant::now(), lost: false, in_transaction: false, failed: false }
    }

    /// The engine at the other end.
    pub fn engine(&self) -> Engine {
        self.driver.engine()
    }

    /// Calls `each_row` for each row of the answer, as it arrives. An error of `each_row` ends the statement and is
    /// answered.
    ///
    /// # Errors
    /// As all statements: `Duplicate`, `Conflict` (a foreign key), `Invalid` (a value that does not fit its column),
    /// `Transient` (a lock, a deadlock), `Unavailable` (too slow, or the server is gone), `Internal`.
    pub fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut each_row: impl FnMut(&Row<'_>) -> Result<()>,
    ) -> Result<()> {
        self.taking(sql, params, |row| each_row(row))
    }

    /// As [`Connection::query`], for what takes texts out of the rows.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn taking(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut each_row: impl FnMut(&mut Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let outcome = self.driver.query(sql, params, &mut each_row);
        self.judge(sql, outcome)
    }

    /// What `each_row` makes of each row.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn rows<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut each_row: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.query(sql, params, |row| {
            all.push(each_row(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// What `each_row` makes of the first row; `None` where there is none.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn row<T>(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        mut each_row: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut first = None;
        self.query(sql, params, |row| {
            if first.is_none() {
                first = Some(each_row(row)?);
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// Runs a statement that answers no rows; how many rows it matched, whether or not their values changed.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64> {
        let outcome = self.driver.execute(sql, params);
        self.judge(sql, outcome)
    }

    /// Runs an `INSERT` of one row into a table whose `id` counts by itself; the `id` it was given.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn insert_id(&mut self, sql: &str, params: &[Value<'_>]) -> Result<i64> {
        match self.engine().returning_id() {
            Some(returning) => {
                let id = self.row(&format!("{sql}{returning}"), params, |row| row.int(0))?;
                id.ok_or_else(|| Error::internal("an INSERT answered no id"))
            }
            None => {
                self.execute(sql, params)?;
                Ok(self.driver.last_insert_id())
            }
        }
    }

    /// Runs an `INSERT` of one row; `false` where its key exists already, which then changes nothing and fails nothing.
    ///
    /// # Errors
    /// As [`Connection::query`], without `Duplicate`.
    pub fn insert_if_absent(&mut self, sql: &str, params: &[Value<'_>]) -> Result<bool> {
        match self.engine().unless_it_exists() {
            Some(unless) => Ok(self.execute(&format!("{sql}{unless}"), params)? > 0),
            None => {
                let outcome = self.driver.execute(sql, params);
                match outcome {
                    Err(Failure { error, .. }) if error.kind() == Kind::Duplicate => Ok(false),
                    outcome => self.judge(sql, outcome).map(|rows| rows > 0),
                }
            }
        }
    }

    /// Runs an `INSERT` for many rows, given as what stands before and behind the marks of its rows. Where it fails, some rows may
    /// be there: the transaction is to be undone.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub fn insert_rows<'v, const N: usize>(
        &mut self,
        start: &str,
        end: &str,
        rows: impl ExactSizeIterator<Item = [Value<'v>; N]>,
    ) -> Result<()> {
        let mut rows = rows;
        let statement = |count: usize| {
            let row = format!("({})", vec!["?"; N].join(", "));
            format!("{start}{}{end}", vec![row; count].join(", "))
        };
        if let Driver::Sqlite(session) = &mut self.driver {
            let insert = statement(1);
            let outcome = session.insert_rows(&insert, &mut rows);
            return self.judge(&insert, outcome);
        }
        // Few lengths, so that the servers keep the statements prepared.
        while let Some(count) = [256, 64, 16, 4, 1].into_iter().find(|count| *count <= rows.len()) {
            let values: Vec<Value<'_>> = rows.by_ref().take(count).flatten().collect();
            self.execute(&statement(count), &values)?;
        }
        Ok(())
    }

    /// Runs statements of this engine's own, without parameters.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub(super) fn batch(&mut self, sql: &str) -> Result<()> {
        let outcome = self.driver.batch(sql);
        self.judge(sql, outcome)
    }

    /// Asks the server whether it is still there.
    pub(super) fn ping(&mut self) -> Result<()> {
        let outcome = self.driver.ping();
        self.judge("ping", outcome)
    }

    /// Lets go of what it need not have while nobody uses it.
    pub(super) fn rest(&mut self) {
        if !self.is_broken() {
            self.driver.rest();
        }
    }

    /// Whether the connection must not be used again: it is lost, or somebody left a transaction open.
    pub(super) fn is_broken(&self) -> bool {
        self.lost || self.in_transaction
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether the server is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    fn judge<T>(&mut self, sql: &str, outcome: Outcome<T>) -> Result<T> {
        outcome.map_err(|Failure { error, fate }| {
            self.lost |= fate == Fate::Lost;
            self.failed |= self.in_transaction;
            match error.cause().map(|cause| format!("{cause}; statement: {}", start_of(sql))) {
                Some(cause) => error.because(cause),
                None => error,
            }
        })
    }

    pub(super) fn begin(&mut self) -> Result<Transaction<'_>> {
        self.begin_with(self.engine().begin())
    }

    /// A transaction that these statements of the engine's own begin.
    pub(super) fn begin_with(&mut self, statements: &str) -> Result<Transaction<'_>> {
        if let Err(error) = self.batch(statements) {
            // Of several statements the first ones may have been carried out.
            if self.engine() == Engine::Postgres && !self.lost {
                self.in_transaction = self.batch("ROLLBACK").is_err();
            }
            return Err(error);
        }
        self.in_transaction = true;
        self.failed = false;
        Ok(Transaction { connection: self })
    }
}

/// Enough of a statement to know it by in the log. It holds marks, never values.
fn start_of(sql: &str) -> &str {
    let end = sql.char_indices().nth(120).map_or(sql.len(), |(at, _)| at);
    &sql[..end]
}

/// A transaction that writes. It is undone unless [`Database::write`](super::Database::write) commits it.
///
/// On every engine alike, a statement that failed spoils the whole transaction, unless it ran inside
/// [`Transaction::attempt`].
pub struct Transaction<'a> {
    connection: &'a mut Connection,
}

impl Transaction<'_> {
    /// Runs `body`; where it fails, what it did is undone and the transaction goes on.
    ///
    /// # Errors
    /// Those of `body`.
    pub fn attempt<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.batch("SAVEPOINT attempt")?;
        match body(self) {
            Ok(value) => {
                self.batch("RELEASE SAVEPOINT attempt")?;
                Ok(value)
            }
            Err(error) => {
                // A deadlock has undone the savepoint with all the rest already.
                if error.kind() != Kind::Transient && !self.lost {
                    self.batch("ROLLBACK TO SAVEPOINT attempt")?;
                    self.batch("RELEASE SAVEPOINT attempt")?;
                    self.connection.failed = false;
                }
                Err(error)
            }
        }
    }

    pub(super) fn commit(self) -> Result<()> {
        if self.failed {
            return Err(Error::internal("a transaction was to be committed after a statement in it had failed"));
        }
        self.connection.batch("COMMIT")?;
        self.connection.in_transaction = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let connection = &mut *self.connection;
        if connection.in_transaction && !connection.lost {
            // A connection whose rollback fails stays marked and is thrown away.
            if connection.batch("ROLLBACK").is_ok() {
                connection.in_transaction = false;
            }
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
    }
}
