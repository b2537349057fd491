//! Databases of a test's own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use hearth::database::{Database, Options};
use hearth::telemetry::store::{Store, schema};

/// A store in a SQLite file that vanishes with it.
pub(crate) struct Scratch {
    pub(crate) store: Store,
    file: PathBuf,
}

impl Scratch {
    pub(crate) fn sqlite() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("hearth-telemetry-{}-{number}.db", std::process::id()));
        remove(&file);
        let options = Options { create: true, ..Options::default() };
        let database = Database::open(&format!("sqlite:///{}", file.display()), options).unwrap();
        schema::sync(&database).unwrap();
        Self { store: Store::new(database), file }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.file);
    }
}

fn remove(file: &std::path::Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
}
