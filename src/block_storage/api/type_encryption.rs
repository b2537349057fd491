//! How the volumes of a type are encrypted: `/types/{type_id}/encryption` (Block Storage API v3, "Volume type encryption").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::type_encryption::{self as control, Change, NewEncryption};
use crate::block_storage::model::encryption::TypeEncryption;
use crate::block_storage::policies::types as rules;
use crate::error::Result;
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Check, Input, Reply, Route, Schema, schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/types/{type_id}/encryption", show)
        .rules(&[&rules::GET_ENCRYPTION])
        .reply(200, Answer::Perhaps(&ENCRYPTION))
        .about("Show how the volumes of a type are encrypted"),
    Route::post("/types/{type_id}/encryption", create)
        .rules(&[&rules::CREATE_ENCRYPTION])
        .body(&CREATE)
        .reply(200, Answer::Free)
        .about("Encrypt the volumes of a type"),
    Route::get("/types/{type_id}/encryption/{key}", show_one)
        .rules(&[&rules::GET_ENCRYPTION])
        .reply(200, Answer::Free)
        .about("Show one attribute of the encryption of a type"),
    Route::put("/types/{type_id}/encryption/{encryption_id}", update)
        .rules(&[&rules::UPDATE_ENCRYPTION])
        .body(&UPDATE)
        .reply(200, Answer::Free)
        .about("Change how the volumes of a type are encrypted"),
    Route::delete("/types/{type_id}/encryption/{encryption_id}", delete)
        .rules(&[&rules::DELETE_ENCRYPTION])
        .reply(202, Answer::Nothing)
        .about("No longer encrypt the volumes of a type"),
];

const KEY_SIZE: Input = Input::new("key_size", Check::Digits(0, i32::MAX as i64)).nullable();
const PROVIDER: Input = Input::new("provider", Check::Text(0, 255));
const CONTROL_LOCATION: Input = Input::new("control_location", Check::Choice(&["front-end", "back-end"]));
const CIPHER: Input = Input::new("cipher", Check::Text(0, 255)).nullable();

static CREATE: Schema = Schema::strict(&[Input::new(
    "encryption",
    Check::Object(&Schema::open(&[KEY_SIZE, PROVIDER.required(), CONTROL_LOCATION.required(), CIPHER])),
)
.required()]);

static UPDATE: Schema = Schema::strict(&[Input::new(
    "encryption",
    Check::Object(&Schema::open(&[KEY_SIZE, PROVIDER, CONTROL_LOCATION, CIPHER])),
)
.required()]);

type Row = Field<TypeEncryption>;

static ENCRYPTION: View<TypeEncryption> = View {
    name: "VolumeTypeEncryption",
    fields: &[
        Row::new("encryption_id", Shape::Uuid, |item, _, json| json.text(&item.id)),
        Row::new("volume_type_id", Shape::Uuid, |item, _, json| json.text(&item.volume_type_id)),
        Row::new("provider", Shape::Text, |item, _, json| json.text(&item.provider)),
        Row::new("control_location", Shape::Text, |item, _, json| json.text(&item.control_location)),
        Row::new("cipher", Shape::Text, |item, _, json| json.opt_text(item.cipher.as_deref())).nullable(),
        Row::new("key_size", Shape::Int, |item, _, json| json.opt_int(item.key_size)).nullable(),
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.created_at)).nullable(),
        Row::new("updated_at", Shape::Time, |item, _, json| json.opt_time(item.updated_at)).nullable(),
        // Only what is not deleted is shown.
        Row::new("deleted", Shape::Bool, |_, _, json| json.bool(false)),
        Row::new("deleted_at", Shape::Time, |_, _, json| json.null()).nullable(),
    ],
};

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    match control::show(&caller(call), call.path.value("type_id"))? {
        Some(found) => Ok(call.one("", &ENCRYPTION, &found, 0)),
        None => Ok(call.json(|json| json.object(|_| {}))),
    }
}

fn show_one(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let (id, key) = (call.path.value("type_id"), call.path.value("key"));
    let found = control::show(&caller(call), id)?;
    let field = ENCRYPTION.fields.iter().find(|field| field.name == key);
    let (Some(found), Some(field)) = (found, field) else { return Err(control::not_found(id)) };
    let viewer = call.viewer(0);
    Ok(call.json(|json| json.object(|json| (field.write)(&found, &viewer, json.key(key)))))
}

/// The body with the size of a key as a number, as it is kept.
fn echo(call: &Call<'_, BlockStorage>) -> Value {
    let mut body = call.body.clone();
    if let Some(size) = body.pointer_mut("/encryption/key_size") {
        *size = schema::integer(size).into();
    }
    body
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("encryption");
    let new = NewEncryption {
        provider: input["provider"].as_str().unwrap_or_default(),
        control_location: input["control_location"].as_str().unwrap_or_default(),
        cipher: input["cipher"].as_str(),
        key_size: schema::integer(&input["key_size"]),
    };
    let made = control::create(&caller(call), call.path.value("type_id"), new)?;
    let mut body = echo(call);
    if let Some(answer) = body["encryption"].as_object_mut() {
        answer.insert("encryption_id".to_owned(), made.id.into());
        answer.insert("volume_type_id".to_owned(), made.volume_type_id.into());
    }
    Ok(call.json(|json| json.value(&body)))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("encryption");
    let change = Change {
        provider: input["provider"].as_str(),
        control_location: input["control_location"].as_str(),
        cipher: input.get("cipher").map(Value::as_str),
        key_size: input.get("key_size").map(schema::integer),
    };
    control::update(&caller(call), call.path.value("type_id"), call.path.value("encryption_id"), change)?;
    Ok(call.json(|json| json.value(&echo(call))))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::delete(&caller(call), call.path.value("type_id"))?;
    Ok(call.done())
}
