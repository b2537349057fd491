//! What can be asked of a backup service, as values. Not here: where an order waits (`store/backup_orders.rs`) and how it
//! is carried out (`backup/`).

use super::work::Requester;

/// One kind of work; the row of the backup tells the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Copies a volume or a snapshot into a backup.
    Create,
    /// Writes a backup into the volume that its row names, as soon as that has been made.
    Restore {
        /// Whether that ends the creation of the volume, rather than what is done to one that there is.
        creates: bool,
        /// The key that the volume has afterwards; `None` where it has the right one already.
        key: Option<Key>,
    },
    /// Removes a backup.
    Delete {
        /// Even where its objects can not be found.
        force: bool,
    },
}

/// A key that an order holds until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// The name under which it is announced; `None` of the key that all have.
    pub name: Option<String>,
}

impl Work {
    /// The name under which the order is kept.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create => "create_backup",
            Self::Restore { .. } => "restore_backup",
            Self::Delete { .. } => "delete_backup",
        }
    }
}

/// An order as it waits for a backup service. Orders of one backup are carried out one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The host of the backup service.
    pub host: String,
    /// The backup.
    pub backup_id: String,
    /// What to do.
    pub work: Work,
    /// Who asked.
    pub requester: Requester,
    /// How often it was taken.
    pub attempts: i64,
}
