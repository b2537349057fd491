//! A real tgtd of a test's own, on a free port of loopback, or LIO where there is one; and what a host does with what it
//! is told of a volume: the initiators of QEMU, in user space.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// What serves volumes by iSCSI; ended when dropped.
pub(super) enum Daemon {
    /// A tgtd of its own.
    Tgt(Tgt),
    /// LIO of the machine, which nobody else has: in `scripts/machine`.
    Lio(Lio),
}

impl Daemon {
    /// `None`, and a word about it, where this machine or this user can not run one.
    pub(super) fn start() -> Option<Self> {
        if Lio::is_meant() { Some(Self::Lio(Lio::start())) } else { Tgt::start().map(Self::Tgt) }
    }

    /// The lines of a backend that it serves.
    pub(super) fn section(&self) -> String {
        let own = match self {
            Self::Tgt(tgt) => format!("target_port = {}\nhearth_tgt_control_port = {}\n", tgt.port, tgt.control),
            Self::Lio(lio) => format!("target_port = {}\ntarget_helper = lioadm\n", lio.port),
        };
        format!("target_protocol = iscsi\ntarget_ip_address = 127.0.0.1\n{own}")
    }

    /// Lets it forget all that it knows, as a crash would.
    pub(super) fn crash_and_restart(&mut self) {
        match self {
            Self::Tgt(tgt) => {
                tgt.end();
                assert!(tgt.run());
            }
            Self::Lio(_) => Lio::forget(),
        }
    }

    /// Serves a file by hand under this name.
    pub(super) fn serve(&self, iqn: &str, path: &Path) {
        match self {
            Self::Tgt(tgt) => {
                tgt.tell(&["--mode", "target", "--op", "new", "--tid", "50", "--targetname", iqn]);
                let unit = ["--mode", "logicalunit", "--op", "new", "--tid", "50", "--lun", "1", "--backing-store"];
                tgt.tell(&[&unit[..], &[path.to_str().unwrap()]].concat());
            }
            Self::Lio(_) => Lio::tell(&format!(
                "group = rtslib_fb.TPG(rtslib_fb.Target(rtslib_fb.FabricModule('iscsi'), '{iqn}'), 1)\n\
                 rtslib_fb.LUN(group, 1, rtslib_fb.FileIOStorageObject('by-hand', '{}', 1 << 20))",
                path.display()
            )),
        }
    }

    /// The names of its targets.
    pub(super) fn targets(&self) -> Vec<String> {
        let names = match self {
            Self::Tgt(tgt) => tgt.targets(),
            Self::Lio(_) => Lio::folders("iscsi", "iqn."),
        };
        names.into_iter().map(|name| name.trim_start_matches("iqn.2010-10.org.openstack:").to_owned()).collect()
    }

    /// How much there is beside the targets that each of them needs one of: users of tgtd, devices of LIO.
    pub(super) fn accounts(&self) -> usize {
        match self {
            Self::Tgt(tgt) => tgt.accounts(),
            Self::Lio(_) => {
                let adapters = Lio::folders("core", "").into_iter().filter(|name| name.contains('_'));
                adapters.map(|adapter| Lio::folders(&format!("core/{adapter}"), "").len()).sum()
            }
        }
    }
}

/// The daemon tgtd.
pub(super) struct Tgt {
    child: Option<Child>,
    control: u16,
    port: u16,
}

impl Tgt {
    fn start() -> Option<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Tests run side by side, also as several processes.
        let own = u16::try_from(std::process::id() * 16 % 30_000).unwrap();
        let control = 1_000 + own + NEXT.fetch_add(1, Ordering::Relaxed) % 16;
        let mut daemon = Self { child: None, control, port: free_port() };
        if !rustix::process::geteuid().is_root() || hearth::service::exec::find("tgtd").is_none() {
            eprintln!("left out: tgtd is not installed, or needs another user");
            return None;
        }
        assert!(daemon.run(), "tgtd does not start");
        Some(daemon)
    }

    fn tell(&self, arguments: &[&str]) -> String {
        let control = self.control.to_string();
        let output = Command::new("tgtadm").args(["-C", &control, "--lld", "iscsi"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn targets(&self) -> Vec<String> {
        let shown = self.tell(&["--mode", "target", "--op", "show"]);
        let names = shown.lines().filter_map(|line| line.strip_prefix("Target ")?.split_once(": "));
        names.map(|(_, name)| name.to_owned()).collect()
    }

    fn accounts(&self) -> usize {
        self.tell(&["--mode", "account", "--op", "show"]).lines().filter(|line| line.starts_with(' ')).count()
    }

    fn run(&mut self) -> bool {
        let portal = format!("portal=127.0.0.1:{}", self.port);
        let control = self.control.to_string();
        let mut command = Command::new("tgtd");
        command.args(["-D", "-C", &control, "--iscsi", &portal]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else { return false };
        self.child = Some(child);
        let asked = || Command::new("tgtadm").args(["-C", &control, "--mode", "system", "--op", "show"]).output();
        let since = Instant::now();
        while !asked().is_ok_and(|output| output.status.success()) {
            let gone = self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            if gone || since.elapsed() > Duration::from_secs(20) {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        true
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for end in ["", ".lock"] {
            let _ = fs::remove_file(format!("/run/tgtd/socket.{}{end}", self.control));
        }
    }
}

impl Drop for Tgt {
    fn drop(&mut self) {
        self.end();
    }
}

/// LIO in the kernel of a machine that nobody else uses.
pub(super) struct Lio {
    port: u16,
}

impl Lio {
    /// Whether exports are to be made by LIO: its kernel is there for these tests alone.
    pub(super) fn is_meant() -> bool {
        std::env::var_os("HEARTH_TEST_LIO").is_some()
    }

    fn start() -> Self {
        Self::forget();
        Self { port: free_port() }
    }

    /// Takes every target and device away.
    fn forget() {
        Self::tell("rtslib_fb.RTSRoot().clear_existing(confirm=True)");
    }

    /// What is done by hand: by the library of LIO's own program.
    fn tell(lines: &str) {
        let mut python = Command::new("/usr/bin/python3");
        let output = python.args(["-c", &format!("import rtslib_fb\n{lines}")]).output().unwrap();
        assert!(output.status.success(), "{lines}: {output:?}");
    }

    /// The folders below one of LIO whose names begin so.
    fn folders(place: &str, start: &str) -> Vec<String> {
        let found = fs::read_dir(Path::new("/sys/kernel/config/target").join(place)).into_iter().flatten().flatten();
        let folders = found.filter(|entry| entry.path().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name.starts_with(start)).collect()
    }
}

impl Drop for Lio {
    fn drop(&mut self) {
        Self::forget();
    }
}

/// A port that nobody listens at.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The processes of qemu-nbd that serve what lies in a folder: their numbers.
pub(super) fn nbd_servers(folder: &Path) -> Vec<i32> {
    let folder = folder.to_str().unwrap();
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let serves = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.starts_with("qemu-nbd\0") && line.contains(folder)
    };
    pids.filter(serves).collect()
}

/// Kills what [`nbd_servers`] finds, and waits for its end: a service that starts meanwhile would take it for alive.
pub(super) fn kill_nbd_servers(folder: &Path) {
    for pid in nbd_servers(folder) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let Ok(watched) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { continue };
        let _ = rustix::process::pidfd_send_signal(&watched, rustix::process::Signal::KILL);
        let mut ended = [rustix::event::PollFd::new(&watched, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut ended, None).unwrap();
    }
}

/// The URL under which QEMU opens what a host was told.
pub(super) fn url(told: &Json) -> String {
    let text = |key: &str| told[key].as_str().unwrap();
    match text("driver_volume_type") {
        "nbd" => text("uri").to_owned(),
        _ => format!(
            "iscsi://{}%{}@{}/{}/{}",
            text("auth_username"),
            text("auth_password"),
            text("target_portal"),
            text("target_iqn"),
            told["target_lun"]
        ),
    }
}

/// Lets QEMU's initiator carry out commands on a URL; what it printed, or that it failed.
pub(super) fn initiate(url: &str, commands: &[&str]) -> Result<String, String> {
    let mut program = Command::new("qemu-io");
    program.args(["-f", "raw"]);
    for command in commands {
        program.args(["-c", command]);
    }
    let output = program.arg(url).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    // It ends well also where a pattern is not what is there.
    if output.status.success() && complaint.is_empty() && !printed.contains("failed") {
        Ok(printed)
    } else {
        Err(printed + &complaint)
    }
}
