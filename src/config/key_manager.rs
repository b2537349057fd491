//! `[key_manager]`: where the keys of encrypted volumes come from. Names of castellan and Cinder.

use super::opt::Opt;

/// The key manager.
pub const BACKEND: Opt = Opt::text("key_manager", "backend", "barbican")
    .deprecated(&[("key_manager", "api_class")])
    .help(
        "Where the keys of encrypted volumes come from. cinder.keymgr.conf_key_mgr.ConfKeyManager, which gives all volumes \
         the key of fixed_key, is served; without a key manager that is served no encrypted volume can be made.",
    )
    .reload();
/// The one key.
pub const FIXED_KEY: Opt = Opt::text("key_manager", "fixed_key", "")
    .deprecated(&[("keymgr", "fixed_key")])
    .secret()
    .help("The key of all encrypted volumes in hexadecimal, the same as in the configuration of those who attach them.")
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[BACKEND, FIXED_KEY];
