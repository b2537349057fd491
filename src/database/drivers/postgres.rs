//! PostgreSQL through `postgres`, in the binary protocol. Portable statements know fewer types than the server: a value
//! takes the type of the column that it meets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::types::private::BytesMut;
use ::postgres::types::{FromSql, IsNull, ToSql, Type};
use ::postgres::{Client, Config, NoTls, Statement};

use super::{Cells, Failure, Outcome};
use crate::database::engine::Engine;
use crate::database::options::Options;
use crate::database::row::Row;
use crate::database::url::Server;
use crate::database::value::Value;
use crate::service::threads;
use crate::time::Timestamp;
use crate::{Error, Result};

/// Microseconds from 1970-01-01 to 2000-01-01, where the server's times begin.
const EPOCH: i64 = 946_684_800_000_000;

pub(in crate::database) struct Session {
    client: Client,
    /// By the portable text, so that a repeated statement is neither translated nor prepared again.
    statements: HashMap<Box<str>, Statement>,
    kept: usize,
    connect_timeout: Duration,
}

impl Session {
    pub(in crate::database) fn open(server: &Server, options: &Options) -> Outcome<Self> {
        threads::about_to_wait();
        match server.option("sslmode") {
            None | Some("disable" | "allow" | "prefer") => {}
            Some(mode) => {
                let cause = format!("sslmode={mode} asks for TLS, which this build does not speak to PostgreSQL");
                return Err(Failure::refused(cause));
            }
        }
        let mut config = Config::new();
        let host = server.option("host").or(server.host.as_deref()).unwrap_or("127.0.0.1");
        let statement = options.statement_timeout;
        config
            .host(host)
            .port(server.port.or_else(|| server.option("port")?.parse().ok()).unwrap_or(5432))
            .dbname(&server.database)
            .application_name("hearth")
            .connect_timeout(options.connect_timeout)
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(statement + options.connect_timeout)
            .options(&format!(
                "-c statement_timeout={} -c lock_timeout={} -c timezone=UTC -c client_encoding=UTF8",
                statement.as_millis(),
                options.lock_timeout.min(statement).as_millis()
            ));
        if let Some(user) = server.user.as_deref().or(server.option("user")) {
            config.user(user);
        }
        if let Some(password) = server.password.as_deref().or(server.option("password")) {
            config.password(password);
        }
        let client = config.connect(NoTls).map_err(failure)?;
        let kept = usize::from(options.statements_kept);
        Ok(Self { client, statements: HashMap::new(), kept, connect_timeout: options.connect_timeout })
    }

    fn prepared(&mut self, sql: &str) -> Outcome<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        // Lists make few different texts; whoever makes many pays by preparing them again.
        if self.statements.len() >= self.kept {
            self.statements.clear();
        }
        let statement = self.client.prepare(&Engine::Postgres.translate(sql)).map_err(failure)?;
        self.statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }

    pub(super) fn query(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each_row: &mut dyn FnMut(&mut Row<'_>) -> Result<()>,
    ) -> Outcome<()> {
        self.run(sql, params, each_row).map(|_| ())
    }

    pub(super) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Outcome<u64> {
        self.run(sql, params, &mut |_| Ok(()))
    }

    fn run(
        &mut self,
        sql: &str,
        params: &[Value<'_>],
        each_row: &mut dyn FnMut(&mut Row<'_>) -> Result<()>,
    ) -> Outcome<u64> {
        threads::about_to_wait();
        let statement = self.prepared(sql)?;
        if statement.params().len() != params.len() {
            let marks = statement.params().len();
            return Err(Failure::internal(format!(
                "a statement has {marks} marks and was given {} values",
                params.len()
            )));
        }
        let outcome = fetch(&mut self.client, &statement, params, each_row);
        if outcome.is_err() {
            // After a change of its tables a statement would fail for ever.
            self.statements.remove(sql);
        }
        outcome
    }

    pub(super) fn batch(&mut self, sql: &str) -> Outcome<()> {
        threads::about_to_wait();
        self.client.batch_execute(sql).map_err(failure)
    }

    pub(super) fn ping(&mut self) -> Outcome<()> {
        threads::about_to_wait();
        self.client.is_valid(self.connect_timeout).map_err(Failure::lost)
    }
}

fn fetch(
    client: &mut Client,
    statement: &Statement,
    params: &[Value<'_>],
    each_row: &mut dyn FnMut(&mut Row<'_>) -> Result<()>,
) -> Outcome<u64> {
    let mut rows = client.query_raw(statement, params.iter().map(Bound)).map_err(failure)?;
    while let Some(row) = rows.next().map_err(failure)? {
        each_row(&mut Row { cells: Cells::Postgres(&row) }).map_err(Failure::kept)?;
    }
    Ok(rows.rows_affected().unwrap_or(0))
}

/// A value on its way to the server, in the binary form of the type that the server expects.
#[derive(Debug)]
struct Bound<'a>(&'a Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self.0, ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Int(value), _) => number(*value, ty, out)?,
            (Value::Bool(value), &Type::BOOL) => out.extend_from_slice(&[u8::from(*value)]),
            (Value::Bool(value), _) => number(i64::from(*value), ty, out)?,
            (Value::Real(value), &Type::FLOAT4) => out.extend_from_slice(&(*value as f32).to_be_bytes()),
            (Value::Real(value), &Type::FLOAT8) => out.extend_from_slice(&value.to_be_bytes()),
            (Value::Time(value), &Type::TIMESTAMP | &Type::TIMESTAMPTZ) => {
                out.extend_from_slice(&(value.0 - EPOCH).to_be_bytes());
            }
            (Value::Time(value), &Type::TEXT | &Type::VARCHAR) => out.extend_from_slice(value.sql().as_bytes()),
            (Value::Text(value), _) if is_text(ty) => out.extend_from_slice(value.as_bytes()),
            (Value::Bytes(value), &Type::BYTEA) => out.extend_from_slice(value),
            (Value::Bytes(value), _) if is_text(ty) => out.extend_from_slice(value),
            (value, ty) => return Err(format!("{value:?} does not fit a parameter of type {ty}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

fn is_text(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN)
}

/// A whole number in the width of `ty`.
fn number(
    value: i64,
    ty: &Type,
    out: &mut BytesMut,
) -> std::result::Result<(), Box<dyn std::error::Error + Sync + Send>> {
    match *ty {
        Type::INT8 => out.extend_from_slice(&value.to_be_bytes()),
        Type::INT4 => out.extend_from_slice(&i32::try_from(value)?.to_be_bytes()),
        Type::INT2 => out.extend_from_slice(&i16::try_from(value)?.to_be_bytes()),
        Type::BOOL => out.extend_from_slice(&[u8::from(value != 0)]),
        Type::FLOAT8 => out.extend_from_slice(&(value as f64).to_be_bytes()),
        Type::FLOAT4 => out.extend_from_slice(&(value as f32).to_be_bytes()),
        Type::NUMERIC => numeric(value, out),
        _ if is_text(ty) => out.extend_from_slice(value.to_string().as_bytes()),
        _ => return Err(format!("a whole number does not fit a parameter of type {ty}").into()),
    }
    Ok(())
}

/// A whole number as the server's decimal: digits of base 10,000, the highest first.
fn numeric(value: i64, out: &mut BytesMut) {
    let mut digits = Vec::new();
    let mut rest = value.unsigned_abs();
    while rest > 0 {
        digits.push(u16::try_from(rest % 10_000).unwrap_or(0));
        rest /= 10_000;
    }
    let count = u16::try_from(digits.len()).unwrap_or(0);
    let sign: u16 = if value < 0 { 0x4000 } else { 0 };
    for part in [count, count.saturating_sub(1), sign, 0].into_iter().chain(digits.into_iter().rev()) {
        out.extend_from_slice(&part.to_be_bytes());
    }
}

/// A cell with its type, undecoded.
struct Cell<'a> {
    ty: Type,
    raw: Option<&'a [u8]>,
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self { ty: ty.clone(), raw: Some(raw) })
    }

    fn from_sql_null(ty: &Type) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self { ty: ty.clone(), raw: None })
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

pub(super) fn value<'a>(row: &'a ::postgres::Row, column: usize) -> Result<Value<'a>> {
    let cell: Cell<'a> = row.try_get(column).map_err(Error::internal)?;
    let Some(raw) = cell.raw else { return Ok(Value::Null) };
    let decoded = match cell.ty {
        Type::INT8 => raw.try_into().ok().map(|bytes| Value::Int(i64::from_be_bytes(bytes))),
        Type::INT4 => raw.try_into().ok().map(|bytes| Value::Int(i32::from_be_bytes(bytes).into())),
        Type::INT2 => raw.try_into().ok().map(|bytes| Value::Int(i16::from_be_bytes(bytes).into())),
        Type::BOOL => raw.first().map(|byte| Value::Bool(*byte != 0)),
        Type::FLOAT8 => raw.try_into().ok().map(|bytes| Value::Real(f64::from_be_bytes(bytes))),
        Type::FLOAT4 => raw.try_into().ok().map(|bytes| Value::Real(f32::from_be_bytes(bytes).into())),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            let micros = raw.try_into().ok().map(i64::from_be_bytes);
            micros.and_then(|micros| micros.checked_add(EPOCH)).map(|micros| Value::Time(Timestamp(micros)))
        }
        Type::NUMERIC => decimal(raw),
        Type::BYTEA => Some(Value::Bytes(Cow::Borrowed(raw))),
        ref ty if is_text(ty) => Some(Value::Bytes(Cow::Borrowed(raw))),
        ref ty => return Err(Error::internal(format!("column {column} is of the type {ty}, which is not portable"))),
    };
    decoded.ok_or_else(|| Error::internal(format!("column {column} does not hold what its type says")))
}

/// The server's decimal as a number: whole where it is whole.
fn decimal(raw: &[u8]) -> Option<Value<'static>> {
    let parts: Vec<i16> = raw.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(i16::from_be_bytes).collect();
    let [count, weight, sign, _scale, digits @ ..] = parts.as_slice() else { return None };
    let digits = digits.get(..usize::try_from(*count).ok()?)?;
    let minus = match *sign {
        0 => false,
        0x4000 => true,
        _ => return Some(Value::Real(f64::NAN)),
    };
    let mut whole: i64 = 0;
    let mut exact = true;
    let mut real = 0.0;
    for (at, digit) in digits.iter().enumerate() {
        let power = i32::from(*weight) - i32::try_from(at).ok()?;
        real += f64::from(*digit) * 10_000_f64.powi(power);
        let part = u32::try_from(power).ok().and_then(|power| 10_000_i64.checked_pow(power));
        match part.and_then(|part| part.checked_mul((*digit).into())).and_then(|part| whole.checked_add(part)) {
            Some(sum) => whole = sum,
            None => exact = *digit == 0 && exact,
        }
    }
    Some(match (exact, minus) {
        (true, false) => Value::Int(whole),
        (true, true) => Value::Int(-whole),
        (false, false) => Value::Real(real),
        (false, true) => Value::Real(-real),
    })
}

fn failure(error: ::postgres::Error) -> Failure {
    let cause = match error.as_db_error() {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(deeper) = source {
                text = format!("{text}: {deeper}");
                source = deeper.source();
            }
            text
        }
    };
    let Some(code) = error.code().map(|code| code.code()) else {
        // Without a code the server said nothing: it is gone, or the value could not be sent at all.
        let ours = cause.contains("serializing parameter") || cause.contains("error deserializing column");
        return if ours { Failure::internal(cause) } else { Failure::lost(cause) };
    };
    match code {
        "23505" => Failure::duplicate(cause),
        "40001" | "40P01" | "55P03" => Failure::transient(cause),
        // The plan of a prepared statement does not fit its tables any more; it is prepared anew.
        "0A000" if cause.contains("cached plan") => Failure::transient(cause),
        "57014" => Failure::too_slow(cause),
        "23503" => Failure::reference(cause),
        "22001" | "22003" | "22021" => Failure::unfit(cause),
        "57P01" | "57P02" | "57P03" | "25006" => Failure::lost(cause),
        "53300" | "53100" | "28000" | "28P01" | "3D000" | "42501" => Failure::refused(cause),
        // undefined_table, undefined_column.
        "42P01" | "42703" => Failure::incomplete(cause),
        _ if code.starts_with("08") => Failure::lost(cause),
        _ => Failure::internal(cause),
    }
}
