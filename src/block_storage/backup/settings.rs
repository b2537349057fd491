//! The options of a backup service, read once when it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::repository::Algorithm;
use crate::block_storage::model::quota::Limits;
use crate::block_storage::model::service::is_folder_driver;
use crate::config::{Config, backup, default, quota, volume};
use crate::error::{Error, Result};
use crate::messaging::Outbox;

/// The most orders at once where the configuration sets no limit.
const MOST: usize = 64;

/// What the configuration says.
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) zone: String,
    pub(super) path: PathBuf,
    /// The container of backups that name none; `None` for one of each.
    pub(super) container: Option<String>,
    pub(super) chunk_bytes: u64,
    pub(super) block_bytes: u64,
    pub(super) algorithm: Algorithm,
    pub(super) workers: usize,
    pub(super) poll_interval: Duration,
    /// How long an order is taken for, in seconds.
    pub(super) lease_seconds: i64,
    pub(super) stop_timeout: Duration,
    pub(super) report_interval: Duration,
    pub(super) message_ttl_seconds: i64,
    pub(super) enable_new_services: bool,
    pub(super) limits: Limits,
    pub(super) outbox: Outbox,
}

impl Settings {
    /// # Errors
    /// `Invalid` where an option is wrong.
    pub(super) fn read(config: &Config) -> Result<Self> {
        let driver = config.text(&backup::BACKUP_DRIVER);
        if !is_folder_driver(driver) {
            return Err(Error::invalid(format!("[DEFAULT] backup_driver = {driver}: there is no such driver.")));
        }
        let path = PathBuf::from(config.text(&backup::BACKUP_POSIX_PATH));
        if !path.is_absolute() {
            return Err(Error::invalid(format!("[DEFAULT] backup_posix_path: {} is not absolute.", path.display())));
        }
        let bytes = |opt| u64::try_from(config.integer(opt)).unwrap_or(1).max(1);
        let (chunk_bytes, block_bytes) =
            (bytes(&backup::BACKUP_FILE_SIZE), bytes(&backup::BACKUP_SHA_BLOCK_SIZE_BYTES));
        if !chunk_bytes.is_multiple_of(block_bytes) {
            let text = "[DEFAULT] backup_file_size is no multiple of backup_sha_block_size_bytes.";
            return Err(Error::invalid(text));
        }
        let algorithm = config.text(&backup::BACKUP_COMPRESSION_ALGORITHM);
        let workers = usize::try_from(config.integer(&backup::BACKUP_MAX_OPERATIONS)).unwrap_or(0);
        Ok(Self {
            host: config.text(&default::HOST).to_owned(),
            zone: config.text(&default::STORAGE_AVAILABILITY_ZONE).to_owned(),
            path,
            container: Some(config.text(&backup::BACKUP_CONTAINER).to_owned()).filter(|text| !text.is_empty()),
            chunk_bytes,
            block_bytes,
            algorithm: Algorithm::parse(algorithm)
                .ok_or_else(|| Error::invalid(format!("unsupported compression algorithm: {algorithm}")))?,
            workers: if workers == 0 { MOST } else { workers },
            poll_interval: config.seconds(&volume::ORDER_POLL_INTERVAL).max(Duration::from_millis(10)),
            lease_seconds: whole(config.seconds(&volume::ORDER_LEASE)).max(3),
            stop_timeout: config.seconds(&volume::STOP_TIMEOUT),
            report_interval: config.seconds(&default::REPORT_INTERVAL).max(Duration::from_millis(100)),
            message_ttl_seconds: whole(config.seconds(&default::MESSAGE_TTL)),
            enable_new_services: config.boolean(&default::ENABLE_NEW_SERVICES),
            limits: Limits {
                until_refresh: config.integer(&quota::UNTIL_REFRESH),
                max_age_seconds: whole(config.seconds(&quota::MAX_AGE)),
                ..Limits::default()
            },
            outbox: Outbox::of(config),
        })
    }
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(lines: &str) -> String {
        let config = Config::from_text(&format!("[DEFAULT]\nstate_path = /tmp\n{lines}\n")).unwrap();
        Settings::read(&config).map_or_else(|error| error.public().to_owned(), |_| String::new())
    }

    #[test]
    fn the_defaults_are_cinders_and_what_can_not_work_is_refused() {
        let config = Config::from_text("[DEFAULT]\nstate_path = /tmp\n").unwrap();
        let settings = Settings::read(&config).unwrap();
        assert_eq!(settings.path, PathBuf::from("/tmp/backup"));
        assert_eq!((settings.chunk_bytes, settings.block_bytes), (61_035 * 32_768, 32_768));
        assert_eq!((settings.algorithm, settings.workers, settings.container), (Algorithm::Zlib, 15, None));
        assert!(refusal("backup_file_size = 65537").contains("no multiple"));
        assert!(refusal("backup_posix_path = here").contains("not absolute"));
        assert!(refusal("backup_driver = cinder.backup.drivers.swift.SwiftBackupDriver").contains("no such driver"));
        assert_eq!(refusal("backup_driver = posix"), "");
    }
}
