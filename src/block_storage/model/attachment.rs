//! Attachments of volumes, and what they make of the volume's own status (Block Storage API v3, "Attachments").

use super::selection::{Column, Holds};
use super::status::{From, Transition};
use super::volume::{AttachStatus, Guard, Move, Status};
use crate::time::Timestamp;

/// A complete attachment, as a volume's detail shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// UUID.
    pub id: String,
    /// The volume.
    pub volume_id: String,
    /// The server that it is attached to.
    pub instance_uuid: Option<String>,
    /// The host that it is attached to.
    pub attached_host: Option<String>,
    /// The device in the server.
    pub mountpoint: Option<String>,
    /// When it was attached.
    pub attach_time: Option<Timestamp>,
}

/// An attachment with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachmentDetails {
    /// What a volume shows of it.
    pub attachment: Attachment,
    /// The owner of the volume.
    pub project_id: String,
    /// How far it is.
    pub status: AttachStatus,
    /// `rw`, `ro`, or `null` where nobody has said.
    pub mode: Option<String>,
    /// When it was detached.
    pub detach_time: Option<Timestamp>,
    /// How the volume is reached, as JSON; may hold secrets.
    pub connection: Option<String>,
    /// What the host said of itself, as JSON.
    pub connector: Option<String>,
}

impl AttachmentDetails {
    /// An attachment that holds a volume for a server, and is not connected.
    pub fn reserved(id: String, volume_id: String, project_id: String, instance_uuid: Option<String>) -> Self {
        let (attached_host, mountpoint, attach_time) = (None, None, None);
        Self {
            attachment: Attachment { id, volume_id, instance_uuid, attached_host, mountpoint, attach_time },
            project_id,
            status: AttachStatus::Reserved,
            mode: None,
            detach_time: None,
            connection: None,
            connector: None,
        }
    }

    /// Whether a host can reach the volume by it.
    pub fn is_connected(&self) -> bool {
        self.connection.as_deref().is_some_and(|json| !matches!(json, "" | "{}" | "null"))
    }
}

/// The columns that lists of attachments may be filtered and sorted by.
pub static COLUMNS: &[Column] = &[
    Column::new("id", Holds::Text).filled(),
    Column::new("created_at", Holds::Time).filled(),
    Column::new("updated_at", Holds::Time),
    Column::new("volume_id", Holds::Text).filled(),
    Column::new("instance_uuid", Holds::Text).called("instance_id"),
    Column::new("instance_uuid", Holds::Text),
    Column::new("attach_status", Holds::Text).called("status"),
    Column::new("attach_status", Holds::Text),
    Column::new("attach_mode", Holds::Text),
    Column::new("attached_host", Holds::Text),
    Column::new("mountpoint", Holds::Text),
    Column::new("attach_time", Holds::Time),
    Column::new("detach_time", Holds::Time),
];

/// What the attachments of a volume are together: of those that did not fail, the furthest counts.
pub fn together(statuses: impl IntoIterator<Item = AttachStatus>) -> AttachStatus {
    let rank = |status: &AttachStatus| match status {
        AttachStatus::Attached => 3,
        AttachStatus::Attaching => 2,
        AttachStatus::Reserved => 1,
        _ => 0,
    };
    let furthest = statuses.into_iter().filter(|status| rank(status) > 0).max_by_key(rank);
    furthest.unwrap_or(AttachStatus::Detached)
}

/// Statuses in which somebody works on the volume, and which its attachments do not end.
const BUSY: From<Status> = From::Except(&[
    Status::Creating,
    Status::Deleting,
    Status::Managing,
    Status::Maintenance,
    Status::RestoringBackup,
    Status::AwaitingTransfer,
    Status::BackingUp,
    Status::Downloading,
    Status::Uploading,
    Status::Retyping,
    Status::Extending,
    Status::Reverting,
    Status::Unmanaging,
    Status::ErrorManaging,
    Status::ErrorManagingDeleting,
]);

const ATTACHED: Move = Transition::to("an attachment is complete", BUSY, Status::InUse);
const ATTACHING: Move = Transition::to("an attachment is connected, none complete", BUSY, Status::Attaching);
const RESERVED: Move = Transition::to("an attachment is left, none connected", BUSY, Status::Reserved);
const DETACHED: Move =
    Transition::to("the last attachment ends", BUSY, Status::Available).guarded(&[Guard::NotMigrating]);

/// Where a volume goes when its attachments have changed.
pub fn follow(together: AttachStatus) -> &'static Move {
    match together {
        AttachStatus::Attached => &ATTACHED,
        AttachStatus::Attaching => &ATTACHING,
        AttachStatus::Reserved => &RESERVED,
        _ => &DETACHED,
    }
}

/// A volume is kept for a server.
pub const RESERVE: Move =
    Transition::to("create attachment", From::Only(&[Status::Available, Status::Downloading]), Status::Reserved)
        .guarded(&[Guard::SingleAttach]);

/// As [`RESERVE`], of a volume that may be attached more than once.
pub const RESERVE_AGAIN: Move = Transition::to(
    "create attachment",
    From::Only(&[Status::Available, Status::InUse, Status::Downloading]),
    Status::Reserved,
)
.guarded(&[Guard::Multiattach]);

/// A server that has an attachment of the volume gets another one, for another host to which it moves.
pub const RESERVE_FOR_MOVE: Move =
    Transition::check("create attachment, same server", From::Only(&[Status::InUse, Status::Reserved]));

/// Noted as attached in the old protocol.
pub const ATTACH: Move = Transition::to("attach", BUSY, Status::InUse);

/// Every move of this file, for `docs/states.md`.
pub const MOVES: &[&Move] =
    &[&RESERVE, &RESERVE_AGAIN, &RESERVE_FOR_MOVE, &ATTACH, &ATTACHED, &ATTACHING, &RESERVED, &DETACHED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_furthest_attachment_counts_and_failed_ones_do_not() {
        use AttachStatus::{Attached, Attaching, Detached, ErrorAttaching, Reserved};
        for (statuses, expected) in [
            (vec![], Detached),
            (vec![ErrorAttaching], Detached),
            (vec![Reserved, ErrorAttaching], Reserved),
            (vec![Attaching, Reserved], Attaching),
            (vec![Reserved, Attached, Attaching], Attached),
        ] {
            assert_eq!(together(statuses.clone()), expected, "{statuses:?}");
        }
    }

    #[test]
    fn an_empty_connection_is_none() {
        let mut one = AttachmentDetails::reserved("a".into(), "v".into(), "p".into(), None);
        for (json, expected) in [("", false), ("{}", false), ("null", false), ("{\"a\": 1}", true)] {
            one.connection = Some(json.to_owned());
            assert_eq!(one.is_connected(), expected, "{json}");
        }
    }
}
