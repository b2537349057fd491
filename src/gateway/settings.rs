//! The limits and times of the gateway, and who may read its status. Plain values: the configuration fills them in.

use std::net::IpAddr;
use std::time::Duration;

/// What an operator may set. [`Settings::default`] fits both APIs behind a web server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Threads that run handlers. Fixed when the server is made; everything else may change while it runs.
    pub workers: usize,
    /// Requests that may wait while all workers are busy; a further one is answered with 503.
    pub queue: usize,
    /// Open connections; further ones wait in the kernel until one is closed.
    pub connections: usize,
    /// Requests in progress on one FastCGI connection; a further one is answered with 503.
    pub requests_per_connection: usize,
    /// Bytes of a request's body that are gathered before its handler starts; a longer body arrives while it runs.
    pub body_limit_in_memory: usize,
    /// Bytes of all variables' names and values of one request; more are answered with 431.
    pub params_limit: usize,
    /// Number of variables of one request; more are answered with 431.
    pub params_count_limit: usize,
    /// Age at which a request is reported, marked as slow and, if nothing was sent yet, answered with 504.
    pub request_timeout: Option<Duration>,
    /// Time without a byte after which a half-arrived request is given up.
    pub receive_timeout: Duration,
    /// Time without a byte taken after which an answer is given up.
    pub send_timeout: Duration,
    /// Time after which an idle HTTP connection is closed. Idle FastCGI connections are the web server's to close.
    pub idle_timeout: Option<Duration>,
    /// How long a server that was told to stop leaves idle FastCGI connections to the web server, which may be sending on
    /// one of them right now. Longer than the web server's own time for idle connections, no request is lost.
    pub drain_timeout: Duration,
    /// Requests after which the process asks to be replaced.
    pub max_requests: Option<u64>,
    /// Seconds that an overloaded process asks clients to wait, in Retry-After.
    pub retry_after_s: u32,
    /// Bytes of answers that slow clients have not taken yet, of all connections; beyond it workers wait for clients.
    pub unsent_limit: usize,
    /// Path of the status document (`?json` and `?prometheus` for the other forms); none without a path.
    pub status_path: Option<String>,
    /// Path that answers `pong` without touching a worker; none without a path.
    pub ping_path: Option<String>,
    /// Clients that may read the two paths above.
    pub allowed: Vec<Network>,
    /// Addresses from which web servers may connect over TCP (`FCGI_WEB_SERVER_ADDRS`); all where `None`.
    pub web_server_addrs: Option<Vec<IpAddr>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 8,
            queue: 256,
            connections: 10_000,
            requests_per_connection: 64,
            // A batch of 1,000 samples has 400 kB: its handler need not wait for it.
            body_limit_in_memory: 512 * 1024,
            params_limit: 128 * 1024,
            params_count_limit: 1_000,
            request_timeout: Some(Duration::from_secs(60)),
            receive_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            idle_timeout: Some(Duration::from_secs(75)),
            drain_timeout: Duration::from_secs(30),
            max_requests: None,
            retry_after_s: 1,
            unsent_limit: 64 * 1024 * 1024,
            status_path: None,
            ping_path: None,
            allowed: vec![
                Network { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), prefix: 8 },
                Network { address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), prefix: 128 },
            ],
            web_server_addrs: None,
        }
    }
}

/// A network of client addresses: an address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address of the network.
    pub address: IpAddr,
    /// Bits that count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub prefix: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a single address; `None` where the text is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(widest), |bits| bits.parse().ok().filter(|bits| *bits <= widest))?;
        Some(Self { address, prefix })
    }

    /// Whether the network holds an address. IPv4 addresses written as IPv6 (`::ffff:a.b.c.d`) count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = u32::from(ours) ^ u32::from(theirs);
                differing.checked_shr(32_u32.saturating_sub(u32::from(self.prefix))).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differing = u128::from(ours) ^ u128::from(theirs);
                differing.checked_shr(128_u32.saturating_sub(u32::from(self.prefix))).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn a_network_holds_the_addresses_of_its_prefix() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "11.0.0.0"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
        ] {
            let parsed = Network::parse(network).expect(network);
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        let all = Network::parse("0.0.0.0/0").expect("all of IPv4");
        assert!(all.contains("203.0.113.9".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "localhost", "192.0.2.0/33", "::1/129", "192.0.2/24", "1.2.3.4/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
