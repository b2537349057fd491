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
/// Most connections of a process.
pub const MAX_POOL_SIZE: Opt = Opt::integer("database", "max_pool_size", "5")
    .range(1, 1000)
    .help("Most connections that a process keeps.")
    .deprecated(&[("DEFAULT", "sql_max_pool_size")]);
/// Connections above `max_pool_size` for a moment.
pub const MAX_OVERFLOW: Opt = Opt::integer("database", "max_overflow", "50")
    .range(0, 1000)
    .help("Connections that a process may open beyond max_pool_size while there is no other.");
/// Longest wait for a connection.
pub const POOL_TIMEOUT: Opt =
    Opt::seconds("database", "pool_timeout", "30").help("Longest wait for a free connection of the pool.");
/// Age at which a connection is replaced.
pub const CONNECTION_RECYCLE_TIME: Opt = Opt::seconds("database", "connection_recycle_time", "3600")
    .help("Age at which a connection is replaced by a new one.");
/// Tries to connect at the start.
pub const MAX_RETRIES: Opt = Opt::integer("database", "max_retries", "10")
    .at_least(-1)
    .help("How often a start tries to connect to the database; -1: without end.");
/// Time between two tries to connect.
pub const RETRY_INTERVAL: Opt =
    Opt::seconds("database", "retry_interval", "10").help("Time between two tries to connect at the start.");
/// Repetitions of a transaction.
pub const DB_MAX_RETRIES: Opt = Opt::integer("database", "db_max_retries", "20")
    .at_least(0)
    .help("How often a transaction is repeated after a deadlock, a busy database or a failed serialization.");
/// SQL mode of MySQL.
pub const MYSQL_SQL_MODE: Opt = Opt::text("database", "mysql_sql_mode", "TRADITIONAL")
    .help("SQL mode of connections to MySQL and MariaDB. Empty: the server's.");
/// Whether SQLite waits for the disk.
pub const SQLITE_SYNCHRONOUS: Opt = Opt::boolean("database", "sqlite_synchronous", "true")
    .help("Whether SQLite waits for the disk at the end of a transaction.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    CONNECTION,
    MAX_POOL_SIZE,
    MAX_OVERFLOW,
    POOL_TIMEOUT,
    CONNECTION_RECYCLE_TIME,
    MAX_RETRIES,
    RETRY_INTERVAL,
    DB_MAX_RETRIES,
    MYSQL_SQL_MODE,
    SQLITE_SYNCHRONOUS,
];
