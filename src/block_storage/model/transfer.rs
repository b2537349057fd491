//! A transfer: a volume that its project offers to whoever has the key (Block Storage API v3, "Volume transfers"). Not
//! here: how the key is made and compared (`control/transfer_key.rs`).

use super::selection::{Column, Holds};
use super::snapshot;
use super::status::{From, Transition};
use super::volume::{Guard, Move, Status};
use crate::time::Timestamp;

/// A volume is offered to another project.
pub const OFFER: Move = Transition::to("offer", From::Only(&[Status::Available]), Status::AwaitingTransfer);

/// A volume goes to the project that takes it.
pub const ACCEPT: Move =
    Transition::to("accept", From::Only(&[Status::AwaitingTransfer]), Status::Available).guarded(&[Guard::NoGroup]);

/// The offer of a volume is taken back.
pub const WITHDRAW: Move =
    Transition::to("withdraw the offer", From::Only(&[Status::AwaitingTransfer]), Status::Available);

/// A snapshot goes with its volume to another project.
pub const ACCEPT_SNAPSHOT: snapshot::Move =
    Transition::check("accept, with its volume", From::Only(&[snapshot::Status::Available]));

/// A transfer that waits, or one that was just accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// UUID.
    pub id: String,
    /// The volume.
    pub volume_id: String,
    /// Its name.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Whether the volume's snapshots stay behind.
    pub no_snapshots: bool,
    /// The project that offers the volume; null in rows that are older than the column.
    pub source_project_id: Option<String>,
    /// The project that has taken it.
    pub destination_project_id: Option<String>,
    /// Whether it was taken.
    pub accepted: bool,
    /// The key; only in the answer to whoever made the transfer.
    pub auth_key: Option<String>,
}

/// The columns that lists of transfers may be filtered and sorted by: those of the table without the secret ones.
pub static COLUMNS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("updated_at", Holds::Time),
    Column::new("volume_id", Holds::Text).filled(),
    Column::new("display_name", Holds::Text).called("name"),
    Column::new("display_name", Holds::Text),
    Column::new("expires_at", Holds::Time),
    Column::new("no_snapshots", Holds::Truth),
    Column::new("source_project_id", Holds::Text),
    Column::new("destination_project_id", Holds::Text),
    Column::new("accepted", Holds::Truth),
];
