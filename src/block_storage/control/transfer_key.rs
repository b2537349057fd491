//! Keys of transfers, made and kept as Cinder does: of the key only an HMAC-SHA1 with a random salt is kept, so that a
//! service of either kind can take what the other one offers.

use hmac::{Hmac, KeyInit, Mac};
use rustix::rand::{GetRandomFlags, getrandom};
use sha1::Sha1;

use crate::block_storage::store::transfers::Lock;
use crate::error::{Error, Result};

/// A new key of `key_length` characters, and the lock that it opens, with a salt of `salt_length` characters. Both are
/// hexadecimal digits, which everybody can type.
///
/// # Errors
/// [`crate::Kind::Internal`] where the system gives no random bytes.
pub(super) fn make(key_length: usize, salt_length: usize) -> Result<(String, Lock)> {
    let (key, salt) = (random(key_length)?, random(salt_length)?);
    let crypt_hash = hexadecimal(&seal(&salt, &key)?.finalize().into_bytes());
    Ok((key, Lock { salt, crypt_hash }))
}

/// Whether `key` opens the lock. Takes the same time for every wrong key.
pub(super) fn opens(lock: &Lock, key: &str) -> bool {
    let Some(expected) = bytes(&lock.crypt_hash) else { return false };
    seal(&lock.salt, key).is_ok_and(|mac| mac.verify_slice(&expected).is_ok())
}

fn seal(salt: &str, key: &str) -> Result<Hmac<Sha1>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt.as_bytes()).map_err(Error::internal)?;
    mac.update(key.as_bytes());
    Ok(mac)
}

fn random(length: usize) -> Result<String> {
    let mut bytes = vec![0_u8; length.div_ceil(2)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty()).map_err(Error::internal)?;
    }
    let mut text = hexadecimal(&bytes);
    text.truncate(length);
    Ok(text)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hexadecimal.chars().map(|digit| digit.to_digit(16)).collect();
    digits?.chunks(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.get(1)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_cinder_made_opens_with_its_key_alone() {
        // By Cinder 29: the salt, the key, and their hash.
        let lock =
            Lock { salt: "c5a8fcf3".to_owned(), crypt_hash: "4eea87b57eff1d8e796b1d3e68a3ad4acb871129".to_owned() };
        assert!(opens(&lock, "a3d2f0b1c9e84576"));
        for wrong in ["", "a3d2f0b1c9e84577", "A3D2F0B1C9E84576", "a3d2f0b1c9e84576 "] {
            assert!(!opens(&lock, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_new_key_opens_its_own_lock_and_no_other() {
        let (key, lock) = make(16, 8).unwrap();
        let (other, another) = make(16, 8).unwrap();
        assert_eq!((key.len(), lock.salt.len(), lock.crypt_hash.len()), (16, 8, 40));
        assert!(opens(&lock, &key) && opens(&another, &other));
        assert!(!opens(&lock, &other) && !opens(&another, &key));
        assert_eq!(make(5, 3).unwrap().0.len(), 5);
    }

    #[test]
    fn a_broken_hash_opens_with_nothing() {
        for crypt_hash in ["", "0", "xyz", "é"] {
            let lock = Lock { salt: "s".to_owned(), crypt_hash: crypt_hash.to_owned() };
            assert!(!opens(&lock, "key"), "{crypt_hash}");
        }
    }
}
