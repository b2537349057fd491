//! The store of Telemetry: raw samples, the newest states of series, and rollups, on a database of its own. Every answer is
//! exactly that of the raw samples (specification: storage), also of those of which whole hours are all that is left.

pub mod alarms;
mod at_once;
mod complex;
mod condense;
mod deadline;
mod dictionary;
mod epoch;
mod events;
mod expire;
mod hours;
mod ids;
mod lists;
mod metadata;
mod nodes;
mod partitions;
mod pieces;
mod record;
mod recorder;
mod remembered;
mod rollups;
mod samples;
pub mod schema;
mod scope;
mod size;
mod sql;
mod statistics;
mod sums;
mod sweep;

use std::time::Duration;

pub use complex::Order;
pub use partitions::{Kept, Patience, PutOff};
pub use pieces::Taker;
pub use recorder::Recorded;
pub use size::Size;

use crate::database::{Connection, Database, Options, Turn};
use crate::telemetry::model::expression::Expression;
use crate::telemetry::model::{Batch, Filter, Question, ResourceState, Sample, SeriesState, Statistic};
use crate::{Error, Result};
use deadline::Deadline;
use recorder::Recorder;
use remembered::Remembered;

/// Memory for pages of SQLite, in KiB a connection: the ends of some hundred series, where each batch goes on, with those
/// of the index of ids. With less, each batch reads these pages anew, which is a third of what its rows cost.
const SQLITE_CACHE_KIB: u32 = 2_048;
/// Pages of SQLite's log: a batch writes the ends of the same series again and again, and they are brought into the file once.
const SQLITE_CHECKPOINT_PAGES: u32 = 4_000;

/// How Telemetry's database is opened.
pub fn tuned(options: Options) -> Options {
    let (sqlite_cache_kib, sqlite_checkpoint_pages) = (SQLITE_CACHE_KIB, SQLITE_CHECKPOINT_PAGES);
    Options { sqlite_cache_kib, sqlite_checkpoint_pages, ..options }
}

/// The store.
pub struct Store {
    database: Database,
    recorder: Recorder,
    events: events::Recorder,
    remembered: Remembered,
    /// The longest that one question may take.
    patience: Duration,
}

/// What of the database a question sees while it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// What one statement sees, and rows that never change. It needs no transaction, whose begin and end cost a server as much as
    /// two statements.
    Statement,
    /// One unchanging view for as many statements as it takes.
    Snapshot,
}

impl View {
    /// What to answer where a row is not there that others name: it may have been removed since the one statement, with those.
    fn lacks<T>(self, row: &'static str) -> Result<Option<T>> {
        match self {
            Self::Statement => Ok(None),
            Self::Snapshot => Err(Error::internal(row)),
        }
    }
}

impl Store {
    /// The store in `database`, whose tables [`schema::sync`] made.
    pub fn new(database: Database) -> Self {
        let patience = database.options().statement_timeout;
        let (recorder, events) = (Recorder::new(), events::Recorder::default());
        Self { database, recorder, events, remembered: Remembered::default(), patience }
    }

    /// The database that it stands on.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Stores samples, all or none, and returns when they are durable.
    ///
    /// # Errors
    /// What the database gives; `Unavailable` where it stays busy.
    pub fn record(&self, batch: Batch) -> Result<Recorded> {
        if batch.points.is_empty() {
            return Ok(Recorded { stored: 0 });
        }
        self.recorder.record(&self.database, batch)
    }

    /// The newest samples that the filter means, newest first.
    ///
    /// # Errors
    /// `Unavailable` where it takes too long; what the database gives.
    pub fn samples(&self, filter: &Filter, limit: usize) -> Result<Vec<Sample>> {
        all(|taker| self.give_samples(filter, limit, taker))
    }

    /// As [`Store::samples`], some at a time.
    ///
    /// # Errors
    /// As [`Store::samples`]; those of the taker.
    pub fn give_samples(&self, filter: &Filter, limit: usize, taker: &mut dyn Taker<Sample>) -> Result<()> {
        self.snapshot(|connection| {
            taker.begin();
            // Their rows are held until all are found.
            let _turn = self.turn(limit);
            let give = &mut |items| taker.take(items);
            samples::newest(connection, &self.remembered, filter, limit, self.deadline(), give)
        })
    }

    /// Gives the samples that both filter and expression mean, in this order; newest first where it is empty.
    ///
    /// # Errors
    /// As [`Store::samples`]; those of the taker.
    pub fn query(
        &self,
        filter: &Filter,
        expression: &Expression,
        order: &[Order],
        limit: usize,
        taker: &mut dyn Taker<Sample>,
    ) -> Result<()> {
        self.snapshot(|connection| {
            taker.begin();
            let _turn = self.turn(limit);
            let remembered = &self.remembered;
            taker.take(complex::query(connection, remembered, filter, expression, order, limit, self.deadline())?)
        })
    }

    /// The meters of resources as their newest samples show them; each meter once, without resource and owner, where they
    /// are to be `unique`.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn meters(&self, filter: &Filter, unique: bool, limit: usize) -> Result<Vec<SeriesState>> {
        all(|taker| self.give_meters(filter, unique, limit, taker))
    }

    /// As [`Store::meters`], some at a time.
    ///
    /// # Errors
    /// As [`Store::samples`]; those of the taker.
    pub fn give_meters(
        &self,
        filter: &Filter,
        unique: bool,
        limit: usize,
        taker: &mut dyn Taker<SeriesState>,
    ) -> Result<()> {
        let list = if unique { lists::unique_meters } else { lists::meters };
        self.ask(|connection, view| {
            taker.begin();
            let give = &mut |items| taker.take(items);
            list(connection, &self.remembered, (filter, limit), self.deadline(), view, give)
        })
    }

    /// The resources that have samples that the filter means, with the names of their meters where `meters` says so.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn resources(&self, filter: &Filter, meters: bool, limit: usize) -> Result<Vec<ResourceState>> {
        all(|taker| self.give_resources(filter, meters, limit, taker))
    }

    /// As [`Store::resources`], some at a time.
    ///
    /// # Errors
    /// As [`Store::samples`]; those of the taker.
    pub fn give_resources(
        &self,
        filter: &Filter,
        meters: bool,
        limit: usize,
        taker: &mut dyn Taker<ResourceState>,
    ) -> Result<()> {
        let asked = (filter, limit, meters);
        self.ask(|connection, view| {
            taker.begin();
            let give = &mut |items| taker.take(items);
            lists::resources(connection, &self.remembered, asked, self.deadline(), view, give)
        })
    }

    /// The statistics that a question asks for.
    ///
    /// # Errors
    /// `Invalid` where they have too many rows; as [`Store::samples`].
    pub fn statistics(&self, question: &Question) -> Result<Vec<Statistic>> {
        all(|taker| self.give_statistics(question, taker))
    }

    /// As [`Store::statistics`], some at a time.
    ///
    /// # Errors
    /// As [`Store::statistics`]; those of the taker.
    pub fn give_statistics(&self, question: &Question, taker: &mut dyn Taker<Statistic>) -> Result<()> {
        let turn = &|| self.database.turn();
        let at_once = |connection: &mut Connection| {
            taker.begin();
            let guesses = self.database.guesses();
            let sums = at_once::statistics(connection, &self.remembered, guesses, question, turn)?;
            sums.map(|sums| sums.finish(&mut |items| taker.take(items))).transpose()
        };
        if self.database.read(at_once)?.is_some() {
            return Ok(());
        }
        self.snapshot(|connection| {
            taker.begin();
            let sums = statistics::statistics(connection, &self.remembered, question, self.deadline(), turn)?;
            sums.finish(&mut |items| taker.take(items))
        })
    }

    /// The turn of a list of so many items, if it has to take one.
    fn turn(&self, items: usize) -> Option<Turn<'_>> {
        (items > pieces::MANY).then(|| self.database.turn())
    }

    /// Answers a question by one statement, or where that is not enough, on one unchanging view.
    fn ask<T>(&self, mut answer: impl FnMut(&mut Connection, View) -> Result<Option<T>>) -> Result<T> {
        match self.database.read(|connection| answer(connection, View::Statement))? {
            Some(answer) => Ok(answer),
            None => self
                .snapshot(|connection| answer(connection, View::Snapshot))?
                .ok_or_else(|| Error::internal("a question has no answer on an unchanging view")),
        }
    }

    /// One unchanging view, of the samples, too.
    fn snapshot<T>(&self, body: impl FnMut(&mut Connection) -> Result<T>) -> Result<T> {
        self.database.snapshot_of(&schema::SAMPLE_PARTITIONS, body)
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.patience)
    }
}

/// All items that are given some at a time.
fn all<T>(give: impl FnOnce(&mut dyn Taker<T>) -> Result<()>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    give(&mut all)?;
    Ok(all)
}
