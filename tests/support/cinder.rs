//! The real Cinder, for tests that compare with it: `cinder-manage` of a fixed release from PyPI, installed once into the
//! cache of tests.
//!
//! Include it with `#[path = "../support/cinder.rs"] mod cinder;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the virtual environment, made and filled if need be.
pub(crate) fn environment() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = std::env::var_os("HEARTH_TEST_CACHE").map_or_else(|| sources.join("target/test-cache"), PathBuf::from);
    fs::create_dir_all(&cache).expect("the cache's folder");
    // One process installs, the others wait: the lock ends with the file.
    let lock = fs::File::create(cache.join("cinder.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let requirements = ["cinder", "tests/peers/cinder-requirements.txt"];
    run(Command::new(sources.join("scripts/venv")).args(requirements).env("CACHE", &cache));
    cache.join("cinder")
}

/// Makes Cinder's tables in an empty database, as an operator of Cinder does.
pub(crate) fn sync(url: &str) {
    let folder = super::servers::scratch_folder("cinder-manage");
    let config = folder.join("cinder.conf");
    let text = format!("[DEFAULT]\nstate_path = {}\n[database]\nconnection = {url}\n", folder.display());
    fs::write(&config, text).expect("a configuration");
    let manage = environment().join("bin/cinder-manage");
    run(Command::new(manage).arg("--config-file").arg(&config).args(["db", "sync"]));
    let _ = fs::remove_dir_all(folder);
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{}\n{text}", String::from_utf8_lossy(&output.stdout));
}
