//! `[database]`: where the database is and how connections to it are kept. Names of oslo.db.

use super::opt::Opt;

/// Where the database is.
pub const CONNECTION: Opt = Opt::text("database", "connection", "sqlite:///$state_path/hearth.sqlite")
    .secret()
    .help(
        "Where the database is: sqlite:////path/file, mysql+pymysql://user:password@host/name, \
         postgresql://user:password@host/name. The driver after the plus sign is read and ignored.",
    )
    .deprecated(&[("DEFAULT", "sql_connection"), ("sql", "connection")]);
/// Longest wait for a connection.
pub const POOL_TIMEOUT: Opt =
    Opt::seconds("database", "pool_timeout", "30").help("Longest wait for a free connection of the pool.");
/// Whether SQLite waits for the disk.
pub const SQLITE_SYNCHRONOUS: Opt = Opt::boolean("database", "sqlite_synchronous", "true")
    .help("Whether SQLite waits for the disk at the end of a transaction.");

/// Age at which a connection is replaced.
pub const CONNECTION_RECYCLE_TIME: Opt = Opt::seconds("database", "connection_recycle_time", "3600")
    .help("Age at which a connection is replaced by a new one.");
/// SQL mode of MySQL.
pub const MYSQL_SQL_MODE: Opt = Opt::text("database", "mysql_sql_mode", "TRADITIONAL")
    .help("SQL mode of connections to MySQL and MariaDB. Empty: the server's.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[CONNECTION, POOL_TIMEOUT, SQLITE_SYNCHRONOUS, CONNECTION_RECYCLE_TIME, MYSQL_SQL_MODE];
