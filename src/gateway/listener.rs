//! Where connections come from: the socket on fd 0, sockets that systemd or an earlier process passed on, or sockets of
//! our own. Accepting is `poll.rs`'s.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::AddressFamily;

/// The variable by which a process passes its listening sockets on: `3=fastcgi,4=http=/run/socket`.
pub(super) const PASSED_ON: &str = "HEARTH_LISTEN";
/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 1_024;

/// What is spoken on a listener's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// FastCGI 1.0.
    FastCgi,
    /// HTTP/1.1.
    Http,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::FastCgi => "fastcgi",
            Self::Http => "http",
        }
    }
}

/// A listening socket.
#[derive(Debug, Clone)]
pub struct Listener {
    socket: Arc<OwnedFd>,
    protocol: Protocol,
    /// The file of a unix socket that this process, or the one before it, made.
    path: Option<PathBuf>,
    /// Whether nobody else gives this socket to a new process.
    own: bool,
}

impl Listener {
    /// The listening socket on fd 0, as mod_fcgid, spawn-fcgi and the FastCGI specification (section 2.2) give it. fd 0
    /// becomes `/dev/null`, so that the socket can be closed.
    ///
    /// # Errors
    /// Where fd 0 is no listening socket.
    pub fn from_stdin() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        if !is_listening(stdin) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "fd 0 is no listening socket"));
        }
        let socket = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Self::new(socket, Protocol::FastCgi)
    }

    /// A unix socket at `path` with the given permissions. A socket file that nobody listens on is replaced.
    ///
    /// # Errors
    /// Where the path is in use or can not be made.
    pub fn unix(path: impl AsRef<Path>, mode: u32, protocol: Protocol) -> io::Result<Self> {
        let path = path.as_ref();
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
        if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
            std::fs::remove_file(path)?;
        }
        let socket = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        rustix::net::listen(&socket, BACKLOG)?;
        let listener = Self::new(socket.into(), protocol)?;
        Ok(Self { path: Some(path.to_owned()), own: true, ..listener })
    }

    /// A TCP socket at the first address that `address` names and that is free: `127.0.0.1:8776`, `[::1]:0`.
    ///
    /// # Errors
    /// Where none is free.
    pub fn tcp(address: impl ToSocketAddrs, protocol: Protocol) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { own: true, ..Self::new(socket.into(), protocol)? })
    }

    /// The listening sockets that systemd (`LISTEN_FDS`, sd_listen_fds(3)) or an earlier process of ours passed on; none
    /// where none were. `protocol` is that of systemd's, unless a socket's name (`LISTEN_FDNAMES`) is `http` or `fastcgi`.
    ///
    /// To be called once, early, before anything else opens descriptors.
    ///
    /// # Errors
    /// Where a descriptor that was announced is no listening socket.
    pub fn inherited(protocol: Protocol) -> io::Result<Vec<Self>> {
        if let Ok(passed) = std::env::var(PASSED_ON) {
            return passed.split(',').filter(|part| !part.is_empty()).map(Self::passed_on).collect();
        }
        let count = systemd_descriptors();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        (0..count)
            .map(|number| {
                let protocol = match names.next() {
                    Some("http") => Protocol::Http,
                    Some("fastcgi") => Protocol::FastCgi,
                    _ => protocol,
                };
                Self::new(crate::sys::started::inherited_descriptor(3 + number)?, protocol)
            })
            .collect()
    }

    /// All listening sockets that this process was started with: inherited ones, else the one on fd 0; none where it was
    /// started without. `protocol` as for [`Listener::inherited`].
    ///
    /// # Errors
    /// As [`Listener::inherited`].
    pub fn given(protocol: Protocol) -> io::Result<Vec<Self>> {
        let inherited = Self::inherited(protocol)?;
        if inherited.is_empty() && is_listening(rustix::stdio::stdin()) {
            return Ok(vec![Self::from_stdin()?.speaking(protocol)]);
        }
        Ok(inherited)
    }

    /// One socket as [`PASSED_ON`] names it.
    fn passed_on(text: &str) -> io::Result<Self> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidInput, format!("{PASSED_ON} is malformed"));
        let mut parts = text.splitn(3, '=');
        let number: RawFd = parts.next().and_then(|number| number.parse().ok()).ok_or_else(malformed)?;
        let (protocol, own) = match parts.next() {
            Some("fastcgi") => (Protocol::FastCgi, false),
            Some("http") => (Protocol::Http, false),
            Some("own-fastcgi") => (Protocol::FastCgi, true),
            Some("own-http") => (Protocol::Http, true),
            _ => return Err(malformed()),
        };
        let listener = Self::new(crate::sys::started::inherited_descriptor(number)?, protocol)?;
        Ok(Self { path: parts.next().map(PathBuf::from), own, ..listener })
    }

    fn new(socket: OwnedFd, protocol: Protocol) -> io::Result<Self> {
        if !is_listening(socket.as_fd()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is no listening socket"));
        }
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket: Arc::new(socket), protocol, path: None, own: false })
    }

    /// The same socket with another protocol.
    #[must_use]
    pub fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// What is spoken on it.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The address of a TCP socket.
    pub fn address(&self) -> Option<SocketAddr> {
        rustix::net::getsockname(&*self.socket).ok().and_then(|address| SocketAddr::try_from(address).ok())
    }

    /// Whether its connections come over TCP.
    pub fn is_tcp(&self) -> bool {
        let domain = rustix::net::sockopt::socket_domain(&*self.socket);
        matches!(domain, Ok(AddressFamily::INET | AddressFamily::INET6))
    }

    /// Whether this process, and no supervisor, gives the socket to a new process.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// How [`PASSED_ON`] names this socket when it has the given descriptor.
    pub(super) fn pass_on(&self, descriptor: RawFd) -> String {
        let own = if self.own { "own-" } else { "" };
        let path = self.path.as_ref().map_or_else(String::new, |path| format!("={}", path.display()));
        format!("{descriptor}={own}{}{path}", self.protocol.name())
    }

    /// Removes the file of a unix socket that this process made, once nobody will listen on it.
    pub(super) fn remove_file(&self) {
        if let Some(path) = self.path.as_ref().filter(|_| self.own) {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address(), &self.path) {
            (Some(address), _) => write!(f, "{} on {address}", self.protocol.name()),
            (None, Some(path)) => write!(f, "{} on {}", self.protocol.name(), path.display()),
            (None, None) => write!(f, "{} on an inherited socket", self.protocol.name()),
        }
    }
}

/// Whether a descriptor is a socket on which connections can be accepted.
pub(super) fn is_listening(descriptor: impl AsFd) -> bool {
    rustix::net::sockopt::socket_acceptconn(descriptor).unwrap_or(false)
}

/// Number of descriptors that systemd passed to this process.
pub(super) fn systemd_descriptors() -> RawFd {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let ours = number("LISTEN_PID") == Some(std::process::id());
    number("LISTEN_FDS").filter(|_| ours).and_then(|count| RawFd::try_from(count).ok()).unwrap_or(0).min(64)
}
