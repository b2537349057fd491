//! Keys in the database, each sealed by AES-256-GCM with a master key that lies in a file: whoever has the database alone
//! has no key. The id of a key goes into its seal, so that no row can be put in the place of another.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Bytes of the master key.
const LENGTH: usize = 32;
/// Permissions of others than the owner.
const OF_OTHERS: u32 = 0o077;

/// The key that seals all others. Errors are texts for the operator's log.
pub(super) struct MasterKey(LessSafeKey);

impl MasterKey {
    /// Reads it from its file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let metadata =
            std::fs::metadata(path).map_err(|error| format!("[hearth_keys] master_key_file {name}: {error}"))?;
        if metadata.mode() & OF_OTHERS != 0 {
            return Err(format!("{name} may be read by others than its owner: chmod 600"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let bytes = from_hexadecimal(text.trim()).filter(|bytes| bytes.len() == LENGTH);
        Self::of(&bytes.ok_or_else(|| format!("{name} does not hold {} hexadecimal digits", LENGTH * 2))?)
    }

    /// Makes a new one in a file that is not there.
    pub(super) fn make(path: &Path) -> Result<(), String> {
        let digits: String = random(LENGTH)?.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).map_err(text)?;
        file.write_all(format!("{digits}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(text)
    }

    fn of(bytes: &[u8]) -> Result<Self, String> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| "the master key has another length".to_owned())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a key for a row with this id.
    pub(super) fn seal(&self, id: &str, key: &[u8]) -> Result<String, String> {
        let nonce: [u8; NONCE_LEN] = random(NONCE_LEN)?.try_into().map_err(|_| "no nonce".to_owned())?;
        let mut sealed = key.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id), &mut sealed)
            .map_err(|_| "a key can not be sealed".to_owned())?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens the seal of a key.
    pub(super) fn open(&self, id: &str, sealed: &str) -> Result<Vec<u8>, String> {
        let wrong = || format!("key {id} was sealed with another master key, or is damaged");
        let mut bytes = STANDARD.decode(sealed).map_err(|_| wrong())?;
        let mut sealed = bytes.split_off(NONCE_LEN.min(bytes.len()));
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| wrong())?;
        let key = self.0.open_in_place(nonce, Aad::from(id), &mut sealed).map_err(|_| wrong())?;
        Ok(key.to_vec())
    }
}

/// Random bytes for a key.
pub(super) fn random(length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes)
}

/// The bytes that hexadecimal digits say.
pub(super) fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{MasterKey, from_hexadecimal, random};

    fn master(byte: u8) -> MasterKey {
        MasterKey::of(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_sealed_key_is_opened_by_its_master_key_and_its_id_alone() {
        let key = random(64).unwrap();
        let sealed = master(1).seal("a", &key).unwrap();
        assert_eq!(master(1).open("a", &sealed), Ok(key.clone()));
        assert!(master(2).open("a", &sealed).is_err());
        assert!(master(1).open("b", &sealed).is_err());
        for damaged in ["", "AAAA", "not base 64", &sealed[4..]] {
            assert!(master(1).open("a", damaged).is_err(), "{damaged}");
        }
        assert_ne!(master(1).seal("a", &key).unwrap(), sealed, "a nonce was used twice");
    }

    #[test]
    fn a_master_key_that_others_may_read_or_that_is_none_is_refused() {
        let path = std::env::temp_dir().join(format!("hearth-master-{}", std::process::id()));
        let read = |text: &str, mode: u32| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            MasterKey::read(&path).map(|_| ())
        };
        let digits = "0f".repeat(32);
        assert_eq!(read(&format!("{digits}\n"), 0o600), Ok(()));
        assert_eq!(read(&digits, 0o400), Ok(()));
        for mode in [0o640, 0o604, 0o660] {
            assert!(read(&digits, mode).unwrap_err().contains("chmod 600"));
        }
        for text in ["", "0f", &"0g".repeat(32), &"0f".repeat(33)] {
            assert!(read(text, 0o600).unwrap_err().contains("64 hexadecimal digits"), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(MasterKey::read(&path).is_err());
        assert_eq!(MasterKey::make(&path), Ok(()));
        assert!(MasterKey::read(&path).is_ok());
        assert!(MasterKey::make(&path).is_err(), "a master key is never written over");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(from_hexadecimal("00fF"), Some(vec![0, 255]));
        assert_eq!(from_hexadecimal("0"), None);
        assert_eq!(from_hexadecimal("é0"), None);
    }
}
