//! iSCSI by LIO, the target in Linux itself, which is steered by its files in configfs. As with tgtd, what it forgets when
//! the machine ends is made again (`volume/exports.rs`), so that nothing of it is kept in files that could tell something
//! else. Each volume is a device of LIO and a target with one group, which lets in whoever knows the volume's secret. Not
//! here: what a host reads (`iscsi.rs`).

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::chap::Credentials;
use super::iscsi::{self, Location, Portals};
use super::{Export, Served, Serving, Target};
use crate::block_storage::volume::drivers::{Connection, Format};
use crate::config::{Config, backend};
use crate::error::{Error, Result};
use crate::service::fault;

/// Where LIO is, once its modules are loaded and configfs is mounted.
const ROOT: &str = "/sys/kernel/config/target";
/// The number of the volume in its target where none is recorded; Cinder's with LIO.
const LUN: u32 = 0;
/// The only group of a target.
const GROUP: u32 = 1;
/// What serves files, and what serves block devices.
const BACKSTORES: [&str; 2] = ["fileio", "iblock"];
/// What a group has to be told: a secret is needed, hosts need not be known by name, and may write.
const GROUP_ATTRIBUTES: [(&str, &str); 4] = [
    ("authentication", "1"),
    ("generate_node_acls", "1"),
    ("cache_dynamic_acls", "1"),
    ("demo_mode_write_protect", "0"),
];

/// LIO of this machine.
pub(super) struct Lio {
    portals: Portals,
    write_cache: bool,
    root: PathBuf,
}

impl Lio {
    pub(super) fn open(config: &Config, section: &str) -> Self {
        Self {
            portals: Portals::read(config, section),
            write_cache: config.text_in(section, &backend::ISCSI_WRITE_CACHE) == "on",
            root: PathBuf::from(ROOT),
        }
    }

    fn target(&self, name: &str) -> PathBuf {
        self.root.join("iscsi").join(self.portals.iqn(name))
    }

    fn group(&self, name: &str) -> PathBuf {
        self.target(name).join(format!("tpgt_{GROUP}"))
    }

    /// Where the device of a volume can be: each has an adapter of its own, since `targetcli` removes them together. The
    /// number follows from the name, so that what a crash left can be found.
    fn devices(&self, name: &str) -> [PathBuf; 2] {
        // FNV-1a.
        let number =
            name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        BACKSTORES.map(|kind| self.root.join("core").join(format!("{kind}_{number}")).join(name))
    }

    /// Makes the device of a volume; answers where it is.
    fn make_device(&self, served: Served<'_>) -> Result<PathBuf> {
        let path = served.path.to_str().filter(|path| !path.contains([',', '\n']));
        let path = path.ok_or_else(|| {
            let text = format!("LIO takes no comma in the path {}", served.path.display());
            Error::unavailable("The backend can not export volumes of this folder.", text)
        })?;
        let found = fs::metadata(served.path).map_err(|error| failed("examine", served.path, &error))?;
        let [file, block] = self.devices(served.name);
        let (device, control) = if found.file_type().is_block_device() {
            (block, format!("udev_path={path}"))
        } else {
            let cache = if self.write_cache { ",fd_buffered_io=1" } else { "" };
            (file, format!("fd_dev_name={path},fd_dev_size={}{cache}", found.len()))
        };
        if let Some(adapter) = device.parent() {
            make(adapter)?;
        }
        make(&device)?;
        write(&device.join("control"), &control)?;
        write(&device.join("udev_path"), path)?;
        write(&device.join("wwn/vpd_unit_serial"), iscsi::identity(served.name))?;
        write(&device.join("enable"), "1")?;
        if self.portals.discard {
            write(&device.join("attrib/emulate_tpu"), "1")?;
        }
        Ok(device)
    }

    /// Makes an export and lets hosts in last. What has its name must be gone.
    fn build(&self, served: Served<'_>, lun: u32, chap: &Credentials) -> Result<()> {
        let group = self.group(served.name);
        make(&self.root.join("iscsi"))?;
        make(&self.target(served.name))?;
        make(&group)?;
        fault::point("export.after_begin");
        let device = self.make_device(served)?;
        let unit = group.join(format!("lun/lun_{lun}"));
        make(&unit)?;
        let link = unit.join(served.name);
        symlink(&device, &link).map_err(|error| failed("make", &link, &error))?;
        for (name, value) in GROUP_ATTRIBUTES {
            write(&group.join("attrib").join(name), value)?;
        }
        write(&group.join("auth/userid"), &chap.user)?;
        write(&group.join("auth/password"), &chap.secret)?;
        for address in &self.portals.addresses {
            make(&group.join("np").join(iscsi::socket(address, self.portals.port)))?;
        }
        write(&group.join("enable"), "1")?;
        fault::point("export.after_make");
        Ok(())
    }

    /// Makes an export, or leaves nothing of it.
    fn build_whole(&self, served: Served<'_>, lun: u32, chap: &Credentials) -> Result<()> {
        let built = self.build(served, lun, chap);
        if let (Err(_), Err(error)) = (&built, if built.is_err() { self.remove(served.name) } else { Ok(()) }) {
            log::error!("what was made of the export of {} stays: {error}", served.name);
        }
        built
    }

    /// What is served under a name, and whether hosts are let in.
    fn shown(&self, name: &str) -> Serving {
        let group = self.group(name);
        let units = entries(&group.join("lun")).unwrap_or_default();
        let path = units.iter().flat_map(|unit| entries(unit).unwrap_or_default()).find_map(|link| {
            let path = fs::read_to_string(link.join("udev_path")).ok()?;
            Some(PathBuf::from(path.trim_end_matches('\n')))
        });
        let whole = path.is_some() && reads(&group.join("enable"), "1");
        Serving { name: name.to_owned(), path, whole }
    }

    /// Whether a volume is served to those who have these credentials.
    fn is_as_known(&self, served: Served<'_>, chap: &Credentials) -> bool {
        let (shown, auth) = (self.shown(served.name), self.group(served.name).join("auth"));
        let knows = reads(&auth.join("userid"), &chap.user) && reads(&auth.join("password"), &chap.secret);
        shown.whole && shown.path.as_deref() == Some(served.path) && knows
    }

    /// Takes a target apart, from the hosts' side. Its sessions end.
    fn remove_target(&self, name: &str) -> Result<()> {
        let group = self.group(name);
        if reads(&group.join("enable"), "1") {
            write(&group.join("enable"), "0")?;
        }
        for portal in entries(&group.join("np"))? {
            remove(&portal)?;
        }
        for unit in entries(&group.join("lun"))? {
            for link in links(&unit)? {
                fs::remove_file(&link).map_err(|error| failed("remove", &link, &error))?;
            }
            remove(&unit)?;
        }
        remove(&group)?;
        remove(&self.target(name))
    }
}

impl Target for Lio {
    fn protocol(&self) -> &'static str {
        "iSCSI"
    }

    fn online_extend(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        if self.root.join("core").is_dir() {
            return Ok(());
        }
        let text = format!("{ROOT} is not there: load target_core_mod and iscsi_target_mod, and mount configfs");
        Err(Error::unavailable("The iSCSI target is not there.", text))
    }

    fn admit(&self, format: Format, connector: &Json) -> Result<()> {
        iscsi::check_format(format, "LIO")?;
        iscsi::check_initiator(connector)
    }

    fn knows(&self, export: &Export) -> bool {
        Location::parse(&export.location).is_some()
    }

    fn create(&self, served: Served<'_>) -> Result<Export> {
        self.remove(served.name)?;
        let chap = Credentials::new(served.name)?;
        self.build_whole(served, LUN, &chap)?;
        Ok(self.portals.export(served.name, GROUP, LUN, &chap))
    }

    fn restore(&self, served: Served<'_>, export: &Export) -> Result<()> {
        let chap = iscsi::credentials(served.name, export)?;
        if self.is_as_known(served, &chap) {
            return Ok(());
        }
        self.remove(served.name)?;
        // Another helper may have told hosts another number.
        let lun = Location::parse(&export.location).map_or(LUN, |location| location.lun);
        self.build_whole(served, lun, &chap)
    }

    fn grow(&self, served: Served<'_>, export: &Export) -> Result<()> {
        if !self.is_as_known(served, &iscsi::credentials(served.name, export)?) {
            return self.restore(served, export);
        }
        // A block device is measured whenever a host asks; of a file LIO believes what it was told.
        let [file, _] = self.devices(served.name);
        if !file.exists() {
            return Ok(());
        }
        let found = fs::metadata(served.path).map_err(|error| failed("examine", served.path, &error))?;
        write(&file.join("control"), &format!("fd_dev_size={}", found.len()))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.remove_target(name)?;
        fault::point("export.after_remove");
        for device in self.devices(name) {
            remove(&device)?;
            // Should two names have one number, it stays.
            let _ = device.parent().map(fs::remove_dir);
        }
        Ok(())
    }

    fn connection(&self, export: &Export, connector: &Json) -> Result<Connection> {
        self.portals.connection(export, connector)
    }

    fn serving(&self) -> Result<Vec<Serving>> {
        self.check()?;
        let targets = entries(&self.root.join("iscsi"))?;
        let names = targets.iter().filter_map(|path| path.file_name()?.to_str()?.strip_prefix(&self.portals.prefix));
        Ok(names.map(|name| self.shown(name)).collect())
    }
}

/// Makes a folder of configfs; one that is there is no error.
fn make(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed("make", path, &error)),
        _ => Ok(()),
    }
}

/// Removes a folder of configfs; one that is not there is no error.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| failed("write", path, &error))
}

fn reads(path: &Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|found| found.trim_end_matches('\n') == text)
}

/// The folders, and links to folders, in a folder of configfs; none where it is not there.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let found = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found.map_err(|error| failed("read", path, &error))?,
    };
    Ok(found.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}

fn links(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(path)?.into_iter().filter(|path| path.is_symlink()).collect())
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    let text = format!("can not {what} {}: {error}", path.display());
    Error::unavailable("The iSCSI target refuses.", text)
}
