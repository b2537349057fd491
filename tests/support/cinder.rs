//! The real Cinder, for tests that compare with it: `cinder-manage` of a fixed release from PyPI, installed once into
//! `target/`.
//!
//! Include it with `#[path = "../support/cinder.rs"] mod cinder;`.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose schema is ours.
pub(crate) const RELEASE: &str = "29.0.0";

/// The folder of the virtual environment, made and filled if need be.
pub(crate) fn environment() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    fs::create_dir_all(&target).expect("the target folder");
    let folder = target.join("venv-cinder");
    let done = folder.join(format!("cinder-{RELEASE}-installed"));
    // One process installs, the others wait: the lock ends with the file.
    let lock = fs::File::create(target.join("venv-cinder.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    if !done.exists() {
        let _ = fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let packages = [&format!("cinder=={RELEASE}"), "pymysql", "psycopg2-binary"];
        run(Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(packages));
        fs::write(&done, "").expect("a mark");
    }
    folder
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
