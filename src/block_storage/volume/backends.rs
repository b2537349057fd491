//! The backends of this process: what the configuration says of each, and whether it can be worked with now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::drivers::{self, Driver, Traits};
use super::targets::{self, Target};
use super::work::image_cache::Limits;
use crate::block_storage::model::pool::{Capability, Space};
use crate::block_storage::store::pools::Report;
use crate::config::{Config, backend, default};
use crate::error::{Error, Result};

/// The backend that runs where the configuration enables none.
const ONLY_BACKEND: &str = "file";

/// The complaint while somebody else has the backend.
pub(super) const TAKEN: &str = "another process, or another section, has it";

/// One backend with its one pool.
pub(super) struct Backend {
    /// `host@backend`.
    pub(super) host: String,
    /// `host@backend#pool`.
    pub(super) pool: String,
    pub(super) zone: String,
    pub(super) driver: Arc<dyn Driver>,
    /// What serves its volumes to hosts; `None` where hosts reach them in the driver's own way.
    pub(super) target: Option<Arc<dyn Target>>,
    /// What is kept of images; `None` where nothing is.
    pub(super) image_cache: Option<Limits>,
    image_cache_changes: Mutex<()>,
    exports: RwLock<()>,
    backend_name: String,
    reserved_percentage: i64,
    max_over_subscription_ratio: Option<f64>,
    state: Mutex<State>,
}

/// What is known of a backend at the moment.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// Whether this process has the backend.
    pub(super) acquired: bool,
    /// Whether what an earlier process left has been put in order.
    pub(super) recovered: bool,
    /// What is wrong with it; `None` while it works.
    pub(super) complaint: Option<String>,
    /// Its row in `services`: number and UUID.
    pub(super) service: Option<(i64, Option<String>)>,
}

impl State {
    /// Whether orders can be carried out.
    pub(super) fn is_ready(&self) -> bool {
        self.acquired && self.recovered && self.complaint.is_none() && self.service.is_some()
    }
}

impl Backend {
    pub(super) fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the state, and tells the log what an operator should know of the change.
    pub(super) fn set_state(&self, state: State) {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (&held.complaint, &state.complaint) {
            (old, Some(new)) if old.as_ref() == Some(new) => {}
            (_, Some(new)) if new == TAKEN => log::info!("backend {}: {new}, this one stands by", self.host),
            (_, Some(new)) => log::error!("backend {} is down: {new}", self.host),
            (Some(_), None) => log::info!("backend {} works again", self.host),
            _ => {}
        }
        *held = state;
    }

    /// To be held while an order makes or ends an export, until its result is written.
    pub(super) fn change_exports(&self) -> RwLockReadGuard<'_, ()> {
        self.exports.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while it is decided of which image a volume is kept.
    pub(super) fn change_image_cache(&self) -> MutexGuard<'_, ()> {
        self.image_cache_changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be held while all exports are compared with the rows: no order changes one meanwhile.
    pub(super) fn hold_exports(&self) -> RwLockWriteGuard<'_, ()> {
        self.exports.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the driver and the target know of themselves together.
    pub(super) fn traits(&self) -> Traits {
        let own = self.driver.traits();
        match &self.target {
            Some(target) => Traits {
                protocol: target.protocol(),
                online_extend: own.online_extend && target.online_extend(),
                ..own
            },
            None => own,
        }
    }

    /// Whether the backend can be worked with.
    ///
    /// # Errors
    /// Those of the driver and of the target.
    pub(super) fn check(&self) -> Result<()> {
        self.driver.check()?;
        self.target.as_ref().map_or(Ok(()), |target| target.check())
    }

    /// What is reported of the pool while orders can be carried out on it, or can not.
    pub(super) fn report(&self, ready: bool) -> Report {
        let traits = self.traits();
        let capacity = self.driver.capacity();
        let text = |text: &str| Capability::Text(text.to_owned());
        let mut other = vec![
            ("volume_backend_name".to_owned(), text(&self.backend_name)),
            ("vendor_name".to_owned(), text("Open Source")),
            ("driver_version".to_owned(), text(env!("CARGO_PKG_VERSION"))),
            ("storage_protocol".to_owned(), text(traits.protocol)),
            ("online_extend_support".to_owned(), Capability::Boolean(traits.online_extend)),
            ("replication_enabled".to_owned(), Capability::Boolean(false)),
        ];
        other.extend(traits.other);
        Report {
            name: self.pool.clone(),
            working: ready && capacity.is_ok(),
            total: capacity.as_ref().map_or(Space::Gib(0.0), |found| found.total),
            free: capacity.as_ref().map_or(Space::Gib(0.0), |found| found.free),
            reserved_percentage: self.reserved_percentage,
            max_over_subscription_ratio: self.max_over_subscription_ratio,
            thin: traits.thin,
            thick: !traits.thin,
            other,
        }
    }
}

/// Every backend that the configuration enables.
///
/// # Errors
/// `Invalid` where one of them is described wrongly.
pub(super) fn open(config: &Config) -> Result<Vec<Backend>> {
    let only = [ONLY_BACKEND.to_owned()];
    let enabled = config.list(&backend::ENABLED_BACKENDS);
    let sections = if enabled.is_empty() { &only[..] } else { enabled };
    sections.iter().map(|section| open_one(config, section)).collect()
}

fn open_one(config: &Config, section: &str) -> Result<Backend> {
    let own = |opt| config.opt_text_in(section, opt);
    let host = own(&backend::BACKEND_HOST).unwrap_or_else(|| config.text(&default::HOST));
    let zone = own(&backend::BACKEND_AVAILABILITY_ZONE)
        .unwrap_or_else(|| config.text(&default::STORAGE_AVAILABILITY_ZONE))
        .to_owned();
    let backend_name = own(&backend::VOLUME_BACKEND_NAME).unwrap_or(section).to_owned();
    let ratio = config.text_in(section, &backend::MAX_OVER_SUBSCRIPTION_RATIO);
    let max_over_subscription_ratio = match (ratio, ratio.parse::<f64>()) {
        ("auto", _) => None,
        (_, Ok(ratio)) if ratio >= 1.0 => Some(ratio),
        _ => {
            let text = format!("[{section}] max_over_subscription_ratio = {ratio} is neither auto nor 1 or more.");
            return Err(Error::invalid(text));
        }
    };
    let host = format!("{host}@{section}");
    let driver = drivers::open(config, section)?;
    Ok(Backend {
        pool: format!("{host}#{backend_name}"),
        host,
        zone,
        target: targets::open(config, section, driver.target_protocol())?,
        driver,
        image_cache: config.boolean_in(section, &backend::IMAGE_VOLUME_CACHE_ENABLED).then(|| Limits {
            gib: config.integer_in(section, &backend::IMAGE_VOLUME_CACHE_MAX_SIZE_GB),
            count: config.integer_in(section, &backend::IMAGE_VOLUME_CACHE_MAX_COUNT),
        }),
        image_cache_changes: Mutex::default(),
        exports: RwLock::default(),
        backend_name,
        reserved_percentage: config.integer_in(section, &backend::RESERVED_PERCENTAGE),
        max_over_subscription_ratio,
        state: Mutex::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_configuration_there_is_one_file_backend() {
        let config = Config::from_text("[DEFAULT]\nhost = node1\nstate_path = /tmp/nowhere\n").unwrap();
        let backends = open(&config).unwrap();
        let names: Vec<_> = backends.iter().map(|backend| (backend.host.as_str(), backend.pool.as_str())).collect();
        assert_eq!(names, [("node1@file", "node1@file#file")]);
        assert_eq!(backends[0].zone, "nova");
    }

    #[test]
    fn each_enabled_backend_has_its_own_section() {
        let text = "[DEFAULT]\nhost = node1\nenabled_backends = fast, slow\n[fast]\nvolume_backend_name = ssd\n\
                    backend_host = cluster\nbackend_availability_zone = far\nmax_over_subscription_ratio = auto\n[slow]\n";
        let backends = open(&Config::from_text(text).unwrap()).unwrap();
        let names: Vec<_> = backends.iter().map(|backend| backend.pool.as_str()).collect();
        assert_eq!(names, ["cluster@fast#ssd", "node1@slow#slow"]);
        assert_eq!(backends[0].zone, "far");
        assert_eq!(backends[0].max_over_subscription_ratio, None);
        assert_eq!(backends[1].max_over_subscription_ratio, Some(20.0));
    }

    #[test]
    fn a_wrong_driver_or_ratio_is_told_with_its_section() {
        for (line, word) in [("volume_driver = nonsense", "nonsense"), ("max_over_subscription_ratio = 0.5", "0.5")] {
            let text = format!("[DEFAULT]\nenabled_backends = one\n[one]\n{line}\n");
            let Err(error) = open(&Config::from_text(&text).unwrap()) else { panic!("{line} was taken") };
            assert!(error.public().contains("[one]") && error.public().contains(word), "{error}");
        }
    }
}
