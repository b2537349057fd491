//! MariaDB and MySQL through `mysql`. The session speaks ANSI quotes, strict values and UTC, so that a portable
//! statement means the same here as elsewhere.

use std::borrow::Cow;
use std::collections::HashMap;

use ::mysql::consts::CapabilityFlags;
use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Opts, OptsBuilder, Params, SslOpts, Statement, Value as Cell};

use super::{Cells, Failure, Outcome};
use crate::database::engine::Engine;
use crate::database::options::Options;
use crate::database::row::Row;
use crate::database::select::without_hints;
use crate::database::url::Server;
use crate::database::value::Value;
use crate::service::threads;
use crate::time::{Civil, Timestamp};
use crate::{Error, Result};

/// Bytes after which a connection is worn: it is closed as soon as it rests, and opened again when it is needed. The driver reads
/// into a buffer of 4 MiB from its beginning to its end, so that each connection would soon hold all of that. Opening one anew takes
/// the server 0.5 ms, as much as two shows; some hundreds of them, or two pages of 1,000 details, make a MiB.
const WORN: usize = 1024 * 1024;
/// Bytes after which one is worn that has read them in so many small answers that to open it anew is nothing beside them.
const WORN_SLOWLY: (usize, u64) = (256 * 1024, 500);
/// What an answer takes beside its rows, about.
const ANSWER: usize = 24;
/// What the description of a column or a mark takes, about.
const DESCRIPTION: usize = 64;

pub(in crate::database) struct Session {
    opts: Opts,
    /// None while it rests.
    connection: Option<Conn>,
    /// Bytes that were read since it was opened, about.
    read: usize,
    /// Whether it may be closed when it is worn: not where opening it means a handshake of TLS.
    may_rest: bool,
    /// Prepared statements by their portable text, with the use at which each was last needed. The driver keeps some too, but
    /// reads the whole text again at each use, for names in it.
    prepared: HashMap<Box<str>, (Statement, u64)>,
    kept: usize,
    uses: u64,
    /// Uses until it was opened.
    used_before: u64,
}

impl Session {
    pub(in crate::database) fn open(server: &Server, options: &Options) -> Outcome<Self> {
        threads::about_to_wait();
        let statement = options.statement_timeout;
        let lock_seconds = options.lock_timeout.min(statement).as_secs().max(1);
        // Each server reads only the comments that are meant for it: MariaDB's time-out is in seconds, MySQL's, which
        // knows SELECT alone, in milliseconds.
        let session = format!(
            "SET SESSION sql_mode = {}, time_zone = '+00:00', \
             innodb_lock_wait_timeout = {lock_seconds} /*M! , max_statement_time = {} */ /*!50708 , max_execution_time = {} */",
            sql_mode(&options.mysql_sql_mode)?,
            statement.as_secs_f64(),
            statement.as_millis()
        );
        // What another committed is seen by the next statement, as on PostgreSQL; and fewer deadlocks on gaps.
        let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned();
        let socket = server.option("unix_socket");
        let builder = OptsBuilder::new()
            .user(server.user.clone())
            .pass(server.password.clone())
            .db_name(Some(server.database.clone()))
            .socket(socket)
            .ip_or_hostname(Some(server.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned())))
            .tcp_port(server.port.unwrap_or(3306))
            .prefer_socket(false)
            .tcp_connect_timeout(Some(options.connect_timeout))
            // The server breaks a slow statement off itself; this ends the wait for a server that is gone.
            .read_timeout(Some(statement + options.connect_timeout))
            .write_timeout(Some(statement + options.connect_timeout))
            .tcp_keepalive_time_ms(Some(30_000))
            .stmt_cache_size(0)
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
            .ssl_opts(encryption(server))
            .init(vec![session, isolation]);
        let opts = Opts::from(builder);
        let connection = Conn::new(opts.clone()).map_err(failure)?;
        let kept = usize::from(options.statements_kept).max(1);
        let may_rest = opts.get_ssl_opts().is_none();
        let prepared = HashMap::new();
        Ok(Self { opts, connection: Some(connection), read: 0, may_rest, prepared, kept, uses: 0, used_before: 0 })
    }

    /// Closes the connection where it is worn. To be called between transactions.
    pub(super) fn rest(&mut self) {
        let (slowly, many) = WORN_SLOWLY;
        let worn = self.read >= WORN || self.read >= slowly && self.uses - self.used_before >= many;
        if worn && self.may_rest {
            self.prepared.clear();
            self.connection = None;
            self.read = 0;
            self.used_before = self.uses;
        }
    }

    /// The connection, opened anew where it rested.
    fn connection(&mut self) -> Outcome<&mut Conn> {
        threads::about_to_wait();
        match &mut self.connection {
            Some(connection) => Ok(connection),
            closed => Ok(closed.insert(Conn::new(self.opts.clone()).map_err(failure)?)),
        }
    }

    /// The statement, prepared; the one that was not needed for longest gives way to it.
    fn prepare(&mut self, sql: &str) -> Outcome<Statement> {
        self.uses += 1;
        if let Some((statement, last)) = self.prepared.get_mut(sql) {
            *last = self.uses;
            return Ok(statement.clone());
        }
        let oldest = if self.prepared.len() >= self.kept {
            let oldest = self.prepared.iter().min_by_key(|(_, (_, last))| *last);
            let key = oldest.map(|(key, _)| key.clone());
            key.and_then(|key| self.prepared.remove(&key))
        } else {
            None
        };
        let connection = self.connection()?;
        if let Some((statement, _)) = oldest {
            connection.close(statement).map_err(failure)?;
        }
        let translated = Engine::Mysql.translate(sql);
        let statement = match (connection.prep(&translated), without_hints(&translated)) {
            (Err(error), Some(plain)) if lacks_index(&error) => {
                log::warn!("{error}: lists are slow until 'hearth db sync' has made it");
                connection.prep(plain)
            }
            (outcome, _) => outcome,
        }
        .map_err(failure)?;
        self.read += ANSWER + (statement.columns().len() + usize::from(statement.num_params())) * DESCRIPTION;
        self.prepared.insert(sql.into(), (statement.clone(), self.uses));
        Ok(statement)
    }

    pub(super) fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each_row: &mut dyn FnMut(&mut Row<'_>) -> Result<()>,
    ) -> Outcome<()> {
        let mut anew = false;
        loop {
            let statement = self.prepare(sql)?;
            let mut read = ANSWER;
            let error = match self.connection()?.exec_iter(&statement, bound(params)) {
                Ok(mut rows) => {
                    for row in rows.by_ref() {
                        let mut row = row.map_err(failure)?;
                        read += size(&row);
                        each_row(&mut Row { cells: Cells::Mysql(&mut row) }).map_err(Failure::kept)?;
                    }
                    None
                }
                Err(error) => Some(error),
            };
            self.read += read;
            match error {
                None => return Ok(()),
                // An index that the statement names may have gone away since it was prepared.
                Some(error) if !anew && lacks_index(&error) => self.forget(sql)?,
                Some(error) => return Err(failure(error)),
            }
            anew = true;
        }
    }

    /// The statement is prepared anew when it is next needed.
    fn forget(&mut self, sql: &str) -> Outcome<()> {
        match self.prepared.remove(sql) {
            Some((statement, _)) => self.connection()?.close(statement).map_err(failure),
            None => Ok(()),
        }
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Outcome<u64> {
        let statement = self.prepare(sql)?;
        self.read += ANSWER;
        let answer = self.connection()?.exec_iter(&statement, bound(params)).map_err(failure)?;
        Ok(answer.affected_rows())
    }

    pub(super) fn batch(&mut self, sql: &str) -> Outcome<()> {
        self.read += ANSWER;
        let mut answers = self.connection()?.query_iter(sql).map_err(failure)?;
        // A failure of a statement behind the first one is told where its answer is looked at, and nowhere else.
        while let Some(mut answer) = answers.iter() {
            answer.try_for_each(|row| row.map(drop)).map_err(failure)?;
        }
        Ok(())
    }

    pub(super) fn last_insert_id(&self) -> i64 {
        let id = self.connection.as_ref().map_or(0, Conn::last_insert_id);
        i64::try_from(id).unwrap_or(0)
    }

    pub(super) fn ping(&mut self) -> Outcome<()> {
        self.connection()?.ping().map_err(Failure::lost)
    }
}

/// The bytes of a row as the server sends it, about.
fn size(row: &::mysql::Row) -> usize {
    let cell = |column| match row.as_ref(column) {
        Some(Cell::Bytes(value)) => value.len() + 1,
        Some(Cell::NULL) | None => 0,
        Some(_) => 8,
    };
    (0..row.len()).map(cell).sum::<usize>() + 8
}

/// The modes of SQL as an expression: those that are wished, and those that make quotes and backslashes mean what they
/// mean elsewhere.
fn sql_mode(wished: &str) -> Outcome<String> {
    if !wished.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b',')) {
        return Err(Failure::refused("mysql_sql_mode is no list of words that are separated by commas"));
    }
    let wished = if wished.is_empty() { "@@sql_mode".to_owned() } else { format!("'{wished}'") };
    Ok(format!("CONCAT({wished}, ',ANSI_QUOTES,NO_BACKSLASH_ESCAPES')"))
}

/// TLS where the URL names a certificate, with PyMySQL's names for the options.
fn encryption(server: &Server) -> Option<SslOpts> {
    let authority = server.option("ssl_ca")?;
    Some(SslOpts::default().with_root_cert_path(Some(std::path::PathBuf::from(authority))))
}

fn bound(params: &[Value<'_>]) -> Params {
    if params.is_empty() {
        return Params::Empty;
    }
    let small = |part: i64| u8::try_from(part).unwrap_or(0);
    let cell = |value: &Value<'_>| match value {
        Value::Null => Cell::NULL,
        Value::Int(value) => Cell::Int(*value),
        Value::Real(value) => Cell::Double(*value),
        Value::Bool(value) => Cell::Int(i64::from(*value)),
        Value::Text(value) => Cell::Bytes(value.as_bytes().to_vec()),
        Value::Bytes(value) => Cell::Bytes(value.to_vec()),
        Value::Time(value) => {
            let civil = value.civil();
            Cell::Date(
                u16::try_from(civil.year).unwrap_or(0),
                small(civil.month),
                small(civil.day),
                small(civil.hour),
                small(civil.minute),
                small(civil.second),
                u32::try_from(civil.micros).unwrap_or(0),
            )
        }
    };
    Params::Positional(params.iter().map(cell).collect())
}

pub(super) fn value<'a>(row: &'a ::mysql::Row, column: usize) -> Result<Value<'a>> {
    let cell = row.as_ref(column).ok_or_else(|| Error::internal(format!("there is no column {column}")))?;
    Ok(match cell {
        Cell::NULL => Value::Null,
        Cell::Bytes(value) => Value::Bytes(Cow::Borrowed(value)),
        Cell::Int(value) => Value::Int(*value),
        Cell::UInt(value) => Value::Int(i64::try_from(*value).map_err(Error::internal)?),
        Cell::Float(value) => Value::Real(f64::from(*value)),
        Cell::Double(value) => Value::Real(*value),
        Cell::Date(year, month, day, hour, minute, second, micros) => {
            let civil = Civil {
                year: (*year).into(),
                month: (*month).into(),
                day: (*day).into(),
                hour: (*hour).into(),
                minute: (*minute).into(),
                second: (*second).into(),
                micros: (*micros).into(),
            };
            let time = Timestamp::from_civil(&civil);
            Value::Time(time.ok_or_else(|| Error::internal(format!("column {column} holds no date that exists")))?)
        }
        Cell::Time(..) => return Err(Error::internal(format!("column {column} holds a time without a date"))),
    })
}

/// The bytes of a cell, taken out of the row, where it holds bytes.
pub(super) fn take(row: &mut ::mysql::Row, column: usize) -> Option<Vec<u8>> {
    if !matches!(row.as_ref(column), Some(Cell::Bytes(_))) {
        return None;
    }
    match row.take(column) {
        Some(Cell::Bytes(bytes)) => Some(bytes),
        _ => None,
    }
}

/// ER_KEY_DOES_NOT_EXITS, as the server spells it: a hint names an index that is not there.
fn lacks_index(error: &::mysql::Error) -> bool {
    matches!(error, ::mysql::Error::MySqlError(answer) if answer.code == 1176)
}

fn failure(error: ::mysql::Error) -> Failure {
    let ::mysql::Error::MySqlError(answer) = &error else {
        return match &error {
            ::mysql::Error::IoError(_)
            | ::mysql::Error::CodecError(_)
            | ::mysql::Error::TlsError(_)
            | ::mysql::Error::DriverError(
                ::mysql::DriverError::ConnectTimeout
                | ::mysql::DriverError::CouldNotConnect(_)
                | ::mysql::DriverError::Timeout
                | ::mysql::DriverError::PacketOutOfSync
                | ::mysql::DriverError::UnexpectedPacket,
            ) => Failure::lost(error),
            _ => Failure::internal(error),
        };
    };
    match answer.code {
        // ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME.
        1062 | 1586 => Failure::duplicate(error),
        // ER_CHECKREAD, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_LOCK_NOWAIT.
        1020 | 1205 | 1213 | 3572 => Failure::transient(error),
        // ER_QUERY_INTERRUPTED, ER_STATEMENT_TIMEOUT (MariaDB), ER_QUERY_TIMEOUT (MySQL).
        1317 | 1969 | 3024 => Failure::too_slow(error),
        // ER_ROW_IS_REFERENCED_2, ER_NO_REFERENCED_ROW_2 and their elder twins.
        1216 | 1217 | 1451 | 1452 => Failure::reference(error),
        // ER_WARN_DATA_OUT_OF_RANGE, ER_TRUNCATED_WRONG_VALUE_FOR_FIELD, ER_DATA_TOO_LONG.
        1264 | 1366 | 1406 => Failure::unfit(error),
        // ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED (MariaDB), ER_UNKNOWN_COM_ERROR (a Galera node that is not ready),
        // ER_OPTION_PREVENTS_STATEMENT and ER_READ_ONLY_MODE (a server that became a replica).
        1047 | 1053 | 1290 | 1836 | 1927 => Failure::lost(error),
        // ER_CON_COUNT_ERROR, ER_DBACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR, ER_BAD_DB_ERROR, ER_RECORD_FILE_FULL.
        1040 | 1044 | 1045 | 1049 | 1114 => Failure::refused(error),
        // ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR.
        1146 | 1054 => Failure::incomplete(error),
        _ => Failure::internal(error),
    }
}
