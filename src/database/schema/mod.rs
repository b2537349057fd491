//! Cinder's tables at alembic revision `9c74c1c6971f`, as rows: names, types, keys, indexes and references are Cinder's,
//! so that Cinder itself can go on with a database that was made here, and the other way round (design, section 7).

mod groups;
mod quotas;
mod services;
mod snapshots;
mod types;
mod volumes;

pub use groups::*;
pub use quotas::*;
pub use services::*;
pub use snapshots::*;
pub use types::*;
pub use volumes::*;

use super::table::{
    Charset, Column, Table, boolean, foreign, foreign_named, index, int, long_text, serial, text, time, time_micros,
    unique_index,
};

/// The revision that these rows describe.
pub const REVISION: &str = "9c74c1c6971f";

/// The revisions that came before it, the oldest first.
pub const OLDER_REVISIONS: [&str; 7] =
    ["921e1a36b076", "c92a3e68beed", "daa98075b90d", "89aa6f9639f9", "b8660621f1b9", "9ab1b092a404", "b7b88f50aab5"];

/// The columns with which almost every table begins. A row is marked as deleted before it is purged.
const MARKS: &[Column] = &[time("created_at"), time("updated_at"), time("deleted_at"), boolean("deleted")];

/// All 36 tables, each after those that it refers to.
pub const TABLES: [&Table; 36] = [
    &ALEMBIC_VERSION,
    &SERVICES,
    &CONSISTENCYGROUPS,
    &CGSNAPSHOTS,
    &GROUPS,
    &GROUP_SNAPSHOTS,
    &VOLUMES,
    &VOLUME_ATTACHMENT,
    &ATTACHMENT_SPECS,
    &SNAPSHOTS,
    &SNAPSHOT_METADATA,
    &QUALITY_OF_SERVICE_SPECS,
    &VOLUME_TYPES,
    &VOLUME_TYPE_PROJECTS,
    &VOLUME_METADATA,
    &VOLUME_TYPE_EXTRA_SPECS,
    &QUOTAS,
    &QUOTA_CLASSES,
    &QUOTA_USAGES,
    &RESERVATIONS,
    &VOLUME_GLANCE_METADATA,
    &BACKUPS,
    &BACKUP_METADATA,
    &TRANSFERS,
    &ENCRYPTION,
    &VOLUME_ADMIN_METADATA,
    &DRIVER_INITIATOR_DATA,
    &IMAGE_VOLUME_CACHE_ENTRIES,
    &MESSAGES,
    &CLUSTERS,
    &WORKERS,
    &GROUP_TYPES,
    &GROUP_TYPE_SPECS,
    &GROUP_TYPE_PROJECTS,
    &GROUP_VOLUME_TYPE_MAPPING,
    &DEFAULT_VOLUME_TYPES,
];

/// A table with Cinder's characters.
const fn cinder(name: &'static str, key: &'static str, runs: &'static [&'static [Column]]) -> Table {
    Table::new(name, key, runs).charset(Charset::Basic)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::TABLES;

    #[test]
    fn every_key_index_and_reference_names_columns_that_exist() {
        let mut made = HashSet::new();
        for table in TABLES {
            assert!(made.insert(table.name), "{} is there twice", table.name);
            let keys = table.key.split(',').chain(table.unique.iter().flat_map(|columns| columns.iter().copied()));
            let indexed = table.indexes.iter().flat_map(|index| index.columns.iter().copied());
            for column in keys.chain(indexed).chain(table.foreign.iter().map(|foreign| foreign.column)) {
                assert!(table.column(column).is_some(), "{}.{column}", table.name);
            }
            for foreign in table.foreign {
                assert!(made.contains(foreign.table), "{} refers to {} before it is made", table.name, foreign.table);
            }
        }
    }
}
