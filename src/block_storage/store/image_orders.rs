//! What orders about images and about keys carry, as JSON. The token of the one who asked is among it, under a name that the log
//! masks; it goes with the order. Not here: how orders wait (`orders.rs`).

use serde_json::{Value as Json, json};

use crate::block_storage::model::backup_work::Key;
use crate::block_storage::model::image::{Access, ImageRef, Token, Upload};
use crate::block_storage::model::work::Recoding;

/// An image, and how Glance is reached.
pub(super) fn image(image: &ImageRef) -> Json {
    let access = &image.access;
    json!({"image_id": image.id, "servers": access.servers, "auth_token": access.token.as_ref().map(Token::reveal)})
}

/// An image that is written over a volume, and the snapshot for which it stands.
pub(super) fn reimage(reference: &ImageRef, snapshot_id: Option<&str>) -> Json {
    let mut json = image(reference);
    if let Some(map) = json.as_object_mut() {
        map.insert("snapshot_id".to_owned(), snapshot_id.into());
    }
    json
}

/// A new image.
pub(super) fn upload(upload: &Upload) -> Json {
    json!({
        "image": image(&upload.image), "disk_format": upload.disk_format, "store_id": upload.store_id,
        "base_image_id": upload.base_image_id,
    })
}

/// How content is encrypted anew.
pub(super) fn recoding(recoding: &Recoding) -> Json {
    let key = recoding.key.as_ref().map(|key| json!({"id": key.id, "name": key.name}));
    json!({"key": key, "auth_token": recoding.token.as_ref().map(Token::reveal)})
}

/// What [`recoding`] wrote; `None` where nothing is encrypted anew.
pub(super) fn read_recoding(json: &Json) -> Option<Recoding> {
    let text = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let key = json.as_object()?.get("key").filter(|key| key.is_object());
    let key = key.and_then(|key| Some(Key { id: text(key, "id")?, name: text(key, "name") }));
    Some(Recoding { key, token: text(json, "auth_token").map(Token::new) })
}

/// What [`image`] wrote.
pub(super) fn read_image(json: &Json) -> Option<ImageRef> {
    let servers = json.get("servers")?.as_array()?.iter();
    let access = Access {
        servers: servers.map(|server| server.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        token: json.get("auth_token").and_then(Json::as_str).map(Token::new),
    };
    Some(ImageRef { id: json.get("image_id")?.as_str()?.to_owned(), access })
}

/// What [`upload`] wrote.
pub(super) fn read_upload(json: &Json) -> Option<Upload> {
    let text = |key: &str| json.get(key)?.as_str().map(str::to_owned);
    Some(Upload {
        image: read_image(json.get("image")?)?,
        disk_format: text("disk_format")?,
        store_id: text("store_id"),
        base_image_id: text("base_image_id"),
    })
}
