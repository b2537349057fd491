//! The store of Telemetry: raw samples, the newest states of series, and rollups, on a database of its own. Every answer is
//! exactly that of the raw samples (specification: storage), also of those of which whole hours are all that is left.

pub mod alarms;
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
mod record;
mod recorder;
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
pub use recorder::Recorded;
pub use size::Size;

use crate::Result;
use crate::database::{Database, Options};
use crate::telemetry::model::expression::Expression;
use crate::telemetry::model::{Batch, Filter, Question, ResourceState, Sample, SeriesState, Statistic};
use deadline::Deadline;
use recorder::Recorder;

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
    /// The longest that one question may take.
    patience: Duration,
}

impl Store {
    /// The store in `database`, whose tables [`schema::sync`] made.
    pub fn new(database: Database) -> Self {
        let patience = database.options().statement_timeout;
        Self { database, recorder: Recorder::new(), events: events::Recorder::default(), patience }
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
        self.database.snapshot(|connection| samples::newest(connection, filter, limit, self.deadline()))
    }

    /// The samples that both filter and expression mean, in this order; newest first where it is empty.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn query(
        &self,
        filter: &Filter,
        expression: &Expression,
        order: &[Order],
        limit: usize,
    ) -> Result<Vec<Sample>> {
        self.database
            .snapshot(|connection| complex::query(connection, filter, expression, order, limit, self.deadline()))
    }

    /// The meters of resources as their newest samples show them; each meter once, without resource and owner, where they
    /// are to be `unique`.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn meters(&self, filter: &Filter, unique: bool, limit: usize) -> Result<Vec<SeriesState>> {
        let list = if unique { lists::unique_meters } else { lists::meters };
        self.database.snapshot(|connection| list(connection, filter, limit, self.deadline()))
    }

    /// The resources that have samples that the filter means, with the names of their meters where `meters` says so.
    ///
    /// # Errors
    /// As [`Store::samples`].
    pub fn resources(&self, filter: &Filter, meters: bool, limit: usize) -> Result<Vec<ResourceState>> {
        self.database.snapshot(|connection| lists::resources(connection, filter, limit, meters, self.deadline()))
    }

    /// The statistics that a question asks for.
    ///
    /// # Errors
    /// `Invalid` where they have too many rows; as [`Store::samples`].
    pub fn statistics(&self, question: &Question) -> Result<Vec<Statistic>> {
        self.database.snapshot(|connection| statistics::statistics(connection, question, self.deadline()))
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.patience)
    }
}
