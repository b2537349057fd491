//! The keys of encrypted volumes. One key manager is served: the key that stands in the configuration, by Cinder's name for
//! it, which gives every volume the same key. Not here: encrypting, which is done where a volume is attached.

use super::Caller;
use crate::block_storage::model::encryption::{FIXED_KEY_ID, TypeEncryption};
use crate::config::Config;
use crate::config::key_manager::{BACKEND, FIXED_KEY};
use crate::error::{Error, Result};

/// The key manager whose only key stands in the configuration.
const CONFIGURED_KEY: &str = "cinder.keymgr.conf_key_mgr.ConfKeyManager";

/// The id of a key for a new volume that is encrypted like this.
///
/// # Errors
/// [`crate::Kind::Invalid`] without more words where no key can be had, as what is wrong is for the operator's log.
pub fn create(caller: &Caller<'_>, encryption: &TypeEncryption) -> Result<String> {
    if encryption.algorithm().is_none() {
        return Err(Error::invalid("Invalid encryption spec"));
    }
    match problem(caller.config) {
        None => Ok(FIXED_KEY_ID.to_owned()),
        Some(problem) => {
            log::error!("no key for a volume of the encrypted type {}: {problem}", encryption.volume_type_id);
            Err(Error::invalid("Key manager error").because(problem))
        }
    }
}

/// Why the configured key manager has no keys; `None` where it has.
fn problem(config: &Config) -> Option<String> {
    let backend = config.text(&BACKEND);
    if backend != CONFIGURED_KEY {
        return Some(format!("the key manager {backend} is not served; [key_manager] backend may be {CONFIGURED_KEY}"));
    }
    let key = config.opt_text(&FIXED_KEY).unwrap_or_default();
    let is_hex = key.bytes().all(|byte| byte.is_ascii_hexdigit()) && key.len().is_multiple_of(2);
    if key.is_empty() || !is_hex {
        return Some("[key_manager] fixed_key is not set to bytes in hexadecimal".to_owned());
    }
    None
}
