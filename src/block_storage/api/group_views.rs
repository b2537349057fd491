//! How a group of volumes looks on the wire (Block Storage API v3, "Generic volume groups").

use crate::block_storage::model::group::GroupDetails;
use crate::block_storage::model::status::Status;
use crate::rest::json::Json;
use crate::rest::view::{Field, Shape, View};

/// `project_id`.
pub const PROJECT: u32 = 1;

type Row = Field<GroupDetails>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.group.id));
const NAME: Row = Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.group.name.as_deref())).nullable();
const STATUS: Row = Row::new("status", Shape::Text, |item, _, json| json.text(item.group.status.name()));
const ZONE: Row = Row::new("availability_zone", Shape::Text, |item, _, json| {
    json.opt_text(item.group.availability_zone.as_deref());
})
.nullable();
const CREATED_AT: Row = Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.group.created_at));
const DESCRIPTION: Row =
    Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.group.description.as_deref())).nullable();
const VOLUME_TYPES: Row = Row::new("volume_types", Shape::Texts, |item, _, json| texts(&item.volume_types, json));

/// The short form.
pub static SUMMARY: View<GroupDetails> = View { name: "GroupSummary", fields: &[ID, NAME] };

/// The whole form.
pub static DETAIL: View<GroupDetails> = View {
    name: "Group",
    fields: &[
        ID,
        STATUS,
        ZONE,
        CREATED_AT,
        NAME,
        DESCRIPTION,
        Row::new("group_type", Shape::Uuid, |item, _, json| json.text(&item.group.group_type_id)),
        VOLUME_TYPES,
        Row::new("group_snapshot_id", Shape::Uuid, |item, _, json| {
            json.opt_text(item.group.group_snapshot_id.as_deref());
        })
        .nullable()
        .since(14),
        Row::new("source_group_id", Shape::Uuid, |item, _, json| {
            json.opt_text(item.group.source_group_id.as_deref());
        })
        .nullable()
        .since(14),
        Row::new("volumes", Shape::Texts, |item, _, json| texts(item.volumes.as_deref().unwrap_or_default(), json))
            .since(25)
            .present(|item| item.volumes.is_some()),
        Row::new("replication_status", Shape::Text, |item, _, json| {
            json.opt_text(item.group.replication_status.as_deref());
        })
        .nullable()
        .since(38),
        Row::new("project_id", Shape::Text, |item, _, json| json.text(&item.group.project_id)).since(58).needs(PROJECT),
    ],
};

/// The older form.
pub mod consistency_group {
    use super::{CREATED_AT, DESCRIPTION, GroupDetails, ID, NAME, STATUS, VOLUME_TYPES, View, ZONE};

    /// The short form.
    pub static SUMMARY: View<GroupDetails> = View { name: "ConsistencyGroupSummary", fields: &[ID, NAME] };

    /// The whole form.
    pub static DETAIL: View<GroupDetails> =
        View { name: "ConsistencyGroup", fields: &[ID, STATUS, ZONE, CREATED_AT, NAME, DESCRIPTION, VOLUME_TYPES] };
}

fn texts(list: &[String], json: &mut Json) {
    json.array(|json| list.iter().for_each(|text| json.text(text)));
}
