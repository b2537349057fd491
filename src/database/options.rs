//! How a database is opened: sizes and waits. Which option of `cinder.conf` sets which is `config/`'s affair.

use std::time::Duration;

/// How much SQLite does before a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronous {
    /// The log is flushed to the disk: what was acknowledged survives a power cut.
    Full,
    /// The log is flushed now and then: a power cut may take the last commits, never the consistency.
    Normal,
}

/// Sizes and waits of one [`Database`](super::Database).
#[derive(Clone, Debug)]
pub struct Options {
    /// The most connections that this process opens, at least 1.
    pub pool_size: u32,
    /// The longest wait for a connection while all are in use.
    pub pool_wait: Duration,
    /// The age at which a connection is replaced.
    pub recycle_after: Duration,
    /// The longest wait for a server to accept a connection.
    pub connect_timeout: Duration,
    /// The longest that one statement may run, on every engine; it is broken off with `Unavailable`.
    pub statement_timeout: Duration,
    /// The longest wait for a lock before a statement gives up as `Transient`, at most what it may run.
    pub lock_timeout: Duration,
    /// The longest that a transaction is tried again after deadlocks, locks and serialization failures.
    pub retry_for: Duration,
    /// MariaDB and MySQL only: the modes of SQL, separated by commas; empty: the server's. What portable statements need
    /// is added.
    pub mysql_sql_mode: String,
    /// SQLite only: what an acknowledged commit survives.
    pub synchronous: Synchronous,
    /// SQLite only: memory for pages, in KiB a connection. The system keeps pages too, and shares them among connections.
    pub sqlite_cache_kib: u32,
    /// SQLite only: pages of the write-ahead log after which whoever commits brings them into the file. A page that was written
    /// many times meanwhile is brought once; the log is as long as that.
    pub sqlite_checkpoint_pages: u32,
    /// Prepared statements that one connection keeps.
    pub statements_kept: u16,
    /// SQLite only: make the file where there is none. Only the command that makes the tables does so.
    pub create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pool_size: 8,
            pool_wait: Duration::from_secs(10),
            recycle_after: Duration::from_secs(3600),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            retry_for: Duration::from_secs(60),
            mysql_sql_mode: "TRADITIONAL".to_owned(),
            synchronous: Synchronous::Full,
            sqlite_cache_kib: 256,
            sqlite_checkpoint_pages: 1_000,
            statements_kept: 128,
            create: false,
        }
    }
}
