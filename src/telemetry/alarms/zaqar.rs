//! Actions that put a message into a queue of Zaqar, by its HTTP API, version 2: `zaqar://?topic=T&subscriber=S` into a queue of the
//! service's own project; `zaqar://?queue_name=Q&signature=...` into one that its owner has signed for; `trust+zaqar://?queue_name=Q`
//! in the name of whom the alarm belongs to.

use std::sync::Mutex;

use serde_json::{Value as Json, json};

use super::notifier::{Delivery, failed};
use crate::Result;
use crate::config::{Config, alarms as options};
use crate::identity::Secret;
use crate::identity::keystone::Trustee;
use crate::rest::query::Query;
use crate::service::threads::lock;

/// Seconds for which a subscription lasts where the action does not say.
const SUBSCRIPTION: i64 = 3600;

/// Zaqar.
pub(super) struct Zaqar {
    kind: String,
    interface: String,
    region: Option<String>,
    /// Where it is, once Keystone has said so.
    base: Mutex<Option<String>>,
    /// What Zaqar tells one client from others by.
    client: String,
}

/// Whom a message is sent for.
pub(super) enum Sender {
    /// The service itself.
    Service,
    /// Who trusts it, with a token of theirs.
    Trustor(Secret),
}

impl Zaqar {
    /// As the configuration says. Asks nobody yet.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            kind: config.text(&options::SERVICE_TYPES_ZAQAR).to_owned(),
            interface: config.text(&options::INTERFACE).trim_end_matches("URL").to_owned(),
            region: config.opt_text(&options::REGION_NAME).map(str::to_owned),
            base: Mutex::default(),
            client: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Sends what an action says.
    ///
    /// # Errors
    /// `Unavailable` where Keystone or Zaqar does not answer, or can not now.
    pub(super) fn send(
        &self,
        agent: &ureq::Agent,
        trustee: &Trustee,
        sender: &Sender,
        action: &str,
        (alarm_id, body): (&str, &str),
    ) -> Result<Delivery> {
        let query = action.split_once('?').map_or("", |(_, query)| query);
        let query = Query::parse(query);
        let last = |name: &str| query.last(name).filter(|value| !value.is_empty());
        let signed = matches!(sender, Sender::Service) && last("queue_name").is_some();
        let queue = match (last("queue_name"), last("topic"), sender) {
            (Some(queue), ..) => queue.to_owned(),
            (None, Some(topic), Sender::Service) => format!("{alarm_id}-{topic}"),
            (None, ..) => return Ok(Delivery::Refused("it names no queue".to_owned())),
        };
        let Some(base) = self.base(trustee)? else {
            return Ok(Delivery::Refused(format!(
                "there is no service of the type {} in Keystone's catalogue",
                self.kind
            )));
        };
        let headers: Vec<(&str, String)> = match signed {
            false => Vec::new(),
            true => [
                ("URL-Signature", "signature"),
                ("URL-Expires", "expires"),
                ("URL-Methods", "methods"),
                ("URL-Paths", "paths"),
                ("X-Project-ID", "project_id"),
            ]
            .into_iter()
            .map(|(header, name)| (header, last(name).unwrap_or_default().to_owned()))
            .collect(),
        };
        let queue = format!("{base}/v2/queues/{}", super::sources::segment(&queue));
        let post = |url: &str, body: &Json| -> Result<u16> {
            let send = |token: Option<&Secret>| -> Result<u16> {
                let mut request =
                    agent.post(url).header("Client-ID", &self.client).header("Accept", "application/json");
                for (name, value) in &headers {
                    request = request.header(*name, value);
                }
                if let Some(token) = token {
                    request = request.header("X-Auth-Token", token.reveal());
                }
                let request = request.header("Content-Type", "application/json");
                let answer = request.send(body.to_string()).map_err(|error| failed(error.to_string()))?;
                Ok(answer.status().as_u16())
            };
            match sender {
                _ if signed => send(None),
                Sender::Trustor(token) => send(Some(token)),
                Sender::Service => {
                    let own = trustee.own(None)?;
                    match send(Some(&own))? {
                        401 => send(Some(&trustee.own(Some(&own))?)),
                        status => Ok(status),
                    }
                }
            }
        };
        let lasts = last("ttl").and_then(|ttl| ttl.parse::<i64>().ok()).unwrap_or(SUBSCRIPTION);
        if matches!(sender, Sender::Service) {
            for subscriber in query.all("subscriber") {
                let url = format!("{queue}/subscriptions");
                match post(&url, &json!({"subscriber": subscriber, "ttl": lasts, "options": {}}))? {
                    // One that is there already stays.
                    200..=299 | 409 => {}
                    status if Delivery::passes(status) => return Err(failed(format!("{url} answers {status}"))),
                    status => log::warn!("{url} answers {status}: {subscriber} does not hear of alarm {alarm_id}"),
                }
            }
        }
        let message: Json = serde_json::from_str(body).unwrap_or_default();
        let url = format!("{queue}/messages");
        match post(&url, &json!({"messages": [{"body": message}]}))? {
            200..=299 => Ok(Delivery::Done),
            status if Delivery::passes(status) => Err(failed(format!("{url} answers {status}"))),
            status => Ok(Delivery::Refused(format!("{url} answers {status}"))),
        }
    }

    /// Where Zaqar is, without a version.
    fn base(&self, trustee: &Trustee) -> Result<Option<String>> {
        if let Some(base) = lock(&self.base).as_ref() {
            return Ok(Some(base.clone()));
        }
        let found = trustee.endpoint(&self.kind, &self.interface, self.region.as_deref())?;
        let base = found.map(|url| {
            ["/v2", "/v1.1", "/v1"]
                .into_iter()
                .fold(url, |url, version| url.strip_suffix(version).map(str::to_owned).unwrap_or(url))
        });
        lock(&self.base).clone_from(&base);
        Ok(base)
    }
}
