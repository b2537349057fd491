//! Databases of a test's own, on every engine.

use hearth::database::{Database, Engine, Options};
use hearth::telemetry::store::{Patience, Store, schema};
use hearth::time::Timestamp;

use crate::reference::BEGIN;
use crate::servers;

/// A store in a new database, with partitions of the months of [`BEGIN`] where the engine has some.
pub(crate) fn store(engine: Engine) -> Store {
    let store = Store::new(database(engine));
    schema::sync(store.database()).expect("the tables are made");
    store.keep_partitions(Timestamp(BEGIN), Patience::Long).expect("partitions are made");
    store
}

/// A new database without tables.
pub(crate) fn database(engine: Engine) -> Database {
    let options = Options { create: true, ..Options::default() };
    Database::open(&servers::empty_database(engine), options).expect("a database")
}

/// Makes of each function that takes an [`Engine`] a test for every engine.
macro_rules! on_every_engine {
    ($($name:ident,)+) => {
        mod sqlite { $(#[test] fn $name() { super::$name(hearth::database::Engine::Sqlite); })+ }
        mod mariadb { $(#[test] fn $name() { super::$name(hearth::database::Engine::Mysql); })+ }
        mod postgresql { $(#[test] fn $name() { super::$name(hearth::database::Engine::Postgres); })+ }
    };
}

pub(crate) use on_every_engine;
