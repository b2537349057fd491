//! What is asked of the Image service (Glance), blocking: what it tells of images (`read.rs`), making and removing them, and
//! their data in both directions (`data.rs`). In a request it is asked with the caller's token, in a volume service with
//! what the order carries. Not here: what follows from the answers.

mod data;
mod errors;
mod read;
mod session;

use std::io::Read;

use serde_json::{Value as Json, json};

use crate::block_storage::model::image::{Access, Image};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::identity::Context;

use errors::{refused, unavailable};
use session::{Answer, Session};

/// Opens the data of a new image.
pub type Open<'a> = &'a mut dyn FnMut() -> Result<Box<dyn Read>>;

/// Glance, for one caller.
pub struct Glance(Session);

/// An image that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewImage {
    /// Its name.
    pub name: String,
    /// `raw`, `qcow2` and so on.
    pub disk_format: String,
    /// `bare` and so on.
    pub container_format: Option<String>,
    /// Who may see it; Glance decides where nothing is said.
    pub visibility: Option<String>,
    /// Whether it can not be deleted; Glance decides where nothing is said.
    pub protected: Option<bool>,
    /// What else is said of it.
    pub properties: Vec<(String, String)>,
}

impl Glance {
    /// Glance as the caller of a request reaches it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where nobody says where it is, or where Keystone does not tell the caller's catalogue.
    pub fn of_caller(config: &Config, context: &Context) -> Result<Self> {
        Session::of_caller(config, context).map(Self)
    }

    /// Glance as an order reaches it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where a file of certificates can not be read, or where Keystone gives no service token.
    pub fn of_order(config: &Config, access: &Access, request_id: &str) -> Result<Self> {
        Session::open(config, access.clone(), request_id).map(Self)
    }

    /// What an order has to carry, so that its taker reaches Glance as this caller does.
    pub fn access(&self) -> Access {
        self.0.access.clone()
    }

    /// An image.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Forbidden`], [`Kind::Invalid`] with Cinder's texts, [`Kind::Unavailable`].
    pub fn image(&self, id: &str) -> Result<Image> {
        if uuid::Uuid::try_parse(id).is_err() {
            // No image has such an id, and it has no place in a URL.
            return Err(errors::no_image(id));
        }
        let answer = self.0.send("get", "GET", &path(id), &[], None)?;
        match answer.status {
            200 => read::image(&answer.json()?),
            _ => Err(errors::of_image(id, &answer)),
        }
    }

    /// The ids of the images of this name: at most a page of them.
    ///
    /// # Errors
    /// As [`Glance::image`].
    pub fn named(&self, name: &str) -> Result<Vec<String>> {
        let answer = self.0.send("list", "GET", "/v2/images", &[("name", name)], None)?;
        if answer.status != 200 {
            return Err(refused("list images", &answer));
        }
        let answer = answer.json()?;
        let images = answer.get("images").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        Ok(images.iter().filter_map(|image| image.get("id")?.as_str().map(str::to_owned)).collect())
    }

    /// Makes an image that waits for its data.
    ///
    /// # Errors
    /// [`Kind::Invalid`] with Glance's own words, as Cinder tells them; [`Kind::Unavailable`].
    pub fn create(&self, new: &NewImage) -> Result<Image> {
        let mut body = json!({
            "name": new.name, "disk_format": new.disk_format, "container_format": new.container_format,
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(new.visibility.as_ref().map(|text| ("visibility".to_owned(), json!(text))));
            body.extend(new.protected.map(|protected| ("protected".to_owned(), json!(protected))));
            for (key, value) in &new.properties {
                body.entry(key.as_str()).or_insert_with(|| json!(value));
            }
        }
        let answer = self.0.send("create", "POST", "/v2/images", &[], Some(&body))?;
        match answer.status {
            201 => read::image(&answer.json()?),
            413 => Err(Error::invalid("Image quota exceeded")),
            _ => Err(Error::invalid(errors::words(&answer)).because(format!("Glance answers {}", answer.status))),
        }
    }

    /// Removes an image; one that is not there is no error.
    ///
    /// # Errors
    /// As [`Glance::image`].
    pub fn delete(&self, id: &str) -> Result<()> {
        let answer = self.0.send("delete", "DELETE", &path(id), &[], None)?;
        match answer.status {
            204 | 404 => Ok(()),
            _ => Err(errors::of_image(id, &answer)),
        }
    }

    /// Removes an image that never got its data.
    ///
    /// # Errors
    /// As [`Glance::image`].
    pub fn discard(&self, id: &str) -> Result<()> {
        match self.image(id) {
            Ok(image) if matches!(image.status.as_str(), "queued" | "saving") => self.delete(id),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The stores in which Glance keeps data, each with whether it can only be read.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where Glance has but one, [`Kind::Unavailable`].
    pub fn stores(&self) -> Result<Vec<(String, bool)>> {
        let answer = self.0.send("get_stores_info", "GET", "/v2/info/stores", &[], None)?;
        if answer.status != 200 {
            return Err(refused("tell its stores", &answer));
        }
        let answer = answer.json()?;
        let stores = answer.get("stores").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let store = |store: &Json| {
            let read_only = store.get("read-only").and_then(Json::as_str) == Some("true");
            Some((store.get("id")?.as_str()?.to_owned(), read_only))
        };
        Ok(stores.iter().filter_map(store).collect())
    }

    /// Hands the data of an image to `take`, piece by piece; from the beginning where the connection broke, as often as
    /// `glance_num_retries` says: `begin` is called before each time. What arrives is compared with the image's length and
    /// hash.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it does not arrive, [`Kind::Conflict`] where it is not what Glance promised, those of
    /// `begin` and `take`.
    pub fn download(
        &self,
        image: &Image,
        begin: &mut dyn FnMut() -> Result<()>,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        data::download(&self.0, image, begin, take)
    }

    /// Gives an image its data: `bytes` bytes of what `open` opens, once for each attempt. An image that has data of this length already has got
    /// them in an earlier attempt.
    ///
    /// # Errors
    /// [`Kind::Unavailable`], [`Kind::NotFound`], [`Kind::Forbidden`], [`Kind::Invalid`], those of reading.
    pub fn upload(&self, id: &str, bytes: u64, open: Open<'_>, headers: &[(&'static str, &str)]) -> Result<()> {
        data::upload(&self.0, id, bytes, open, headers)
    }
}

fn path(id: &str) -> String {
    format!("/v2/images/{id}")
}

impl Answer {
    fn json(&self) -> Result<Json> {
        serde_json::from_slice(&self.body).map_err(|error| unavailable(format!("its answer is no JSON: {error}")))
    }
}
