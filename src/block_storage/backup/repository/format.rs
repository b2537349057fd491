//! The two objects that describe a backup, as Cinder's chunked drivers write them, version 1.0.0: the metadata, which list
//! the objects of data, and the hashes of the volume's blocks. Reading takes what either implementation wrote.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};

use serde::Deserialize;
use serde_json::json;

use super::folder::{Folder, failed};
use super::hashes::{Hashes, hex};
use crate::block_storage::model::backup::Backup;
use crate::error::{Error, Result};

/// The version of the format.
const VERSION: &str = "1.0.0";

/// An object of data: bytes of the volume, compressed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Chunk {
    /// The algorithm by its name.
    pub(super) compression: String,
    /// How many bytes it holds, before compression.
    pub(super) length: u64,
    /// The MD5 of those bytes.
    pub(super) md5: String,
    /// Where they stand in the volume.
    pub(super) offset: u64,
}

/// What the metadata object holds of interest.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Metadata {
    version: String,
    /// Objects by their names, each in a map of its own.
    objects: Vec<BTreeMap<String, Chunk>>,
    /// What was known of the volume, as JSON in a text.
    pub(in super::super) volume_meta: Option<String>,
}

impl Metadata {
    /// The names of the objects of data.
    pub(in super::super) fn names(&self) -> impl Iterator<Item = &str> {
        self.chunks().map(|(name, _)| name.as_str())
    }

    /// The objects of data with their names, in their order.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (&String, &Chunk)> {
        self.objects.iter().flatten()
    }
}

#[derive(Deserialize)]
struct HashesObject {
    version: String,
    chunk_size: u64,
    sha256s: Hashes,
}

/// The names of a backup's objects begin so.
pub(super) fn prefix(backup: &Backup) -> Result<(&str, &str)> {
    match (&backup.container, &backup.service_metadata) {
        (Some(container), Some(prefix)) => Ok((container, prefix)),
        _ => Err(Error::unavailable("The backup has no objects.", format!("backup {} names none", backup.id))),
    }
}

/// What the name of an object, also of an unfinished one, says of the prefix of its backup; `None` where it is no such name.
pub(in super::super) fn prefix_of(name: &str) -> Option<&str> {
    let name = name.strip_prefix('.').map_or(name, |rest| rest.trim_end_matches(".part"));
    let of_text = name.strip_suffix("_metadata").or_else(|| name.strip_suffix("_sha256file"));
    of_text.or_else(|| {
        let (prefix, number) = name.rsplit_once('-')?;
        (number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(prefix)
    })
}

/// Reads the metadata of a backup.
pub(in super::super) fn read_metadata(folder: &Folder, backup: &Backup) -> Result<Metadata> {
    let (container, prefix) = prefix(backup)?;
    let name = format!("{prefix}_metadata");
    let file = BufReader::new(folder.open(container, &name)?);
    let metadata: Metadata = serde_json::from_reader(file).map_err(|error| damaged(&name, error))?;
    check_version(&metadata.version)?;
    Ok(metadata)
}

/// Reads the hashes of a backup, and how many bytes each is of.
pub(super) fn read_hashes(folder: &Folder, backup: &Backup) -> Result<(u64, Hashes)> {
    let (container, prefix) = prefix(backup)?;
    let name = format!("{prefix}_sha256file");
    let file = BufReader::with_capacity(1 << 18, folder.open(container, &name)?);
    let object: HashesObject = serde_json::from_reader(file).map_err(|error| damaged(&name, error))?;
    check_version(&object.version)?;
    Ok((object.chunk_size, object.sha256s))
}

fn check_version(version: &str) -> Result<()> {
    if version == VERSION {
        return Ok(());
    }
    Err(Error::unavailable(format!("No support to restore backup version {version}"), "the version is unknown"))
}

fn damaged(name: &str, error: serde_json::Error) -> Error {
    failed(&format!("read {name}"), &std::io::Error::from(error))
}

/// When a backup was made, in Python's form.
fn created_at(backup: &Backup) -> Option<String> {
    backup.created_at.map(|at| format!("{}+00:00", at.sql()))
}

/// Writes the metadata of a backup.
pub(super) fn write_metadata(
    folder: &Folder,
    backup: &Backup,
    chunks: &[(String, Chunk)],
    volume_meta: &str,
) -> Result<()> {
    let (container, prefix) = prefix(backup)?;
    let objects: Vec<_> = chunks
        .iter()
        .map(|(name, chunk)| {
            json!({ name.as_str(): {
                "compression": chunk.compression, "length": chunk.length, "md5": chunk.md5, "offset": chunk.offset,
            }})
        })
        .collect();
    let metadata = json!({
        "backup_description": backup.description,
        "backup_id": backup.id,
        "backup_name": backup.name,
        "created_at": created_at(backup),
        "objects": objects,
        "parent_id": backup.parent_id,
        "version": VERSION,
        "volume_id": backup.volume_id,
        "volume_meta": volume_meta,
    });
    folder.put(container, &format!("{prefix}_metadata"), |out| {
        let written = serde_json::to_writer_pretty(out, &metadata).map_err(std::io::Error::from);
        written.map_err(|error| failed("write the metadata", &error))
    })
}

/// Writes the hashes of a volume. They may be more than would fit into memory as text.
pub(super) fn write_hashes(folder: &Folder, backup: &Backup, block_bytes: u64, hashes: &Hashes) -> Result<()> {
    let (container, prefix) = prefix(backup)?;
    let before = [
        ("backup_description", json!(backup.description)),
        ("backup_id", json!(backup.id)),
        ("backup_name", json!(backup.name)),
        ("chunk_size", json!(block_bytes)),
        ("created_at", json!(created_at(backup))),
    ];
    folder.put(container, &format!("{prefix}_sha256file"), |out| {
        let written = (|| {
            writeln!(out, "{{")?;
            for (key, value) in before {
                writeln!(out, "  \"{key}\": {value},")?;
            }
            write!(out, "  \"sha256s\": [")?;
            for (at, hash) in hashes.iter().enumerate() {
                write!(out, "{}\n    \"{}\"", if at == 0 { "" } else { "," }, hex(hash))?;
            }
            write!(out, "\n  ],\n  \"version\": \"{VERSION}\",\n  \"volume_id\": {}\n}}", json!(backup.volume_id))
        })();
        written.map_err(|error| failed("write the hashes", &error))
    })
}
