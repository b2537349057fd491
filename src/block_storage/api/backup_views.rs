//! How a backup looks on the wire (Block Storage API v3, "Backups").

use super::volume_views::pairs;
use crate::block_storage::control::backup_records::Record;
use crate::block_storage::model::backup::BackupDetails;
use crate::block_storage::model::status::Status;
use crate::block_storage::model::volume::Volume;
use crate::rest::view::{Field, Shape, View};

/// `os-backup-project-attr:project_id` and `user_id`.
pub const OWNER: u32 = 1;

/// The key that stands for the one fixed key of a test cloud; it is never shown.
const FIXED_KEY: &str = "00000000-0000-0000-0000-000000000000";

type Row = Field<BackupDetails>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.backup.id));
const NAME: Row = Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.backup.name.as_deref())).nullable();
const LINKS: Row =
    Row::new("links", Shape::Links, |item, viewer, json| viewer.links.write("backups", &item.backup.id, json));

/// The short form.
pub static SUMMARY: View<BackupDetails> = View { name: "BackupSummary", fields: &[ID, NAME, LINKS] };

/// The whole form.
pub static DETAIL: View<BackupDetails> = View {
    name: "Backup",
    fields: &[
        ID,
        Row::new("status", Shape::Text, |item, _, json| json.text(item.backup.status.name())),
        Row::new("size", Shape::Int, |item, _, json| json.int(item.backup.size_gib)),
        Row::new("object_count", Shape::Int, |item, _, json| json.int(item.backup.object_count)),
        Row::new("availability_zone", Shape::Text, |item, _, json| {
            json.opt_text(item.backup.availability_zone.as_deref());
        })
        .nullable(),
        Row::new("container", Shape::Text, |item, _, json| json.opt_text(item.backup.container.as_deref())).nullable(),
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.backup.created_at)),
        Row::new("updated_at", Shape::Time, |item, _, json| json.opt_time(item.backup.updated_at)).nullable(),
        NAME,
        Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.backup.description.as_deref()))
            .nullable(),
        Row::new("fail_reason", Shape::Text, |item, _, json| json.opt_text(item.backup.fail_reason.as_deref()))
            .nullable(),
        Row::new("volume_id", Shape::Uuid, |item, _, json| json.text(&item.backup.volume_id)),
        LINKS,
        Row::new("is_incremental", Shape::Bool, |item, _, json| json.bool(item.backup.parent_id.is_some())),
        Row::new("has_dependent_backups", Shape::Bool, |item, _, json| json.bool(item.backup.dependents > 0)),
        Row::new("snapshot_id", Shape::Uuid, |item, _, json| json.opt_text(item.backup.snapshot_id.as_deref()))
            .nullable(),
        Row::new("data_timestamp", Shape::Time, |item, _, json| json.opt_time(item.backup.data_timestamp)).nullable(),
        Row::new("metadata", Shape::Map, |item, _, json| pairs(&item.metadata, json)).since(43),
        Row::new("encryption_key_id", Shape::Text, |item, _, json| {
            json.opt_text(item.backup.encryption_key_id.as_deref());
        })
        .since(64)
        .present(|item| item.backup.encryption_key_id.as_deref().is_some_and(|key| key != FIXED_KEY)),
        Row::new("os-backup-project-attr:project_id", Shape::Text, |item, _, json| {
            json.text(&item.backup.project_id);
        })
        .since(18)
        .needs(OWNER),
        Row::new("user_id", Shape::Text, |item, _, json| json.text(&item.backup.user_id)).since(56).needs(OWNER),
    ],
};

/// A restore that has begun.
pub struct Restore {
    /// The backup.
    pub backup_id: String,
    /// The volume that it is written into.
    pub volume: Volume,
}

/// The answer to a restore.
pub static RESTORE: View<Restore> = View {
    name: "BackupRestore",
    fields: &[
        Field::new("backup_id", Shape::Uuid, |item, _, json| json.text(&item.backup_id)),
        Field::new("volume_id", Shape::Uuid, |item, _, json| json.text(&item.volume.id)),
        Field::new("volume_name", Shape::Text, |item: &Restore, _, json| json.opt_text(item.volume.name.as_deref()))
            .nullable(),
    ],
};

/// The record of a backup.
pub static RECORD: View<Record> = View {
    name: "BackupRecord",
    fields: &[
        Field::new("backup_service", Shape::Text, |item, _, json| json.text(&item.service)),
        Field::new("backup_url", Shape::Text, |item, _, json| json.text(&item.url)),
    ],
};
