//! What is asked and where: the URL of `hearth bench`, checked, and the bytes of one request (RFC 9112).
//! Not here: TLS, which belongs to the web server.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::{Error, Result};

/// One URL to ask again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host` or `host:port` as it stands in the URL, for the Host header.
    authority: String,
    host: String,
    port: u16,
    /// Path and query.
    path: String,
}

impl Target {
    /// Reads an `http://` URL.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where it is another scheme, names a user, or holds what may not stand in a request line.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid(format!("{url}: {why}"));
        let rest = url.strip_prefix("http://").ok_or_else(|| wrong("the URL has to begin with http://"))?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(
                "the URL holds a space, a control character or a letter beyond ASCII; percent-encode it",
            ));
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']').ok_or_else(|| wrong("a bracket is missing"))?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("")) })
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() || host.contains('@') {
            return Err(wrong("the URL has to name a host, and no user"));
        }
        let port = match port {
            None => 80,
            Some(digits) => digits.parse().map_err(|_| wrong("the port is no number up to 65535"))?,
        };
        Ok(Self { authority: authority.to_owned(), host: host.to_owned(), port, path })
    }

    /// The addresses of the host.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where the host has no address, or one that is not of this machine's loopback and
    /// `anywhere` is not set: load is for one's own server.
    pub(super) fn addresses(&self, anywhere: bool) -> Result<Vec<SocketAddr>> {
        let unknown = || Error::invalid(format!("{}: no such host", self.host));
        let addresses: Vec<SocketAddr> =
            (self.host.as_str(), self.port).to_socket_addrs().map_err(|error| unknown().because(error))?.collect();
        if addresses.is_empty() {
            return Err(unknown());
        }
        match addresses.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
            Some(other) if !anywhere => Err(Error::invalid(format!(
                "{} is {}, another machine: load it only where you may, with --anywhere",
                self.host,
                other.ip()
            ))),
            _ => Ok(addresses),
        }
    }

    /// The bytes of one request with the given header lines.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] where a header is not `Name: value` on one line.
    pub(super) fn request(&self, headers: &[String]) -> Result<Vec<u8>> {
        let mut text = format!("GET {} HTTP/1.1\r\n", self.path);
        let mut named_host = false;
        for header in headers {
            let (name, value) = header
                .split_once(':')
                .filter(|(name, _)| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()))
                .filter(|(_, value)| !value.contains(['\r', '\n', '\0']))
                .ok_or_else(|| Error::invalid(format!("{header:?} is no header of the form 'Name: value'")))?;
            named_host |= name.eq_ignore_ascii_case("host");
            text.push_str(&format!("{name}: {}\r\n", value.trim()));
        }
        if !named_host {
            text.push_str(&format!("Host: {}\r\n", self.authority));
        }
        text.push_str("\r\n");
        Ok(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_port_path_and_query() {
        let target = Target::parse("http://127.0.0.1:8776/volume/v3/?a=b#part").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("127.0.0.1", 8776, "/volume/v3/?a=b"));
        let target = Target::parse("http://[::1]:80?x").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("::1", 80, "/?x"));
        assert_eq!(Target::parse("http://localhost").unwrap().port, 80);
    }

    #[test]
    fn what_could_end_the_request_line_or_names_another_scheme_is_refused() {
        for url in [
            "https://127.0.0.1/",
            "http://",
            "http://a b/",
            "http://h/\r\nX: y",
            "http://u@h/",
            "http://h:99999/",
            "http://[::1/",
        ] {
            assert_eq!(Target::parse(url).unwrap_err().kind(), crate::Kind::Invalid, "{url}");
        }
    }

    #[test]
    fn other_machines_are_loaded_only_where_that_is_asked_for() {
        let other = Target::parse("http://192.0.2.1/").unwrap();
        assert!(other.addresses(false).unwrap_err().public().contains("--anywhere"));
        assert_eq!(other.addresses(true).unwrap().len(), 1);
        assert!(Target::parse("http://127.9.9.9/").unwrap().addresses(false).is_ok());
        assert!(Target::parse("http://[::ffff:127.0.0.1]/").unwrap().addresses(false).is_ok());
    }

    #[test]
    fn headers_are_sent_as_given_and_the_host_once() {
        let target = Target::parse("http://127.0.0.1:1/p").unwrap();
        let plain = target.request(&["X-Auth-Token:  me:demo".to_owned()]).unwrap();
        assert_eq!(plain, b"GET /p HTTP/1.1\r\nX-Auth-Token: me:demo\r\nHost: 127.0.0.1:1\r\n\r\n");
        let named = String::from_utf8(target.request(&["host: other".to_owned()]).unwrap()).unwrap();
        assert_eq!(named.to_ascii_lowercase().matches("host:").count(), 1);
        for header in ["no colon", ": empty", "A: b\r\nC: d", "two words: x"] {
            assert!(target.request(&[header.to_owned()]).is_err(), "{header}");
        }
    }
}
