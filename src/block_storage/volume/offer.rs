//! The content of a volume as another volume service reads it that takes the volume over: through the export that hosts
//! would use, or in the file where both see it. The service that has the volume makes the offer, the other one takes it.
//! Not here: whose order that is, and what becomes of the volume (`work/move_disk.rs`).

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::backends::Backend;
use super::drivers::content::path_of;
use super::drivers::{Content, Driver, Format, Stored};
use super::exports;
use super::qemu::{bytes, convert, ended, escaped, fill, secret_file};
use super::targets::Export;
use crate::block_storage::model::volume::Volume;
use crate::error::{Error, Result};
/// Which initiator this service says it is.
const INITIATOR: &str = "iqn.2010-10.org.openstack:hearth-volume";
/// The number that this run of the machine's kernel has.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How a content is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    /// The backend that has it: `host@backend`.
    pub(super) source: String,
    /// Where it is exported, as the row of the volume tells; `None` where it is read in its file.
    pub(super) location: Option<String>,
    way: Way,
}

#[derive(Debug, Clone, PartialEq)]
enum Way {
    /// As a host connects.
    Connection(Json),
    /// In its file or on its device, where `mark` tells that it is the same one.
    Path { path: PathBuf, format: Format, mark: String },
}

impl Offer {
    /// Makes a content readable for the service of the backend `to`; with it, the export that is new and must be recorded.
    ///
    /// # Errors
    /// Those of the target and of the driver.
    pub(super) fn make(
        backend: &Backend,
        volume: &Volume,
        stored: Stored<'_>,
        to: &str,
    ) -> Result<(Self, Option<Export>)> {
        let connector = json!({"host": to, "initiator": INITIATOR, "multipath": false});
        let source = backend.host.clone();
        let exports = backend.target.as_ref().is_some_and(|target| target.admit(stored.format, &connector).is_ok());
        if exports {
            let (way, export) = exports::connect(backend, volume, stored, &connector)?;
            let location = export.as_ref().map(|export| export.location.clone()).or(volume.provider_location.clone());
            let way = Way::Connection(json!({"driver_volume_type": way.driver_volume_type, "data": way.data}));
            return Ok((Self { source, location, way }, export));
        }
        let path = backend.driver.local_path(stored.name)?;
        let file = File::open(&path).map_err(|error| failed(&path, &error))?;
        // Where the other service is on another machine, it reads what was written.
        file.sync_all().map_err(|error| failed(&path, &error))?;
        let mark = mark(&file.metadata().map_err(|error| failed(&path, &error))?);
        Ok((Self { source, location: None, way: Way::Path { path, format: stored.format, mark } }, None))
    }

    /// The offer as its order carries it.
    pub(super) fn note(&self) -> String {
        let way = match &self.way {
            Way::Connection(connection) => json!({ "connection": connection }),
            Way::Path { path, format, mark } => {
                json!({"path": path.to_string_lossy(), "format": format.name(), "mark": mark})
            }
        };
        json!({"source": self.source, "location": self.location, "way": way}).to_string()
    }

    /// Reads what [`Offer::note`] wrote.
    ///
    /// # Errors
    /// `Internal` where it is something else.
    pub(super) fn read(note: &str) -> Result<Self> {
        let parse = || {
            let json: Json = serde_json::from_str(note).ok()?;
            let text = |pointer: &str| json.pointer(pointer)?.as_str().map(str::to_owned);
            let way = match json.pointer("/way/connection") {
                Some(connection) => Way::Connection(connection.clone()),
                None => Way::Path {
                    path: PathBuf::from(text("/way/path")?),
                    format: Format::parse(&text("/way/format")?)?,
                    mark: text("/way/mark")?,
                },
            };
            Some(Self { source: text("/source")?, location: text("/location"), way })
        };
        parse().ok_or_else(|| Error::internal("an order tells of a content that can not be read"))
    }

    /// Makes the volume `name` of the content, in place of what an earlier attempt made.
    ///
    /// # Errors
    /// `Unavailable` where it can not be reached from here, or the storage fails.
    pub(super) fn take(&self, driver: &dyn Driver, name: &str, size_gib: i64, timeout: Duration) -> Result<Format> {
        match &self.way {
            Way::Path { path, format: Format::Raw, mark } => {
                let file = open(path, mark)?;
                let is_device = file.metadata().map_err(|error| failed(path, &error))?.file_type().is_block_device();
                let bytes = bytes(size_gib)?;
                let content = if is_device { Content::of_device(file, bytes) } else { Content::still(file)? };
                let made = driver.import_volume(name, size_gib, &content)?;
                check(&content.file, path, mark)?;
                Ok(made)
            }
            Way::Path { path, format, mark } => {
                let file = open(path, mark)?;
                let from = path_of(&file);
                let made = fill(driver, name, size_gib, &|raw| {
                    let program = convert(timeout).args(["--target-is-zero", "-U", "-f", format.name(), "-O", "raw"]);
                    ended(program.arg(&from).arg(path_of(raw)))
                })?;
                check(&file, path, mark)?;
                Ok(made)
            }
            Way::Connection(connection) => fill(driver, name, size_gib, &|raw| {
                let (arguments, _secret) = arguments(connection)?;
                ended(convert(timeout).args(["--target-is-zero", "-O", "raw"]).args(arguments).arg(path_of(raw)))
            }),
        }
    }
}

/// What tells QEMU's program where a connection leads. The secret is in a file without a name, since everybody sees the
/// arguments of a program.
fn arguments(connection: &Json) -> Result<(Vec<String>, Option<File>)> {
    let unknown = || {
        let kind = connection.get("driver_volume_type").unwrap_or(&Json::Null);
        Error::unavailable("The volume can not be read from here.", format!("no way is known by a connection {kind}"))
    };
    let text = |key: &str| connection.pointer(&format!("/data/{key}")).and_then(Json::as_str);
    match connection.get("driver_volume_type").and_then(Json::as_str) {
        Some("nbd") => {
            let uri = text("uri").ok_or_else(unknown)?;
            Ok((vec!["-f".to_owned(), "raw".to_owned(), uri.to_owned()], None))
        }
        Some("iscsi") => {
            let (portal, iqn) = (text("target_portal").ok_or_else(unknown)?, text("target_iqn").ok_or_else(unknown)?);
            let lun = connection.pointer("/data/target_lun").and_then(Json::as_i64).ok_or_else(unknown)?;
            let mut arguments = vec!["--image-opts".to_owned()];
            let mut image = format!(
                "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={},file.target={},file.lun={lun},\
                 file.initiator-name={INITIATOR}",
                escaped(portal),
                escaped(iqn),
            );
            let mut kept = None;
            if let (Some(user), Some(secret)) = (text("auth_username"), text("auth_password")) {
                let file = secret_file(secret.as_bytes())?;
                arguments.extend(["--object".to_owned(), format!("secret,id=chap,file={}", path_of(&file).display())]);
                image.push_str(&format!(",file.user={},file.password-secret=chap", escaped(user)));
                kept = Some(file);
            }
            arguments.push(image);
            Ok((arguments, kept))
        }
        _ => Err(unknown()),
    }
}

/// Opens the file of an offer, where that is the one that the other service has.
fn open(path: &Path, mark: &str) -> Result<File> {
    let elsewhere = |why: &str| {
        Error::unavailable(
            "The volume can not be read from here.",
            format!("{}: {why}. Export the backend by iSCSI or NBD, or let both hosts see its folder", path.display()),
        )
    };
    let file = File::open(path).map_err(|error| elsewhere(&error.to_string()))?;
    check(&file, path, mark).map_err(|_| elsewhere("this is another file than that of the other host"))?;
    Ok(file)
}

fn check(file: &File, path: &Path, expected: &str) -> Result<()> {
    let found = file.metadata().map_err(|error| failed(path, &error))?;
    if mark(&found) == expected {
        return Ok(());
    }
    Err(Error::unavailable("The volume was changed while it was copied.", format!("{} was changed", path.display())))
}

/// What tells a file from all others that have the same path on other machines, and from itself at another time: its
/// number and its last change. A device is one of this machine alone.
fn mark(found: &Metadata) -> String {
    if found.file_type().is_block_device() {
        let boot_id = fs::read_to_string(BOOT_ID).unwrap_or_else(|_| uuid::Uuid::new_v4().to_string());
        return format!("device {} {}", boot_id.trim(), found.rdev());
    }
    format!("file {} {} {}.{:09}", found.ino(), found.len(), found.mtime(), found.mtime_nsec())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable("The backend's storage fails.", format!("can not read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_as_it_was_noted() {
        let connection = Way::Connection(json!({"driver_volume_type": "nbd", "data": {"uri": "nbd://h:1/v"}}));
        let path = Way::Path { path: PathBuf::from("/a b/v"), format: Format::Qcow2, mark: "file 1 2 3.4".to_owned() };
        for (way, location) in [(connection, Some("nbd://h:1/v".to_owned())), (path, None)] {
            let offer = Offer { source: "h@b".to_owned(), location, way };
            assert_eq!(Offer::read(&offer.note()).unwrap(), offer);
        }
        assert!(Offer::read("{}").is_err());
    }

    #[test]
    fn no_secret_is_among_the_arguments() {
        let data = json!({
            "target_portal": "10.0.0.1:3260", "target_iqn": "iqn.2010-10.org.openstack:v,1", "target_lun": 1,
            "auth_username": "user", "auth_password": "hush",
        });
        let (arguments, file) = arguments(&json!({"driver_volume_type": "iscsi", "data": data})).unwrap();
        assert!(!arguments.iter().any(|argument| argument.contains("hush")) && file.is_some());
        assert!(arguments.iter().any(|argument| argument.contains("file.target=iqn.2010-10.org.openstack:v,,1,")));
    }
}
