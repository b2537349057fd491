//! QEMU's program that copies the content of one disk into another, as everything needs it that is more than a file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::drivers::content::nameless;
use super::drivers::{Driver, Format, Stored};
use crate::error::{Error, Result};
use crate::service::exec::Program;

/// The program.
pub(super) const QEMU_IMG: &str = "qemu-img";
/// Bytes in one GiB.
const GIB: u64 = 1 << 30;

/// Makes a volume whose bytes `write` puts into a raw file that holds zeros.
///
/// # Errors
/// Those of the driver and of `write`.
pub(super) fn fill(
    driver: &dyn Driver,
    name: &str,
    size_gib: i64,
    write: &dyn Fn(&File) -> Result<()>,
) -> Result<Format> {
    let format = driver.create_volume(name, size_gib)?;
    let volume = Stored { name, size_gib, format, attached: false };
    driver.write_content(volume, bytes(size_gib)?, write)?;
    Ok(format)
}

/// The program that copies into what is there already.
pub(super) fn convert(timeout: Duration) -> Program {
    Program::new(QEMU_IMG).args(["convert", "-q", "-n"]).timeout(timeout)
}

/// Runs the program.
///
/// # Errors
/// `Unavailable` where it fails, with its complaint for the log.
pub(super) fn ended(program: Program) -> Result<()> {
    let output = program.run_to_end()?;
    if output.code == Some(0) {
        return Ok(());
    }
    let told = output.stderr.trim();
    let full = told.contains("No space left");
    let public = if full { "The backend has no space left." } else { "The volume can not be read from here." };
    Err(Error::unavailable(public, format!("qemu-img failed: {told}")))
}

/// A value among QEMU's options, where a comma ends it.
pub(super) fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

/// A file without a name that holds a secret, since everybody sees the arguments of a program.
///
/// # Errors
/// `Unavailable` where the temporary folder fails.
pub(super) fn secret_file(secret: &[u8]) -> Result<File> {
    let file = nameless(&std::env::temp_dir())?;
    file.write_all_at(secret, 0)
        .map_err(|error| Error::unavailable("The temporary folder fails.", format!("can not write there: {error}")))?;
    Ok(file)
}

/// A size in bytes.
///
/// # Errors
/// `Internal` where there is none such.
pub(super) fn bytes(size_gib: i64) -> Result<u64> {
    let size = u64::try_from(size_gib).ok().and_then(|size| size.checked_mul(GIB));
    size.ok_or_else(|| Error::internal("a size is out of range"))
}
