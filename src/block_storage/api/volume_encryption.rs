//! How a volume is encrypted: `/volumes/{volume_id}/encryption`, which those read who attach it (Block Storage API v3,
//! "Volumes").

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::{Authorized, type_encryption as control};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::volumes as rules;
use crate::error::{Error, Result};
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/volumes/{volume_id}/encryption", show)
        .rules(&[&rules::ENCRYPTION_METADATA])
        .reply(200, Answer::One("", &ENCRYPTION))
        .about("Show how a volume is encrypted"),
    Route::get("/volumes/{volume_id}/encryption/{key}", show_one)
        .rules(&[&rules::ENCRYPTION_METADATA])
        .reply(200, Answer::Free)
        .about("Show one attribute of the encryption of a volume"),
];

/// A volume's key, and the encryption of its type.
struct VolumeEncryption {
    key_id: Option<String>,
    of_type: Option<TypeEncryption>,
}

/// Whether the volume's type says how.
fn is_told(item: &VolumeEncryption) -> bool {
    item.of_type.is_some()
}

type Row = Field<VolumeEncryption>;

static ENCRYPTION: View<VolumeEncryption> = View {
    name: "VolumeEncryption",
    fields: &[
        Row::new("encryption_key_id", Shape::Uuid, |item, _, json| json.opt_text(item.key_id.as_deref())).nullable(),
        Row::new("control_location", Shape::Text, |item, _, json| {
            json.opt_text(item.of_type.as_ref().map(|found| found.control_location.as_str()));
        })
        .present(is_told),
        Row::new("cipher", Shape::Text, |item, _, json| {
            json.opt_text(item.of_type.as_ref().and_then(|found| found.cipher.as_deref()));
        })
        .nullable()
        .present(is_told),
        Row::new("key_size", Shape::Int, |item, _, json| {
            json.opt_int(item.of_type.as_ref().and_then(|found| found.key_size));
        })
        .nullable()
        .present(is_told),
        Row::new("provider", Shape::Text, |item, _, json| {
            json.opt_text(item.of_type.as_ref().map(|found| found.provider.as_str()));
        })
        .present(is_told),
    ],
};

fn find(call: &Call<'_, BlockStorage>) -> Result<VolumeEncryption> {
    let caller = caller(call);
    let id = call.path.value("volume_id");
    let volume = Authorized::<Volume>::load_unseen(&caller, id, &rules::ENCRYPTION_METADATA)?;
    Ok(VolumeEncryption { of_type: control::of_volume(&caller, &volume)?, key_id: volume.encryption_key_id.clone() })
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    Ok(call.one("", &ENCRYPTION, &find(call)?, 0))
}

fn show_one(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = find(call)?;
    let key = call.path.value("key");
    let mut fields = ENCRYPTION.fields.iter();
    let field = fields.find(|field| field.name == key && field.present.is_none_or(|present| present(&found)));
    let Some(field) = field else {
        let id = call.path.value("volume_id");
        return Err(Error::not_found(format!("Volume {id} has no encryption metadata with key {key}.")));
    };
    let viewer = call.viewer(0);
    Ok(call.json(|json| (field.write)(&found, &viewer, json)))
}
