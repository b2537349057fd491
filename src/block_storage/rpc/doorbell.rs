//! The doorbell between processes of one host: a datagram to every volume service that listens in the folder
//! `<state_path>/doorbell`. It carries nothing and may be lost; the order itself is in the database.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::{Config, default};

/// Tells the volume services of this host that there are orders.
#[derive(Debug, Clone)]
pub struct Doorbell {
    folder: PathBuf,
}

/// The end of a volume service.
#[derive(Debug)]
pub struct Ears {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Doorbell {
    /// The doorbell of the processes that share `state_path`.
    pub fn new(config: &Config) -> Self {
        Self::at(Path::new(config.text(&default::STATE_PATH)))
    }

    /// The doorbell of the processes that share the folder `state_path`.
    pub fn at(state_path: &Path) -> Self {
        Self { folder: state_path.join("doorbell") }
    }

    /// Wakes the volume services of this host. To be called after the transaction; never fails and never waits.
    pub fn ring(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let Ok(socket) = UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        else {
            return;
        };
        for entry in entries.flatten() {
            match socket.send_to(&[0], entry.path()) {
                // Its process was killed and could not remove it.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => drop(fs::remove_file(entry.path())),
                // A full queue rings already; anything else costs a second of waiting.
                _ => {}
            }
        }
    }

    /// Listens until the value is dropped.
    ///
    /// # Errors
    /// Where the folder can not be made or written to; the caller then finds orders by looking now and then.
    pub fn listen(&self) -> io::Result<Ears> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(&self.folder)?;
        let name = format!("{}-{}.sock", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.join(name);
        // A process of the same number that was killed may have left one.
        drop(fs::remove_file(&path));
        let socket = UnixDatagram::bind(&path)?;
        // Responders may run as the web server's user. What arrives is never read, only that it arrives.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
        Ok(Ears { socket, path })
    }
}

impl Ears {
    /// Waits until somebody rings; several rings may be one.
    ///
    /// # Errors
    /// Where the socket fails.
    pub fn wait(&self) -> io::Result<()> {
        self.socket.recv(&mut [0; 8]).map(|_| ())
    }

    /// Ends the wait of another thread.
    pub fn ring_own(&self) {
        if let Ok(socket) = UnixDatagram::unbound() {
            let _ = socket.send_to(&[0], &self.path);
        }
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hearth-doorbell-{}-{name}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn every_listener_hears_a_ring_and_none_is_no_error() {
        let folder = folder("ring");
        let doorbell = Doorbell::at(&folder);
        doorbell.ring();
        let ears = [doorbell.listen().unwrap(), doorbell.listen().unwrap()];
        doorbell.ring();
        doorbell.ring();
        for ear in &ears {
            ear.wait().unwrap();
        }
        drop(ears);
        assert_eq!(fs::read_dir(folder.join("doorbell")).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_socket_of_a_killed_process_is_removed_by_the_next_ring() {
        let folder = folder("stale");
        let doorbell = Doorbell::at(&folder);
        let ears = doorbell.listen().unwrap();
        let left = folder.join("doorbell/1-0.sock");
        drop(UnixDatagram::bind(&left).unwrap());
        doorbell.ring();
        assert!(!left.exists());
        ears.wait().unwrap();
        drop(ears);
        fs::remove_dir_all(folder).unwrap();
    }
}
