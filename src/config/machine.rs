//! Defaults that the machine decides.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// The host name.
pub(super) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The address from which this host would reach others; loopback where it reaches none.
pub(super) fn address() -> String {
    // Connecting a datagram socket sends nothing: the kernel only picks a route, and with it an address. The address
    // asked for is one of those that documentation may use (RFC 5737).
    let routed = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        socket.local_addr().ok()
    };
    routed().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip()).to_string()
}
