//! What runs or is mounted for a test, and ends with it: volume services in this process or the executable, file systems.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use hearth::block_storage::rpc::server::RunningRole;

use super::DEADLINE;

/// A volume service in this process; stopped when dropped.
pub(crate) struct Running(pub(super) Option<RunningRole>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(role) = self.0.take() {
            role.stop();
            role.wait();
        }
    }
}

/// The executable as a volume service.
pub(crate) struct Service {
    pub(super) child: Child,
    /// What it makes when it has started.
    pub(super) doorbell: PathBuf,
}

impl Service {
    /// Waits for its death at a fault.
    pub(crate) fn wait_for_death(mut self) {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.signal(), Some(9), "it ended otherwise than by the fault: {status}");
                return;
            }
            if since.elapsed() > DEADLINE {
                let _ = self.child.kill();
                panic!("the point of the fault was never reached");
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// As `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop when it has started, and waits for its end.
    pub(crate) fn stop(mut self) {
        let since = Instant::now();
        while !self.doorbell.exists() {
            assert!(since.elapsed() < DEADLINE, "it never started");
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// A file system that is mounted for a test; unmounted when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// A small file system in memory. `None` where this user may not mount.
    pub(crate) fn memory(at: &Path, mib: u32) -> Option<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
    }

    /// A file system that can share blocks between files, in a file. `None` where this user may not mount, or where
    /// there is no program that makes one.
    pub(crate) fn with_reflinks(at: &Path) -> Option<Self> {
        let image = at.with_extension("image");
        fs::File::create(&image).unwrap().set_len(400 << 20).unwrap();
        match Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1"]).arg(&image).output() {
            Ok(made) => assert!(made.status.success(), "{made:?}"),
            Err(_) => {
                eprintln!("left out: mkfs.xfs is not installed");
                return None;
            }
        }
        Self::new(at, &["-t", "xfs", "-o", "loop", image.to_str().unwrap()])
    }

    fn new(at: &Path, arguments: &[&str]) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(at).output().ok()?;
        if !mounted.status.success() {
            eprintln!("left out: this user may not mount file systems");
            return None;
        }
        Some(Self(at.to_owned()))
    }

    /// Mounts it again, `ro` or `rw`.
    pub(crate) fn again(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
