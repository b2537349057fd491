//! A volume, its statuses, and which operation may happen in which of them (Block Storage API v3, "Volumes").

use super::attachment::Attachment;
use super::status::{From, Transition, statuses};
use crate::time::Timestamp;

statuses! {
    /// The status of a volume.
    Status {
        /// Waits for the scheduler or the driver.
        Creating = "creating",
        /// Nobody uses it.
        Available = "available",
        /// Waits for the driver to remove it.
        Deleting = "deleting",
        /// It could not be made, or an operator said so.
        Error = "error",
        /// The driver could not remove it.
        ErrorDeleting = "error_deleting",
        /// The driver could not take an existing disk over.
        ErrorManaging = "error_managing",
        /// The driver takes an existing disk over.
        Managing = "managing",
        /// Reserved for an attachment in the old protocol.
        Attaching = "attaching",
        /// Attached.
        InUse = "in-use",
        /// Its detachment has begun.
        Detaching = "detaching",
        /// Locked while it migrates.
        Maintenance = "maintenance",
        /// A backup is written into it.
        RestoringBackup = "restoring-backup",
        /// A backup could not be written into it.
        ErrorRestoring = "error_restoring",
        /// Reserved for an attachment.
        Reserved = "reserved",
        /// Offered to another project.
        AwaitingTransfer = "awaiting-transfer",
        /// A backup is made of it.
        BackingUp = "backing-up",
        /// A backup could not be made of it.
        ErrorBackingUp = "error_backing-up",
        /// It could not be made larger.
        ErrorExtending = "error_extending",
        /// An image is written into it.
        Downloading = "downloading",
        /// It is copied to the image service.
        Uploading = "uploading",
        /// It moves to another type.
        Retyping = "retyping",
        /// It is made larger.
        Extending = "extending",
        /// It goes back to a snapshot.
        Reverting = "reverting",
        /// It is given out of management.
        Unmanaging = "unmanaging",
        /// As `deleting`, of a volume that was never taken over.
        ErrorManagingDeleting = "error_managing_deleting",
    }
}

impl Status {
    /// The statuses that an operator may set, and that `os-reset_status` names in its refusal, in that order.
    pub const SETTABLE: &'static [Self] = &[
        Self::Creating,
        Self::Available,
        Self::Deleting,
        Self::Error,
        Self::ErrorDeleting,
        Self::ErrorManaging,
        Self::Managing,
        Self::Attaching,
        Self::InUse,
        Self::Detaching,
        Self::Maintenance,
        Self::RestoringBackup,
        Self::ErrorRestoring,
        Self::Reserved,
        Self::AwaitingTransfer,
        Self::BackingUp,
        Self::ErrorBackingUp,
        Self::ErrorExtending,
        Self::Downloading,
        Self::Uploading,
        Self::Retyping,
        Self::Extending,
    ];

    /// The status as callers see it: three of them are known only inside.
    pub fn shown(self) -> Self {
        match self {
            Self::Managing => Self::Creating,
            Self::ErrorManaging => Self::Error,
            Self::ErrorManagingDeleting => Self::Deleting,
            other => other,
        }
    }
}

statuses! {
    /// Whether a volume is attached.
    AttachStatus {
        /// At least one attachment is complete.
        Attached = "attached",
        /// Being attached.
        Attaching = "attaching",
        /// Not attached.
        Detached = "detached",
        /// Reserved for an attachment.
        Reserved = "reserved",
        /// Could not be attached.
        ErrorAttaching = "error_attaching",
        /// Could not be detached.
        ErrorDetaching = "error_detaching",
        /// The attachment is gone.
        Deleted = "deleted",
    }
}

/// Whose a volume is and how it stands: what decides who may do something small to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The user who made it.
    pub user_id: String,
    /// Its status.
    pub status: Status,
}

/// What must hold of a volume besides its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Its attach status is `attached`.
    Attached,
    /// Its attach status is anything else.
    NotAttached,
    /// No migration is under way.
    NotMigrating,
    /// It belongs to no group and no consistency group.
    NoGroup,
    /// It has no snapshots.
    NoSnapshots,
    /// Its snapshots may all go with it: available or in error, and in no group snapshot.
    SnapshotsDeletable,
    /// Its snapshots are in no group snapshot.
    NoGroupSnapshots,
    /// Its snapshots belong to its own project.
    SnapshotsOfItsProject,
    /// A volume service has it.
    HasHost,
    /// It has attachments.
    HasAttachments,
    /// It has no attachments.
    NoAttachments,
    /// It may be attached more than once.
    Multiattach,
    /// It may be attached only once.
    SingleAttach,
    /// No other backend has a copy of it that is kept the same.
    NotReplicated,
    /// It has one attachment at most.
    OneAttachment,
}

impl Guard {
    /// The condition in words, for `docs/states.md`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::NotAttached => "not attached",
            Self::NotMigrating => "not migrating",
            Self::NoGroup => "in no group",
            Self::NoSnapshots => "no snapshots",
            Self::SnapshotsDeletable => "snapshots available or in error, in no group snapshot",
            Self::NoGroupSnapshots => "snapshots in no group snapshot",
            Self::SnapshotsOfItsProject => "snapshots of the same project",
            Self::HasHost => "placed on a host",
            Self::HasAttachments => "has attachments",
            Self::NoAttachments => "has no attachments",
            Self::Multiattach => "multiattach",
            Self::SingleAttach => "not multiattach",
            Self::NotReplicated => "not replicated",
            Self::OneAttachment => "has one attachment at most",
        }
    }
}

/// A move of a volume.
pub type Move = Transition<Status, Guard>;

const DELETABLE: &[Status] =
    &[Status::Available, Status::Error, Status::ErrorRestoring, Status::ErrorExtending, Status::ErrorManaging];

/// Made by the API, taken by the scheduler and the driver.
pub const CREATE: Move =
    Transition::to("create", From::Only(&[]), Status::Creating).ends(Some(Status::Available), Status::Error);

/// Removed by its owner.
pub const DELETE: Move = Transition::to("delete", From::Only(DELETABLE), Status::Deleting)
    .instead(&[(Status::ErrorManaging, Status::ErrorManagingDeleting)])
    .ends(None, Status::ErrorDeleting)
    .guarded(&[Guard::NotAttached, Guard::NotMigrating, Guard::NoGroup, Guard::NoSnapshots]);

/// Removed by its owner together with its snapshots.
pub const DELETE_CASCADE: Move = Transition {
    name: "delete, cascade",
    guards: &[
        Guard::NotAttached,
        Guard::NotMigrating,
        Guard::NoGroup,
        Guard::SnapshotsDeletable,
        Guard::SnapshotsOfItsProject,
    ],
    ..DELETE
};

/// As [`DELETE_CASCADE`], by an administrator: snapshots of other projects go too.
pub const DELETE_CASCADE_BY_ADMIN: Move = Transition {
    name: "delete, cascade, by an administrator",
    guards: &[Guard::NotAttached, Guard::NotMigrating, Guard::NoGroup, Guard::SnapshotsDeletable],
    ..DELETE
};

/// Taken over from a backend.
pub const MANAGE: Move =
    Transition::to("manage", From::Only(&[]), Status::Managing).ends(Some(Status::Available), Status::ErrorManaging);

/// Given out of management: the disk stays.
pub const UNMANAGE: Move = Transition { name: "unmanage", to: Some(Status::Unmanaging), ..DELETE };

/// Removed by an operator from any status.
pub const FORCE_DELETE: Move = Transition { name: "force_delete", from: From::Any, ..DELETE };

/// Removed by an operator from any status together with its snapshots.
pub const FORCE_DELETE_CASCADE: Move = Transition {
    name: "force_delete, cascade",
    guards: &[Guard::NotAttached, Guard::NotMigrating, Guard::NoGroup, Guard::NoGroupSnapshots],
    ..FORCE_DELETE
};

/// Removed with its group.
pub const DELETE_WITH_GROUP: Move = Transition {
    name: "delete, with its group",
    from: From::Any,
    guards: &[Guard::NotAttached, Guard::NotMigrating, Guard::NoSnapshots],
    ..DELETE
};

/// Made larger.
pub const EXTEND: Move = Transition::to("extend", From::Only(&[Status::Available]), Status::Extending)
    .ends(Some(Status::Available), Status::ErrorExtending);

/// Made larger while attached (from version 3.42 on).
pub const EXTEND_ATTACHED: Move = Transition::to("extend (3.42)", From::Only(&[Status::InUse]), Status::Extending)
    .ends(Some(Status::InUse), Status::ErrorExtending);

/// Reserved in the old attachment protocol.
pub const RESERVE: Move =
    Transition::to("reserve", From::Only(&[Status::Available]), Status::Attaching).guarded(&[Guard::SingleAttach]);

/// As [`RESERVE`], of a volume that may be attached more than once.
pub const RESERVE_AGAIN: Move =
    Transition::to("reserve", From::Only(&[Status::Available, Status::InUse]), Status::Attaching)
        .guarded(&[Guard::Multiattach]);

/// The end of a reservation.
pub const UNRESERVE: Move =
    Transition::to("unreserve", From::Only(&[Status::Attaching]), Status::Available).guarded(&[Guard::NoAttachments]);

/// As [`UNRESERVE`], of a volume that is attached elsewhere.
pub const UNRESERVE_ATTACHED: Move =
    Transition::to("unreserve", From::Only(&[Status::Attaching]), Status::InUse).guarded(&[Guard::HasAttachments]);

/// The begin of a detachment.
pub const BEGIN_DETACHING: Move = Transition::to("begin_detaching", From::Only(&[Status::InUse]), Status::Detaching)
    .guarded(&[Guard::Attached, Guard::NotMigrating]);

/// The end of a detachment that did not happen.
pub const ROLL_DETACHING: Move = Transition::to("roll_detaching", From::Only(&[Status::Detaching]), Status::InUse);

/// Marked as read-only or not.
pub const UPDATE_READONLY_FLAG: Move = Transition::check("update_readonly_flag", From::Only(&[Status::Available]));

/// Name, description, metadata as a whole, and the bootable flag.
pub const UPDATE: Move = Transition::check("update, set_bootable", From::Except(&[Status::Maintenance]));

/// Single metadata.
pub const WRITE_METADATA: Move = Transition::check("metadata", From::Except(&[Status::Maintenance, Status::Uploading]));

/// A snapshot is made of it.
pub const SNAPSHOT: Move = Transition::check("create snapshot", From::Only(&[Status::Available]))
    .guarded(&[Guard::HasHost, Guard::NotMigrating]);

/// A snapshot is made of it although it is attached.
pub const SNAPSHOT_IN_USE: Move =
    Transition::check("create snapshot (force, or 3.66)", From::Only(&[Status::Available, Status::InUse]))
        .guarded(&[Guard::HasHost, Guard::NotMigrating]);

/// Another volume is made of it.
pub const CLONE: Move = Transition::check("clone", From::Only(&[Status::Available, Status::InUse]));

/// A backup is made of it.
pub const BACK_UP: Move = Transition::to("backup", From::Only(&[Status::Available]), Status::BackingUp)
    .ends(Some(Status::Available), Status::Available);

/// A backup is made of it although it is attached.
pub const BACK_UP_ATTACHED: Move = Transition::to("backup (force)", From::Only(&[Status::InUse]), Status::BackingUp)
    .ends(Some(Status::InUse), Status::InUse);

/// A backup is written into it.
pub const RESTORE_BACKUP: Move =
    Transition::to("restore backup", From::Only(&[Status::Available]), Status::RestoringBackup)
        .ends(Some(Status::Available), Status::ErrorRestoring)
        .guarded(&[Guard::NotMigrating]);

/// As [`RESTORE_BACKUP`], of a volume that is made of the backup.
pub const RESTORE_INTO_NEW: Move =
    Transition { name: "create, from a backup (3.47)", failed: Some(Status::Error), ..RESTORE_BACKUP };

/// Gets the content of the image that it is made of.
pub const DOWNLOAD: Move = Transition::to("create from image", From::Only(&[Status::Creating]), Status::Downloading)
    .ends(Some(Status::Available), Status::Error);

/// The image could not be written into it, though somebody has reserved it meanwhile.
pub const FAIL_DOWNLOAD: Move =
    Transition::to("create from image failed", From::Only(&[Status::Reserved, Status::Attaching]), Status::Error);

/// An image is made of it.
pub const UPLOAD: Move = Transition::to("upload image", From::Only(&[Status::Available]), Status::Uploading)
    .ends(Some(Status::Available), Status::Available);

/// An image is made of it although it is attached.
pub const UPLOAD_ATTACHED: Move =
    Transition::to("upload image (force)", From::Only(&[Status::InUse]), Status::Uploading)
        .ends(Some(Status::InUse), Status::InUse);

/// Gets the content of an image.
pub const REIMAGE: Move = Transition::to("reimage", From::Only(&[Status::Available]), Status::Downloading)
    .ends(Some(Status::Available), Status::Error)
    .guarded(&[Guard::OneAttachment]);

/// As [`REIMAGE`], of a volume in error.
pub const REIMAGE_ERROR: Move = Transition::to("reimage", From::Only(&[Status::Error]), Status::Downloading)
    .ends(Some(Status::Error), Status::Error)
    .guarded(&[Guard::OneAttachment]);

/// As [`REIMAGE`], of a volume that is kept for a server.
pub const REIMAGE_RESERVED: Move =
    Transition::to("reimage (reserved)", From::Only(&[Status::Reserved]), Status::Downloading)
        .ends(Some(Status::Reserved), Status::Error)
        .guarded(&[Guard::OneAttachment]);

/// Gets the content of its newest snapshot again.
pub const REVERT: Move = Transition::to("revert", From::Only(&[Status::Available]), Status::Reverting)
    .ends(Some(Status::Available), Status::Error);

/// Gets another type.
pub const RETYPE: Move = Transition::to("retype", From::Only(&[Status::Available]), Status::Retyping)
    .ends(Some(Status::Available), Status::Available)
    .guarded(&[Guard::NotMigrating, Guard::NoGroup]);

/// Gets another type although it is attached.
pub const RETYPE_ATTACHED: Move = Transition::to("retype", From::Only(&[Status::InUse]), Status::Retyping)
    .ends(Some(Status::InUse), Status::InUse)
    .guarded(&[Guard::NotMigrating, Guard::NoGroup]);

const MOVABLE: &[Guard] = &[Guard::NotMigrating, Guard::NoGroup, Guard::NoSnapshots, Guard::NotReplicated];

/// Moves to another backend, and may be used meanwhile.
pub const MIGRATE: Move =
    Transition::check("migrate", From::Only(&[Status::Available, Status::InUse])).guarded(MOVABLE);

/// Moves to another backend, and may not be used meanwhile.
pub const MIGRATE_LOCKED: Move =
    Transition::to("migrate (lock_volume)", From::Only(&[Status::Available]), Status::Maintenance)
        .ends(Some(Status::Available), Status::Available)
        .guarded(MOVABLE);

/// As [`MIGRATE_LOCKED`], of a volume that is attached, which can not be locked.
pub const MIGRATE_LOCKED_ATTACHED: Move =
    Transition::check("migrate (lock_volume)", From::Only(&[Status::InUse])).guarded(MOVABLE);

/// Ends after a move, with the disk that the moved volume has no more.
pub const LEAVE: Move =
    Transition::to("end after a migration", From::Any, Status::Deleting).ends(None, Status::ErrorDeleting);

/// Whatever an operator says.
pub const RESET_STATUS: Move = Transition::check("reset_status", From::Any);

/// Every move, for `docs/states.md`.
pub const MOVES: &[&Move] = &[
    &DELETE,
    &DELETE_CASCADE,
    &DELETE_CASCADE_BY_ADMIN,
    &UNMANAGE,
    &FORCE_DELETE,
    &FORCE_DELETE_CASCADE,
    &DELETE_WITH_GROUP,
    &EXTEND,
    &EXTEND_ATTACHED,
    &SNAPSHOT,
    &SNAPSHOT_IN_USE,
    &CLONE,
    &BACK_UP,
    &BACK_UP_ATTACHED,
    &RESTORE_BACKUP,
    &RESTORE_INTO_NEW,
    &DOWNLOAD,
    &FAIL_DOWNLOAD,
    &UPLOAD,
    &UPLOAD_ATTACHED,
    &REIMAGE,
    &REIMAGE_ERROR,
    &REIMAGE_RESERVED,
    &REVERT,
    &RETYPE,
    &RETYPE_ATTACHED,
    &MIGRATE,
    &MIGRATE_LOCKED,
    &MIGRATE_LOCKED_ATTACHED,
    &LEAVE,
    &UPDATE,
    &WRITE_METADATA,
    &UPDATE_READONLY_FLAG,
    &super::transfer::OFFER,
    &super::transfer::ACCEPT,
    &super::transfer::WITHDRAW,
    &RESERVE,
    &RESERVE_AGAIN,
    &UNRESERVE,
    &UNRESERVE_ATTACHED,
    &BEGIN_DETACHING,
    &ROLL_DETACHING,
    &RESET_STATUS,
];

/// A volume as the database holds it, without what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// UUID.
    pub id: String,
    /// The owner.
    pub project_id: String,
    /// Who made it.
    pub user_id: String,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Its name.
    pub name: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// Size in GiB.
    pub size_gib: i64,
    /// Its status.
    pub status: Status,
    /// The status before a move that comes back to it.
    pub previous_status: Option<Status>,
    /// Whether it is attached.
    pub attach_status: AttachStatus,
    /// Null, `none`, `starting`, `migrating`, `completing`, `success`, `error`, `deleting`, or `target:<id>`.
    pub migration_status: Option<String>,
    /// `disabled`, `enabled` and so on.
    pub replication_status: Option<String>,
    /// Where it lies: `host@backend#pool`.
    pub host: Option<String>,
    /// The cluster of that host.
    pub cluster_name: Option<String>,
    /// The volume service of that host.
    pub service_uuid: Option<String>,
    /// Its availability zone; null while its type allows several.
    pub availability_zone: Option<String>,
    /// Its type.
    pub volume_type_id: String,
    /// The snapshot that it was made of.
    pub snapshot_id: Option<String>,
    /// The volume that it was made of.
    pub source_volid: Option<String>,
    /// Its group.
    pub group_id: Option<String>,
    /// Its consistency group, on databases of that age.
    pub consistencygroup_id: Option<String>,
    /// The id of the disk where it is not the volume's own, after a migration.
    pub name_id: Option<String>,
    /// Where the driver finds it.
    pub provider_location: Option<String>,
    /// The driver's credentials for it.
    pub provider_auth: Option<String>,
    /// The driver's id for it.
    pub provider_id: Option<String>,
    /// The key that it is encrypted with.
    pub encryption_key_id: Option<String>,
    /// Whether a machine may start from it.
    pub bootable: bool,
    /// Whether it may be attached more than once.
    pub multiattach: bool,
    /// Whether its target is shared with other volumes; null where the driver does not tell.
    pub shared_targets: Option<bool>,
    /// Whether it counts against the project's quota.
    pub use_quota: bool,
}

impl Volume {
    /// A new volume like this one, with an id of its own and no disk yet: of no snapshot, volume or group, and used by nobody.
    pub fn new_like(&self) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            created_at: Some(Timestamp::now()),
            updated_at: None,
            status: Status::Creating,
            previous_status: None,
            attach_status: AttachStatus::Detached,
            snapshot_id: None,
            source_volid: None,
            group_id: None,
            consistencygroup_id: None,
            name_id: None,
            provider_location: None,
            provider_auth: None,
            provider_id: None,
            ..self.clone()
        }
    }

    /// The id under which the driver knows the disk.
    pub fn disk_id(&self) -> &str {
        self.name_id.as_deref().unwrap_or(&self.id)
    }

    /// The move that gives it another type.
    pub fn retype_move(&self) -> &'static Move {
        if self.previous_status == Some(Status::InUse) { &RETYPE_ATTACHED } else { &RETYPE }
    }

    /// Whether a migration is under way.
    pub fn is_migrating(&self) -> bool {
        !matches!(self.migration_status.as_deref(), None | Some("none" | "success" | "error" | "deleting"))
    }
}

/// What the short form of lists shows of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeBrief {
    /// UUID.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// A volume with what its detail shows besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeDetails {
    /// The volume.
    pub volume: Volume,
    /// The name of its type; `None` where the type can not be loaded.
    pub type_name: Option<String>,
    /// The caller's metadata.
    pub metadata: Vec<(String, String)>,
    /// The administrators' metadata that every caller may see: `readonly`, `attached_mode`.
    pub visible_admin_metadata: Vec<(String, String)>,
    /// What the image said that it was made of.
    pub image_metadata: Vec<(String, String)>,
    /// Its complete attachments.
    pub attachments: Vec<Attachment>,
    /// Whether its group is a consistency group of old, whose id is shown in that place too.
    pub in_consistency_group: bool,
}

impl VolumeDetails {
    /// A volume on which nothing hangs yet.
    pub fn bare(volume: Volume, type_name: Option<String>) -> Self {
        Self {
            volume,
            type_name,
            metadata: Vec::new(),
            visible_admin_metadata: Vec::new(),
            image_metadata: Vec::new(),
            attachments: Vec::new(),
            in_consistency_group: false,
        }
    }

    /// The consistency group that is shown.
    pub fn consistencygroup_id(&self) -> Option<&str> {
        let volume = &self.volume;
        if self.in_consistency_group { volume.group_id.as_deref() } else { volume.consistencygroup_id.as_deref() }
    }
}
