//! How a snapshot looks on the wire (Block Storage API v3, "Volume snapshots").

use super::volume_views::pairs;
use crate::block_storage::model::snapshot::SnapshotDetails;
use crate::block_storage::model::status::Status;
use crate::rest::view::{Field, Shape, View};

/// `os-extended-snapshot-attributes:*`.
pub const EXTENDED: u32 = 1;

type Row = Field<SnapshotDetails>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.snapshot.id));
const CREATED_AT: Row = Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.snapshot.created_at));
const UPDATED_AT: Row =
    Row::new("updated_at", Shape::Time, |item, _, json| json.opt_time(item.snapshot.updated_at)).nullable();
const NAME: Row =
    Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.snapshot.name.as_deref())).nullable();
const DESCRIPTION: Row =
    Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.snapshot.description.as_deref()))
        .nullable();
const VOLUME_ID: Row = Row::new("volume_id", Shape::Uuid, |item, _, json| json.text(&item.snapshot.volume_id));
const STATUS: Row = Row::new("status", Shape::Text, |item, _, json| json.text(item.snapshot.status.name()));
const SIZE: Row = Row::new("size", Shape::Int, |item, _, json| json.int(item.snapshot.volume_size_gib));
const METADATA: Row = Row::new("metadata", Shape::Map, |item, _, json| pairs(&item.metadata, json));

/// The form of the short list, which knows no later fields.
pub static SUMMARY: View<SnapshotDetails> = View {
    name: "SnapshotSummary",
    fields: &[ID, CREATED_AT, UPDATED_AT, NAME, DESCRIPTION, VOLUME_ID, STATUS, SIZE, METADATA],
};

/// The whole form.
pub static DETAIL: View<SnapshotDetails> = View {
    name: "Snapshot",
    fields: &[
        ID,
        CREATED_AT,
        UPDATED_AT,
        NAME,
        DESCRIPTION,
        VOLUME_ID,
        STATUS,
        SIZE,
        METADATA,
        Row::new("group_snapshot_id", Shape::Uuid, |item, _, json| {
            json.opt_text(item.snapshot.group_snapshot_id.as_deref());
        })
        .nullable()
        .since(14),
        Row::new("user_id", Shape::Text, |item, _, json| json.text(&item.snapshot.user_id)).since(41),
        Row::new("consumes_quota", Shape::Bool, |item, _, json| json.bool(item.snapshot.use_quota)).since(65),
        Row::new("os-extended-snapshot-attributes:project_id", Shape::Text, |item, _, json| {
            json.text(&item.snapshot.project_id);
        })
        .needs(EXTENDED),
        Row::new("os-extended-snapshot-attributes:progress", Shape::Text, |item, _, json| {
            json.opt_text(item.snapshot.progress.as_deref());
        })
        .nullable()
        .needs(EXTENDED),
    ],
};
