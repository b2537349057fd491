//! Looks for rows that no release of Cinder or of ours should have left: `hearth db check`. It changes nothing.

use super::connection::Connection;
use super::schema::{SNAPSHOTS, TABLES, VOLUMES};
use super::table::{ForeignKey, Table, Type, foreign};
use crate::Result;

/// How many keys a finding names.
const EXAMPLES: usize = 5;

/// References that no key of the database holds, but Cinder's code.
pub(super) const KEPT_BY_CODE: [(&Table, ForeignKey); 2] = [
    (&VOLUMES, foreign("volume_type_id", "volume_types", "id")),
    (&SNAPSHOTS, foreign("volume_type_id", "volume_types", "id")),
];

/// Tables whose rows may be marked as deleted while others still name them.
const OUTLIVED: [&str; 3] = ["services", "quotas", "quota_usages"];

/// Tables that are listed in the order of their creation.
const LISTED: [&str; 3] = ["volumes", "snapshots", "backups"];

/// One kind of broken row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The table of the rows.
    pub table: &'static str,
    /// What is wrong with them.
    pub what: String,
    /// How many they are.
    pub rows: i64,
    /// The keys of the first of them.
    pub examples: Vec<String>,
}

/// Everything that is wrong with the rows of Cinder's tables.
///
/// # Errors
/// As all statements.
pub fn check(connection: &mut Connection) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for table in TABLES {
        marks(connection, table, &mut findings)?;
        for reference in table.foreign {
            references(connection, table, reference, &mut findings)?;
        }
    }
    for (table, reference) in &KEPT_BY_CODE {
        references(connection, table, reference, &mut findings)?;
    }
    Ok(findings)
}

fn marks(connection: &mut Connection, table: &'static Table, findings: &mut Vec<Finding>) -> Result<()> {
    if let Some(deleted) = table.column("deleted") {
        let absent = "t.deleted IS NULL";
        look(connection, table, absent, "neither live nor deleted, so nobody sees them", findings)?;
        if table.column("deleted_at").is_some() {
            let mark = if deleted.kind == Type::Boolean { "t.deleted = true" } else { "t.deleted <> 0" };
            let condition = format!("{mark} AND t.deleted_at IS NULL");
            look(connection, table, &condition, "deleted at no time, so no purge removes them", findings)?;
        }
    }
    if LISTED.contains(&table.name) {
        look(connection, table, "t.created_at IS NULL", "created at no time, so lists miss them", findings)?;
    }
    Ok(())
}

fn references(
    connection: &mut Connection,
    table: &'static Table,
    reference: &ForeignKey,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let ForeignKey { column, table: parent, references, .. } = reference;
    let parents = format!("SELECT 1 FROM \"{parent}\" p WHERE p.\"{references}\" = t.\"{column}\"");
    let orphaned = format!("t.\"{column}\" IS NOT NULL AND NOT EXISTS ({parents})");
    look(connection, table, &orphaned, &format!("{column} names no row of {parent}"), findings)?;
    let flagged = |table: &Table| table.column("deleted").is_some_and(|column| column.kind == Type::Boolean);
    let parent_table = TABLES.iter().find(|table| table.name == *parent);
    if flagged(table) && parent_table.is_some_and(|parent| flagged(parent)) && !OUTLIVED.contains(parent) {
        let outlived = format!("t.deleted = false AND EXISTS ({parents} AND p.deleted = true)");
        look(connection, table, &outlived, &format!("live, but {column} names a deleted row of {parent}"), findings)?;
    }
    Ok(())
}

fn look(
    connection: &mut Connection,
    table: &'static Table,
    condition: &str,
    what: &str,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let from = format!("FROM \"{}\" t WHERE {condition}", table.name);
    let rows = connection.row(&format!("SELECT count(*) {from}"), &[], |row| row.int(0))?.unwrap_or(0);
    if rows == 0 {
        return Ok(());
    }
    let counted = table.column(table.key).is_some_and(|column| column.kind == Type::Serial);
    let key = table.key;
    let sql = format!("SELECT t.\"{key}\" {from} ORDER BY t.\"{key}\" LIMIT {EXAMPLES}");
    let examples =
        connection.rows(&sql, &[], |row| if counted { Ok(row.int(0)?.to_string()) } else { row.string(0) })?;
    findings.push(Finding { table: table.name, what: what.to_owned(), rows, examples });
    Ok(())
}
