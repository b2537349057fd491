//! Other formats than raw, by QEMU's program. The format is always named, so that it never looks for one itself.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value as Json;

use super::Settings;
use crate::block_storage::volume::drivers::content::{nameless, path_of};
use crate::error::{Error, Result};
use crate::service::exec::{Output, Program};

/// The program.
const QEMU_IMG: &str = "qemu-img";

/// QEMU's name of a format of Glance's.
pub(super) fn qemu_name(disk_format: &str) -> &str {
    match disk_format {
        "iso" => "raw",
        "vhd" => "vpc",
        "ploop" => "parallels",
        other => other,
    }
}

/// What QEMU's program says of an image that was found to be harmless: the size of its disk in bytes.
///
/// # Errors
/// The inner one says why it must not be converted after all.
pub(super) fn disk_bytes(image: &File, format: &'static str) -> Result<Result<i64, String>> {
    let options = ["info", "-U", "--output=json", "-f", format];
    let output = Program::new(QEMU_IMG).args(options).arg(path_of(image)).run_to_end()?;
    if output.code != Some(0) {
        return Ok(Err(format!("qemu-img can not read it: {}", output.stderr.trim())));
    }
    let Ok(info) = serde_json::from_slice::<Json>(&output.stdout) else {
        return Ok(Err("'qemu-img info' parsing failed.".to_owned()));
    };
    if let Some(file) = ["backing-filename", "full-backing-filename"].iter().find_map(|key| info.get(key)) {
        return Ok(Err(format!("fmt={format} backed by:{file}")));
    }
    if info.pointer("/format-specific/data/data-file").is_some() {
        return Ok(Err("A qcow2 format image is not allowed to have a data file".to_owned()));
    }
    Ok(info.get("virtual-size").and_then(Json::as_i64).ok_or_else(|| "its size is not known".to_owned()))
}

/// Writes the disk in an image into a raw file that is at least as long and holds zeros.
pub(super) fn into_raw(settings: &Settings, image: &File, format: &'static str, raw: &File) -> Result<()> {
    let options = ["convert", "-q", "-U", "-n", "--target-is-zero", "-f", format, "-O", "raw"];
    let program = Program::new(QEMU_IMG).args(options).arg(path_of(image)).arg(path_of(raw));
    ended(&program.timeout(settings.timeout).run_to_end()?)
}

/// A raw file as an image of another format, in a file that has no name.
///
/// # Errors
/// `Unavailable` where the folder or the program fails.
pub(in super::super) fn export(settings: &Settings, raw: &File, disk_format: &str) -> Result<File> {
    let format = qemu_name(disk_format);
    let image = scratch(&settings.folder)?;
    let mut options = vec!["convert", "-q", "-U", "-f", "raw", "-O", format];
    if settings.compress && format == "qcow2" {
        options.push("-c");
    }
    let program = Program::new(QEMU_IMG).args(options).arg(path_of(raw)).arg(path_of(&image));
    ended(&program.timeout(settings.timeout).run_to_end()?)?;
    Ok(image)
}

/// A copy of a raw file that keeps its holes, in a file that has no name.
///
/// # Errors
/// As [`export`].
pub(in super::super) fn copy_data(settings: &Settings, raw: &File) -> Result<File> {
    export(settings, raw, "raw")
}

/// A file without a name in the folder of conversions, which is made where it is not there.
pub(super) fn scratch(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).map_err(|error| {
        Error::unavailable("The images' folder fails.", format!("can not make {}: {error}", folder.display()))
    })?;
    nameless(folder)
}

fn ended(output: &Output) -> Result<()> {
    if output.code == Some(0) {
        return Ok(());
    }
    let told = output.stderr.trim();
    let public = if told.contains("No space left") { NO_SPACE } else { "qemu-img failed." };
    let end = output.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
    Err(Error::unavailable(public, format!("qemu-img ended with {end}: {told}")))
}

/// What is told where a disk is full.
pub(super) const NO_SPACE: &str = "The backend has no space left.";
