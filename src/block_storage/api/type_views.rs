//! How volume types, their access lists and the projects' default types look on the wire (Block Storage API v3, "Volume
//! types").

use crate::block_storage::model::volume_type::VolumeType;
use crate::rest::json::Json;
use crate::rest::view::{Field, Shape, View, Viewer};

/// `extra_specs`.
pub const EXTRA_SPECS: u32 = 1;
/// All of the extra specs, and not only those that everybody may see.
pub const ALL_EXTRA_SPECS: u32 = 2;
/// `qos_specs_id`.
pub const QOS_SPECS: u32 = 4;
/// `os-volume-type-access:is_public`.
pub const ACCESS: u32 = 8;

type Row = Field<VolumeType>;

/// A type.
pub static TYPE: View<VolumeType> = View {
    name: "VolumeType",
    fields: &[
        Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id)),
        Row::new("name", Shape::Text, |item, _, json| json.text(&item.name)),
        Row::new("is_public", Shape::Bool, |item, _, json| json.bool(item.is_public)),
        Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.description.as_deref())).nullable(),
        Row::new("extra_specs", Shape::Map, extra_specs).needs(EXTRA_SPECS),
        Row::new("qos_specs_id", Shape::Uuid, |item, _, json| json.opt_text(item.qos_specs_id.as_deref()))
            .nullable()
            .needs(QOS_SPECS),
        Row::new("os-volume-type-access:is_public", Shape::Bool, |item, _, json| json.bool(item.is_public))
            .needs(ACCESS),
    ],
};

fn extra_specs(item: &VolumeType, viewer: &Viewer<'_>, json: &mut Json) {
    if viewer.allowed & ALL_EXTRA_SPECS == 0 {
        write_specs(item.visible_extra_specs(), json);
    } else {
        write_specs(item.extra_specs.iter(), json);
    }
}

/// Writes extra specs as an object.
pub fn write_specs<'a>(specs: impl Iterator<Item = &'a (String, Option<String>)>, json: &mut Json) {
    json.object(|json| {
        for (key, value) in specs {
            json.key(key).opt_text(value.as_deref());
        }
    });
}

/// One project that may use a private type: the type's id and the project.
pub static ACCESS_ITEM: View<(String, String)> = View {
    name: "VolumeTypeAccess",
    fields: &[
        Field::new("volume_type_id", Shape::Uuid, |(id, _), _, json| json.text(id)),
        Field::new("project_id", Shape::Text, |(_, project), _, json| json.text(project)),
    ],
};

/// One project's default type: the project and the type's id.
type ProjectDefault = (String, Option<String>);

/// How it looks.
pub static DEFAULT_TYPE: View<ProjectDefault> = View {
    name: "DefaultType",
    fields: &[
        Field::new("project_id", Shape::Text, |item: &ProjectDefault, _, json| json.text(&item.0)),
        Field::new("volume_type_id", Shape::Uuid, |item: &ProjectDefault, _, json| json.opt_text(item.1.as_deref()))
            .nullable(),
    ],
};
