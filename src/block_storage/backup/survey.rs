//! What an operator's command sees of the backups of this host, without changing anything: whether what the rows tell of lies
//! in the folder, and what lies there of which no row tells.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::repository::{Folder, LOCK_PREFIX, prefix_of, read_metadata};
use super::settings::Settings;
use crate::block_storage::model::backup::{Backup, Status};
use crate::block_storage::model::service::is_folder_driver;
use crate::config::Config;
use crate::error::{Error, Result};

/// Names that are told of one container at most.
const NAMES: usize = 3;

/// The folder of the backups of this host.
pub struct Survey {
    /// The host of the backup service.
    pub host: String,
    /// Where it is.
    pub path: PathBuf,
    folder: Folder,
}

/// Objects of which no row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strays {
    /// The folder in which they lie.
    pub folder: PathBuf,
    /// How many there are.
    pub count: usize,
    /// Some of their names.
    pub names: Vec<String>,
}

impl Survey {
    /// The folder that the configuration names. Touches nothing yet.
    ///
    /// # Errors
    /// `Invalid` where an option is wrong.
    pub fn new(config: &Config) -> Result<Self> {
        let Settings { host, path, .. } = Settings::read(config)?;
        Ok(Self { host, folder: Folder::new(path.clone()), path })
    }

    /// Whether the folder is there.
    pub fn is_there(&self) -> bool {
        self.path.is_dir()
    }

    /// Whether the objects of a backup should lie here: it is whole, of this host, and of a driver that keeps it so.
    pub fn keeps(&self, backup: &Backup) -> bool {
        matches!(backup.status, Status::Available | Status::Restoring)
            && backup.host.as_deref() == Some(&*self.host)
            && backup.service.as_deref().is_some_and(is_folder_driver)
    }

    /// What is wrong with the objects of a backup that should lie here; the data themselves are not read.
    pub fn fault(&self, backup: &Backup) -> Option<String> {
        let metadata = match read_metadata(&self.folder, backup) {
            Ok(metadata) => metadata,
            Err(error) => return Some(format!("its metadata can not be read: {error}")),
        };
        let (container, prefix) = (backup.container.as_deref()?, backup.service_metadata.as_deref()?);
        let hashes = format!("{prefix}_sha256file");
        let mut names: Vec<&str> = metadata.names().collect();
        let data = names.len();
        names.push(&hashes);
        let missing: Vec<&&str> =
            names.iter().filter(|name| self.folder.open(container, name).is_err()).take(NAMES).collect();
        if !missing.is_empty() {
            return Some(format!("{missing:?} of its {} objects can not be read", data + 2));
        }
        None
    }

    /// Objects in the folder that belong to none of the backups.
    ///
    /// # Errors
    /// `Unavailable` where a folder can not be listed.
    pub fn strays(&self, backups: &[Backup]) -> Result<Vec<Strays>> {
        let known: HashSet<(&str, &str)> = backups
            .iter()
            .filter_map(|backup| Some((backup.container.as_deref()?, backup.service_metadata.as_deref()?)))
            .collect();
        let mut found = Vec::new();
        let mut open = vec![self.path.clone()];
        while let Some(folder) = open.pop() {
            let failed = |error: std::io::Error| {
                Error::unavailable(
                    "The folder of backups can not be looked at.",
                    format!("{}: {error}", folder.display()),
                )
            };
            let container = folder.strip_prefix(&self.path).unwrap_or(Path::new("")).to_string_lossy().into_owned();
            let mut strays = Strays { folder: folder.clone(), count: 0, names: Vec::new() };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    open.push(entry.path());
                    continue;
                }
                // What this service itself keeps, and what somebody else put beside the containers.
                if name.starts_with(LOCK_PREFIX) || container.is_empty() {
                    continue;
                }
                if prefix_of(&name).is_some_and(|prefix| !known.contains(&(&*container, prefix))) {
                    strays.count += 1;
                    strays.names.extend((strays.names.len() < NAMES).then_some(name));
                }
            }
            if strays.count > 0 {
                strays.names.sort();
                found.push(strays);
            }
        }
        found.sort_by(|one, other| one.folder.cmp(&other.folder));
        Ok(found)
    }
}
