//! How a volume looks on the wire (Block Storage API v3, "Volumes").

use crate::block_storage::model::attachment::Attachment;
use crate::block_storage::model::encryption::FIXED_KEY_ID;
use crate::block_storage::model::status::Status;
use crate::block_storage::model::volume::{VolumeBrief, VolumeDetails};
use crate::rest::json::Json;
use crate::rest::view::{Field, Shape, View, Viewer};

/// Attributes that only administrators see.
pub const ADMIN: u32 = 1;
/// `os-vol-host-attr:host`.
pub const HOST: u32 = 2;
/// `os-vol-tenant-attr:tenant_id`.
pub const TENANT: u32 = 4;
/// `os-vol-mig-status-attr:*`.
pub const MIGRATION: u32 = 8;
/// `volume_image_metadata`.
pub const IMAGE: u32 = 16;
/// The host of an attachment, which administrators and services see.
pub const ATTACHED_HOST: u32 = 32;

type Row = Field<VolumeDetails>;
type Brief = Field<VolumeBrief>;

/// The short form of lists.
pub static SUMMARY: View<VolumeBrief> = View {
    name: "VolumeSummary",
    fields: &[
        Brief::new("id", Shape::Uuid, |item, _, json| json.text(&item.id)),
        Brief::new("name", Shape::Text, |item, _, json| json.opt_text(item.name.as_deref())).nullable(),
        Brief::new("links", Shape::Links, |item, viewer, json| viewer.links.write("volumes", &item.id, json)),
    ],
};

/// The whole form.
pub static DETAIL: View<VolumeDetails> = View {
    name: "Volume",
    fields: &[
        Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.volume.id)),
        Row::new("status", Shape::Text, |item, _, json| json.text(item.volume.status.shown().name())),
        Row::new("size", Shape::Int, |item, _, json| json.int(item.volume.size_gib)),
        Row::new("availability_zone", Shape::Text, |item, _, json| {
            json.opt_text(item.volume.availability_zone.as_deref());
        })
        .nullable(),
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.volume.created_at)),
        Row::new("updated_at", Shape::Time, |item, _, json| json.opt_time(item.volume.updated_at)).nullable(),
        Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.volume.name.as_deref())).nullable(),
        Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.volume.description.as_deref()))
            .nullable(),
        Row::new("volume_type", Shape::Text, |item, _, json| {
            json.text(item.type_name.as_deref().unwrap_or(&item.volume.volume_type_id));
        })
        .until(62),
        Row::new("volume_type", Shape::Text, |item, _, json| json.opt_text(item.type_name.as_deref()))
            .nullable()
            .since(63),
        Row::new("snapshot_id", Shape::Uuid, |item, _, json| json.opt_text(item.volume.snapshot_id.as_deref()))
            .nullable(),
        Row::new("source_volid", Shape::Uuid, |item, _, json| json.opt_text(item.volume.source_volid.as_deref()))
            .nullable(),
        Row::new("metadata", Shape::Map, metadata),
        Row::new("links", Shape::Links, links),
        Row::new("user_id", Shape::Text, |item, _, json| json.text(&item.volume.user_id)),
        Row::new("bootable", Shape::Text, |item, _, json| {
            json.text(if item.volume.bootable { "true" } else { "false" });
        }),
        Row::new("encrypted", Shape::Bool, |item, _, json| json.bool(item.volume.encryption_key_id.is_some())),
        Row::new("replication_status", Shape::Text, |item, _, json| {
            json.opt_text(item.volume.replication_status.as_deref());
        })
        .nullable(),
        Row::new("consistencygroup_id", Shape::Uuid, |item, _, json| json.opt_text(item.consistencygroup_id()))
            .nullable(),
        Row::new("multiattach", Shape::Bool, |item, _, json| json.bool(item.volume.multiattach)),
        Row::new("attachments", Shape::Objects, attachments),
        Row::new("migration_status", Shape::Text, |item, _, json| {
            json.opt_text(item.volume.migration_status.as_deref());
        })
        .nullable()
        .needs(ADMIN),
        Row::new("group_id", Shape::Uuid, |item, _, json| json.opt_text(item.volume.group_id.as_deref()))
            .nullable()
            .since(13),
        Row::new("provider_id", Shape::Text, |item, _, json| json.opt_text(item.volume.provider_id.as_deref()))
            .nullable()
            .since(21)
            .needs(ADMIN),
        Row::new("shared_targets", Shape::Bool, |item, _, json| json.bool(item.volume.shared_targets.unwrap_or(true)))
            .since(48)
            .until(68),
        Row::new("shared_targets", Shape::Bool, |item, _, json| match item.volume.shared_targets {
            Some(shared) => json.bool(shared),
            None => json.null(),
        })
        .nullable()
        .since(69),
        Row::new("service_uuid", Shape::Uuid, |item, _, json| json.opt_text(item.volume.service_uuid.as_deref()))
            .nullable()
            .since(48),
        Row::new("cluster_name", Shape::Text, |item, _, json| json.opt_text(item.volume.cluster_name.as_deref()))
            .nullable()
            .since(61)
            .needs(ADMIN),
        Row::new("volume_type_id", Shape::Uuid, |item, _, json| json.text(&item.volume.volume_type_id)).since(63),
        Row::new("encryption_key_id", Shape::Uuid, |item, _, json| {
            json.opt_text(item.volume.encryption_key_id.as_deref());
        })
        .since(64)
        .present(|item| item.volume.encryption_key_id.as_deref().is_some_and(|key| key != FIXED_KEY_ID)),
        Row::new("consumes_quota", Shape::Bool, |item, _, json| json.bool(item.volume.use_quota)).since(65),
        Row::new("os-vol-tenant-attr:tenant_id", Shape::Text, |item, _, json| json.text(&item.volume.project_id))
            .needs(TENANT),
        Row::new("os-vol-mig-status-attr:migstat", Shape::Text, |item, _, json| {
            json.opt_text(item.volume.migration_status.as_deref());
        })
        .nullable()
        .needs(MIGRATION),
        Row::new("os-vol-mig-status-attr:name_id", Shape::Uuid, |item, _, json| {
            json.opt_text(item.volume.name_id.as_deref());
        })
        .nullable()
        .needs(MIGRATION),
        Row::new("os-vol-host-attr:host", Shape::Text, |item, _, json| json.opt_text(item.volume.host.as_deref()))
            .nullable()
            .needs(HOST),
        Row::new("volume_image_metadata", Shape::Map, |item, _, json| pairs(&item.image_metadata, json))
            .needs(IMAGE)
            .present(|item| !item.image_metadata.is_empty()),
    ],
};

fn links(item: &VolumeDetails, viewer: &Viewer<'_>, json: &mut Json) {
    viewer.links.write("volumes", &item.volume.id, json);
}

/// The caller's metadata, and over them the administrators' that every caller may see.
fn metadata(item: &VolumeDetails, _: &Viewer<'_>, json: &mut Json) {
    json.object(|json| {
        let hidden = |name: &str| item.visible_admin_metadata.iter().any(|(key, _)| key == name);
        for (key, value) in item.metadata.iter().filter(|(key, _)| !hidden(key)).chain(&item.visible_admin_metadata) {
            json.key(key).text(value);
        }
    });
}

fn attachments(item: &VolumeDetails, viewer: &Viewer<'_>, json: &mut Json) {
    json.array(|json| {
        for attachment in &item.attachments {
            json.object(|json| one_attachment(attachment, viewer.allowed & ATTACHED_HOST != 0, json));
        }
    });
}

fn one_attachment(attachment: &Attachment, with_host: bool, json: &mut Json) {
    json.key("id").text(&attachment.volume_id);
    json.key("attachment_id").text(&attachment.id);
    json.key("volume_id").text(&attachment.volume_id);
    json.key("server_id").opt_text(attachment.instance_uuid.as_deref());
    json.key("host_name").opt_text(attachment.attached_host.as_deref().filter(|_| with_host));
    json.key("device").opt_text(attachment.mountpoint.as_deref());
    json.key("attached_at").opt_time(attachment.attach_time);
}

/// Names and values as an object.
pub fn pairs(pairs: &[(String, String)], json: &mut Json) {
    json.object(|json| {
        for (key, value) in pairs {
            json.key(key).text(value);
        }
    });
}
