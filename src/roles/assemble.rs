//! Puts the services together from a configuration: databases, platforms, mounts.

use std::sync::Arc;

use crate::block_storage::store::tables;
use crate::config::{self, Config, Opt, Sources};
use crate::database::migrate::Wanted;
use crate::database::orders;
use crate::database::{Database, Engine, Options, Synchronous};
use crate::error::{Kind, Result};
use crate::messaging::{Listener, Outbox};
use crate::rest::pipeline::{App, Mount};
use crate::rest::platform::Platform;
use crate::rest::service::Endpoint;
use crate::{block_storage, telemetry};

/// Connections of the listener to Telemetry's database.
const LISTENER_POOL_SIZE: u32 = 2;

/// Everything that a process serves.
pub struct Assembly {
    /// The gateway's handler.
    pub app: App,
    /// The configuration that it was made from.
    pub config: Arc<Config>,
    /// Block Storage's database.
    pub database: Database,
    sources: Sources,
}

impl Assembly {
    /// The services of the configuration that `sources` name.
    ///
    /// # Errors
    /// What reading the configuration and the policy, and opening the databases give.
    pub fn open(sources: &Sources, pool_size: u32) -> Result<Self> {
        let config = Arc::new(Config::load(sources)?);
        Self::with(config, sources.clone(), pool_size)
    }

    fn with(config: Arc<Config>, sources: Sources, pool_size: u32) -> Result<Self> {
        let database = block_storage_database(&config, pool_size, false)?;
        let storage_platform = Arc::new(Platform::open(config.clone(), block_storage::policies::ALL)?);
        let mount = |prefix: &Opt, port: &Opt, endpoint: Arc<dyn Endpoint>| Mount {
            prefix: config.text(prefix).trim_end_matches('/').to_owned(),
            port: u16::try_from(config.integer(port)).unwrap_or(0),
            endpoint,
        };
        let samples = telemetry_database(&config, pool_size, false)?;
        let telemetry_platform = Arc::new(storage_platform.with_rules(telemetry::policy::ALL)?);
        let app = App::new(vec![
            mount(
                &config::gateway::BLOCK_STORAGE_PREFIX,
                &config::gateway::BLOCK_STORAGE_PORT,
                Arc::new(block_storage::service(storage_platform, database.clone())),
            ),
            mount(
                &config::gateway::METERING_PREFIX,
                &config::gateway::METERING_PORT,
                Arc::new(telemetry::metering(telemetry_platform.clone(), samples.clone())),
            ),
            mount(
                &config::gateway::ALARMING_PREFIX,
                &config::gateway::ALARMING_PORT,
                Arc::new(telemetry::alarming(telemetry_platform, samples)),
            ),
        ]);
        Ok(Self { app, config, database, sources })
    }

    /// Reads configuration and policy again; requests that come from now on see them. Where something is wrong, all
    /// stays as it was.
    ///
    /// # Errors
    /// What reading gives.
    pub fn reload(&self) -> Result<Arc<Config>> {
        let config = Arc::new(Config::load(&self.sources)?);
        let storage = Arc::new(Platform::open(config.clone(), block_storage::policies::ALL)?);
        let telemetry = Arc::new(storage.with_rules(telemetry::policy::ALL)?);
        for mount in self.app.mounts() {
            let platform = if mount.endpoint.name() == "block-storage" { &storage } else { &telemetry };
            mount.endpoint.replace_platform(platform.clone());
        }
        Ok(config)
    }
}

/// Opens Block Storage's database; `create` makes the file of an embedded one.
///
/// # Errors
/// `Invalid` for an URL that names no engine.
pub fn block_storage_database(config: &Config, pool_size: u32, create: bool) -> Result<Database> {
    open(config, &config::database::CONNECTION, Options { pool_size, create, ..Options::default() })
}

/// Opens Telemetry's database; `create` makes the file of an embedded one.
///
/// # Errors
/// `Invalid` for an URL that names no engine.
pub fn telemetry_database(config: &Config, pool_size: u32, create: bool) -> Result<Database> {
    let options = Options { pool_size, create, ..Options::default() };
    open(config, &config::telemetry::CONNECTION, telemetry::store::tuned(options))
}

/// Who keeps notifications in Telemetry's database, where the configuration wants them there and this process has it.
///
/// # Errors
/// `Invalid` for an URL that names no engine, and for definitions that can not be understood.
pub fn telemetry_listener(config: &Config) -> Result<Option<Box<dyn Listener>>> {
    if !Outbox::of(config).tells_telemetry() {
        return Ok(None);
    }
    let database = telemetry_database(config, LISTENER_POOL_SIZE, false)?;
    match database.read(telemetry::store::schema::require) {
        // A server that is away for now is waited for; a file that is not here is on another host.
        Err(error) if error.kind() == Kind::Conflict || database.engine() == Engine::Sqlite => {
            log::warn!("notifications for Telemetry are left to other processes: {error}");
            Ok(None)
        }
        _ => Ok(Some(Box::new(telemetry::ingest::Keeper::new(config, database)?))),
    }
}

/// Every database with what it holds. Where both services share one, it stands there twice.
///
/// # Errors
/// `Invalid` for an URL that names no engine.
pub fn every_database(config: &Config, pool_size: u32, create: bool) -> Result<Vec<(Database, Wanted<'static>)>> {
    let storage = Wanted { cinder: true, components: &[&orders::PLATFORM, &tables::COMPONENT] };
    let samples = telemetry::store::schema::WANTED;
    Ok(vec![
        (block_storage_database(config, pool_size, create)?, storage),
        (telemetry_database(config, pool_size, create)?, samples),
    ])
}

fn open(config: &Config, url: &Opt, options: Options) -> Result<Database> {
    use config::database as opt;
    let synchronous = if config.boolean(&opt::SQLITE_SYNCHRONOUS) { Synchronous::Full } else { Synchronous::Normal };
    let options = Options {
        synchronous,
        pool_wait: config.seconds(&opt::POOL_TIMEOUT),
        recycle_after: config.seconds(&opt::CONNECTION_RECYCLE_TIME),
        mysql_sql_mode: config.text(&opt::MYSQL_SQL_MODE).to_owned(),
        ..options
    };
    Database::open(config.text(url), options)
}
