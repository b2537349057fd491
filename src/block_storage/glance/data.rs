//! The data of an image, in both directions (Image API v2, "Image data").

use std::io::Read;

use sha2::digest::DynDigest;
use ureq::http::Method;

use super::errors::{self, unavailable};
use super::session::{Answer, Question, Session, whole};
use super::{Open, path, read};
use crate::block_storage::model::image::Image;
use crate::error::{Error, Result};

/// Bytes of one piece.
const PIECE: usize = 1 << 20;

/// How one attempt to get data ended, where it did not fail for good.
enum End {
    Whole,
    /// The connection broke; the reason.
    Broken(String),
}

pub(super) fn download(
    session: &Session,
    image: &Image,
    begin: &mut dyn FnMut() -> Result<()>,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut left = session.retries;
    loop {
        begin()?;
        match attempt(session, image, take)? {
            End::Whole => return Ok(()),
            End::Broken(why) if left <= 0 => return Err(unavailable(format!("the data of image {}: {why}", image.id))),
            End::Broken(why) => log::warn!("the data of image {} did not arrive, retrying: {why}", image.id),
        }
        left -= 1;
        session.next_server();
    }
}

fn attempt(session: &Session, image: &Image, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<End> {
    let bytes = image.size.and_then(|size| u64::try_from(size).ok());
    let path = format!("{}/file", path(&image.id));
    let question =
        Question { method: Method::GET, path: &path, query: &[], headers: &[], data_bytes: bytes.unwrap_or(0) };
    let mut response = match session.ask(&question, None) {
        Ok(response) => response,
        Err(error) => return Ok(End::Broken(error.to_string())),
    };
    match response.status().as_u16() {
        200 => {}
        204 => return Err(download_failed(image, "image contains no data.")),
        status => {
            let answer = whole(response).unwrap_or(Answer { status, body: Vec::new() });
            if status == 401 && session.renew()? || status == 503 {
                return Ok(End::Broken(errors::words(&answer)));
            }
            return Err(errors::of_image(&image.id, &answer));
        }
    }
    let promise = Promise::of(image, response.headers().get("Content-MD5").and_then(|text| text.to_str().ok()));
    let mut hash = promise.as_ref().map(|promise| promise.hasher());
    let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
    let mut piece = vec![0; PIECE];
    let mut arrived = 0;
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(End::Broken(error.to_string())),
        };
        let piece = piece.get(..count).unwrap_or_default();
        if let Some(hash) = &mut hash {
            hash.update(piece);
        }
        take(piece)?;
        arrived += count as u64;
    }
    if let Some(bytes) = bytes.filter(|bytes| *bytes != arrived) {
        // A server that dies may well close the connection properly.
        return Ok(End::Broken(format!("{arrived} bytes of {bytes} arrived")));
    }
    match (promise, hash) {
        (Some(promise), Some(hash)) => {
            let found = hexadecimal(&hash.finalize());
            if !found.eq_ignore_ascii_case(&promise.value) {
                let wanted = &promise.value;
                let why = format!("Corrupt image download. Hash was {found} expected {wanted}");
                return Err(download_failed(image, &why));
            }
        }
        _ => log::warn!("nothing tells whether the data of image {} are what they were", image.id),
    }
    Ok(End::Whole)
}

/// The hash that the data must have.
struct Promise {
    algorithm: &'static str,
    value: String,
}

impl Promise {
    /// The better hash where its algorithm is known here, else the old one.
    fn of(image: &Image, md5: Option<&str>) -> Option<Self> {
        const KNOWN: [&str; 6] = ["sha512", "sha384", "sha256", "sha224", "sha1", "md5"];
        let named = image.hash_algorithm.as_deref();
        let algorithm = KNOWN.into_iter().find(|known| Some(*known) == named);
        match (algorithm, &image.hash) {
            (Some(algorithm), Some(value)) => Some(Self { algorithm, value: value.clone() }),
            _ => {
                let value = image.checksum.clone().or_else(|| md5.map(str::to_owned))?;
                Some(Self { algorithm: "md5", value })
            }
        }
    }

    fn hasher(&self) -> Box<dyn DynDigest> {
        match self.algorithm {
            "sha512" => Box::new(sha2::Sha512::default()),
            "sha384" => Box::new(sha2::Sha384::default()),
            "sha256" => Box::new(sha2::Sha256::default()),
            "sha224" => Box::new(sha2::Sha224::default()),
            "sha1" => Box::new(sha1::Sha1::default()),
            _ => Box::new(md5::Md5::default()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn download_failed(image: &Image, why: &str) -> Error {
    Error::conflict(format!("Failed to download image {}, reason: {why}", image.id))
}

pub(super) fn upload(
    session: &Session,
    id: &str,
    bytes: u64,
    open: Open<'_>,
    headers: &[(&'static str, &str)],
) -> Result<()> {
    let path = format!("{}/file", path(id));
    let headers: Vec<(&str, &str)> =
        std::iter::once(("Content-Type", "application/octet-stream")).chain(headers.iter().copied()).collect();
    let mut broken = None;
    let answer = session.again("upload", || {
        let question = Question { method: Method::PUT, path: &path, query: &[], headers: &headers, data_bytes: bytes };
        let mut content = match open() {
            Ok(content) => content,
            Err(error) => {
                // No other attempt would find more.
                broken = Some(error);
                return Ok(Answer { status: 0, body: Vec::new() });
            }
        };
        let answer = whole(session.ask(&question, Some((&mut *content, bytes)))?)?;
        // An earlier attempt of which nobody heard the end, or one that Glance has not given up yet.
        match answer.status {
            409 if status(session, id) == Some(("saving".to_owned(), None)) => Ok(Answer { status: 503, ..answer }),
            _ => Ok(answer),
        }
    })?;
    if let Some(error) = broken {
        return Err(error);
    }
    match answer.status {
        200 | 201 | 204 => Ok(()),
        409 if status(session, id) == Some(("active".to_owned(), i64::try_from(bytes).ok())) => Ok(()),
        _ => Err(errors::of_image(id, &answer)),
    }
}

/// The status of an image, and the length of its data.
fn status(session: &Session, id: &str) -> Option<(String, Option<i64>)> {
    let answer = session.send("get", "GET", &path(id), &[], None).ok()?;
    let image = read::image(&serde_json::from_slice(&answer.body).ok()?).ok()?;
    let size = image.size.filter(|_| image.status == "active");
    Some((image.status, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_hash_counts_where_it_is_known() {
        let image = |algorithm: Option<&str>| Image {
            hash_algorithm: algorithm.map(str::to_owned),
            hash: Some("better".to_owned()),
            checksum: Some("old".to_owned()),
            ..Image::default()
        };
        let promise =
            |image: &Image| Promise::of(image, Some("header")).map(|promise| (promise.algorithm, promise.value));
        assert_eq!(promise(&image(Some("sha256"))), Some(("sha256", "better".to_owned())));
        assert_eq!(promise(&image(Some("blake9"))), Some(("md5", "old".to_owned())));
        assert_eq!(promise(&image(None)), Some(("md5", "old".to_owned())));
        assert_eq!(promise(&Image::default()), Some(("md5", "header".to_owned())));
        assert!(Promise::of(&Image::default(), None).is_none());
        let mut hash = Promise { algorithm: "md5", value: String::new() }.hasher();
        hash.update(b"a");
        assert_eq!(hexadecimal(&hash.finalize()), "0cc175b9c0f1b6a831c399e269772661");
    }
}
