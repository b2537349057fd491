//! Makes a database's tables, or accepts those that Cinder made: `hearth db sync`. It never changes a table of Cinder's;
//! what it adds to a database that Cinder made begins with `hearth_`.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::engine::Engine;
use super::options::Options;
use super::partitions::Partitioned;
use super::pool::Database;
use super::schema::{ALEMBIC_VERSION, OLDER_REVISIONS, REVISION, TABLES};
use super::seeds::{self, Limits};
use super::table::{Index, Table, int, text};
use crate::{Error, Kind, Result};

/// Tables of our own that grow together, in numbered steps. A step that was released is never changed again.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    /// Its name in `hearth_schema`.
    pub name: &'static str,
    /// Its steps; the number of a step is its place, counted from 1.
    pub steps: &'static [Step],
}

/// One step of a component.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Tables to make.
    pub tables: &'static [&'static Table],
    /// Indexes to add to tables that are there.
    pub indexes: &'static [(&'static str, Index)],
    /// Tables that PostgreSQL keeps in partitions from now on.
    pub partitioned: &'static [Partitioned],
}

/// What a database is to hold.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Whether it holds Cinder's tables.
    pub cinder: bool,
    /// Tables of our own.
    pub components: &'a [&'a Component],
}

/// What a database holds of Cinder's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// None.
    Nothing,
    /// Some, because whoever made them was broken off.
    Unfinished,
    /// All, at our revision.
    Current,
    /// All, at an older revision that is known.
    Older(String),
    /// Tables of a revision that is not known, which may be newer.
    Unknown(String),
    /// Tables that no revision describes: older than Cinder's use of alembic, or somebody else's.
    Unversioned,
}

/// What [`sync`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// It made Cinder's tables.
    pub made_cinder: bool,
    /// The components it brought to their newest step: name, step before, step after.
    pub components: Vec<(&'static str, i64, i64)>,
    /// Indexes that it had made before, which somebody removed, and which it made again: table, index.
    pub indexes: Vec<(&'static str, &'static str)>,
}

/// Which steps of our components were made.
const HEARTH_SCHEMA: Table =
    Table::new("hearth_schema", "component", &[&[text("component", 64).required(), int("version").required()]]);

/// The number of the lock that keeps several starts from making tables at once.
const LOCK: i64 = 0x4865_6172_7468;

/// The longest that a table or an index may take.
const LONGEST_STEP: Duration = Duration::from_secs(6 * 3600);

/// The longest wait for whoever holds that lock.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Makes what is wanted and missing. Several processes may do so at once: one makes it, the others find it.
///
/// # Errors
/// `Conflict` where the tables are of another revision than ours; else as all statements.
pub fn sync(database: &Database, wanted: &Wanted<'_>) -> Result<Report> {
    sync_with_limits(database, wanted, &seeds::LIMITS)
}

/// As [`sync`]; where Cinder's tables are made, their quota class `default` begins with `limits`.
///
/// # Errors
/// As [`sync`].
pub fn sync_with_limits(database: &Database, wanted: &Wanted<'_>, limits: &Limits) -> Result<Report> {
    // An index over many rows takes long, and so may whoever makes one at the same time.
    let patient = Options { statement_timeout: LONGEST_STEP, retry_for: LONGEST_STEP, ..database.options().clone() };
    let database = database.with(patient);
    match database.engine() {
        Engine::Sqlite => database.write(|tx| bring_up(tx, wanted, limits)),
        Engine::Postgres => database.write(|tx| {
            tx.query("SELECT pg_advisory_xact_lock(?)", &[LOCK.into()], |_| Ok(()))?;
            bring_up(tx, wanted, limits)
        }),
        Engine::Mysql => {
            // Here a table that is made is committed at once, whatever happens after it; so the lock is the session's.
            let mut connection = database.dedicated()?;
            lock_session(&mut connection)?;
            bring_up(&mut connection, wanted, limits)
        }
    }
}

/// What the database holds of Cinder's tables.
///
/// # Errors
/// As all statements.
pub fn found(connection: &mut Connection) -> Result<Found> {
    if !connection.has_table(ALEMBIC_VERSION.name)? {
        let others = connection.has_table("volumes")? || connection.has_table("migrate_version")?;
        return Ok(if others { Found::Unversioned } else { Found::Nothing });
    }
    let revision = connection.row("SELECT version_num FROM alembic_version", &[], |row| row.string(0))?;
    Ok(match revision {
        None => Found::Unfinished,
        Some(revision) if revision == REVISION => Found::Current,
        Some(revision) if OLDER_REVISIONS.contains(&revision.as_str()) => Found::Older(revision),
        Some(revision) => Found::Unknown(revision),
    })
}

/// The step at which a component stands; 0 where it is not there.
///
/// # Errors
/// As all statements.
pub fn version(connection: &mut Connection, component: &Component) -> Result<i64> {
    if !connection.has_table(HEARTH_SCHEMA.name)? {
        return Ok(0);
    }
    let sql = "SELECT version FROM hearth_schema WHERE component = ?";
    Ok(connection.row(sql, &[component.name.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Refuses a database on which this executable can not work, with a text that says what to do.
///
/// # Errors
/// `Conflict` where tables are missing or of another revision; else as all statements.
pub fn require(connection: &mut Connection, wanted: &Wanted<'_>) -> Result<()> {
    if wanted.cinder {
        match found(connection)? {
            Found::Current => {}
            Found::Nothing | Found::Unfinished => {
                return Err(Error::conflict("The database has no tables yet: run 'hearth db sync'."));
            }
            other => return Err(refusal(&other)),
        }
    }
    for component in wanted.components {
        let (is, newest) = (version(connection, component)?, newest(component));
        if is < newest {
            let text =
                format!("The tables of '{}' are at step {is} of {newest}: run 'hearth db sync'.", component.name);
            return Err(Error::new(Kind::Conflict, text));
        }
    }
    Ok(())
}

/// Indexes of our own that should be there and are not: table, index. Lists work without them, slowly.
///
/// # Errors
/// As all statements.
pub fn missing_indexes(
    connection: &mut Connection,
    wanted: &Wanted<'_>,
) -> Result<Vec<(&'static str, &'static Index)>> {
    let mut missing = Vec::new();
    for component in wanted.components {
        let steps = usize::try_from(version(connection, component)?).unwrap_or(0);
        for step in component.steps.iter().take(steps) {
            let own = step.tables.iter().flat_map(|table| table.indexes.iter().map(|index| (table.name, index)));
            let added = step.indexes.iter().map(|(table, index)| (*table, index));
            for (table, index) in own.chain(added) {
                if connection.has_table(table)? && !connection.has_index(table, index.name)? {
                    missing.push((table, index));
                }
            }
        }
    }
    Ok(missing)
}

fn newest(component: &Component) -> i64 {
    i64::try_from(component.steps.len()).unwrap_or(i64::MAX)
}

fn refusal(found: &Found) -> Error {
    let what = match found {
        Found::Older(revision) => format!(
            "The database is at Cinder's revision {revision}, which is older than {REVISION}: \
             run 'cinder-manage db sync' of Cinder 2025.2 or later first."
        ),
        Found::Unknown(revision) => format!(
            "The database is at revision {revision}, which this release does not know; it works on Cinder's {REVISION}."
        ),
        Found::Unversioned => format!(
            "The database holds tables without a revision of alembic: it is not Cinder's, or older than Cinder Xena; \
             this release works on Cinder's {REVISION}."
        ),
        Found::Nothing | Found::Unfinished | Found::Current => "The database is as it should be.".to_owned(),
    };
    Error::new(Kind::Conflict, what)
}

fn bring_up(connection: &mut Connection, wanted: &Wanted<'_>, limits: &Limits) -> Result<Report> {
    let mut report = Report::default();
    if wanted.cinder {
        match found(connection)? {
            Found::Current => {}
            Found::Nothing | Found::Unfinished => {
                make_cinder(connection, limits)?;
                report.made_cinder = true;
            }
            other => return Err(refusal(&other)),
        }
    }
    for statement in HEARTH_SCHEMA.create(connection.engine()) {
        connection.batch(&statement)?;
    }
    for component in wanted.components {
        let before = version(connection, component)?;
        let after = newest(component);
        if before > after {
            let text = format!("The tables of '{}' are at step {before}; this release knows {after}.", component.name);
            return Err(Error::new(Kind::Conflict, text));
        }
        for step in component.steps.iter().skip(usize::try_from(before).unwrap_or(0)) {
            make_step(connection, step)?;
        }
        if before < after {
            connection.execute(
                "INSERT INTO hearth_schema (component, version) VALUES (?, ?) \
                 ON CONFLICT (component) DO UPDATE SET version = excluded.version",
                &[component.name.into(), after.into()],
            )?;
            report.components.push((component.name, before, after));
        }
    }
    for (table, index) in missing_indexes(connection, wanted)? {
        connection.batch(&index.create(table, connection.engine()))?;
        report.indexes.push((table, index.name));
    }
    Ok(report)
}

/// Makes Cinder's tables and their first rows. The revision is the last row, so that a run that is broken off where
/// tables are committed one by one is known as such, and finished by the next.
fn make_cinder(connection: &mut Connection, limits: &Limits) -> Result<()> {
    for table in TABLES {
        for statement in table.create(connection.engine()) {
            connection.batch(&statement)?;
        }
    }
    match connection.engine() {
        Engine::Sqlite | Engine::Postgres => seeds::insert(connection, limits),
        Engine::Mysql => {
            let mut transaction = connection.begin()?;
            seeds::insert(&mut transaction, limits)?;
            transaction.commit()
        }
    }
}

fn make_step(connection: &mut Connection, step: &Step) -> Result<()> {
    for table in step.tables {
        for statement in table.create(connection.engine()) {
            connection.batch(&statement)?;
        }
    }
    for (table, index) in step.indexes {
        if !connection.has_index(table, index.name)? {
            connection.batch(&index.create(table, connection.engine()))?;
        }
    }
    step.partitioned.iter().try_for_each(|table| table.divide(connection))
}

/// Waits for the session's lock of MariaDB and MySQL. It ends with the session.
fn lock_session(connection: &mut Connection) -> Result<()> {
    let started = Instant::now();
    loop {
        let sql = "SELECT GET_LOCK(CONCAT('hearth ', SUBSTRING(MD5(DATABASE()), 1, 16)), 5)";
        if connection.row(sql, &[], |row| row.opt_int(0))?.flatten() == Some(1) {
            return Ok(());
        }
        if started.elapsed() > LONGEST_WAIT {
            return Err(Error::unavailable("Another process is making the tables.", "the lock was not given"));
        }
    }
}
