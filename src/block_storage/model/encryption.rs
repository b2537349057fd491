//! How the volumes of a type are encrypted (Block Storage API v3, "Volume type encryption"). Block Storage keeps it, and the
//! id of each volume's key: who attaches a volume encrypts and decrypts. It encrypts by itself only what it writes whole:
//! images, and what gets another type.

use crate::time::Timestamp;

/// The id of the one key of a key manager whose key stands in the configuration. It is no secret and names no key of its
/// own, so nobody is shown it.
pub const FIXED_KEY_ID: &str = "00000000-0000-0000-0000-000000000000";

/// The names of providers that make LUKS of version 1, the only form that QEMU's program knows.
const WRITTEN_HERE: [&str; 2] = ["luks", "LuksEncryptor"];

/// The encryption of one volume type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeEncryption {
    /// UUID.
    pub id: String,
    /// The type whose volumes are encrypted.
    pub volume_type_id: String,
    /// Who encrypts, such as `luks`.
    pub provider: String,
    /// Where it is done: `front-end` (the hypervisor) or `back-end` (the storage).
    pub control_location: String,
    /// The cipher with its mode, such as `aes-xts-plain64`.
    pub cipher: Option<String>,
    /// Bits of a key.
    pub key_size: Option<i64>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl TypeEncryption {
    /// What a key is made for: the cipher without its mode.
    pub fn algorithm(&self) -> Option<&str> {
        self.cipher.as_deref()?.split('-').next().filter(|name| !name.is_empty())
    }

    /// Whether content can be encrypted and decrypted without a host.
    pub fn is_written_here(&self) -> bool {
        let known = self.provider.rsplit('.').next().is_some_and(|name| WRITTEN_HERE.contains(&name));
        known && self.control_location == "front-end"
    }

    /// What two types must have in common so that the content of a volume of one can be read as one of the other.
    pub fn method(&self) -> (&str, &str, Option<&str>, Option<i64>) {
        (&self.provider, &self.control_location, self.cipher.as_deref(), self.key_size)
    }
}

#[cfg(test)]
mod tests {
    use super::TypeEncryption;

    #[test]
    fn a_key_is_made_for_the_cipher_without_its_mode() {
        let with = |cipher: Option<&str>| TypeEncryption {
            id: String::new(),
            volume_type_id: String::new(),
            provider: "luks".to_owned(),
            control_location: "front-end".to_owned(),
            cipher: cipher.map(str::to_owned),
            key_size: None,
            created_at: None,
            updated_at: None,
        };
        assert_eq!(with(Some("aes-xts-plain64")).algorithm(), Some("aes"));
        assert_eq!(with(Some("aes")).algorithm(), Some("aes"));
        assert_eq!(with(Some("")).algorithm(), None);
        assert_eq!(with(None).algorithm(), None);
    }
}
