//! What the two formats ask: the length of a raw file, QEMU's own program for qcow2. Not here: where files lie.
//!
//! The format always comes from the database. It is never read from the file: a user could write a header of qcow2 that
//! names a file of the host into a raw volume.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::qcow2;
use crate::block_storage::volume::drivers::Format;
use crate::error::{Error, Result};
use crate::service::exec::{self, Output, Program};

/// The program that makes and grows qcow2 files.
const QEMU_IMG: &str = "qemu-img";
/// What it says of an image that another program has open.
const IN_USE: &str = "Is another process using the image";
/// What of an image's tables it keeps in memory at most: those of 2 TiB of data. Where they do not fit, each is flushed
/// on its own, which takes ten times as long.
const TABLES: &str = "256M";
/// How often a snapshot is looked for in a file that may change meanwhile.
const LOOKS: u32 = 3;

/// How the files of a backend are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    pub(super) format: Format,
    /// Whether space is taken when it is written.
    pub(super) thin: bool,
    /// How long `qemu-img` may take.
    pub(super) timeout: Duration,
}

impl Image {
    /// Makes the empty file `file` at `path` an image of `bytes` bytes.
    pub(super) fn create(&self, path: &Path, file: &File, bytes: u64) -> Result<()> {
        match self.format {
            Format::Raw => self.set_length(path, file, bytes),
            Format::Qcow2 => {
                let preallocation = if self.thin { "preallocation=off" } else { "preallocation=falloc" };
                let bytes = bytes.to_string();
                self.qemu_img(&["create", "-q", "-f", "qcow2", "-o", preallocation], path, &bytes)
            }
        }
    }

    /// Makes the image at `path` at least `bytes` bytes large.
    pub(super) fn grow(&self, path: &Path, file: &File, bytes: u64) -> Result<()> {
        match self.format {
            Format::Raw => {
                let length = file.metadata().map_err(|error| failed(path, &error))?.len();
                if length < bytes || !self.thin { self.set_length(path, file, bytes.max(length)) } else { Ok(()) }
            }
            Format::Qcow2 if qcow2::virtual_size(path, file)? >= bytes => Ok(()),
            Format::Qcow2 => {
                let preallocation = if self.thin { "--preallocation=off" } else { "--preallocation=falloc" };
                self.qemu_img(&["resize", "-q", "-f", "qcow2", preallocation], path, &bytes.to_string())
            }
        }
    }

    /// Writes the content of the image at `from` into the file at `to`, in another format.
    pub(super) fn convert(&self, from: &Path, of: Format, to: &Path, into: Format) -> Result<()> {
        // Who has the image open does not matter: what is read is checked by its times, or is nobody else's.
        let mut options = vec!["convert", "-q", "-U", "-f", of.name(), "-O", into.name()];
        if into == Format::Qcow2 {
            options.extend(["-o", if self.thin { "preallocation=off" } else { "preallocation=falloc" }]);
        }
        let program = Program::new(QEMU_IMG).args(&options).arg(from).arg(to).timeout(self.timeout);
        self.end_of(&program.run_to_end()?, &options)
    }

    /// Writes the content of the internal snapshot `name` of the image at `from`, whoever has that open, into the file at
    /// `to`, in the format of this image and with `bytes` bytes.
    pub(super) fn extract(&self, name: &str, from: &Path, (to, file): (&Path, &File), bytes: u64) -> Result<()> {
        let mut options = vec!["convert", "-q", "-U", "-f", "qcow2", "-O", self.format.name()];
        if self.format == Format::Qcow2 {
            options.extend(["-o", if self.thin { "preallocation=off" } else { "preallocation=falloc" }]);
        }
        options.push("-l");
        let chosen = format!("snapshot.name={}", escaped(name));
        let program = Program::new(QEMU_IMG).args(&options).arg(&chosen).arg(from).arg(to).timeout(self.timeout);
        let mut looks = 1;
        while let Err(error) = self.end_of(&program.run_to_end()?, &options) {
            if looks == LOOKS {
                return Err(error);
            }
            // The table of snapshots may be written anew while it is looked at; what is in a snapshot never is.
            log::info!("the snapshot {name} is looked for anew: {error}");
            looks += 1;
        }
        // It has the size that the volume has now. What is beyond that of the snapshot is empty.
        match self.format {
            Format::Raw => file.set_len(bytes).map_err(|error| failed(to, &error)),
            Format::Qcow2 if qcow2::virtual_size(to, file)? > bytes => {
                self.qemu_img(&["resize", "-q", "-f", "qcow2", "--shrink"], to, &bytes.to_string())
            }
            Format::Qcow2 => self.grow(to, file, bytes),
        }
    }

    /// Does something about the internal snapshot `name` of the image at `path`: `-c` makes it, `-a` gives the image its
    /// content and its size again, `-d` removes it.
    pub(super) fn snapshot(&self, what: &str, name: &str, path: &Path) -> Result<()> {
        // It takes no format otherwise.
        let image = format!(
            "driver=qcow2,l2-cache-size={TABLES},file.driver=file,file.filename={}",
            escaped(&path.to_string_lossy())
        );
        let options = ["snapshot", "-q", what, name, "--image-opts", &image];
        let program = Program::new(QEMU_IMG).args(options).timeout(self.timeout);
        self.end_of(&program.run_to_end()?, &options)
    }

    /// Frees what the image at `path` holds for nothing since a program was killed that worked on it.
    pub(super) fn repair(&self, path: &Path) -> Result<()> {
        let options = ["check", "-q", "-f", "qcow2", "-r", "leaks"];
        let program = Program::new(QEMU_IMG).args(options).arg(path).timeout(self.timeout);
        self.end_of(&program.run_to_end()?, &options)
    }

    fn set_length(&self, path: &Path, file: &File, bytes: u64) -> Result<()> {
        if !self.thin {
            let length = file.metadata().map_err(|error| failed(path, &error))?.len();
            // The space first and the length last: a disk that is too full leaves the old length.
            if let Err(error) = allocate(file, bytes) {
                // Gives back what was taken beyond the end; the first error is the one that matters.
                let _ = file.set_len(length);
                return Err(failed(path, &error.into()));
            }
        }
        file.set_len(bytes).map_err(|error| failed(path, &error))
    }

    fn qemu_img(&self, options: &[&str], path: &Path, bytes: &str) -> Result<()> {
        let program = Program::new(QEMU_IMG).args(options).arg(path).arg(bytes).timeout(self.timeout);
        self.end_of(&program.run_to_end()?, options)
    }

    fn end_of(&self, output: &Output, options: &[&str]) -> Result<()> {
        if output.code == Some(0) {
            return Ok(());
        }
        let told = output.stderr.trim();
        let public = if told.contains("No space left") {
            "The backend has no space left."
        } else if told.contains(IN_USE) {
            "The volume's file is in use."
        } else {
            "qemu-img failed."
        };
        let end = output.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
        Err(Error::unavailable(public, format!("qemu-img {} ended with {end}: {told}", options.join(" "))))
    }
}

/// Whether `qemu-img` is there. It is looked for and not run, because this is asked again and again.
pub(super) fn check_program() -> Result<()> {
    if exec::find(QEMU_IMG).is_some() {
        return Ok(());
    }
    // Its own words name the package that is missing.
    Program::new(QEMU_IMG).arg("--version").run().map(|_| ())
}

/// Takes the space of the first `bytes` bytes without changing the length.
fn allocate(file: &File, bytes: u64) -> Result<(), Errno> {
    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// A value among QEMU's options, where a comma ends it.
fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

fn failed(path: &Path, error: &io::Error) -> Error {
    let public = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "The backend has no space left.",
        Some(Errno::FBIG) => "The backend's file system can not hold a file of this size.",
        _ => "The backend's storage fails.",
    };
    Error::unavailable(public, format!("can not size {}: {error}", path.display()))
}
