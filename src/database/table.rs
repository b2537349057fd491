//! Tables as plain rows: columns, keys, indexes and references in portable types, and the statements that make them on
//! each engine. What the tables mean is not known here.

use std::fmt::Write as _;

use super::engine::Engine;

/// The type of a column, with the names of SQLAlchemy's types in mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text of at most so many characters (which SQLite does not check).
    Text(u16),
    /// Text of at most 65,535 bytes.
    LongText,
    /// Text of any length that a statement can carry.
    AnyText,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    BigInt,
    /// A floating-point number of 64 bits.
    Real,
    /// A truth value.
    Boolean,
    /// An instant; MariaDB and MySQL keep whole seconds.
    Time,
    /// An instant to the microsecond.
    TimeMicros,
    /// Text of at most so many characters that is equal only to the very same text: also in other cases, and with
    /// blanks at its end, which MariaDB and MySQL else read over.
    Name(u16),
    /// Bytes of any length that a statement can carry.
    Bytes,
    /// Sixteen bytes.
    Digest,
    /// A key that counts by itself, of 32 bits. On SQLite the highest number may be given again after its deletion.
    Serial,
    /// A key that counts by itself, of 64 bits, and is never given twice.
    Counter,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, unquoted.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether only the servers refuse NULL here: SQLite has no statement that makes a column refuse it later.
    pub nullable_in_files: bool,
    /// The number (0 or 1 for truth values) that it gets where an `INSERT` does not name it.
    pub default: Option<i64>,
}

impl Column {
    const fn new(name: &'static str, kind: Type) -> Self {
        Self { name, kind, nullable: true, nullable_in_files: false, default: None }
    }

    /// The same column, never NULL.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The same column, never NULL on the servers.
    #[must_use]
    pub const fn required_on_servers(mut self) -> Self {
        self.nullable = false;
        self.nullable_in_files = true;
        self
    }

    /// The same column with a default.
    #[must_use]
    pub const fn or(mut self, default: i64) -> Self {
        self.default = Some(default);
        self
    }
}

/// A column of [`Type::Text`] that may be NULL, as all of the following until [`Column::required`] is said.
pub const fn text(name: &'static str, length: u16) -> Column {
    Column::new(name, Type::Text(length))
}

/// A column of [`Type::LongText`].
pub const fn long_text(name: &'static str) -> Column {
    Column::new(name, Type::LongText)
}

/// A column of [`Type::AnyText`].
pub const fn any_text(name: &'static str) -> Column {
    Column::new(name, Type::AnyText)
}

/// A column of [`Type::Int`].
pub const fn int(name: &'static str) -> Column {
    Column::new(name, Type::Int)
}

/// A column of [`Type::BigInt`].
pub const fn big_int(name: &'static str) -> Column {
    Column::new(name, Type::BigInt)
}

/// A column of [`Type::Real`].
pub const fn real(name: &'static str) -> Column {
    Column::new(name, Type::Real)
}

/// A column of [`Type::Boolean`].
pub const fn boolean(name: &'static str) -> Column {
    Column::new(name, Type::Boolean)
}

/// A column of [`Type::Time`].
pub const fn time(name: &'static str) -> Column {
    Column::new(name, Type::Time)
}

/// A column of [`Type::TimeMicros`].
pub const fn time_micros(name: &'static str) -> Column {
    Column::new(name, Type::TimeMicros)
}

/// A column of [`Type::Bytes`].
pub const fn bytes(name: &'static str) -> Column {
    Column::new(name, Type::Bytes)
}

/// A column of [`Type::Name`].
pub const fn name(name: &'static str, length: u16) -> Column {
    Column::new(name, Type::Name(length))
}

/// A column of [`Type::Digest`].
pub const fn digest(name: &'static str) -> Column {
    Column::new(name, Type::Digest)
}

/// A column of [`Type::Serial`], never NULL. It must be the table's key.
pub const fn serial(name: &'static str) -> Column {
    Column::new(name, Type::Serial).required()
}

/// A column of [`Type::Counter`], never NULL. It must be the table's key.
pub const fn counter(name: &'static str) -> Column {
    Column::new(name, Type::Counter).required()
}

/// A reference to a column of another table.
#[derive(Clone, Copy, Debug)]
pub struct ForeignKey {
    /// Its name; the engine makes one where it has none.
    pub name: Option<&'static str>,
    /// The column that refers.
    pub column: &'static str,
    /// The table that it refers to.
    pub table: &'static str,
    /// The column there.
    pub references: &'static str,
}

/// A reference that the engine names.
pub const fn foreign(column: &'static str, table: &'static str, references: &'static str) -> ForeignKey {
    ForeignKey { name: None, column, table, references }
}

/// A reference with a name.
pub const fn foreign_named(
    name: &'static str,
    column: &'static str,
    table: &'static str,
    references: &'static str,
) -> ForeignKey {
    ForeignKey { name: Some(name), column, table, references }
}

/// An index.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// Whether no two rows may be alike in it.
    pub unique: bool,
    /// Its columns, in order.
    pub columns: &'static [&'static str],
}

/// An index that leaves duplicates alone.
pub const fn index(name: &'static str, columns: &'static [&'static str]) -> Index {
    Index { name, unique: false, columns }
}

/// An index that refuses duplicates.
pub const fn unique_index(name: &'static str, columns: &'static [&'static str]) -> Index {
    Index { name, unique: true, columns }
}

/// The characters that a table's text may hold, where the engine makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// All of Unicode.
    Full,
    /// What Cinder's tables have: on MariaDB and MySQL nothing above U+FFFF.
    Basic,
    /// Whatever the database has.
    Database,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns of its primary key, separated by commas.
    pub key: &'static str,
    /// The name of the primary key, where it has one of its own.
    pub key_name: Option<&'static str>,
    /// Its columns, in runs that tables may share.
    pub runs: &'static [&'static [Column]],
    /// Keys besides the primary one.
    pub unique: &'static [&'static [&'static str]],
    /// References to other tables.
    pub foreign: &'static [ForeignKey],
    /// Indexes.
    pub indexes: &'static [Index],
    /// The characters of its text.
    pub charset: Charset,
    /// Whether its rows lie in the order of the primary key, as MariaDB and MySQL lay them always and PostgreSQL never.
    pub clustered: bool,
}

impl Table {
    /// A table of our own with these columns.
    pub const fn new(name: &'static str, key: &'static str, runs: &'static [&'static [Column]]) -> Self {
        let (unique, foreign, indexes): (&[_], &[_], &[_]) = (&[], &[], &[]);
        Self { name, key, key_name: None, runs, unique, foreign, indexes, charset: Charset::Full, clustered: false }
    }

    /// The same table with keys besides the primary one.
    #[must_use]
    pub const fn unique(mut self, unique: &'static [&'static [&'static str]]) -> Self {
        self.unique = unique;
        self
    }

    /// The same table with references.
    #[must_use]
    pub const fn refers(mut self, foreign: &'static [ForeignKey]) -> Self {
        self.foreign = foreign;
        self
    }

    /// The same table with indexes.
    #[must_use]
    pub const fn indexes(mut self, indexes: &'static [Index]) -> Self {
        self.indexes = indexes;
        self
    }

    /// The same table with a name for its primary key.
    #[must_use]
    pub const fn key_named(mut self, name: &'static str) -> Self {
        self.key_name = Some(name);
        self
    }

    /// The same table with its rows in the order of the primary key, where the engine leaves the choice.
    #[must_use]
    pub const fn clustered(mut self) -> Self {
        self.clustered = true;
        self
    }

    /// The same table with other characters in its text.
    #[must_use]
    pub const fn charset(mut self, charset: Charset) -> Self {
        self.charset = charset;
        self
    }

    /// All columns in order.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns().find(|column| column.name == name)
    }

    /// The statements that make this table and its indexes. Each may be run again without harm.
    pub fn create(&self, engine: Engine) -> Vec<String> {
        let mut parts: Vec<String> = self.columns().map(|column| definition(column, engine)).collect();
        // SQLite's key that is never given twice is declared at its column.
        let declared = engine == Engine::Sqlite && self.columns().any(|column| column.kind == Type::Counter);
        if !declared {
            let name = self.key_name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
            let columns: Vec<&str> = self.key.split(',').map(str::trim).collect();
            parts.push(format!("{name}PRIMARY KEY ({})", list(&columns)));
        }
        parts.extend(self.unique.iter().map(|columns| format!("UNIQUE ({})", list(columns))));
        parts.extend(self.foreign.iter().map(|foreign| {
            let name = foreign.name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
            let ForeignKey { column, table, references, .. } = foreign;
            format!("{name}FOREIGN KEY (\"{column}\") REFERENCES \"{table}\" (\"{references}\")")
        }));
        let head = format!("CREATE TABLE IF NOT EXISTS \"{}\"", self.name);
        match engine {
            Engine::Sqlite | Engine::Postgres => {
                let rowid = if self.clustered && engine == Engine::Sqlite { " WITHOUT ROWID" } else { "" };
                let table = format!("{head} ({}){rowid}", parts.join(", "));
                std::iter::once(table).chain(self.indexes.iter().map(|index| index.create(self.name, engine))).collect()
            }
            Engine::Mysql => {
                parts.extend(self.indexes.iter().map(|index| {
                    let unique = if index.unique { "UNIQUE " } else { "" };
                    format!("{unique}KEY {} ({})", index.name, list(index.columns))
                }));
                let charset = match self.charset {
                    Charset::Full => " CHARSET=utf8mb4",
                    Charset::Basic => " CHARSET=utf8mb3",
                    Charset::Database => "",
                };
                vec![format!("{head} ({}) ENGINE=InnoDB{charset}", parts.join(", "))]
            }
        }
    }
}

impl Index {
    /// The statement that makes this index on a table. On SQLite and PostgreSQL it may be run again without harm; on
    /// MariaDB and MySQL, whose dialects differ here, whoever runs it looks first.
    pub fn create(&self, table: &str, engine: Engine) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let unless = match engine {
            Engine::Sqlite | Engine::Postgres => "IF NOT EXISTS ",
            Engine::Mysql => "",
        };
        format!("CREATE {unique}INDEX {unless}{} ON \"{table}\" ({})", self.name, list(self.columns))
    }
}

fn list(columns: &[&str]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

fn definition(column: &Column, engine: Engine) -> String {
    let mut out = format!("\"{}\" {}", column.name, type_name(column.kind, engine));
    if let Some(default) = column.default {
        match (column.kind, engine) {
            (Type::Boolean, Engine::Postgres) => {
                out.push_str(if default == 0 { " DEFAULT false" } else { " DEFAULT true" })
            }
            // Writing to a String can not fail.
            _ => drop(write!(out, " DEFAULT {default}")),
        }
    }
    if !(column.nullable || column.nullable_in_files && engine == Engine::Sqlite) {
        out.push_str(" NOT NULL");
    }
    match (column.kind, engine) {
        (Type::Counter, Engine::Sqlite) => out.push_str(" PRIMARY KEY AUTOINCREMENT"),
        (Type::Serial | Type::Counter, Engine::Mysql) => out.push_str(" AUTO_INCREMENT"),
        _ => {}
    }
    out
}

fn type_name(kind: Type, engine: Engine) -> String {
    let name = match (kind, engine) {
        (Type::Text(length), _) | (Type::Name(length), Engine::Sqlite | Engine::Postgres) => {
            return format!("VARCHAR({length})");
        }
        // A character has up to four bytes.
        (Type::Name(length), Engine::Mysql) => return format!("VARBINARY({})", u32::from(length) * 4),
        (Type::LongText, _) | (Type::AnyText, Engine::Sqlite | Engine::Postgres) => "TEXT",
        (Type::AnyText, Engine::Mysql) => "LONGTEXT",
        (Type::Int, _) | (Type::Serial, Engine::Sqlite | Engine::Mysql) | (Type::Counter, Engine::Sqlite) => "INTEGER",
        (Type::BigInt, _) | (Type::Counter, Engine::Mysql) => "BIGINT",
        (Type::Serial, Engine::Postgres) => "SERIAL",
        (Type::Counter, Engine::Postgres) => "BIGSERIAL",
        (Type::Real, Engine::Sqlite) => "REAL",
        (Type::Real, Engine::Mysql | Engine::Postgres) => "DOUBLE PRECISION",
        (Type::Boolean, _) => "BOOLEAN",
        (Type::Time | Type::TimeMicros, Engine::Sqlite) | (Type::Time, Engine::Mysql) => "DATETIME",
        (Type::TimeMicros, Engine::Mysql) => "DATETIME(6)",
        (Type::Time | Type::TimeMicros, Engine::Postgres) => "TIMESTAMP WITHOUT TIME ZONE",
        (Type::Bytes | Type::Digest, Engine::Sqlite) => "BLOB",
        (Type::Digest, Engine::Mysql) => "BINARY(16)",
        (Type::Bytes, Engine::Mysql) => "LONGBLOB",
        (Type::Bytes | Type::Digest, Engine::Postgres) => "BYTEA",
    };
    name.to_owned()
}
