//! Snapshots inside the file of a qcow2 volume, which cost its tables and not its data. The file has the name of each of them
//! besides its own (a hard link), and under that name its internal snapshot of the same name is meant. So what lies in
//! the folder can still be told from its names, a volume that gets another file leaves the old one to its snapshots, and
//! an internal snapshot whose name is gone is nobody's, which is how one is removed that somebody's QEMU has open.
//!
//! A file whose tables are being changed, or in which something is nobody's, is marked on the disk until that is over.
//! Not here: snapshots that are files of their own, and when which kind is made (`mod.rs`).

use std::fs::File;
use std::path::Path;

use super::folder::Folder;
use super::image::{Image, check_program};
use super::qcow2;
use crate::block_storage::volume::drivers::{Format, Stored};
use crate::error::Result;
use crate::service::fault;

/// The internal snapshots in the files of a folder.
pub(super) struct Inside<'a> {
    pub(super) folder: &'a Folder,
    pub(super) image: Image,
}

impl Inside<'_> {
    /// Whether what has the name of this snapshot is a file that holds it inside.
    pub(super) fn holds(&self, snapshot: Stored<'_>) -> Result<bool> {
        Ok(self.names(snapshot)?.iter().any(|name| name == snapshot.name))
    }

    /// The names of all internal snapshots in a file, of whichever names some are gone.
    pub(super) fn names(&self, stored: Stored<'_>) -> Result<Vec<String>> {
        match stored.format {
            Format::Raw => Ok(Vec::new()),
            Format::Qcow2 => qcow2::snapshots(&self.folder.path(stored.name)?, &self.folder.open(stored.name)?),
        }
    }

    /// As [`Inside::names`], where a file that can not be read has none: it is about to lose one.
    fn readable_names(&self, stored: Stored<'_>) -> Vec<String> {
        if self.folder.identity(stored.name).is_none() {
            return Vec::new();
        }
        self.names(stored).unwrap_or_else(|error| {
            log::warn!("what is in {} can not be told: {error}", stored.name);
            Vec::new()
        })
    }

    /// Makes the snapshot `name` in the file of a volume that nobody uses. `false` where files can have one name only.
    pub(super) fn create(&self, name: &str, volume: Stored<'_>) -> Result<bool> {
        self.change(volume.name, |path| {
            if !self.folder.link(volume.name, name)? {
                return Ok(false);
            }
            fault::point("file.after_link");
            match self.image.snapshot("-c", name, path) {
                Ok(()) => Ok(true),
                Err(error) => self.folder.remove(name).and(Err(error)),
            }
        })
    }

    /// Gives a volume that nobody uses the content and the size of a snapshot in its file again. `false` where that snapshot
    /// is elsewhere.
    pub(super) fn revert(&self, volume: Stored<'_>, snapshot: Stored<'_>) -> Result<bool> {
        let file = |stored: Stored<'_>| self.folder.identity(stored.name).map(|(identity, _)| identity);
        if !self.holds(snapshot)? || file(snapshot) != file(volume) {
            return Ok(false);
        }
        self.change(volume.name, |path| self.image.snapshot("-a", snapshot.name, path))?;
        Ok(true)
    }

    /// Removes a snapshot of any kind. Where somebody uses the volume, what was in its file is nobody's from then on.
    pub(super) fn remove(&self, snapshot: Stored<'_>, volume: Stored<'_>) -> Result<()> {
        let own = self.folder.identity(snapshot.name);
        let of = self.folder.identity(volume.name).map(|(identity, _)| identity);
        let in_volume = self.readable_names(volume).iter().any(|name| name == snapshot.name);
        if let Some((identity, names)) = own
            && names > 1
            && Some(identity) != of
        {
            self.remove_from_the_old(snapshot)?;
        }
        let was_marked = in_volume && self.mark_to_free(volume)?;
        if own.is_some() {
            self.folder.remove(snapshot.name)?;
        }
        if in_volume {
            self.free(volume, was_marked);
        }
        Ok(())
    }

    /// Removes a snapshot from a file that its volume had once: snapshots alone have it.
    fn remove_from_the_old(&self, snapshot: Stored<'_>) -> Result<()> {
        let path = self.folder.path(snapshot.name)?;
        let names = self.readable_names(snapshot);
        if names.iter().any(|name| name == snapshot.name) {
            self.image.snapshot("-d", snapshot.name, &path)?;
        }
        // Also after a crash of an earlier attempt, which was not marked.
        if names.is_empty() { Ok(()) } else { self.image.repair(&path) }
    }

    /// Makes what has the name of a snapshot a file of its own, by `copy`, for whoever takes it that does not know what is
    /// inside.
    pub(super) fn take_out(
        &self,
        snapshot: Stored<'_>,
        volume: Stored<'_>,
        copy: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        // What can not be read has nothing inside, either.
        if !self.readable_names(snapshot).iter().any(|name| name == snapshot.name) {
            return Ok(());
        }
        let was_marked = self.mark_to_free(volume)?;
        copy()?;
        self.free(volume, was_marked);
        Ok(())
    }

    /// Lets `replace` give a volume another file. The one that it had goes, or keeps its snapshots and nothing else.
    pub(super) fn leave(&self, volume: Stored<'_>, replace: impl FnOnce() -> Result<()>) -> Result<()> {
        let of = self.folder.identity(volume.name).map(|(identity, _)| identity);
        let mut names = if of.is_some() { self.readable_names(volume) } else { Vec::new() };
        names.retain(|name| self.folder.identity(name).map(|(identity, _)| identity) == of);
        replace()?;
        if let Some(name) = names.first() {
            // What the volume held beside its snapshots goes with the last of them where this fails.
            let freed = self.folder.path(name).and_then(|path| self.image.snapshot("-a", name, &path));
            if let Err(error) = freed {
                log::warn!("the old file of {} keeps its content for now: {error}", volume.name);
            }
        }
        Ok(())
    }

    /// Puts the file of a volume that nobody uses in order, and takes its mark away.
    pub(super) fn tend(&self, volume: &str) -> Result<()> {
        if self.folder.identity(volume).is_some() {
            self.clean(volume)?;
            self.image.repair(&self.folder.path(volume)?)?;
            self.flush(volume, &self.folder.open(volume)?)?;
        }
        fault::point("file.after_tend");
        self.folder.unmark(volume)
    }

    /// Marks a volume whose file is about to hold what is nobody's. Whether it was marked before. A disk that is too full for
    /// a mark is no reason to remove nothing: the next change finds what is left, too.
    fn mark_to_free(&self, volume: Stored<'_>) -> Result<bool> {
        let was_marked = self.folder.is_marked(volume.name)?;
        if !self.folder.mark_if_room(volume.name)? {
            log::warn!("{} could not be marked: the folder is full", volume.name);
        }
        Ok(was_marked)
    }

    /// Frees what is nobody's in the file of a volume, now or, where somebody uses it or it fails, later.
    fn free(&self, volume: Stored<'_>, was_marked: bool) {
        if volume.attached {
            return;
        }
        let name = volume.name;
        let done = if was_marked {
            self.tend(name)
        } else {
            let flushed = self.clean(name).and_then(|()| self.flush(name, &self.folder.open(name)?));
            flushed.and_then(|()| self.folder.unmark(name))
        };
        if let Err(error) = done {
            log::warn!("what was removed from {name} is freed later: {error}");
        }
    }

    /// Removes the internal snapshots whose names are gone from the file of a volume.
    fn clean(&self, volume: &str) -> Result<()> {
        let path = self.folder.path(volume)?;
        let of = self.folder.identity(volume).map(|(identity, _)| identity);
        for name in qcow2::snapshots(&path, &self.folder.open(volume)?)? {
            if self.folder.identity(&name).map(|(identity, _)| identity) != of {
                self.image.snapshot("-d", &name, &path)?;
            }
        }
        Ok(())
    }

    /// Changes the tables of the file of a volume, in which nothing is nobody's before and after, whatever happens.
    fn change<T>(&self, volume: &str, change: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        check_program()?;
        let (path, file) = (self.folder.path(volume)?, self.folder.open(volume)?);
        if self.folder.is_marked(volume)? {
            self.tend(volume)?;
        }
        self.clean(volume)?;
        self.folder.mark(volume)?;
        let done = change(&path).and_then(|done| self.flush(volume, &file).map(|()| done));
        fault::point("file.after_tables");
        match done {
            Ok(_) => self.folder.unmark(volume)?,
            Err(_) => {
                if let Err(error) = self.tend(volume) {
                    log::warn!("what a failure left in {volume} is freed later: {error}");
                }
            }
        }
        done
    }

    fn flush(&self, name: &str, file: &File) -> Result<()> {
        file.sync_all().map_err(|error| self.folder.failed("flush", name, &error))
    }
}
