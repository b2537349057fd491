//! The way from the one key of the configuration to keys of a key store, as Cinder goes it: where `[key_manager] backend`
//! was changed and `fixed_key` still stands, each volume of this host and each backup that has it gets a key of its own
//! with the same bytes, so that its content stays readable and the next ones need the old key no more.

use super::Shared;
use crate::block_storage::key_store::KeyStore;
use crate::block_storage::store::keys::{self, Kept};
use crate::error::Result;

/// How many keys are tried in vain before the rest is left to the next time.
const MOST_ERRORS: usize = 3;
/// How many rows are looked at in one go.
const AT_ONCE: u32 = 100;

/// Gives keys of their own to what still has that of the configuration.
pub(super) fn migrate(shared: &Shared) {
    if !KeyStore::replaces_fixed_key(&shared.config) {
        return;
    }
    let (mut count, mut errors) = (0, 0);
    loop {
        let before = count;
        match look(shared) {
            Ok(found) => round(shared, &found, &mut count, &mut errors),
            Err(error) => return log::warn!("keys of the configuration are replaced later: {error}"),
        }
        if errors > MOST_ERRORS {
            return log::error!("keys of the configuration are replaced later: too many errors");
        }
        if count == before {
            break;
        }
    }
    if count > 0 {
        log::info!("{count} volumes and backups have got keys of their own");
    }
}

fn look(shared: &Shared) -> Result<Vec<Kept>> {
    shared.database.read(|c| {
        let mut found = keys::backups_with_fixed_key(c, AT_ONCE)?;
        for backend in &shared.backends {
            found.extend(keys::volumes_with_fixed_key(c, &backend.host, AT_ONCE)?);
        }
        Ok(found)
    })
}

fn round(shared: &Shared, found: &[Kept], count: &mut usize, errors: &mut usize) {
    if found.is_empty() {
        return;
    }
    // A store that can not be opened has said why.
    let Ok(store) = KeyStore::open(&shared.config, &shared.database) else { return };
    for row in found {
        match replace(shared, &store, row) {
            Ok(()) => *count += 1,
            Err(error) => {
                log::error!("{} {} keeps the key of the configuration: {error}", row.table.noun(), row.id);
                *errors += 1;
            }
        }
        if *errors > MOST_ERRORS {
            return;
        }
    }
}

fn replace(shared: &Shared, store: &KeyStore<'_>, row: &Kept) -> Result<()> {
    let key = store.adopt_fixed(&row.user_id)?;
    let written = shared.database.write(|tx| {
        if keys::replace_fixed_key(tx, row, &key.id)? {
            return key.claim(tx).map(|()| true);
        }
        Ok(false)
    });
    if !matches!(written, Ok(true)) {
        store.abandon(&key);
    }
    written.map(|_| ())
}
