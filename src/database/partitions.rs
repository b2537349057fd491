//! Tables that PostgreSQL keeps in partitions, by ranges of a column that holds whole numbers: how an ordinary table becomes
//! one, and the steps by which partitions come and go. What the numbers mean, and which ranges there are to be, is not known here.
//!
//! The *rest* is the default partition, for what no other one takes. So nothing that is written ever lacks a partition.
//!
//! Each step is for a transaction that [holds](Partitioned::hold) the table: a statement of a view that began before the step would
//! not find what has moved. [`Database::snapshot_of`](super::Database::snapshot_of) makes such views wait, and the steps for them.

use std::time::Duration;

use super::connection::{Connection, Transaction};
use super::engine::Engine;
use super::table::Table;
use crate::Result;

/// A table in partitions.
#[derive(Clone, Copy, Debug)]
pub struct Partitioned {
    /// The table as the other engines have it, without indexes that are no keys.
    pub table: &'static Table,
    /// The column of the ranges, which is part of the primary key.
    pub column: &'static str,
}

/// A partition that is not the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name, which is that of a table.
    pub name: String,
    /// The first number of its range; `i64::MIN`: it has no lower end.
    pub from: i64,
    /// The first number beyond its range; `i64::MAX`: it has no upper end.
    pub until: i64,
    /// Bytes of its rows and indexes.
    pub bytes: i64,
}

impl Partitioned {
    /// The name of the rest.
    pub fn rest(&self) -> String {
        format!("{}_default", self.table.name)
    }

    /// Makes an ordinary table the rest of a partitioned one of the same name, without touching its rows. Where it is one already,
    /// and on other engines, nothing is done.
    pub(super) fn divide(&self, connection: &mut Connection) -> Result<()> {
        let name = self.table.name;
        let ordinary = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                        WHERE c.relname = ? AND n.nspname = current_schema() AND c.relkind = 'r'";
        if connection.engine() != Engine::Postgres || connection.row(ordinary, &[name.into()], |_| Ok(()))?.is_none() {
            return Ok(());
        }
        let rest = self.rest();
        rename(connection, name, &rest)?;
        let (column, key) = (self.column, self.table.key);
        connection.batch(&format!(
            "CREATE TABLE \"{name}\" (LIKE \"{rest}\", PRIMARY KEY ({key})) PARTITION BY RANGE (\"{column}\")"
        ))?;
        connection.batch(&format!("ALTER TABLE \"{name}\" ATTACH PARTITION \"{rest}\" DEFAULT"))
    }

    /// The partitions but the rest, the lowest first.
    ///
    /// # Errors
    /// As all statements.
    pub fn list(&self, connection: &mut Connection) -> Result<Vec<Partition>> {
        let find = "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), pg_total_relation_size(c.oid) \
                    FROM pg_class p JOIN pg_namespace n ON n.oid = p.relnamespace JOIN pg_inherits i ON i.inhparent = p.oid \
                    JOIN pg_class c ON c.oid = i.inhrelid WHERE p.relname = ? AND n.nspname = current_schema()";
        let mut all = Vec::new();
        connection.query(find, &[self.table.name.into()], |row| {
            // What has just gone has neither bounds nor a size.
            let range = row.opt_string(1)?.as_deref().and_then(bounds);
            if let Some((from, until)) = range {
                all.push(Partition { name: row.string(0)?, from, until, bytes: row.opt_int(2)?.unwrap_or(0) });
            }
            Ok(())
        })?;
        all.sort_by_key(|partition| partition.from);
        Ok(all)
    }

    /// Says what holds for the transaction: the longest wait for a lock, and the longest that a statement may run; `None`: no end.
    ///
    /// # Errors
    /// As all statements.
    pub fn limit(&self, tx: &mut Transaction<'_>, lock: Duration, statement: Option<Duration>) -> Result<()> {
        let (lock, statement) = (lock.as_millis(), statement.unwrap_or_default().as_millis());
        tx.batch(&format!("SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}"))
    }

    /// Keeps everybody else from the table, partitions included, to the end of the transaction.
    ///
    /// # Errors
    /// `Transient` where others do not let go of it in time.
    pub fn hold(&self, tx: &mut Transaction<'_>) -> Result<()> {
        tx.batch(&format!("LOCK TABLE ONLY \"{}\" IN ACCESS EXCLUSIVE MODE", self.table.name))
    }

    /// Bytes of the rows of the rest: each step that adds a range reads all of them.
    ///
    /// # Errors
    /// As all statements.
    pub fn rest_bytes(&self, connection: &mut Connection) -> Result<i64> {
        let find = "SELECT pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE c.relname = ? AND n.nspname = current_schema()";
        Ok(connection.row(find, &[self.rest().into()], |row| row.opt_int(0))?.flatten().unwrap_or(0))
    }

    /// How many rows of the rest are inside a range, or outside; it counts no further than `most`.
    ///
    /// # Errors
    /// As all statements.
    pub fn count(
        &self,
        connection: &mut Connection,
        inside: bool,
        (from, until): (i64, i64),
        most: i64,
    ) -> Result<i64> {
        let (rest, condition) = (self.rest(), self.condition(inside));
        let count = format!("SELECT COUNT(*) FROM (SELECT 1 FROM \"{rest}\" WHERE {condition} LIMIT ?) AS found");
        Ok(connection.row(&count, &[from.into(), until.into(), most.into()], |row| row.int(0))?.unwrap_or(0))
    }

    /// Makes a partition of a range, and moves the rows there that the rest has of it, where `moving` says that there are any.
    ///
    /// # Errors
    /// As all statements.
    pub fn part_off(&self, tx: &mut Transaction<'_>, name: &str, range: (i64, i64), moving: bool) -> Result<()> {
        self.make(tx, name)?;
        if moving {
            self.move_rows(tx, &self.rest(), name, true, range)?;
        }
        self.attach(tx, name, range)
    }

    /// Makes the rest a partition of a range, under a name, and a new rest for what comes and for the rows that are outside, where
    /// `moving` says that there are any.
    ///
    /// # Errors
    /// As all statements.
    pub fn close(&self, tx: &mut Transaction<'_>, name: &str, range: (i64, i64), moving: bool) -> Result<()> {
        let (table, rest) = (self.table.name, self.rest());
        self.detach(tx, &rest)?;
        rename(tx, &rest, name)?;
        self.make(tx, &rest)?;
        if moving {
            self.move_rows(tx, name, &rest, false, range)?;
        }
        self.attach(tx, name, range)?;
        tx.batch(&format!("ALTER TABLE \"{table}\" ATTACH PARTITION \"{rest}\" DEFAULT"))
    }

    /// Keeps others from adding rows to a partition, to the end of the transaction.
    ///
    /// # Errors
    /// `Transient` where somebody has just done so and does not end in time.
    pub fn freeze(&self, tx: &mut Transaction<'_>, partition: &Partition) -> Result<()> {
        tx.batch(&format!("LOCK TABLE \"{}\" IN SHARE MODE", partition.name))
    }

    /// Whether a partition has no rows.
    ///
    /// # Errors
    /// As all statements.
    pub fn is_empty(&self, connection: &mut Connection, partition: &Partition) -> Result<bool> {
        Ok(connection.row(&format!("SELECT 1 FROM \"{}\" LIMIT 1", partition.name), &[], |_| Ok(()))?.is_none())
    }

    /// Gives back the room of a partition that is empty.
    ///
    /// # Errors
    /// As all statements.
    pub fn clear(&self, tx: &mut Transaction<'_>, empty: &Partition) -> Result<()> {
        tx.batch(&format!("TRUNCATE \"{}\"", empty.name))
    }

    /// Removes a partition that is empty and lets the one below it have its range, under a new name. The rows of the one below are
    /// read.
    ///
    /// # Errors
    /// As all statements.
    pub fn give(&self, tx: &mut Transaction<'_>, empty: &Partition, below: &Partition, name: &str) -> Result<()> {
        self.detach(tx, &below.name)?;
        tx.batch(&format!("DROP TABLE \"{}\"", empty.name))?;
        rename(tx, &below.name, name)?;
        self.attach(tx, name, (below.from, empty.until))
    }

    fn condition(&self, inside: bool) -> String {
        let column = self.column;
        let not = if inside { "" } else { "NOT " };
        format!("{not}(\"{column}\" >= ? AND \"{column}\" < ?)")
    }

    fn make(&self, tx: &mut Transaction<'_>, name: &str) -> Result<()> {
        let Table { name: table, key, unique, .. } = self.table;
        let unique: Vec<String> = unique.iter().map(|columns| format!(", UNIQUE ({})", columns.join(", "))).collect();
        tx.batch(&format!("CREATE TABLE \"{name}\" (LIKE \"{table}\", PRIMARY KEY ({key}){})", unique.concat()))
    }

    fn attach(&self, tx: &mut Transaction<'_>, name: &str, (from, until): (i64, i64)) -> Result<()> {
        let from = if from == i64::MIN { "MINVALUE".to_owned() } else { format!("'{from}'") };
        let until = if until == i64::MAX { "MAXVALUE".to_owned() } else { format!("'{until}'") };
        let table = self.table.name;
        tx.batch(&format!("ALTER TABLE \"{table}\" ATTACH PARTITION \"{name}\" FOR VALUES FROM ({from}) TO ({until})"))
    }

    fn detach(&self, tx: &mut Transaction<'_>, name: &str) -> Result<()> {
        tx.batch(&format!("ALTER TABLE \"{}\" DETACH PARTITION \"{name}\"", self.table.name))
    }

    fn move_rows(&self, tx: &mut Transaction<'_>, from: &str, to: &str, inside: bool, range: (i64, i64)) -> Result<()> {
        let (condition, range) = (self.condition(inside), [range.0.into(), range.1.into()]);
        tx.execute(&format!("INSERT INTO \"{to}\" SELECT * FROM \"{from}\" WHERE {condition}"), &range)?;
        tx.execute(&format!("DELETE FROM \"{from}\" WHERE {condition}"), &range).map(|_| ())
    }
}

/// Gives a table and its keys another name.
fn rename(connection: &mut Connection, from: &str, to: &str) -> Result<()> {
    connection.batch(&format!("ALTER TABLE \"{from}\" RENAME TO \"{to}\""))?;
    let find = "SELECT k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
                JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.relname = ? AND n.nspname = current_schema() AND k.contype IN ('p', 'u')";
    for key in connection.rows(find, &[to.into()], |row| row.string(0))? {
        if let Some(end) = key.strip_prefix(from) {
            connection.batch(&format!("ALTER TABLE \"{to}\" RENAME CONSTRAINT \"{key}\" TO \"{to}{end}\""))?;
        }
    }
    Ok(())
}

/// The range of a partition as the catalogue tells it; nothing of the rest.
fn bounds(text: &str) -> Option<(i64, i64)> {
    let (from, until) = text.strip_prefix("FOR VALUES FROM (")?.strip_suffix(')')?.split_once(") TO (")?;
    let number = |bound: &str| match bound {
        "MINVALUE" => Some(i64::MIN),
        "MAXVALUE" => Some(i64::MAX),
        bound => bound.trim_matches('\'').parse().ok(),
    };
    Some((number(from)?, number(until)?))
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn bounds_are_read_as_the_catalogue_writes_them() {
        assert_eq!(bounds("FOR VALUES FROM ('-5') TO ('1764547200000000')"), Some((-5, 1_764_547_200_000_000)));
        assert_eq!(bounds("FOR VALUES FROM (MINVALUE) TO (7)"), Some((i64::MIN, 7)));
        assert_eq!(bounds("FOR VALUES FROM ('7') TO (MAXVALUE)"), Some((7, i64::MAX)));
        assert_eq!(bounds("DEFAULT"), None);
    }
}
