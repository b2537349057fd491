//! The address of a message broker in oslo.messaging's form:
//! `rabbit://user:password@host:port,user:password@host:port/virtual_host?option=value&option=value`, with options of
//! `[oslo_messaging_rabbit]`.

use crate::config::{Config, Opt, notifications as options};
use crate::error::{Error, Result};

/// The section whose options an address may carry.
const SECTION: &str = "oslo_messaging_rabbit";
/// RabbitMQ's port, and its port for TLS is the same in oslo.messaging.
const PORT: u16 = 5672;
/// The user and the password that RabbitMQ begins with.
const GUEST: &str = "guest";

/// One server of a cluster.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
}

/// Where messages go.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Transport {
    /// At least one, in the order in which they are tried.
    pub(super) servers: Vec<Server>,
    pub(super) virtual_host: String,
    /// Options of `[oslo_messaging_rabbit]` that hold for this address, with their texts.
    options: Vec<(String, String)>,
    /// The names of those that have no effect here.
    pub(super) unknown: Vec<String>,
}

impl Transport {
    /// The address that the configuration gives to notifications, and the configuration as it holds for this address.
    ///
    /// # Errors
    /// As [`Transport::parse`]; `Invalid` for an option in it whose value is not allowed.
    pub(super) fn of(config: &Config) -> Result<(Self, Config)> {
        let own = config.opt_text(&options::TRANSPORT_URL).is_some_and(|text| !text.is_empty());
        let option = if own { &options::TRANSPORT_URL } else { &options::DEFAULT_TRANSPORT_URL };
        Self::at(config.text(option), option, config)
    }

    /// As [`Transport::of`], for an address that an option has.
    ///
    /// # Errors
    /// As [`Transport::of`].
    pub(super) fn at(url: &str, option: &Opt, config: &Config) -> Result<(Self, Config)> {
        let transport = Self::parse(url)?;
        let (config, unknown) = config.with_options(SECTION, &transport.options, option)?;
        Ok((Self { unknown, ..transport }, config))
    }

    /// Reads an address.
    ///
    /// # Errors
    /// `Invalid` with a text that does not show the address, since it holds a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let wrong = |what: &str| Error::invalid(format!("transport_url {what}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("has no ://"))?;
        if !matches!(scheme, "rabbit" | "kombu") {
            return Err(wrong(&format!("begins with {scheme}://, and only rabbit:// is spoken here")));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = decode(path).ok_or_else(|| wrong("has a percent sign that escapes nothing"))?;
        let mut servers = Vec::new();
        for text in hosts.split(',').filter(|text| !text.is_empty()) {
            servers.push(server(text).ok_or_else(|| wrong("has a server that can not be read"))?);
        }
        if servers.is_empty() {
            servers.extend(server("localhost"));
        }
        let mut options = Vec::new();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value =
                decode(&value.replace('+', " ")).ok_or_else(|| wrong("has a percent sign that escapes nothing"))?;
            options.push((name.to_owned(), value));
        }
        let virtual_host = if path.is_empty() { "/".to_owned() } else { path };
        Ok(Self { servers, virtual_host, options, unknown: Vec::new() })
    }
}

impl Server {
    /// How the server is called in the log: without user and password.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn server(text: &str) -> Option<Server> {
    let (user, place) = text.rsplit_once('@').map_or((None, text), |(user, place)| (Some(user), place));
    let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((user, password)) => (decode(user)?, decode(password)?),
        None => (GUEST.to_owned(), GUEST.to_owned()),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => PORT,
    };
    (!host.is_empty()).then(|| Server { host: host.to_owned(), port, user, password })
}

/// A text with its percent escapes undone; `None` where one is none.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> String {
        match Transport::parse(url) {
            Ok(transport) => {
                let show = |one: &Server| format!("{}:{}@{}", one.user, one.password, one.place());
                let servers: Vec<String> = transport.servers.iter().map(show).collect();
                let options: Vec<String> =
                    transport.options.iter().map(|(name, text)| format!(" {name}={text}")).collect();
                format!("{} {}{}", servers.join(" "), transport.virtual_host, options.concat())
            }
            Err(error) => error.public().to_owned(),
        }
    }

    #[test]
    fn addresses_are_read_as_oslo_reads_them() {
        for (url, found) in [
            ("rabbit://", "guest:guest@localhost:5672 /"),
            ("rabbit://u:p@h", "u:p@h:5672 /"),
            ("rabbit://u:p%40%2F@h:1/", "u:p@/@h:1 /"),
            ("rabbit://u:a:b@h:1,v:c@[::1]:2/cloud", "u:a:b@h:1 v:c@::1:2 cloud"),
            ("kombu://u:p@h//cloud?ssl=1", "u:p@h:5672 /cloud ssl=1"),
            ("rabbit://u:p@h/a%2Fb?ssl=1&ssl_ca_file=%2Fa+b", "u:p@h:5672 a/b ssl=1 ssl_ca_file=/a b"),
        ] {
            assert_eq!(read(url), found, "{url}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_told_without_the_password() {
        for url in ["u:secret@h", "amqp://u:secret@h", "rabbit://u:secret@h:port", "rabbit://u:secret%@h", "fake://"] {
            let told = read(url);
            assert!(told.starts_with("transport_url ") && !told.contains("secret"), "{url}: {told}");
        }
    }

    #[test]
    fn options_of_an_address_hold_for_it() {
        let lines = |query: &str| {
            format!(
                "[oslo_messaging_notifications]\ntransport_url = rabbit://u:p@h/?{query}\n[oslo_messaging_rabbit]\n\
                 ssl = false\nrabbit_quorum_queue = true\n"
            )
        };
        let of = |query: &str| Transport::of(&Config::from_text(&lines(query)).unwrap()).map(|(_, config)| config);
        let config = of("ssl=1&heartbeat_timeout_threshold=7&ssl_version=x&driver=log").unwrap();
        assert!(config.boolean(&options::SSL) && config.boolean(&options::QUORUM_QUEUE));
        assert_eq!(config.integer(&options::HEARTBEAT), 7);
        let refused = of("heartbeat_timeout_threshold=soon").err().map(|error| error.public().to_owned()).unwrap();
        let beginning = "[oslo_messaging_notifications] transport_url: heartbeat_timeout_threshold ";
        assert!(refused.starts_with(beginning), "{refused}");
    }
}
