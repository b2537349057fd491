//! iSCSI by tgtd, the target daemon of tgt, which `tgtadm` steers. Everything that is asked for is asked of the running
//! daemon; what it forgets when it ends is asked for again (`volume/exports.rs`), so that there are no files of its
//! targets that could tell something else. Not here: what a host reads (`iscsi.rs`).

mod show;

use serde_json::Value as Json;

use self::show::Shown;
use super::chap::{Credentials, user_of};
use super::iscsi::{self, Location, Portals};
use super::{Export, Served, Serving, Target};
use crate::block_storage::volume::drivers::{Connection, Format};
use crate::config::{Config, backend};
use crate::error::{Error, Result};
use crate::service::exec::Program;
use crate::service::fault;

/// The program that steers the daemon.
const TGTADM: &str = "tgtadm";
/// The number of the volume in its target; 0 is the controller.
const LUN: u32 = 1;
/// How often a number is looked for that no other target has.
const ATTEMPTS: usize = 20;
/// The caching page (SBC-3, 6.4.5) without the bit of the write cache.
const WRITE_THROUGH: &str = "mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0";

/// The daemon of this host.
pub(super) struct Tgt {
    portals: Portals,
    /// Which daemon, where several run.
    control_port: String,
    /// How it opens what it serves.
    flags: String,
    write_cache: bool,
}

impl Tgt {
    pub(super) fn open(config: &Config, section: &str) -> Self {
        Self {
            portals: Portals::read(config, section),
            control_port: config.integer_in(section, &backend::HEARTH_TGT_CONTROL_PORT).to_string(),
            flags: config.text_in(section, &backend::ISCSI_TARGET_FLAGS).to_owned(),
            write_cache: config.text_in(section, &backend::ISCSI_WRITE_CACHE) == "on",
        }
    }

    /// Asks the daemon; the inner error is what it complains of.
    fn ask(&self, mode: &str, op: &str, arguments: &[&str]) -> Result<Result<String, String>> {
        let program =
            Program::new(TGTADM).args(["--control-port", &self.control_port, "--lld", "iscsi", "--mode", mode]);
        let output = program.args(["--op", op]).args(arguments).run_to_end()?;
        let told = output.stderr.trim();
        match output.code {
            Some(0) => Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned())),
            _ if told.contains("daemon") || told.contains("endpoint") => Err(unreachable(told)),
            _ => Ok(Err(told.to_owned())),
        }
    }

    fn demand(&self, mode: &str, op: &str, arguments: &[&str]) -> Result<String> {
        self.ask(mode, op, arguments)?.map_err(|told| {
            let text = format!("tgtadm --mode {mode} --op {op} failed: {told}");
            Error::unavailable("The iSCSI target daemon refuses.", text)
        })
    }

    fn targets(&self) -> Result<Vec<Shown>> {
        Ok(show::parse(&self.demand("target", "show", &[])?))
    }

    fn find(&self, name: &str) -> Result<Option<Shown>> {
        let iqn = self.portals.iqn(name);
        Ok(self.targets()?.into_iter().find(|target| target.iqn == iqn))
    }

    /// Makes a target with nothing in it, which nobody can use; answers its number.
    fn begin(&self, name: &str) -> Result<u32> {
        let iqn = self.portals.iqn(name);
        let mut told = String::new();
        for _ in 0..ATTEMPTS {
            let taken: Vec<u32> = self.targets()?.into_iter().map(|target| target.tid).collect();
            let tid = (1..).find(|number| !taken.contains(number)).unwrap_or(1);
            match self.ask("target", "new", &["--tid", &tid.to_string(), "--targetname", &iqn])? {
                Ok(_) => return Ok(tid),
                // Somebody else was faster with this number.
                Err(why) if why.contains("already exists") => told = why,
                Err(why) => return Err(Error::unavailable("The iSCSI target daemon refuses.", why)),
            }
        }
        Err(Error::unavailable("The iSCSI target daemon refuses.", format!("{iqn} is not made: {told}")))
    }

    /// Makes a target and lets hosts in last. What has its name must be gone.
    fn build(&self, served: Served<'_>, chap: &Credentials) -> Result<u32> {
        let number = self.begin(served.name)?;
        fault::point("export.after_begin");
        let tid = ["--tid", &number.to_string()];
        let lun = LUN.to_string();
        let path = served.path.to_string_lossy();
        let mut unit = vec!["--lun", &lun, "--backing-store", &path];
        if !self.flags.is_empty() {
            unit.extend(["--bsoflags", &self.flags]);
        }
        self.demand("logicalunit", "new", &[&tid[..], &unit].concat())?;
        let parameters = self.parameters(served.name);
        self.demand("logicalunit", "update", &[&tid[..], &["--lun", &lun, "--params", &parameters]].concat())?;
        let (user, secret) = (format!("--user={}", chap.user), format!("--password={}", chap.secret));
        // Left by an attempt that was broken off.
        let _ = self.ask("account", "delete", &[&user])?;
        self.demand("account", "new", &[&user, &secret])?;
        self.demand("account", "bind", &[&tid[..], &[&user]].concat())?;
        self.demand("target", "bind", &[&tid[..], &["--initiator-address", "ALL"]].concat())?;
        fault::point("export.after_make");
        Ok(number)
    }

    /// Makes a target, or leaves nothing of it.
    fn build_whole(&self, served: Served<'_>, chap: &Credentials) -> Result<u32> {
        let built = self.build(served, chap);
        if let (Err(_), Err(error)) = (&built, if built.is_err() { self.remove(served.name) } else { Ok(()) }) {
            log::error!("what was made of the export of {} stays: {error}", served.name);
        }
        built
    }

    /// Whether a target serves this volume to those who have these credentials, and to nobody else.
    fn is_as_known(&self, target: &Shown, served: Served<'_>, chap: &Credentials) -> bool {
        target.is_open && target.path.as_deref() == Some(served.path) && target.accounts == [chap.user.as_str()]
    }

    fn parameters(&self, name: &str) -> String {
        let identity = iscsi::identity(name);
        let mut parameters = format!("scsi_id={identity},scsi_sn={identity}");
        if self.portals.discard {
            parameters.push_str(",thin_provisioning=1");
        }
        if !self.write_cache {
            parameters.push(',');
            parameters.push_str(WRITE_THROUGH);
        }
        parameters
    }
}

impl Target for Tgt {
    fn protocol(&self) -> &'static str {
        "iSCSI"
    }

    fn online_extend(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        self.demand("system", "show", &[]).map(|_| ())
    }

    fn admit(&self, format: Format, connector: &Json) -> Result<()> {
        iscsi::check_format(format, "tgtd")?;
        iscsi::check_initiator(connector)
    }

    fn knows(&self, export: &Export) -> bool {
        Location::parse(&export.location).is_some()
    }

    fn create(&self, served: Served<'_>) -> Result<Export> {
        self.remove(served.name)?;
        let chap = Credentials::new(served.name)?;
        let number = self.build_whole(served, &chap)?;
        Ok(self.portals.export(served.name, number, LUN, &chap))
    }

    fn restore(&self, served: Served<'_>, export: &Export) -> Result<()> {
        let chap = iscsi::credentials(served.name, export)?;
        match self.find(served.name)? {
            Some(target) if self.is_as_known(&target, served, &chap) => return Ok(()),
            Some(_) => self.remove(served.name)?,
            None => {}
        }
        self.build_whole(served, &chap).map(|_| ())
    }

    fn grow(&self, served: Served<'_>, export: &Export) -> Result<()> {
        let chap = export.auth.as_deref().and_then(Credentials::parse);
        let found = self.find(served.name)?;
        match (found, chap) {
            (Some(target), Some(chap)) if self.is_as_known(&target, served, &chap) => {
                let (tid, lun) = (target.tid.to_string(), LUN.to_string());
                // One request, so that no command of a host comes in between. The daemon measures what it opens.
                let parameters = format!("online=0,path={},online=1", served.path.display());
                let arguments = ["--tid", &tid, "--lun", &lun, "--params", &parameters];
                self.demand("logicalunit", "update", &arguments).map(|_| ())
            }
            _ => self.restore(served, export),
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let mut users = vec![user_of(name)];
        if let Some(target) = self.find(name)? {
            match self.ask("target", "delete", &["--force", "--tid", &target.tid.to_string()])? {
                Err(told) if !told.contains("can't find") => {
                    let text = format!("{} can not be removed: {told}", target.iqn);
                    return Err(Error::unavailable("The iSCSI target daemon refuses.", text));
                }
                _ => users.extend(target.accounts),
            }
        }
        fault::point("export.after_remove");
        for user in users {
            // One that is not there is what is wanted.
            let _ = self.ask("account", "delete", &[&format!("--user={user}")])?;
        }
        Ok(())
    }

    fn connection(&self, export: &Export, connector: &Json) -> Result<Connection> {
        self.portals.connection(export, connector)
    }

    fn serving(&self) -> Result<Vec<Serving>> {
        let own = |target: Shown| {
            let name = target.iqn.strip_prefix(&self.portals.prefix)?.to_owned();
            Some(Serving { name, whole: target.is_open && target.path.is_some(), path: target.path })
        };
        Ok(self.targets()?.into_iter().filter_map(own).collect())
    }
}

fn unreachable(told: &str) -> Error {
    Error::unavailable("The iSCSI target daemon does not answer.", format!("is tgtd running? tgtadm says: {told}"))
}
