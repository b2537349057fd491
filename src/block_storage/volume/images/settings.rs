//! The options about images, read once when a volume service starts.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, glance as options};

/// What the configuration says.
pub(in super::super) struct Settings {
    /// Where images lie while they are converted.
    pub(in super::super) folder: PathBuf,
    /// Whether only images in a volume's own format are taken and made.
    pub(in super::super) no_conversion: bool,
    /// Whether images in qcow2 are compressed.
    pub(super) compress: bool,
    /// Kinds of VMDK that are taken.
    pub(super) vmdk_types: Vec<String>,
    /// Whether images with a signature are refused, which can not be verified here.
    pub(super) signatures: bool,
    /// How long a conversion may take.
    pub(in super::super) timeout: Duration,
}

impl Settings {
    pub(in super::super) fn read(config: &Config) -> Self {
        Self {
            folder: PathBuf::from(config.text(&options::IMAGE_CONVERSION_DIR)),
            no_conversion: config.boolean(&options::IMAGE_CONVERSION_DISABLE),
            compress: config.boolean(&options::IMAGE_COMPRESS_ON_UPLOAD),
            vmdk_types: config.list(&options::VMDK_ALLOWED_TYPES).to_vec(),
            signatures: config.text(&options::VERIFY_GLANCE_SIGNATURES) == "enabled",
            timeout: config.seconds(&options::IMAGE_CONVERSION_TIMEOUT),
        }
    }
}
