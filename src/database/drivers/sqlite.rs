//! SQLite through `rusqlite`: one file, any number of processes. The write-ahead log lets readers read while one writes;
//! writers queue for the write lock.

use std::borrow::Cow;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};

use super::{Cells, Failure, Outcome, jitter};
use crate::database::engine::Engine;
use crate::database::options::{Options, Synchronous};
use crate::database::row::Row;
use crate::database::value::Value;
use crate::service::threads;
use crate::{Error, Result};

/// Instructions of SQLite's machine between two looks at the clock: some tenths of a millisecond.
const INSTRUCTIONS_A_LOOK: i32 = 10_000;

/// Pages that a transaction may change before they are written ahead of its commit, above the memory for pages: what was
/// changed goes back to the system after the commit, while memory for pages is kept by every connection.
const PAGES_UNSPILT: u32 = 2_048;

/// Bytes above which SQLite takes the page that all connections of the process together have not used for the longest time,
/// instead of memory for one more. What a connection may have for itself would add up, and most of it belongs to connections that
/// rest.
const MEMORY: u32 = 4 << 20;

/// The longest sleep between two tries for a lock.
const LONGEST_SLEEP_MICROS: u64 = 8_000;

thread_local! {
    /// Until when the statement that runs on this thread may wait for a lock. SQLite's callback has no place for it.
    static LOCK_UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

pub(in crate::database) struct Session {
    connection: Connection,
    clock: Arc<Clock>,
    lock_timeout: Duration,
    statement_timeout: Duration,
}

/// Until when the running statement may run, in microseconds since the connection was opened.
struct Clock {
    opened: Instant,
    until: AtomicI64,
}

impl Clock {
    fn now(&self) -> i64 {
        i64::try_from(self.opened.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Session {
    pub(in crate::database) fn open(path: &Path, options: &Options) -> Outcome<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if options.create {
            make_private(path).map_err(|cause| Failure::refused(format!("{}: {cause}", path.display())))?;
        }
        let named = |error| {
            let mut failure = failure(error);
            let cause = failure.error.cause().unwrap_or_default().to_owned();
            failure.error = failure.error.because(format!("{}: {cause}", path.display()));
            failure
        };
        let connection = Connection::open_with_flags(path, flags).map_err(named)?;
        let clock = Arc::new(Clock { opened: Instant::now(), until: AtomicI64::new(i64::MAX) });
        let mut session = Self {
            connection,
            clock,
            lock_timeout: options.lock_timeout.min(options.statement_timeout),
            statement_timeout: options.statement_timeout,
        };
        session.set_up(options).map_err(named)?;
        Ok(session)
    }

    fn set_up(&mut self, options: &Options) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.busy_handler(Some(wait_for_lock))?;
        let clock = Arc::clone(&self.clock);
        connection.progress_handler(
            INSTRUCTIONS_A_LOOK,
            Some(move || {
                threads::about_to_wait();
                clock.now() > clock.until.load(Ordering::Relaxed)
            }),
        )?;
        // The last process to leave would otherwise lock out all others while it empties the log.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // A statement is planned once. Else SQLite plans it again whenever a bound limit or a value that its statistics
        // know of is another one: for short statements most of their time.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(options.statements_kept.into());
        self.allow_waiting();
        let synchronous = match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Normal => "NORMAL",
        };
        // No mapping of the file into memory: its pages would count as resident.
        self.connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
             PRAGMA cache_size = -{}; PRAGMA cache_spill = {PAGES_UNSPILT}; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA soft_heap_limit = {MEMORY}; \
             PRAGMA wal_autocheckpoint = {}; PRAGMA journal_size_limit = 67108864; PRAGMA trusted_schema = OFF",
            options.sqlite_cache_kib, options.sqlite_checkpoint_pages
        ))
    }

    /// Sets the clocks of the statement that is about to run.
    fn allow_waiting(&self) {
        let micros = i64::try_from(self.statement_timeout.as_micros()).unwrap_or(i64::MAX);
        self.clock.until.store(self.clock.now().saturating_add(micros), Ordering::Relaxed);
        LOCK_UNTIL.set(Instant::now().checked_add(self.lock_timeout));
    }

    pub(super) fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each_row: &mut dyn FnMut(&mut Row<'_>) -> Result<()>,
    ) -> Outcome<()> {
        self.allow_waiting();
        let mut statement = self.connection.prepare_cached(&Engine::Sqlite.translate(sql)).map_err(failure)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failure)? {
            each_row(&mut Row { cells: Cells::Sqlite(row) }).map_err(Failure::kept)?;
        }
        Ok(())
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Outcome<u64> {
        self.allow_waiting();
        let mut statement = self.connection.prepare_cached(&Engine::Sqlite.translate(sql)).map_err(failure)?;
        bind(&mut statement, params)?;
        let rows = statement.raw_execute().map_err(failure)?;
        Ok(rows as u64)
    }

    /// Runs an `INSERT` of one row for each row. One of many rows would be no quicker: SQLite keeps each page as it was before such a
    /// statement, to undo it alone.
    pub(in crate::database) fn insert_rows<const N: usize>(
        &mut self,
        insert: &str,
        rows: &mut dyn Iterator<Item = [Value<'_>; N]>,
    ) -> Outcome<()> {
        self.allow_waiting();
        let mut statement = self.connection.prepare_cached(&Engine::Sqlite.translate(insert)).map_err(failure)?;
        for row in rows {
            bind(&mut statement, &row)?;
            statement.raw_execute().map_err(failure)?;
        }
        Ok(())
    }

    pub(super) fn batch(&mut self, sql: &str) -> Outcome<()> {
        self.allow_waiting();
        self.connection.execute_batch(sql).map_err(failure)
    }
}

/// Makes the file where there is none, empty and closed to others: it will hold secrets. The files beside it get its mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().append(true).create(true).mode(0o640).open(path).map(drop)
}

/// SQLite calls this while another connection holds the lock that it needs. Short uneven sleeps share the lock better
/// among many processes than SQLite's own, which grow to a tenth of a second.
fn wait_for_lock(tries: i32) -> bool {
    if LOCK_UNTIL.get().is_none_or(|until| Instant::now() >= until) {
        return false;
    }
    threads::about_to_wait();
    let longest = (200 * (u64::try_from(tries).unwrap_or(0) + 1)).min(LONGEST_SLEEP_MICROS);
    std::thread::sleep(Duration::from_micros(longest / 2 + jitter(longest / 2)));
    true
}

fn bind(statement: &mut rusqlite::Statement<'_>, params: &[Value<'_>]) -> Outcome<()> {
    if statement.parameter_count() != params.len() {
        let marks = statement.parameter_count();
        return Err(Failure::internal(format!("a statement has {marks} marks and was given {} values", params.len())));
    }
    for (at, value) in params.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(value)).map_err(failure)?;
    }
    Ok(())
}

/// A value as SQLite keeps it: truth values as numbers, times as SQLAlchemy's text.
struct Bound<'a>(&'a Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Int(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            Value::Real(value) => ToSqlOutput::Borrowed(ValueRef::Real(*value)),
            Value::Bool(value) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*value))),
            Value::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Value::Bytes(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
            Value::Time(value) => ToSqlOutput::Owned(rusqlite::types::Value::Text(value.sql())),
        })
    }
}

pub(super) fn value<'a>(row: &'a rusqlite::Row<'a>, column: usize) -> Result<Value<'a>> {
    Ok(match row.get_ref(column).map_err(Error::internal)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(value) | ValueRef::Blob(value) => Value::Bytes(Cow::Borrowed(value)),
    })
}

fn failure(error: rusqlite::Error) -> Failure {
    let (cause, text) = match &error {
        rusqlite::Error::SqliteFailure(cause, text) => (cause, text.as_deref().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error, msg.as_str()),
        _ => return Failure::internal(error),
    };
    // It has no code of its own for this.
    if text.starts_with("no such table") || text.starts_with("no such column") {
        return Failure::incomplete(error);
    }
    match (cause.code, cause.extended_code) {
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Failure::transient(error),
        (
            ErrorCode::ConstraintViolation,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
            | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            | rusqlite::ffi::SQLITE_CONSTRAINT_ROWID,
        ) => Failure::duplicate(error),
        (ErrorCode::ConstraintViolation, rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Failure::reference(error),
        (ErrorCode::OperationInterrupted, _) => Failure::too_slow(error),
        (ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::DiskFull, _) => {
            Failure::refused(error)
        }
        (ErrorCode::TooBig, _) => Failure::unfit(error),
        _ => Failure::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_planned_once_whatever_its_values() {
        let mut session = Session::open(Path::new(":memory:"), &Options::default()).unwrap();
        session.batch("CREATE TABLE t (x INTEGER)").unwrap();
        let sql = "SELECT x FROM t LIMIT ?";
        for limit in 1..5 {
            session.query(sql, &[Value::Int(limit)], &mut |_| Ok(())).unwrap();
        }
        let again = session.connection.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare);
        assert_eq!(again, 0);
    }
}
