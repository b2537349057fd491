//! How the Image service (Glance) is asked, and what becomes of images. Most rows stand in `[DEFAULT]`, where Cinder has them.

use super::opt::Opt;

const SECTION: &str = "DEFAULT";

/// Where Glance is.
pub const GLANCE_API_SERVERS: Opt = Opt::list(SECTION, "glance_api_servers", "")
    .help(
        "Addresses of Glance, each as [http[s]://]host[:port][/path]; one is chosen at random. Empty: the one in the \
         caller's catalogue, see glance_catalog_info. Needed where auth_strategy is noauth.",
    )
    .reload();
/// Which service of the catalogue it is.
pub const GLANCE_CATALOG_INFO: Opt = Opt::text(SECTION, "glance_catalog_info", "image:glance:publicURL")
    .help("Which service of the caller's catalogue is Glance: type:name:interface. The name is not compared.")
    .reload();
/// Which region's.
pub const REGION_NAME: Opt = Opt::text("glance", "region_name", "")
    .help("Region whose Glance is asked. Empty: the first one of the catalogue.")
    .reload();
/// Repetitions.
pub const GLANCE_NUM_RETRIES: Opt = Opt::integer(SECTION, "glance_num_retries", "3")
    .range(0, 100)
    .help("How often a request is repeated when Glance does not answer it, with a pause of a second.")
    .reload();
/// Whether certificates are not looked at.
pub const GLANCE_API_INSECURE: Opt = Opt::boolean(SECTION, "glance_api_insecure", "false")
    .help("Whether Glance's certificate is taken unchecked.")
    .reload();
/// Certificates of authorities.
pub const GLANCE_CA_CERTIFICATES_FILE: Opt = Opt::path(SECTION, "glance_ca_certificates_file", "")
    .help("PEM file of the authorities that may have signed Glance's certificate. Empty: those of the system.")
    .reload();
/// Client certificate.
pub const GLANCE_CERTFILE: Opt = Opt::path(SECTION, "glance_certfile", "")
    .help("PEM file of the certificate that this service shows to Glance.")
    .reload();
/// Its key.
pub const GLANCE_KEYFILE: Opt =
    Opt::path(SECTION, "glance_keyfile", "").help("PEM file of the key of glance_certfile.").reload();
/// Longest wait.
pub const GLANCE_REQUEST_TIMEOUT: Opt = Opt::seconds(SECTION, "glance_request_timeout", "600")
    .help("Longest wait for Glance to answer, and between two pieces of an image; 0: for ever.")
    .reload();
/// What of an image is not copied to another one.
pub const GLANCE_CORE_PROPERTIES: Opt = Opt::list(
    SECTION,
    "glance_core_properties",
    "checksum,container_format,disk_format,image_name,image_id,min_disk,min_ram,name,size",
)
.help("What a volume keeps of its image that an image made of the volume does not get.")
.reload();
/// What else is not copied.
pub const RESERVED_IMAGE_NAMESPACES: Opt = Opt::list(SECTION, "reserved_image_namespaces", "")
    .help(
        "Beginnings of names of properties that an image made of a volume does not get, besides os_glance, img_signature \
         and signature_verified.",
    )
    .reload();
/// Whether attached volumes may be uploaded.
pub const ENABLE_FORCE_UPLOAD: Opt = Opt::boolean(SECTION, "enable_force_upload", "false")
    .help("Whether callers may make images of attached volumes, by force.")
    .reload();
/// Where images are converted.
pub const IMAGE_CONVERSION_DIR: Opt = Opt::path(SECTION, "image_conversion_dir", "$state_path/conversion")
    .help("Folder in which images lie while they are converted. It needs room for the largest image.");
/// Whether uploads are compressed.
pub const IMAGE_COMPRESS_ON_UPLOAD: Opt = Opt::boolean(SECTION, "image_compress_on_upload", "true")
    .help("Whether images in qcow2 that are made of volumes are compressed.");
/// Whether formats are left alone.
pub const IMAGE_CONVERSION_DISABLE: Opt = Opt::boolean(SECTION, "image_conversion_disable", "false")
    .help("Whether only images in the volume's own format are taken and made.");
/// Kinds of VMDK that are taken.
pub const VMDK_ALLOWED_TYPES: Opt = Opt::list(SECTION, "vmdk_allowed_types", "streamOptimized,monolithicSparse")
    .help("Kinds of VMDK images (createType) that are taken. Empty: none.");
/// Whether signatures count.
pub const VERIFY_GLANCE_SIGNATURES: Opt = Opt::choice(
    SECTION,
    "verify_glance_signatures",
    &["disabled", "enabled"],
    "enabled",
)
.help(
    "Whether images with a signature are looked at. No certificates can be had here, so that such an image is refused; \
         disabled: it is taken unverified.",
);
/// Longest time of a conversion.
pub const IMAGE_CONVERSION_TIMEOUT: Opt = Opt::seconds("hearth_volume", "image_conversion_timeout", "7200")
    .help("Longest time that qemu-img may take to convert an image.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    GLANCE_API_SERVERS,
    GLANCE_CATALOG_INFO,
    REGION_NAME,
    GLANCE_NUM_RETRIES,
    GLANCE_API_INSECURE,
    GLANCE_CA_CERTIFICATES_FILE,
    GLANCE_CERTFILE,
    GLANCE_KEYFILE,
    GLANCE_REQUEST_TIMEOUT,
    GLANCE_CORE_PROPERTIES,
    RESERVED_IMAGE_NAMESPACES,
    ENABLE_FORCE_UPLOAD,
    IMAGE_CONVERSION_DIR,
    IMAGE_COMPRESS_ON_UPLOAD,
    IMAGE_CONVERSION_DISABLE,
    VMDK_ALLOWED_TYPES,
    VERIFY_GLANCE_SIGNATURES,
    IMAGE_CONVERSION_TIMEOUT,
];
