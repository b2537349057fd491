//! Where the keys of encrypted volumes are kept: in Barbican, sealed in the database, or one for all in the configuration.
//! The one seam between who needs a key and who keeps it. A key is announced before it is made and let go when its row
//! ends (`store/keys.rs`), so that no crash loses one or leaves one behind. Not here: who gets which key (`control/`), and
//! encrypting, which is done where a volume is attached.

mod barbican;
mod local;

use std::path::Path;

use serde_json::json;

use crate::block_storage::model::encryption::FIXED_KEY_ID;
use crate::block_storage::model::image::Token;
use crate::block_storage::store::keys::{self as store, Loose, Sealed};
use crate::config::Config;
use crate::config::key_manager::{BACKEND, FIXED_KEY, MASTER_KEY_FILE};
use crate::database::{Database, Transaction};
use crate::error::{Error, Result};
use crate::identity::{Context, Secret, keystone};
use crate::service::fault;
use barbican::Barbican;
use local::MasterKey;

/// Bits of a key whose type does not say how many.
const DEFAULT_BITS: i64 = 256;
/// Most bits of a key.
const MOST_BITS: i64 = 1 << 16;
/// Loose keys that one request removes at most.
const OF_REQUEST: u32 = 5;
/// Loose keys that one round of a service removes at most.
const OF_ROUND: u32 = 100;

/// With whose token the key store is asked, and so whose its keys are.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// The caller of a request.
    Caller(&'a Context),
    /// The one who had this token when work was ordered, whose keys these were.
    Bearer(&'a Token),
    /// This service itself.
    Service,
}

impl Holder<'_> {
    /// The project of the holder, as loose keys name it; empty: that of the service.
    fn project_id(&self) -> &str {
        match self {
            Self::Caller(context) => &context.project_id,
            Self::Bearer(_) | Self::Service => "",
        }
    }
}

/// A key that is made and has no owner yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// The name under which it is announced; `None` of the key that all have.
    pub name: Option<String>,
}

impl NewKey {
    /// The key that all have.
    fn fixed() -> Self {
        Self { id: FIXED_KEY_ID.to_owned(), name: None }
    }

    /// Gives the key to what the transaction writes.
    ///
    /// # Errors
    /// [`crate::Kind::Conflict`] where it took so long that the key is about to be removed; those of the database.
    pub fn claim(&self, tx: &mut Transaction<'_>) -> Result<()> {
        self.name.as_deref().map_or(Ok(()), |name| store::claim(tx, name))
    }

    /// Lets the order that the transaction places have the key until it ends.
    ///
    /// # Errors
    /// As [`NewKey::claim`].
    pub fn hold(&self, tx: &mut Transaction<'_>) -> Result<()> {
        self.name.as_deref().map_or(Ok(()), |name| store::hold(tx, name))
    }
}

/// The key store that the configuration names.
pub struct KeyStore<'a> {
    config: &'a Config,
    database: &'a Database,
    kind: Kind,
}

enum Kind {
    Fixed,
    Local(Box<MasterKey>),
    Barbican,
}

impl<'a> KeyStore<'a> {
    /// Opens it. Asks nobody yet.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] without more words, as all of this file: what is wrong is for the operator's log.
    pub fn open(config: &'a Config, database: &'a Database) -> Result<Self> {
        let backend = config.text(&BACKEND);
        let kind = match backend.rsplit('.').next().unwrap_or_default() {
            "barbican" | "BarbicanKeyManager" => Kind::Barbican,
            "local" => {
                let master = MasterKey::read(Path::new(config.text(&MASTER_KEY_FILE))).map_err(refused)?;
                Kind::Local(Box::new(master))
            }
            "ConfKeyManager" => {
                check_fixed(config)?;
                Kind::Fixed
            }
            _ => return Err(refused(format!("[key_manager] backend {backend} is not served"))),
        };
        Ok(Self { config, database, kind })
    }

    /// Makes a key.
    ///
    /// # Errors
    /// As [`KeyStore::open`]; those of the database.
    pub fn create(&self, holder: Holder<'_>, algorithm: &str, bits: Option<i64>) -> Result<NewKey> {
        match &self.kind {
            Kind::Fixed => Ok(NewKey::fixed()),
            Kind::Local(master) => {
                let bits = bits.unwrap_or(DEFAULT_BITS);
                if !(8..=MOST_BITS).contains(&bits) || bits % 8 != 0 {
                    return Err(refused(format!("a key has whole bytes, not {bits} bits")));
                }
                let key = local::random(usize::try_from(bits / 8).unwrap_or_default()).map_err(refused)?;
                self.seal(master, holder, (algorithm, bits), &key)
            }
            Kind::Barbican => self.announced(holder, |barbican, name| {
                let bits = bits.ok_or_else(|| "the type of the volume tells no key_size".to_owned())?;
                barbican.create(name, algorithm, bits)
            }),
        }
    }

    /// Makes a copy of a key of one holder for another one.
    ///
    /// # Errors
    /// As [`KeyStore::create`].
    pub fn copy(&self, id: &str, from: Holder<'_>, to: Holder<'_>) -> Result<NewKey> {
        if id == FIXED_KEY_ID {
            // Whoever leaves fixed_key in place after a change of the key manager still has it.
            check_fixed(self.config)?;
            return Ok(NewKey::fixed());
        }
        match &self.kind {
            Kind::Fixed => Err(refused(format!("key {id} is not that of fixed_key"))),
            Kind::Local(master) => {
                let sealed = self.database.read(|c| store::kept(c, id))?;
                let sealed = sealed.ok_or_else(|| refused(format!("there is no key {id}")))?;
                let key = master.open(id, &sealed.sealed).map_err(refused)?;
                self.seal(master, to, (&sealed.algorithm, sealed.bits), &key)
            }
            Kind::Barbican => {
                let key = self.barbican(from).and_then(|barbican| barbican.read(id)).map_err(refused)?;
                self.announced(to, |barbican, name| barbican.store(name, &key))
            }
        }
    }

    /// The bytes of a key, for work on what it encrypts.
    ///
    /// # Errors
    /// As [`KeyStore::create`].
    pub fn read(&self, id: &str, holder: Holder<'_>) -> Result<Vec<u8>> {
        if id == FIXED_KEY_ID {
            check_fixed(self.config)?;
            return local::from_hexadecimal(self.config.opt_text(&FIXED_KEY).unwrap_or_default())
                .ok_or_else(|| refused("fixed_key is not in hexadecimal"));
        }
        match &self.kind {
            Kind::Fixed => Err(refused(format!("key {id} is not that of fixed_key"))),
            Kind::Local(_) => self.reveal(id).map_err(|error| refused(error.public())),
            Kind::Barbican => {
                let read = self.barbican(holder).and_then(|barbican| barbican.read(id));
                read.map(|(_, bytes)| bytes).map_err(refused)
            }
        }
    }

    /// Whether this store has taken the place of the key of the configuration, which still stands there.
    pub fn replaces_fixed_key(config: &Config) -> bool {
        !config.text(&BACKEND).ends_with("ConfKeyManager") && config.opt_text(&FIXED_KEY).is_some()
    }

    /// Makes a key with the bytes of that of the configuration, which this user may read.
    ///
    /// # Errors
    /// As [`KeyStore::create`].
    pub fn adopt_fixed(&self, user_id: &str) -> Result<NewKey> {
        check_fixed(self.config)?;
        let key = local::from_hexadecimal(self.config.opt_text(&FIXED_KEY).unwrap_or_default()).unwrap_or_default();
        let bits = i64::try_from(key.len()).unwrap_or_default() * 8;
        match &self.kind {
            Kind::Fixed => Ok(NewKey::fixed()),
            Kind::Local(master) => self.seal(master, Holder::Service, ("AES", bits), &key),
            Kind::Barbican => self.announced(Holder::Service, |barbican, name| {
                let metadata = json!({"algorithm": "AES", "bit_length": bits, "secret_type": "symmetric"});
                let id = barbican.store(name, &(metadata, key))?;
                barbican.let_read(&id, user_id)?;
                Ok(id)
            }),
        }
    }

    /// The bytes of a key that is kept sealed, for whoever attaches a volume by hand.
    ///
    /// # Errors
    /// As [`KeyStore::open`] where the key store is another one; [`crate::Kind::NotFound`].
    pub fn reveal(&self, id: &str) -> Result<Vec<u8>> {
        let Kind::Local(master) = &self.kind else {
            return Err(Error::invalid("Keys are shown where [key_manager] backend is local."));
        };
        let sealed = self.database.read(|c| store::kept(c, id))?;
        let sealed = sealed.ok_or_else(|| Error::not_found(format!("There is no key {id}.")))?;
        master.open(id, &sealed.sealed).map_err(Error::invalid)
    }

    /// Keeps a key, in the transaction that announces it.
    fn seal(&self, master: &MasterKey, holder: Holder<'_>, of: (&str, i64), key: &[u8]) -> Result<NewKey> {
        let id = uuid::Uuid::new_v4().to_string();
        let (algorithm, bits) = (of.0.to_owned(), of.1);
        let sealed = Sealed { sealed: master.seal(&id, key).map_err(refused)?, id: id.clone(), algorithm, bits };
        self.database.write(|tx| {
            store::announce(tx, &id, Some(&id), holder.project_id())?;
            store::keep(tx, &sealed, holder.project_id())
        })?;
        fault::point("key.made");
        Ok(NewKey { name: Some(id.clone()), id })
    }

    /// Announces a key, makes it in Barbican, and notes its id.
    fn announced(
        &self,
        holder: Holder<'_>,
        make: impl FnOnce(&Barbican<'_>, &str) -> Result<String, String>,
    ) -> Result<NewKey> {
        let barbican = self.barbican(holder).map_err(refused)?;
        let name = format!("hearth-{}", uuid::Uuid::new_v4());
        self.database.write(|tx| store::announce(tx, &name, None, holder.project_id()))?;
        fault::point("key.announced");
        let made = make(&barbican, &name);
        fault::point("key.made");
        let written = match &made {
            Ok(id) => self.database.write(|tx| store::identify(tx, &name, id)),
            Err(_) => self.database.write(|tx| store::abandon(tx, &name)),
        };
        let id = made.map_err(refused)?;
        written?;
        Ok(NewKey { id, name: Some(name) })
    }

    fn barbican(&self, holder: Holder<'_>) -> Result<Barbican<'a>, String> {
        let token = match holder {
            Holder::Caller(context) => context.auth_token.clone(),
            Holder::Bearer(token) => Some(Secret::new(token.reveal())),
            Holder::Service => {
                let own = keystone::own_token(self.config);
                Some(own.map_err(|error| error.cause().unwrap_or(error.public()).to_owned())?)
            }
        };
        let token = token.filter(|token: &Secret| !token.reveal().is_empty());
        Barbican::find(self.config, token.ok_or_else(|| "the caller has no token".to_owned())?)
    }

    /// Lets a key go that was made for something that did not come, as far as the database answers.
    pub fn abandon(&self, key: &NewKey) {
        let Some(name) = &key.name else { return };
        if let Err(error) = self.database.write(|tx| store::abandon(tx, name)) {
            log::warn!("key {} is removed later: {error}", key.id);
        }
    }

    /// Removes keys that are due: with a caller's token those of the caller's project, with the service's own all of them.
    /// What can not be removed is tried again later.
    pub fn sweep(&self, holder: Holder<'_>) {
        let (project_id, most) = match holder {
            Holder::Caller(context) => (Some(context.project_id.as_str()), OF_REQUEST),
            Holder::Bearer(_) => return,
            Holder::Service => (None, OF_ROUND),
        };
        let found = match self.database.read(|c| store::due(c, project_id, most)) {
            Ok(found) if found.is_empty() => return,
            Ok(found) => found,
            Err(error) => return log::warn!("keys that are due are removed later: {error}"),
        };
        let barbican = match self.kind {
            Kind::Barbican => match self.barbican(holder) {
                Ok(barbican) => Some(barbican),
                Err(error) => {
                    log::warn!("keys that are due are removed later: {error}");
                    None
                }
            },
            _ => None,
        };
        for key in found {
            let removed = self.remove(&key, barbican.as_ref(), holder);
            let written = self.database.write(|tx| match removed {
                Ok(()) => store::forget(tx, &key.name),
                Err(_) => store::postpone(tx, &key.name),
            });
            if let Some(error) = removed.err().or(written.err().map(|error| error.to_string())) {
                log::warn!("key {} of project {:?} is removed later: {error}", key.name, key.project_id);
            }
        }
    }

    fn remove(&self, key: &Loose, barbican: Option<&Barbican<'_>>, holder: Holder<'_>) -> Result<(), String> {
        let text = |error: Error| error.to_string();
        let ids = match (&key.key_id, &self.kind, barbican) {
            (Some(id), _, _) => vec![id.clone()],
            (None, Kind::Barbican, Some(barbican)) if holder.project_id() == key.project_id => {
                barbican.named(&key.name)?
            }
            (None, Kind::Barbican, _) => return Err("only the project's own token finds it by its name".to_owned()),
            (None, _, _) => Vec::new(),
        };
        for id in ids {
            if self.database.read(|c| store::has_owner(c, &id)).map_err(text)? {
                // Such as the volume with which one that moved has exchanged its disk.
                log::info!("key {id} stays: something else has it");
                continue;
            }
            match (&self.kind, barbican) {
                (Kind::Fixed, _) => {}
                (Kind::Local(_), _) => self.database.write(|tx| store::remove(tx, &id)).map_err(text)?,
                (Kind::Barbican, Some(barbican)) => barbican.remove(&id)?,
                (Kind::Barbican, None) => return Err("Barbican can not be asked".to_owned()),
            }
        }
        fault::point("key.removed");
        Ok(())
    }
}

/// Makes the file of a master key, which its owner alone may read.
///
/// # Errors
/// [`crate::Kind::Conflict`] where there is something of this name.
pub fn make_master_key(path: &Path) -> Result<()> {
    MasterKey::make(path).map_err(Error::conflict)
}

fn check_fixed(config: &Config) -> Result<()> {
    let key = config.opt_text(&FIXED_KEY).unwrap_or_default();
    let is_hex = key.bytes().all(|byte| byte.is_ascii_hexdigit()) && key.len().is_multiple_of(2);
    if key.is_empty() || !is_hex {
        return Err(refused("[key_manager] fixed_key is not set to bytes in hexadecimal"));
    }
    Ok(())
}

/// What the caller learns of everything that goes wrong with keys.
fn refused(why: impl std::fmt::Display) -> Error {
    log::error!("key manager: {why}");
    Error::invalid("Key manager error").because(why)
}
