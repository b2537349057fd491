//! The database as the rest of the program sees it: connections on demand, and transactions that are tried again.
//!
//! The first connection is opened by whoever needs it first, without a pool: a CGI process needs no other, and the
//! pool's threads would cost it more than its answer. Only when two threads need connections at once is the pool made.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Transaction};
use super::drivers::{Driver, jitter};
use super::engine::Engine;
use super::guesses::Guesses;
use super::options::Options;
use super::partitions::Partitioned;
use super::turns::{Turn, Turns};
use super::url::{self, Location};
use crate::service::threads;
use crate::{Error, Kind, Result};

/// The first and the longest pause before a transaction is tried again, in microseconds; it doubles between them.
const PAUSE_MICROS: (u64, u64) = (1_000, 200_000);

/// How many connections in a row may turn out to be lost before the server is taken to be gone.
const LOST_IN_A_ROW: u32 = 3;

/// How long a connection of the pool is kept that nobody needs. One to MariaDB holds up to a MiB that the driver has read into,
/// and what it knows of the statements that it has prepared.
const IDLE: Duration = Duration::from_secs(60);

/// A database. Clones share connections.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    location: Location,
    options: Options,
    first: Mutex<First>,
    pool: OnceLock<r2d2::Pool<Opener>>,
    /// SQLite's writers of this process queue here, so that only processes need to poll for the file's lock.
    writing: Mutex<()>,
    turns: Turns,
    guesses: Guesses,
}

/// The connection that is opened first and used whenever it is free.
enum First {
    Closed,
    Idle(Box<Connection>),
    InUse,
}

impl Database {
    /// Reads the URL. Nothing is opened before the first statement.
    ///
    /// # Errors
    /// `Invalid` where the URL can not be used.
    pub fn open(url: &str, options: Options) -> Result<Self> {
        Ok(Self::at(url::parse(url)?, options))
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match self.inner.location {
            Location::File(_) => Engine::Sqlite,
            Location::Mysql(_) => Engine::Mysql,
            Location::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs `body` on a connection, outside a transaction: each statement sees what was committed before it.
    /// `body` runs again, from its start, where the connection turns out to be lost or the database was busy.
    ///
    /// # Errors
    /// Those of `body`; `Unavailable` where the database does not answer or stays busy.
    pub fn read<T>(&self, mut body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        self.again(|fresh| {
            let mut lease = self.lease(fresh)?;
            let connection = lease.connection()?;
            body(connection).map_err(|error| Broken::after(error, connection))
        })
    }

    /// Runs `body` on one unchanging view of the database, whatever others commit meanwhile: for answers that several
    /// statements make together. Otherwise as [`Database::read`].
    ///
    /// # Errors
    /// Those of `body`; `Unavailable` where the database does not answer or stays busy.
    pub fn snapshot<T>(&self, body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        self.snapshot_with(self.engine().begin_snapshot(), body)
    }

    /// As [`Database::snapshot`], for a view of a table of which partitions may come and go: none does while `body` runs.
    ///
    /// # Errors
    /// As [`Database::snapshot`].
    pub fn snapshot_of<T>(&self, table: &Partitioned, body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        let begin = self.engine().begin_snapshot();
        match self.engine() {
            // A lock that several may have, before the view begins, in the same round trip.
            Engine::Postgres => {
                let name = table.table.name;
                self.snapshot_with(&format!("{begin}; LOCK TABLE ONLY \"{name}\" IN ACCESS SHARE MODE"), body)
            }
            Engine::Sqlite | Engine::Mysql => self.snapshot_with(begin, body),
        }
    }

    fn snapshot_with<T>(&self, begin: &str, mut body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        self.again(|fresh| {
            let mut lease = self.lease(fresh)?;
            let connection = lease.connection()?;
            let result = connection.begin_with(begin).and_then(|mut transaction| {
                let value = body(&mut transaction)?;
                transaction.commit()?;
                Ok(value)
            });
            result.map_err(|error| Broken::after(error, connection))
        })
    }

    /// Runs `body` in a transaction that writes, and commits it. After a deadlock, a lock or a serialization failure it
    /// is undone and `body` runs again, for as long as the options say; so `body` must do nothing but SQL.
    ///
    /// # Errors
    /// Those of `body`, after which nothing is kept; `Unavailable` where the database does not answer or stays busy.
    /// Where the server is lost during the commit itself, `Unavailable` says that the outcome is not known.
    pub fn write<T>(&self, mut body: impl FnMut(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        let _depth = Depth::enter()?;
        self.again(|fresh| {
            let _queue = self.queue();
            let mut lease = self.lease(fresh)?;
            let connection = lease.connection()?;
            let result = connection.begin().and_then(|mut transaction| {
                let value = body(&mut transaction)?;
                Ok((transaction.commit(), value))
            });
            match result {
                Ok((Ok(()), value)) => Ok(value),
                Ok((Err(error), _)) if connection.is_lost() => {
                    let cause = error.cause().unwrap_or_default().to_owned();
                    Err(Broken::Final(error.because(format!("lost during COMMIT, its outcome is not known: {cause}"))))
                }
                Ok((Err(error), _)) | Err(error) => Err(Broken::after(error, connection)),
            }
        })
    }

    /// Runs `body`, which changes something by one statement and no more: on a server that is a transaction by itself, for a
    /// third of the round trips. Where the connection is lost, or the database busy, `body` runs again, although its statement
    /// may have been carried out; so it must be one that may be carried out twice.
    ///
    /// # Errors
    /// Those of `body`; `Unavailable` where the database does not answer or stays busy.
    pub fn alone<T>(&self, mut body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        let _depth = Depth::enter()?;
        self.again(|fresh| {
            let _queue = self.queue();
            let mut lease = self.lease(fresh)?;
            let connection = lease.connection()?;
            body(connection).map_err(|error| Broken::after(error, connection))
        })
    }

    /// A connection of one's own, outside the pool, for what hangs on one connection: SQLite's data_version, locks.
    ///
    /// # Errors
    /// `Unavailable` where the database does not answer.
    pub fn dedicated(&self) -> Result<Connection> {
        self.inner.connect()
    }

    /// The same database, opened in another way, with connections of its own.
    #[must_use]
    pub(super) fn with(&self, options: Options) -> Self {
        Self::at(self.inner.location.clone(), options)
    }

    fn at(location: Location, options: Options) -> Self {
        let first = Mutex::new(First::Closed);
        let turns = Turns::one_for_each_processor();
        let (pool, writing, guesses) = (OnceLock::new(), Mutex::new(()), Guesses::default());
        let inner = Inner { location, options, first, pool, writing, turns, guesses };
        Self { inner: Arc::new(inner) }
    }

    /// A turn at holding many rows at once: there are as many as processors.
    pub fn turn(&self) -> Turn<'_> {
        self.inner.turns.take()
    }

    /// What was found of the content of this database, and may have changed since.
    pub fn guesses(&self) -> &Guesses {
        &self.inner.guesses
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    fn again<T>(&self, mut attempt: impl FnMut(bool) -> Result<T, Broken>) -> Result<T> {
        let started = Instant::now();
        let mut pause = PAUSE_MICROS.0;
        let mut lost = 0;
        loop {
            match attempt(lost > 0) {
                Ok(value) => return Ok(value),
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Lost(error)) => {
                    lost += 1;
                    if lost > LOST_IN_A_ROW || started.elapsed() > self.inner.options.retry_for {
                        return Err(error);
                    }
                }
                Err(Broken::Busy(error)) => {
                    if started.elapsed() > self.inner.options.retry_for {
                        let cause = error.cause().unwrap_or_default();
                        return Err(Error::unavailable("The database is too busy.", cause));
                    }
                    threads::about_to_wait();
                    std::thread::sleep(Duration::from_micros(pause / 2 + jitter(pause)));
                    pause = (pause * 2).min(PAUSE_MICROS.1);
                }
            }
        }
    }

    /// The place in this process's queue of writers, where the engine has one writer at a time.
    fn queue(&self) -> Option<MutexGuard<'_, ()>> {
        match self.engine() {
            Engine::Sqlite => {
                threads::about_to_wait();
                Some(self.inner.writing.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Engine::Mysql | Engine::Postgres => None,
        }
    }

    /// A connection; one that was asked whether its server is there, where it must be `fresh`.
    fn lease(&self, fresh: bool) -> Result<Lease<'_>, Broken> {
        let inner = &*self.inner;
        let found = std::mem::replace(&mut *inner.first(), First::InUse);
        let idle = match found {
            First::InUse => return inner.pooled(fresh).map(Lease::Pooled).map_err(Broken::Final),
            First::Idle(connection) => Some(connection),
            First::Closed => None,
        };
        let mut lease = Lease::First { inner, connection: idle };
        if let Lease::First { connection, .. } = &mut lease
            && fresh
            && connection.as_mut().is_some_and(|connection| connection.ping().is_err())
        {
            *connection = None;
        }
        Ok(lease)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({:?})", self.inner.location)
    }
}

impl Inner {
    fn first(&self) -> MutexGuard<'_, First> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Connection> {
        connect(&self.location, &self.options)
    }

    fn pooled(&self, fresh: bool) -> Result<r2d2::PooledConnection<Opener>> {
        let pool = self.pool.get_or_init(|| {
            let opener = Opener { location: self.location.clone(), options: self.options.clone() };
            r2d2::Pool::builder()
                .max_size(self.options.pool_size.saturating_sub(1).max(1))
                .min_idle(Some(0))
                .max_lifetime(Some(self.options.recycle_after))
                .idle_timeout(Some(IDLE))
                .test_on_check_out(false)
                .connection_timeout(self.options.pool_wait)
                .build_unchecked(opener)
        });
        loop {
            let mut connection = match pool.try_get() {
                Some(connection) => connection,
                None => {
                    threads::about_to_wait();
                    pool.get().map_err(|cause| Error::unavailable("The database has no connection to spare.", cause))?
                }
            };
            // A lost one is thrown away as it goes back; there are no more than the pool's size of them.
            if !fresh || connection.ping().is_ok() {
                return Ok(connection);
            }
        }
    }
}

fn connect(location: &Location, options: &Options) -> Result<Connection> {
    Driver::open(location, options).map(Connection::new).map_err(|failure| failure.error)
}

/// How an attempt ended that did not succeed.
enum Broken {
    /// Another attempt would end alike.
    Final(Error),
    /// The connection was lost before the commit began: another connection may do it.
    Lost(Error),
    /// Another attempt may succeed after a pause.
    Busy(Error),
}

impl Broken {
    fn after(error: Error, connection: &Connection) -> Self {
        if connection.is_lost() {
            Broken::Lost(error)
        } else if error.kind() == Kind::Transient {
            Broken::Busy(error)
        } else {
            Broken::Final(error)
        }
    }
}

/// A connection on loan.
enum Lease<'a> {
    First { inner: &'a Inner, connection: Option<Box<Connection>> },
    Pooled(r2d2::PooledConnection<Opener>),
}

impl Lease<'_> {
    /// The connection, opened if need be.
    fn connection(&mut self) -> Result<&mut Connection, Broken> {
        match self {
            Lease::Pooled(connection) => Ok(connection),
            Lease::First { inner, connection } => {
                if connection.is_none() {
                    let opened = inner.connect().map_err(|error| match error.kind() {
                        Kind::Transient => Broken::Busy(error),
                        _ => Broken::Final(error),
                    })?;
                    *connection = Some(Box::new(opened));
                }
                match connection {
                    Some(connection) => Ok(connection),
                    None => Err(Broken::Final(Error::internal("an opened connection is not there"))),
                }
            }
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        match self {
            Lease::Pooled(connection) => connection.rest(),
            Lease::First { inner, connection } => {
                let fit =
                    |connection: &Connection| !connection.is_broken() && connection.age() < inner.options.recycle_after;
                let back = connection.take().filter(|connection| fit(connection));
                *inner.first() = back.map_or(First::Closed, |mut connection| {
                    connection.rest();
                    First::Idle(connection)
                });
            }
        }
    }
}

/// Opens connections for the pool.
struct Opener {
    location: Location,
    options: Options,
}

impl r2d2::ManageConnection for Opener {
    type Connection = Box<Connection>;
    type Error = Error;

    fn connect(&self) -> Result<Box<Connection>> {
        connect(&self.location, &self.options).map(Box::new)
    }

    fn is_valid(&self, connection: &mut Box<Connection>) -> Result<()> {
        connection.ping()
    }

    fn has_broken(&self, connection: &mut Box<Connection>) -> bool {
        connection.is_broken()
    }
}

thread_local! {
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// One transaction a thread: a second one inside the first would wait for itself on SQLite, and be no part of it elsewhere.
struct Depth;

impl Depth {
    fn enter() -> Result<Self> {
        if WRITING.replace(true) {
            return Err(Error::internal("a transaction was begun inside another one"));
        }
        Ok(Self)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        WRITING.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::Database;
    use crate::database::{Engine, Options};
    use crate::time::Timestamp;
    use crate::{Error, Kind};

    fn scratch(name: &str) -> (std::path::PathBuf, Database) {
        let folder = std::env::temp_dir().join(format!("hearth-pool-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let options = Options { create: true, ..Options::default() };
        let url = format!("sqlite:///{}/hearth.db", folder.display());
        (folder, Database::open(&url, options).expect("a database"))
    }

    #[test]
    fn what_is_written_is_read_and_what_fails_leaves_nothing() {
        let (folder, database) = scratch("kept");
        assert_eq!(database.engine(), Engine::Sqlite);
        let made = database.write(|tx| {
            tx.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, \"key\" TEXT UNIQUE, at TEXT)", &[])?;
            tx.insert_id("INSERT INTO t (\"key\", at) VALUES (?, ?)", &["a".into(), Timestamp(1).into()])
        });
        assert_eq!(made.expect("an id"), 1);
        let failed: crate::Result<()> = database.write(|tx| {
            tx.execute("INSERT INTO t (\"key\") VALUES (?)", &["b".into()])?;
            Err(Error::conflict("no"))
        });
        assert_eq!(failed.expect_err("a conflict").kind(), Kind::Conflict);
        let rows =
            database.read(|c| c.rows("SELECT \"key\", at FROM t", &[], |row| Ok((row.string(0)?, row.time(1)?))));
        assert_eq!(rows.expect("rows"), [("a".to_owned(), Timestamp(1))]);
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn a_failed_statement_spoils_its_transaction_unless_it_was_an_attempt() {
        let (folder, database) = scratch("spoiled");
        database.write(|tx| tx.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)", &[])).expect("a table");
        let spoiled = database.write(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", &[])?;
            assert_eq!(tx.execute("INSERT INTO t VALUES (1)", &[]).expect_err("twice").kind(), Kind::Duplicate);
            Ok(())
        });
        assert_eq!(spoiled.expect_err("spoiled").kind(), Kind::Internal);
        let attempted = database.write(|tx| {
            tx.execute("INSERT INTO t VALUES (1)", &[])?;
            let second = tx.attempt(|tx| tx.execute("INSERT INTO t VALUES (2), (1)", &[]));
            assert_eq!(second.expect_err("twice").kind(), Kind::Duplicate);
            tx.insert_if_absent("INSERT INTO t (a) VALUES (?)", &[1.into()])
        });
        assert!(!attempted.expect("kept"));
        assert_eq!(
            database.read(|c| c.row("SELECT count(*) FROM t", &[], |row| row.int(0))).expect("a count"),
            Some(1)
        );
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn a_new_file_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, database) = scratch("private");
        database.write(|tx| tx.execute("CREATE TABLE t (a INTEGER)", &[])).expect("a table");
        for name in ["hearth.db", "hearth.db-wal"] {
            let mode = std::fs::metadata(folder.join(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o137, 0, "{name} has mode {mode:o}");
        }
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn an_old_connection_is_replaced() {
        let (folder, database) = scratch("old");
        let temporary = |database: &Database| {
            database.read(|c| c.execute("CREATE TEMPORARY TABLE mine (a INTEGER)", &[])).map_err(|error| error.kind())
        };
        assert_eq!(temporary(&database), Ok(0));
        assert_eq!(temporary(&database), Err(Kind::Internal), "the connection was kept");
        let options = Options { recycle_after: std::time::Duration::ZERO, ..database.options().clone() };
        let database = database.with(options);
        assert_eq!((temporary(&database), temporary(&database)), (Ok(0), Ok(0)));
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn a_missing_file_is_not_made_by_reading() {
        let database = Database::open("sqlite:////nonexistent/hearth.db", Options::default()).expect("a database");
        let error = database.read(|c| c.row("SELECT 1", &[], |row| row.int(0))).expect_err("no file");
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.cause().is_some_and(|cause| cause.contains("/nonexistent/hearth.db")), "{error}");
    }

    #[test]
    fn a_transaction_inside_another_is_refused() {
        let (folder, database) = scratch("nested");
        let nested = database.write(|_| database.write(|_| Ok(())));
        assert_eq!(nested.expect_err("nested").kind(), Kind::Internal);
        assert!(database.write(|_| Ok(())).is_ok());
        let _ = std::fs::remove_dir_all(folder);
    }
}
