//! `[key_manager]`: where the keys of encrypted volumes come from. Names of castellan and Cinder, but for those of the
//! section `[hearth_keys]`.

use super::opt::Opt;

/// The key manager.
pub const BACKEND: Opt = Opt::text("key_manager", "backend", "barbican")
    .deprecated(&[("key_manager", "api_class")])
    .help(
        "Where the keys of encrypted volumes are. barbican: in Barbican, as section [barbican] says. local: in the \
         database, each sealed with the key of master_key_file. cinder.keymgr.conf_key_mgr.ConfKeyManager: all volumes \
         have the key of fixed_key.",
    )
    .reload();
/// The one key.
pub const FIXED_KEY: Opt = Opt::text("key_manager", "fixed_key", "")
    .deprecated(&[("keymgr", "fixed_key")])
    .secret()
    .help("The key of all encrypted volumes in hexadecimal, the same as in the configuration of those who attach them.")
    .reload();
/// The key that seals keys.
pub const MASTER_KEY_FILE: Opt = Opt::path("hearth_keys", "master_key_file", "/etc/hearth/master.key")
    .help(
        "File with the 64 hexadecimal digits of the key that seals all keys where backend is local. Nobody but its owner \
         may read it. Whoever loses it loses every encrypted volume.",
    )
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[BACKEND, FIXED_KEY, MASTER_KEY_FILE];
