//! Images of volumes: `os-volume_upload_image` and `os-reimage` at `POST /volumes/{volume_id}/action` (Block Storage API v3,
//! "Volume actions").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Authorized;
use crate::block_storage::control::images::{self as control, Uploading, Wanted};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::volume_type::VolumeType;
use crate::block_storage::policies::{volume_actions as rules, volumes as volume_rules};
use crate::error::Result;
use crate::rest::json::Json;
use crate::rest::schema::{Check, Input, Schema, boolean};
use crate::rest::{Answer, Call, Reply, Route};

const PATH: &str = "/volumes/{volume_id}/action";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::action(PATH, "os-volume_upload_image", upload)
        .rules(&[&volume_rules::GET, &rules::UPLOAD_IMAGE, &rules::UPLOAD_PUBLIC])
        .body(&UPLOAD)
        .reply(202, Answer::Free)
        .about("Make an image of a volume"),
    Route::action(PATH, "os-reimage", reimage)
        .rules(&[&volume_rules::GET, &rules::REIMAGE, &rules::REIMAGE_RESERVED])
        .body(&REIMAGE)
        .since(68)
        .about("Write an image over a volume"),
];

const FORMATS: Check = Check::Choice(&["raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"]);
const VISIBILITIES: Check = Check::Choice(&["community", "public", "private", "shared"]);

static UPLOAD: Schema = Schema::strict(&[Input::new(
    "os-volume_upload_image",
    Check::Object(&Schema::strict(&[
        Input::new("image_name", Check::Text(1, 255)).required(),
        Input::new("force", Check::Boolean),
        Input::new("disk_format", FORMATS),
        Input::new("container_format", Check::Text(0, 255)).nullable(),
        Input::new("visibility", VISIBILITIES).since(1),
        Input::new("protected", Check::Boolean).since(1),
    ])),
)
.required()]);

static REIMAGE: Schema = Schema::strict(&[Input::new(
    "os-reimage",
    Check::Object(&Schema::strict(&[
        Input::new("image_id", Check::Uuid).required(),
        Input::new("reimage_reserved", Check::Boolean),
    ])),
)
.required()]);

fn upload(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-volume_upload_image");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str| body.get(key).is_some_and(boolean);
    let says_who = call.at_least(1);
    let wanted = Wanted {
        name: text("image_name").unwrap_or_default(),
        disk_format: text("disk_format").unwrap_or_else(|| "raw".to_owned()),
        container_format: match body.get("container_format") {
            None => Some("bare".to_owned()),
            Some(format) => format.as_str().map(str::to_owned),
        },
        force: flag("force"),
        visibility: says_who.then(|| text("visibility").unwrap_or_else(|| "private".to_owned())),
        protected: says_who.then(|| flag("protected")),
    };
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[])?;
    let uploading = control::upload(&caller, &volume, &wanted)?;
    Ok(call.json(|json| json.object(|json| answer(&uploading, json.key("os-volume_upload_image")))))
}

fn answer(uploading: &Uploading, json: &mut Json) {
    let (volume, image) = (&uploading.volume, &uploading.image);
    json.object(|json| {
        json.key("id").text(&volume.id);
        json.key("updated_at").opt_time(volume.updated_at);
        json.key("status").text(volume.status.name());
        json.key("display_description").opt_text(volume.description.as_deref());
        json.key("size").int(volume.size_gib);
        match &uploading.volume_type {
            Some(found) => volume_type(found, json.key("volume_type")),
            None => json.key("volume_type").null(),
        }
        json.key("image_id").text(&image.id);
        json.key("container_format").opt_text(image.container_format.as_deref());
        json.key("disk_format").opt_text(image.disk_format.as_deref());
        json.key("image_name").opt_text(image.name.as_deref());
        if let Some(protected) = image.protected {
            json.key("protected").bool(protected);
        }
        if let Some(visibility) = &image.visibility {
            json.key("visibility").text(visibility);
        }
    });
}

/// A type as Cinder writes it in this one place: with everything that the database keeps of it.
fn volume_type(found: &VolumeType, json: &mut Json) {
    json.object(|json| {
        json.key("id").text(&found.id);
        json.key("name").text(&found.name);
        json.key("description").opt_text(found.description.as_deref());
        json.key("is_public").bool(found.is_public);
        json.key("extra_specs").object(|json| {
            for (key, value) in found.visible_extra_specs() {
                json.key(key).opt_text(value.as_deref());
            }
        });
        json.key("qos_specs_id").opt_text(found.qos_specs_id.as_deref());
        json.key("created_at").opt_time(found.created_at);
        json.key("updated_at").opt_time(found.updated_at);
        json.key("deleted_at").null();
        json.key("deleted").bool(found.deleted);
    });
}

fn reimage(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("os-reimage");
    let image_id = body.get("image_id").and_then(Value::as_str).unwrap_or_default();
    let reserved = body.get("reimage_reserved").is_some_and(boolean);
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[])?;
    control::reimage(&caller, &volume, image_id, reserved)?;
    Ok(call.done())
}
