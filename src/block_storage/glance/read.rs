//! An image as Glance writes it (Image API v2, "Images").

use serde_json::{Map, Value as Json};

use super::errors::unavailable;
use crate::block_storage::model::image::Image;
use crate::error::Result;

/// What Glance itself says of every image. Everything else is a property that somebody gave it.
const BASE: [&str; 28] = [
    "id",
    "name",
    "status",
    "visibility",
    "protected",
    "os_hidden",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "owner",
    "size",
    "virtual_size",
    "container_format",
    "disk_format",
    "created_at",
    "updated_at",
    "deleted_at",
    "deleted",
    "tags",
    "direct_url",
    "min_ram",
    "min_disk",
    "self",
    "file",
    "schema",
    "locations",
    "stores",
    "validation_data",
];

/// Reads an image.
///
/// # Errors
/// `Unavailable` where it is none.
pub(super) fn image(json: &Json) -> Result<Image> {
    let object = json.as_object().ok_or_else(|| unavailable("its answer is no image"))?;
    let text = |name: &str| object.get(name).and_then(Json::as_str).map(str::to_owned);
    let number = |name: &str| object.get(name).and_then(Json::as_i64);
    Ok(Image {
        id: text("id").ok_or_else(|| unavailable("its image has no id"))?,
        name: text("name"),
        status: text("status").unwrap_or_default(),
        size: number("size"),
        virtual_size: number("virtual_size").filter(|size| *size > 0),
        min_disk_gib: number("min_disk").unwrap_or(0),
        min_ram_mib: number("min_ram").unwrap_or(0),
        checksum: text("checksum"),
        hash_algorithm: text("os_hash_algo"),
        hash: text("os_hash_value"),
        disk_format: text("disk_format"),
        container_format: text("container_format"),
        visibility: text("visibility"),
        protected: object.get("protected").and_then(Json::as_bool),
        updated_at: text("updated_at").unwrap_or_default(),
        properties: properties(object),
    })
}

fn properties(object: &Map<String, Json>) -> Vec<(String, String)> {
    let own = object.iter().filter(|(name, value)| !BASE.contains(&name.as_str()) && !value.is_null());
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    own.map(|(name, value)| (name.clone(), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_glance_does_not_know_of_is_a_property() {
        let json = json!({"id": "i", "status": "active", "size": 7, "virtual_size": null, "min_disk": 3, "hw_x": "y",
                          "owner": "p", "stores": "first", "protected": false, "visibility": "shared", "tags": []});
        let image = image(&json).unwrap();
        assert_eq!((image.size, image.virtual_size, image.min_disk_gib), (Some(7), None, 3));
        assert_eq!(image.properties, [("hw_x".to_owned(), "y".to_owned())]);
        assert!(super::image(&json!([])).is_err() && super::image(&json!({"status": "active"})).is_err());
    }
}
