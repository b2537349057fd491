//! The URL of a database in SQLAlchemy's forms, as `[database] connection` of `cinder.conf` has it.

use std::path::PathBuf;

use crate::{Error, Result};

/// Where a database is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Location {
    /// A file of SQLite.
    File(PathBuf),
    /// MariaDB or MySQL.
    Mysql(Server),
    /// PostgreSQL.
    Postgres(Server),
}

/// A server and how to enter it.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Server {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: String,
    /// The options after the question mark, such as `unix_socket`.
    pub(super) query: Vec<(String, String)>,
}

/// Never shows the password, wherever the value is printed.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        write!(f, "{}@{host}:{:?}/{}", self.user.as_deref().unwrap_or(""), self.port, self.database)
    }
}

impl Server {
    /// The last value of the option `name`.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `dialect[+driver]://[user[:password]@][host][:port]/database[?option=value&...]`. The driver's name is read over:
/// it names a Python module.
///
/// # Errors
/// `Invalid`, with a text that says what is wrong and holds no password.
pub(super) fn parse(url: &str) -> Result<Location> {
    let wrong = |why: &str| Error::invalid(format!("The database URL is not usable: {why}."));
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(|| wrong("it has no '://'"))?;
    let dialect = scheme.split('+').next().unwrap_or(scheme);
    match dialect {
        "sqlite" => {
            let path = rest.split('?').next().unwrap_or(rest);
            match path.strip_prefix('/') {
                Some("" | ":memory:") | None => Err(wrong("SQLite needs a file, as in sqlite:////var/lib/hearth.db")),
                Some(path) => Ok(Location::File(PathBuf::from(path))),
            }
        }
        "mysql" | "mariadb" => server(rest).map(Location::Mysql).map_err(wrong),
        "postgresql" | "postgres" => server(rest).map(Location::Postgres).map_err(wrong),
        _ => Err(wrong("it begins with none of sqlite, mysql, mariadb and postgresql")),
    }
}

fn server(rest: &str) -> Result<Server, &'static str> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').ok_or("the name of the database is missing")?;
    // A password may hold '@' unescaped; the host can not.
    let (credentials, place) = match authority.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, authority),
    };
    let (user, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, ""))) {
        Some((user, password)) => (filled(user), filled(password)),
        None => (None, None),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => Some(port.parse().map_err(|_| "the port is not a number below 65536")?),
        None => None,
    };
    if database.is_empty() {
        return Err("the name of the database is missing");
    }
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    });
    Ok(Server { user, password, host: filled(host), port, database: decoded(database), query: query.collect() })
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| decoded(text))
}

/// Percent-escapes undone; one that is no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digit = |at: usize| tail.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Location, Server, parse};

    #[test]
    fn reads_the_forms_of_cinder_conf() {
        let path = |url: &str| match parse(url) {
            Ok(Location::File(path)) => path.display().to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(path("sqlite:////var/lib/cinder/cinder.db"), "/var/lib/cinder/cinder.db");
        assert_eq!(path("sqlite:///cinder.db?timeout=5"), "cinder.db");
        let Ok(Location::Mysql(server)) = parse("mysql+pymysql://cinder:p%40ss@w:rd@[::1]:3307/cinder?charset=utf8")
        else {
            panic!("not read");
        };
        assert_eq!(server.user.as_deref(), Some("cinder"));
        assert_eq!(server.password.as_deref(), Some("p@ss@w:rd"));
        assert_eq!((server.host.as_deref(), server.port), (Some("::1"), Some(3307)));
        assert_eq!((server.database.as_str(), server.option("charset")), ("cinder", Some("utf8")));
        let Ok(Location::Mysql(server)) = parse("mysql://root@localhost/cinder?unix_socket=/run/a%20b.sock") else {
            panic!("not read");
        };
        assert_eq!(server.option("unix_socket"), Some("/run/a b.sock"));
        assert_eq!((server.password, server.port), (None, None));
        let Ok(Location::Postgres(server)) = parse("postgresql+psycopg2:///cinder?host=/run/pg") else {
            panic!("not read");
        };
        assert_eq!(
            server,
            Server { database: "cinder".into(), query: vec![("host".into(), "/run/pg".into())], ..Server::default() }
        );
    }

    #[test]
    fn refuses_what_it_can_not_reach_without_telling_the_password() {
        for url in ["oracle://u:secret@h/d", "mysql://u:secret@h", "mysql://u:secret@h:99999/d", "sqlite://", "cinder"]
        {
            let error = parse(url).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_location_is_printed_without_its_password() {
        let location = parse("mysql://u:secret@h/d").expect("a location");
        assert!(!format!("{location:?}").contains("secret"));
    }
}
