//! An image of the Image service (Glance): what a volume can be made of, and what becomes of a volume that is uploaded.

use std::fmt;

/// The property that names the key of an image that is encrypted as a volume is.
pub const KEY_ID: &str = "cinder_encryption_key_id";
/// Bytes in one GiB.
const GIB: i64 = 1 << 30;

/// What Glance tells of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// UUID.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `active` where it can be read.
    pub status: String,
    /// The length of its data in bytes.
    pub size: Option<i64>,
    /// The size of the disk in it, in bytes, where Glance knows it.
    pub virtual_size: Option<i64>,
    /// The least size in GiB of a volume made of it.
    pub min_disk_gib: i64,
    /// The least memory in MiB of a machine that starts from it.
    pub min_ram_mib: i64,
    /// MD5 of its data.
    pub checksum: Option<String>,
    /// The name of a better hash.
    pub hash_algorithm: Option<String>,
    /// The better hash of its data, in hexadecimal.
    pub hash: Option<String>,
    /// `raw`, `qcow2` and so on.
    pub disk_format: Option<String>,
    /// `bare` and so on.
    pub container_format: Option<String>,
    /// Who may see it.
    pub visibility: Option<String>,
    /// Whether it can not be deleted.
    pub protected: Option<bool>,
    /// When it was last changed, as Glance writes it.
    pub updated_at: String,
    /// What else is said of it.
    pub properties: Vec<(String, String)>,
}

impl Image {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Why no volume of this size can be made of it, in the words of Cinder.
    pub fn misfit(&self, size_gib: i64) -> Option<String> {
        let id = &self.id;
        if self.status != "active" {
            return Some(format!("Invalid input received: Image {id} is not active."));
        }
        let image_gib = gib(self.size.unwrap_or(0));
        if image_gib > size_gib {
            return Some(format!(
                "Invalid input received: Size of specified image {image_gib}GB is larger than volume size {size_gib}GB."
            ));
        }
        if size_gib < self.min_disk_gib {
            let least = self.min_disk_gib;
            return Some(format!(
                "Invalid input received: Volume size {size_gib}GB cannot be smaller than the image minDisk size {least}GB."
            ));
        }
        self.virtual_size.and_then(|bytes| self.does_not_fit(bytes, size_gib))
    }

    /// The least size in GiB of a volume made of it; `None` where Glance does not know the size of its disk.
    pub fn least_gib(&self) -> Option<i64> {
        let raw = self.disk_format.as_deref() == Some("raw");
        let bytes = self.virtual_size.or(self.size.filter(|_| raw)).filter(|bytes| *bytes > 0)?;
        Some(gib(bytes).max(self.min_disk_gib).max(1))
    }

    /// Why a disk of so many bytes does not fit into a volume of this size.
    pub fn does_not_fit(&self, bytes: i64, size_gib: i64) -> Option<String> {
        let disk_gib = gib(bytes);
        (disk_gib > size_gib).then(|| {
            let id = &self.id;
            format!(
                "Image {id} is unacceptable: Image virtual size is {disk_gib}GB and doesn't fit in a volume of size \
                 {size_gib}GB."
            )
        })
    }

    /// What a volume that is made of it keeps of it.
    pub fn volume_metadata(&self) -> Vec<(String, String)> {
        let number = |number: i64| Some(number.to_string());
        let own = [
            ("image_id", Some(self.id.clone())),
            ("image_name", self.name.clone().filter(|name| !name.is_empty())),
            ("checksum", self.checksum.clone()),
            ("container_format", self.container_format.clone()),
            ("disk_format", self.disk_format.clone()),
            ("min_disk", number(self.min_disk_gib)),
            ("min_ram", number(self.min_ram_mib)),
            ("size", self.size.and_then(number)),
        ];
        let own: Vec<(String, String)> =
            own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        let others = self.properties.iter().filter(|(key, _)| !own.iter().any(|(name, _)| name == key));
        others.cloned().chain(own.iter().cloned()).collect()
    }
}

/// Whole GiB of so many bytes; a started one counts.
fn gib(bytes: i64) -> i64 {
    bytes.saturating_add(GIB - 1) / GIB
}

/// How a service reaches Glance for the one who asked: kept in the order, and gone with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Addresses, in the order in which they are tried.
    pub servers: Vec<String>,
    /// The token of the one who asked; `None` where nobody checks any.
    pub token: Option<Token>,
}

/// A token on its way through an order. Formatting it writes `****`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: only to be sent to who may know it, and to be kept in an order.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// An image that an order is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// UUID.
    pub id: String,
    /// How Glance is reached.
    pub access: Access,
}

/// A new image that waits for the content of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The image.
    pub image: ImageRef,
    /// The format in which the content is sent.
    pub disk_format: String,
    /// Which of Glance's stores takes it, where the volume's type says so.
    pub store_id: Option<String>,
    /// The image of which the volume was made.
    pub base_image_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image { id: "i".to_owned(), status: "active".to_owned(), size: Some(1), ..Image::default() }
    }

    #[test]
    fn an_image_fits_into_volumes_that_are_large_enough() {
        assert_eq!(image().misfit(1), None);
        let told = |image: Image| image.misfit(1).unwrap_or_default();
        assert!(told(Image { status: "queued".to_owned(), ..image() }).ends_with("Image i is not active."));
        assert!(told(Image { size: Some(GIB + 1), ..image() }).contains("image 2GB is larger than volume size 1GB"));
        assert!(told(Image { min_disk_gib: 2, ..image() }).contains("minDisk size 2GB"));
        let virtual_size = told(Image { virtual_size: Some(3 * GIB), ..image() });
        assert!(virtual_size.contains("unacceptable: Image virtual size is 3GB"), "{virtual_size}");
    }

    #[test]
    fn what_glance_itself_says_of_an_image_wins_over_its_properties() {
        let properties = vec![("os".to_owned(), "x".to_owned()), ("image_id".to_owned(), "forged".to_owned())];
        let pairs = Image { name: Some("n".to_owned()), properties, ..image() }.volume_metadata();
        let names: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(names, ["os", "image_id", "image_name", "min_disk", "min_ram", "size"]);
        assert_eq!(pairs.get(1).map(|(_, value)| value.as_str()), Some("i"));
    }

    #[test]
    fn a_token_is_never_formatted() {
        let access = Access { servers: Vec::new(), token: Some(Token::new("gAAAA-secret")) };
        assert!(!format!("{access:?}").contains("gAAAA"));
    }
}
