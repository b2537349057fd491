//! What a service manager is told (sd_notify(3)): a datagram to the socket that `NOTIFY_SOCKET` names, if there is one.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The process answers requests, and is the main one of its service from now on.
pub fn ready() {
    tell(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// The process finishes what it has and ends.
pub fn stopping() {
    tell("STOPPING=1");
}

/// One line for the service's status.
pub fn status(text: &str) {
    tell(&format!("STATUS={}", text.replace('\n', " ")));
}

/// Tells the service manager; without one, does nothing. A failure is logged and no more.
fn tell(text: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return };
    let sent = address(path.as_bytes()).and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.send_to_addr(text.as_bytes(), &address)
    });
    if let Err(error) = sent {
        log::warn!("the service manager could not be told {}: {error}", text.lines().next().unwrap_or_default());
    }
}

/// A path, or a name in the abstract namespace after `@`.
fn address(path: &[u8]) -> io::Result<SocketAddr> {
    match path.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::{SocketAddrExt, address};

    #[test]
    fn both_forms_of_address_are_read() {
        let path = address(b"/run/systemd/notify").expect("a path");
        assert_eq!(path.as_pathname(), Some(std::path::Path::new("/run/systemd/notify")));
        let name = address(b"@/org/notify").expect("a name");
        assert_eq!(SocketAddrExt::as_abstract_name(&name), Some(&b"/org/notify"[..]));
    }
}
