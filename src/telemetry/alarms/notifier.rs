//! Sends actions that are due. An action is removed after it was sent, so that a crash sends it twice rather than never.
//! Several threads send; those of one server have some of them at the most, so that a slow one holds up nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::evaluator::Clock;
use super::zaqar::{Sender, Zaqar};
use crate::config::{Config, alarms as options};
use crate::identity::Secret;
use crate::identity::keystone::Trustee;
use crate::identity::tls;
use crate::service::fault;
use crate::service::threads::lock;
use crate::telemetry::model::trust_url;
use crate::telemetry::store::Store;
use crate::telemetry::store::alarms::Action;
use crate::time::Timestamp;
use crate::{Error, Result};

/// Longest pause before an action is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Most bytes of an answer that are read, so that the connection may be used again.
const LONGEST_ANSWER: u64 = 64 << 10;

/// What sends actions; shared by the threads that do.
pub struct Notifier {
    store: Arc<Store>,
    clock: Clock,
    owner: String,
    lease: Duration,
    retries: i64,
    first_pause: Duration,
    /// Sends at the same time to one server.
    at_once: usize,
    running: Mutex<HashMap<String, usize>>,
    verifying: ureq::Agent,
    trusting: ureq::Agent,
    verifies: bool,
    /// Who acts for whom; `None` where no Keystone says so.
    trustee: Option<Trustee>,
    zaqar: Zaqar,
}

/// What became of an action that was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Done,
    /// It was not taken, and would not be the next time.
    Refused(String),
}

impl Delivery {
    /// Whether a receiver that answers so may recover: one that is overloaded or broken may, one that refuses will refuse again.
    pub(super) fn passes(status: u16) -> bool {
        status == 429 || status >= 500
    }
}

/// An action that may be sent again.
pub(super) fn failed(cause: String) -> Error {
    Error::unavailable("the receiver of an action does not answer", cause)
}

impl Notifier {
    /// As the configuration says.
    ///
    /// # Errors
    /// `Invalid` where a file of certificates can not be read.
    pub fn open(config: &Config, store: Arc<Store>, clock: Clock) -> Result<Self> {
        let timeout = config.seconds(&options::ACTION_TIMEOUT).max(Duration::from_secs(1));
        let opt = |opt| config.opt_text(opt);
        let files = [
            opt(&options::REST_NOTIFIER_CA_BUNDLE),
            opt(&options::REST_NOTIFIER_CERTIFICATE_FILE),
            opt(&options::REST_NOTIFIER_CERTIFICATE_KEY),
        ];
        let agent = |insecure: bool| -> Result<ureq::Agent> {
            Ok(tls::client(tls::config(insecure, files)?).timeout_global(Some(timeout)).build().new_agent())
        };
        let threads = usize::try_from(config.integer(&options::NOTIFIER_THREADS)).unwrap_or(1);
        Ok(Self {
            store,
            clock,
            owner: format!("{}-{}", std::process::id(), uuid::Uuid::new_v4()),
            // Longer than a send can take.
            lease: timeout.saturating_mul(2).saturating_add(Duration::from_secs(2)),
            retries: config.integer(&options::REST_NOTIFIER_MAX_RETRIES),
            first_pause: config.seconds(&options::ACTION_RETRY_INTERVAL).max(Duration::from_millis(10)),
            at_once: (threads / 4).max(1),
            running: Mutex::default(),
            verifying: agent(false)?,
            trusting: agent(true)?,
            verifies: config.boolean(&options::REST_NOTIFIER_SSL_VERIFY),
            trustee: Trustee::open(config)?,
            zaqar: Zaqar::of(config),
        })
    }

    /// Sends one action that is due, else ends a trust that no alarm has any more; `false` where there is none for this thread.
    ///
    /// # Errors
    /// What the database gives.
    pub fn round(&self) -> Result<bool> {
        let Some(action) = self.take()? else { return self.end_trust() };
        let shown = trust_url::scrubbed(&action.action);
        let outcome = self.send(&action);
        fault::point("action.after_send");
        let ended = match outcome {
            Ok(Delivery::Done) => self.store.end_action(action.id),
            Ok(Delivery::Refused(reason)) => {
                log::error!("action {shown} of alarm {} is given up: {reason}", action.alarm_id);
                self.store.end_action(action.id)
            }
            Err(error) if action.attempts > self.retries => {
                log::error!("action {shown} of alarm {} is given up: {error}", action.alarm_id);
                self.store.end_action(action.id)
            }
            Err(error) => {
                log::warn!("action {shown} of alarm {} is sent again later: {error}", action.alarm_id);
                let pause = i64::try_from(self.pause(action.attempts).as_micros()).unwrap_or(i64::MAX);
                self.store.postpone_action(action.id, Timestamp((self.clock)().0.saturating_add(pause)))
            }
        };
        let mut running = lock(&self.running);
        if let Some(count) = running.get_mut(&action.target) {
            *count -= 1;
            if *count == 0 {
                running.remove(&action.target);
            }
        }
        ended.map(|()| true)
    }

    /// Ends a trust that is due; `false` where there is none.
    fn end_trust(&self) -> Result<bool> {
        let Some(trustee) = &self.trustee else { return Ok(false) };
        let now = (self.clock)();
        let lease = i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX);
        let until = Timestamp(now.0.saturating_add(lease));
        let Some(ending) = self.store.claim_trust(&self.owner, now, until)? else { return Ok(false) };
        let found = match (&ending.trust, &ending.mark) {
            (Some(trust), _) => Ok(Some(trust.clone())),
            (None, Some(mark)) => trustee.find(mark),
            (None, None) => Ok(None),
        };
        let outcome = found.and_then(|trust| trust.map_or(Ok(()), |trust| trustee.end(&trust)));
        fault::point("alarm.trust.ended");
        match outcome {
            Ok(()) => self.store.forget_trust(ending.id)?,
            Err(error) => {
                log::warn!("a trust that no alarm has any more ends later: {error}");
                let pause = i64::try_from(self.pause(ending.attempts + 1).as_micros()).unwrap_or(i64::MAX);
                self.store.postpone_trust(ending.id, Timestamp((self.clock)().0.saturating_add(pause)))?;
            }
        }
        Ok(true)
    }

    /// Twice as long after each attempt.
    fn pause(&self, attempts: i64) -> Duration {
        let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
        self.first_pause.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
    }

    /// Takes an action of a server that has room. One thread at a time looks, so that none takes too much.
    fn take(&self) -> Result<Option<Action>> {
        let mut running = lock(&self.running);
        let busy: Vec<String> =
            running.iter().filter(|(_, count)| **count >= self.at_once).map(|(target, _)| target.clone()).collect();
        let now = (self.clock)();
        let lease = i64::try_from(self.lease.as_micros()).unwrap_or(i64::MAX);
        let found = self.store.claim_action(&self.owner, now, Timestamp(now.0.saturating_add(lease)), &busy)?;
        if let Some(action) = &found {
            *running.entry(action.target.clone()).or_default() += 1;
        }
        Ok(found)
    }

    fn send(&self, action: &Action) -> Result<Delivery> {
        let trustee =
            || self.trustee.as_ref().ok_or_else(|| failed("[keystone_authtoken] says of no Keystone".to_owned()));
        let (url, token) = match trust_url::trust_of(&action.action) {
            None => (action.action.clone(), None),
            Some((trust, url)) => match trustee()?.token(&trust)? {
                Some(token) => (url, Some(token)),
                None => return Ok(Delivery::Refused("Keystone knows no such trust".to_owned())),
            },
        };
        match trust_url::scheme(&url).as_str() {
            "http" | "https" => self.call(action, &url, token.as_ref()),
            "zaqar" => {
                let sender = token.map_or(Sender::Service, Sender::Trustor);
                let told = (action.alarm_id.as_str(), action.body.as_str());
                self.zaqar.send(&self.verifying, trustee()?, &sender, &url, told)
            }
            _ => {
                log::info!("Notifying alarm {} with action {}: {}", action.alarm_id, action.action, action.body);
                Ok(Delivery::Done)
            }
        }
    }

    fn call(&self, action: &Action, url: &str, token: Option<&Secret>) -> Result<Delivery> {
        let agent = if verifies(url, self.verifies) { &self.verifying } else { &self.trusting };
        let mut request = agent
            .post(url)
            .header("Content-Type", "application/json")
            .header("X-OpenStack-Request-ID", format!("req-{}", uuid::Uuid::new_v4()));
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token.reveal());
        }
        let mut response = request.send(&action.body).map_err(|error| failed(error.to_string()))?;
        let status = response.status().as_u16();
        // What it answers does not matter; that it ends lets the connection be used again.
        let _ = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
        log::debug!("an action of alarm {} is answered {status} by {}", action.alarm_id, action.target);
        // What a receiver that refuses thinks of the action is its own business.
        if Delivery::passes(status) { Err(failed(format!("it answers {status}"))) } else { Ok(Delivery::Done) }
    }
}

/// Whether the receiver's certificate is looked at: as the URL says (`aodh-alarm-ssl-verify=0`), else as `default`.
fn verifies(url: &str, default: bool) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let named = ["aodh-alarm-ssl-verify=", "ceilometer-alarm-ssl-verify="];
    let value = query.split('&').filter_map(|pair| named.iter().find_map(|name| pair.strip_prefix(name))).next_back();
    value.and_then(|value| value.trim().parse::<i64>().ok()).map_or(default, |value| value != 0)
}

#[cfg(test)]
mod tests {
    use super::verifies;

    #[test]
    fn an_url_says_whether_its_certificate_is_looked_at() {
        assert!(verifies("https://h/?a=b", true) && !verifies("https://h/", false));
        assert!(!verifies("https://h/?aodh-alarm-ssl-verify=0", true));
        assert!(verifies("https://h/?x=1&ceilometer-alarm-ssl-verify=1", false));
        assert!(verifies("https://h/?aodh-alarm-ssl-verify=maybe", true));
    }
}
