//! `hearth key`: the keys of encrypted volumes where `[key_manager] backend` is `local`. Not here: Barbican's keys, which its
//! own client shows.

use std::io::Write;
use std::path::Path;

use crate::block_storage::key_store::{self, KeyStore};
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};

/// Makes the file of a master key.
///
/// # Errors
/// `Conflict` where there is something of this name, or where it can not be written.
pub fn make_master(path: &Path, out: &mut dyn Write) -> Result<()> {
    key_store::make_master_key(path)?;
    let text = format!("{} is made. Keep a copy elsewhere: without it every encrypted volume is lost.", path.display());
    writeln!(out, "{text}").map_err(Error::internal)
}

/// Prints a key in hexadecimal digits, as castellan's keys are given to `cryptsetup`.
///
/// # Errors
/// `NotFound`; `Invalid` where the key store is another one, or the master key does not open the key.
pub fn show(config: &Config, database: &Database, id: &str, out: &mut dyn Write) -> Result<()> {
    let key = KeyStore::open(config, database)?.reveal(id)?;
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(out, "{digits}").map_err(Error::internal)
}
