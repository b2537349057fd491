//! What can be asked of a volume service, as values. Not here: where an order waits (`store/orders.rs`) and how it is
//! carried out (`volume/`).

use super::backup_work::Key;
use super::image::{ImageRef, Token, Upload};
use super::service_work::ServiceWork;

/// Where a new volume should be, in terms of others (`OS-SCH-HNT:scheduler_hints`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Ids of volumes; the new one goes to the pool of one of them. `None` without the hint.
    pub same_host: Option<Vec<String>>,
    /// Ids of volumes; the new one goes to none of their pools.
    pub different_host: Vec<String>,
}

/// What a project pays for before it has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    /// The project.
    pub project_id: String,
    /// Volumes.
    pub volumes: i64,
    /// Snapshots.
    pub snapshots: i64,
    /// GiB of both.
    pub gigabytes: i64,
}

/// What it takes to encrypt the content of a volume anew that gets another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recoding {
    /// The key that it has afterwards; `None` where it is not encrypted then.
    pub key: Option<Key>,
    /// The token of the one who asked, who may read the keys; `None` where nobody checks any.
    pub token: Option<Token>,
}

/// What servers are told of a volume that they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerEvent {
    /// It has grown.
    Extended,
    /// It has the content of another image.
    Reimaged,
}

impl ServerEvent {
    /// Nova's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extended => "volume-extended",
            Self::Reimaged => "volume-reimaged",
        }
    }

    /// The first version of Nova's interface that knows it.
    pub fn since(self) -> &'static str {
        match self {
            Self::Extended => "2.51",
            Self::Reimaged => "2.93",
        }
    }

    /// The event of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Extended, Self::Reimaged].into_iter().find(|event| event.name() == name)
    }
}

/// One kind of work with all that the rows of volume and snapshot do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Places a volume where it has no host yet, and makes it: empty, or from the snapshot or the volume of its row, or
    /// from an image.
    CreateVolume {
        /// Where it should be.
        hints: Hints,
        /// Pools on which it could not be made.
        tried: Vec<String>,
        /// The image of which it is made.
        image: Option<Box<ImageRef>>,
    },
    /// Makes the content of a volume that of a new image.
    UploadVolume(Box<Upload>),
    /// Gives a volume the content of an image.
    ReimageVolume {
        /// The image.
        image: Box<ImageRef>,
        /// The snapshot for which an image of Nova's stands, and which has the content.
        snapshot_id: Option<String>,
    },
    /// Removes a volume.
    DeleteVolume {
        /// Together with its snapshots.
        cascade: bool,
    },
    /// Makes a volume larger.
    ExtendVolume {
        /// GiB before, for which the project pays already.
        old_size_gib: i64,
        /// GiB after.
        new_size_gib: i64,
    },
    /// Gives a volume another type, and moves it where its backend does not suit that.
    RetypeVolume {
        /// The id of the type.
        new_type_id: String,
        /// Whether its content may move to another backend.
        may_move: bool,
        /// What projects pay for already under the new type.
        charged: Vec<Charged>,
        /// Where the new type is encrypted otherwise, and the content may move.
        recoding: Option<Box<Recoding>>,
    },
    /// Moves a volume to another backend.
    MigrateVolume {
        /// `host@backend`, with or without its pool.
        destination: String,
    },
    /// Removes a disk that no volume has any more.
    DiscardDisk {
        /// Its id on the backend.
        disk_id: String,
    },
    /// Lets the Compute service copy a volume that servers use to a new one, whose disk it then gets.
    SwapServers {
        /// The new volume.
        new_volume_id: String,
    },
    /// Ends the export of a volume that another service has read, unless somebody else uses it.
    EndExport,
    /// Removes what stayed in the file of a volume while somebody used it, or after a crash.
    TendVolume,
    /// Tells the Compute service what has become of a volume.
    TellServers {
        /// The servers that use it.
        server_ids: Vec<String>,
        /// What has become of it.
        event: ServerEvent,
    },
    /// Makes a volume reachable for a host. Somebody waits for the answer.
    Connect {
        /// The attachment that holds the connection; `None` in the old protocol, which keeps none.
        attachment_id: Option<String>,
        /// What the host says of itself, as JSON.
        connector: String,
        /// Whether it is refused while another attachment of a volume that allows one is connected.
        alone: bool,
    },
    /// Makes a volume unreachable for a host. Somebody waits for the answer.
    Disconnect {
        /// The attachment, which ends with its connection; `None` where only the connection ends.
        attachment_id: Option<String>,
        /// What the host says of itself, as JSON, where there is no attachment that knows it.
        connector: Option<String>,
    },
    /// Makes a snapshot.
    CreateSnapshot,
    /// Removes a snapshot.
    DeleteSnapshot,
    /// Gives a volume the content of its latest snapshot again.
    RevertToSnapshot,
    /// Takes over a file of the backend as a volume, whose size nobody knows yet.
    ManageVolume {
        /// Its name on the backend.
        name: String,
    },
    /// Forgets a volume and leaves it on the backend.
    UnmanageVolume,
    /// Takes over a file of the backend as a snapshot.
    ManageSnapshot {
        /// Its name on the backend.
        name: String,
    },
    /// Forgets a snapshot and leaves it on the backend.
    UnmanageSnapshot,
    /// Tells what lies on the backend. Somebody waits for the answer.
    ListManageable {
        /// Snapshots, and not volumes.
        snapshots: bool,
    },
    /// Places a group where it has no host yet, and makes it.
    CreateGroup,
    /// Makes a group of these volumes, each of which has an order of its own.
    CreateGroupFromSource {
        /// Ids of volumes.
        volumes: Vec<String>,
    },
    /// Ends the entering and leaving of volumes. Those that enter belong to the group already.
    UpdateGroup {
        /// Ids of the volumes that leave.
        leaving: Vec<String>,
    },
    /// Removes a group after these volumes, each of which has an order of its own.
    DeleteGroup {
        /// Ids of volumes.
        volumes: Vec<String>,
    },
    /// Makes a group snapshot of snapshots, each of which has an order of its own.
    CreateGroupSnapshot {
        /// Ids of their volumes.
        volumes: Vec<String>,
    },
    /// Removes a group snapshot after its snapshots, each of which has an order of its own.
    DeleteGroupSnapshot {
        /// Ids of their volumes.
        volumes: Vec<String>,
    },
    /// What is asked of the service itself.
    Service(ServiceWork),
}

impl Work {
    /// The name under which the order is kept.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Service(work) => work.kind(),
            Self::CreateVolume { .. } => "create_volume",
            Self::UploadVolume(_) => "upload_volume",
            Self::ReimageVolume { .. } => "reimage_volume",
            Self::DeleteVolume { .. } => "delete_volume",
            Self::ExtendVolume { .. } => "extend_volume",
            Self::RetypeVolume { .. } => "retype_volume",
            Self::MigrateVolume { .. } => "migrate_volume",
            Self::DiscardDisk { .. } => "discard_disk",
            Self::SwapServers { .. } => "swap_servers",
            Self::EndExport => "end_export",
            Self::TendVolume => "tend_volume",
            Self::TellServers { .. } => "tell_servers",
            Self::Connect { .. } => "connect",
            Self::Disconnect { .. } => "disconnect",
            Self::CreateSnapshot => "create_snapshot",
            Self::DeleteSnapshot => "delete_snapshot",
            Self::RevertToSnapshot => "revert_to_snapshot",
            Self::ManageVolume { .. } => "manage_volume",
            Self::UnmanageVolume => "unmanage_volume",
            Self::ManageSnapshot { .. } => "manage_snapshot",
            Self::UnmanageSnapshot => "unmanage_snapshot",
            Self::ListManageable { .. } => "list_manageable",
            Self::CreateGroup => "create_group",
            Self::CreateGroupFromSource { .. } => "create_group_from_src",
            Self::UpdateGroup { .. } => "update_group",
            Self::DeleteGroup { .. } => "delete_group",
            Self::CreateGroupSnapshot { .. } => "create_group_snapshot",
            Self::DeleteGroupSnapshot { .. } => "delete_group_snapshot",
        }
    }

    /// Whether it is done to a volume, or to a snapshot of one, that lies on a backend already.
    pub fn is_of_a_volume(&self) -> bool {
        !matches!(
            self,
            Self::CreateVolume { .. }
                | Self::ManageVolume { .. }
                | Self::DiscardDisk { .. }
                | Self::TellServers { .. }
                | Self::SwapServers { .. }
                | Self::ListManageable { .. }
                | Self::CreateGroup
                | Self::CreateGroupFromSource { .. }
                | Self::UpdateGroup { .. }
                | Self::DeleteGroup { .. }
                | Self::CreateGroupSnapshot { .. }
                | Self::DeleteGroupSnapshot { .. }
                | Self::Service(_)
        )
    }

    /// Whether it is only said to servers: nothing of a volume is touched, and the other side may take its time.
    fn is_said_to_servers(&self) -> bool {
        matches!(self, Self::TellServers { .. } | Self::SwapServers { .. })
    }

    /// The volumes whose own orders come first.
    fn after(&self) -> &[String] {
        match self {
            Self::CreateGroupFromSource { volumes }
            | Self::DeleteGroup { volumes }
            | Self::CreateGroupSnapshot { volumes }
            | Self::DeleteGroupSnapshot { volumes } => volumes,
            Self::UpdateGroup { leaving } => leaving,
            _ => &[],
        }
    }
}

/// Where a volume goes that moves, as it is noted before anything is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// `host@backend#pool`.
    pub pool: String,
    /// The id that the disk has there. It is new: no backend ever had a disk of this id.
    pub disk_id: String,
    /// How the service of the destination reads the content, where another one has the volume: what that one says of it.
    pub offer: Option<String>,
}

impl Destination {
    /// The note.
    pub fn note(&self) -> String {
        let offer = self.offer.as_deref().map(|offer| format!("\n{offer}"));
        format!("{} {}{}", self.disk_id, self.pool, offer.unwrap_or_default())
    }

    /// The destination of a note; `None` where it tells of something else.
    pub fn read(note: &str) -> Option<Self> {
        let (place, offer) = match note.split_once('\n') {
            Some((place, offer)) => (place, Some(offer.to_owned())),
            None => (note, None),
        };
        let (disk_id, pool) = place.split_once(' ')?;
        Some(Self { pool: pool.to_owned(), disk_id: disk_id.to_owned(), offer })
    }
}

/// Who asked, for messages and logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requester {
    /// `req-<uuid>` of the request.
    pub request_id: String,
    /// The project of the caller.
    pub project_id: String,
    /// The caller.
    pub user_id: String,
    /// What else notifications say of the caller, as JSON; `None` where none are sent.
    pub context: Option<String>,
}

/// An order as it waits for a volume service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Orders of one object are carried out in the order of their numbers.
    pub id: i64,
    /// `host@backend`; `None` until a scheduler has chosen one.
    pub backend: Option<String>,
    /// The volume that the work is about, or the group, or the group snapshot.
    pub volume_id: String,
    /// The snapshot that the work is about.
    pub snapshot_id: Option<String>,
    /// The volume whose content is read meanwhile, and which must not go before.
    pub source_volume_id: Option<String>,
    /// What to do.
    pub work: Work,
    /// Who asked.
    pub requester: Requester,
    /// How often it was taken.
    pub attempts: i64,
}

impl Order {
    /// Whether it may copy content, and so take as long as there is of it.
    pub fn copies(&self) -> bool {
        match &self.work {
            Work::CreateVolume { image, .. } => image.is_some() || self.source_volume_id.is_some(),
            Work::RetypeVolume { may_move, .. } => *may_move,
            Work::UploadVolume(_)
            | Work::ReimageVolume { .. }
            | Work::MigrateVolume { .. }
            | Work::CreateSnapshot
            | Work::UnmanageSnapshot
            | Work::RevertToSnapshot => true,
            _ => false,
        }
    }

    /// Whether it is about a volume alone that nobody has made yet: there is none that could be anywhere.
    pub fn is_about_nothing_yet(&self) -> bool {
        matches!(self.work, Work::CreateVolume { .. }) && self.source_volume_id.is_none()
    }

    /// Whether this order must wait for `earlier`, because it would change what the other reads or changes.
    pub fn waits_for(&self, earlier: &Self) -> bool {
        if earlier.work.is_said_to_servers() {
            return false;
        }
        !self.work.is_said_to_servers() && earlier.source_volume_id.as_ref() == Some(&self.volume_id)
            || self.is_about(&earlier.volume_id)
    }

    /// Whether a volume is changed or read, or must be done with before.
    pub fn is_about(&self, volume_id: &String) -> bool {
        !self.work.is_said_to_servers()
            && (self.volume_id == *volume_id
                || self.source_volume_id.as_ref() == Some(volume_id)
                || self.work.after().contains(volume_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(volume: &str, source: Option<&str>) -> Order {
        Order {
            id: 1,
            backend: None,
            volume_id: volume.to_owned(),
            snapshot_id: None,
            source_volume_id: source.map(str::to_owned),
            work: Work::CreateSnapshot,
            requester: Requester::default(),
            attempts: 0,
        }
    }

    #[test]
    fn orders_of_one_volume_wait_for_each_other_and_clones_of_one_source_do_not() {
        assert!(order("a", None).waits_for(&order("a", None)));
        assert!(!order("a", None).waits_for(&order("b", None)));
        assert!(order("a", None).waits_for(&order("b", Some("a"))), "a source is not removed while it is read");
        assert!(order("b", Some("a")).waits_for(&order("a", None)), "a source is read after it was changed");
        assert!(!order("b", Some("a")).waits_for(&order("c", Some("a"))));
        let told = Order {
            work: Work::TellServers { server_ids: Vec::new(), event: ServerEvent::Extended },
            ..order("a", None)
        };
        assert!(!told.waits_for(&order("a", None)) && !order("a", None).waits_for(&told));
    }

    #[test]
    fn a_destination_is_read_as_it_was_noted() {
        for offer in [None, Some("{\"a\": \"b c\"}".to_owned())] {
            let destination = Destination { pool: "h@b#a pool".to_owned(), disk_id: "d".to_owned(), offer };
            assert_eq!(Destination::read(&destination.note()), Some(destination));
        }
        assert_eq!(Destination::read(""), None);
    }

    #[test]
    fn the_order_of_a_group_waits_for_those_of_its_volumes_and_they_not_for_it() {
        let work = Work::DeleteGroup { volumes: vec!["a".to_owned(), "b".to_owned()] };
        let group = Order { work, ..order("g", None) };
        assert!(group.waits_for(&order("b", None)) && group.waits_for(&order("g", None)));
        assert!(!group.waits_for(&order("c", None)) && !order("a", None).waits_for(&group));
    }
}
