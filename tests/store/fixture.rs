//! Databases for the tests of this suite, and the macro that runs a test on every engine.

use std::sync::OnceLock;

use hearth::block_storage::store::tables::COMPONENT;
use hearth::database::migrate::{self, Wanted};
use hearth::database::orders::PLATFORM;
use hearth::database::{Database, Engine, Options};

use super::{cinder, servers};

/// What this suite's databases hold.
pub(crate) const WANTED: Wanted<'static> = Wanted { cinder: true, components: &[&PLATFORM, &COMPONENT] };

/// Who made a database's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Hearth,
    Cinder,
}

/// A new empty database.
pub(crate) fn empty(engine: Engine) -> Database {
    open(&servers::empty_database(engine))
}

/// A database by its URL, with the rights to make its file.
pub(crate) fn open(url: &str) -> Database {
    Database::open(url, Options { create: true, ..Options::default() }).expect("a database")
}

/// A new database with all tables.
pub(crate) fn made_by(engine: Engine, maker: Maker) -> Database {
    made_by_with_url(engine, maker).0
}

/// A new database with all tables, and its URL.
pub(crate) fn made_by_with_url(engine: Engine, maker: Maker) -> (Database, String) {
    let url = servers::empty_database(engine);
    if maker == Maker::Cinder {
        cinder::sync(&url);
    }
    let database = open(&url);
    let report = migrate::sync(&database, &WANTED).expect("the tables are made");
    assert_eq!(report.made_cinder, maker == Maker::Hearth);
    (database, url)
}

/// A database with all tables that the tests of this process share; they keep apart by their projects and ids.
pub(crate) fn shared(engine: Engine, maker: Maker) -> &'static Database {
    static DATABASES: [OnceLock<Database>; 6] = [const { OnceLock::new() }; 6];
    let engine_at = servers::ENGINES.iter().position(|other| *other == engine).expect("an engine of the list");
    let at = engine_at * 2 + usize::from(maker == Maker::Cinder);
    DATABASES[at].get_or_init(|| made_by(engine, maker))
}

/// An id that no other test uses.
pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().to_string()
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

/// Makes of each function that takes a [`Database`] with all tables a test for every engine, on a database whose tables
/// Hearth made and on one whose tables Cinder made.
macro_rules! on_every_schema {
    ($($name:ident,)+) => {
        $crate::fixture::on_every_schema!(@ sqlite_by_hearth, Sqlite, Hearth, $($name,)+);
        $crate::fixture::on_every_schema!(@ sqlite_by_cinder, Sqlite, Cinder, $($name,)+);
        $crate::fixture::on_every_schema!(@ mariadb_by_hearth, Mysql, Hearth, $($name,)+);
        $crate::fixture::on_every_schema!(@ mariadb_by_cinder, Mysql, Cinder, $($name,)+);
        $crate::fixture::on_every_schema!(@ postgresql_by_hearth, Postgres, Hearth, $($name,)+);
        $crate::fixture::on_every_schema!(@ postgresql_by_cinder, Postgres, Cinder, $($name,)+);
    };
    (@ $module:ident, $engine:ident, $maker:ident, $($name:ident,)+) => {
        mod $module {
            use hearth::database::Engine;
            use $crate::fixture::{Maker, shared};
            $(#[test] fn $name() { super::$name(shared(Engine::$engine, Maker::$maker)); })+
        }
    };
}
pub(crate) use on_every_schema;
