//! Keys in Barbican, by its interface version 1: made by an order, as castellan does, so that a hardware module may make
//! them; copied by storing what was read. Who may do what is decided by Barbican from the token that is shown.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::config::{Config, barbican as options, keystone_authtoken};
use crate::identity::{Secret, catalog, tls};
use crate::service::threads::about_to_wait;

/// Most bytes of an answer: a list of secrets has some ten thousand.
const LONGEST_ANSWER: u64 = 1 << 20;
/// The first pause before an order is looked at again; it doubles up to `retry_delay`.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How keys are called as secrets.
const OCTETS: &str = "application/octet-stream";

/// Barbican as one holder of a token sees it. Errors are texts for the operator's log.
pub(super) struct Barbican<'a> {
    config: &'a Config,
    agent: ureq::Agent,
    token: Secret,
    /// With the version, without a slash at its end.
    base: String,
}

/// An answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl<'a> Barbican<'a> {
    /// Finds Barbican for the holder of a token.
    pub(super) fn find(config: &'a Config, token: Secret) -> Result<Self, String> {
        let mut found = Self { config, agent: agent(config)?, token, base: String::new() };
        let endpoint = match config.opt_text(&options::BARBICAN_ENDPOINT) {
            Some(url) => url.to_owned(),
            None => found.endpoint()?,
        };
        let (endpoint, version) = (endpoint.trim_end_matches('/'), config.text(&options::BARBICAN_API_VERSION));
        let endpoint = endpoint.strip_suffix(version).unwrap_or(endpoint);
        found.base = format!("{}/{version}", endpoint.trim_end_matches('/'));
        Ok(found)
    }

    fn endpoint(&self) -> Result<String, String> {
        let config = self.config;
        let url = config.opt_text(&options::AUTH_ENDPOINT).or_else(|| config.opt_text(&keystone_authtoken::AUTH_URL));
        let url = url.ok_or_else(|| "neither barbican_endpoint nor auth_endpoint is set".to_owned())?;
        let url = format!("{}/v3/auth/catalog", url.trim_end_matches('/').trim_end_matches("/v3"));
        let answer = self.send("GET", &url, "application/json", None)?;
        let catalog = json(&url, answer, 200)?;
        let (interface, region) =
            (config.text(&options::BARBICAN_ENDPOINT_TYPE), config.opt_text(&options::BARBICAN_REGION_NAME));
        catalog::endpoint(&catalog, "key-manager", interface, region)
            .ok_or_else(|| "there is no key-manager in the caller's catalogue".to_owned())
    }

    /// Makes a key; its id.
    pub(super) fn create(&self, name: &str, algorithm: &str, bits: i64) -> Result<String, String> {
        let meta = json!({"name": name, "algorithm": algorithm, "bit_length": bits, "payload_content_type": OCTETS});
        let url = format!("{}/orders", self.base);
        let made = self.send("POST", &url, "application/json", Some(&json!({"type": "key", "meta": meta})))?;
        let order = last_segment(&json(&url, made, 202)?, "order_ref")?;
        let url = format!("{url}/{order}");
        let secret = self.wait_for(&url)?;
        // An order that stays does no harm.
        match self.send("DELETE", &url, "application/json", None) {
            Ok(answer) if answer.status == 204 => {}
            Ok(answer) => log::info!("Barbican's order {order} stays: status {}", answer.status),
            Err(error) => log::info!("Barbican's order {order} stays: {error}"),
        }
        Ok(secret)
    }

    /// Waits until an order is carried out; the id of its secret.
    fn wait_for(&self, url: &str) -> Result<String, String> {
        let longest = self.config.seconds(&options::RETRY_DELAY).max(FIRST_PAUSE);
        let looks = u32::try_from(self.config.integer(&options::NUMBER_OF_RETRIES)).unwrap_or(1);
        let (mut left, mut pause) = (longest.saturating_mul(looks), FIRST_PAUSE);
        loop {
            let order = json(url, self.send("GET", url, "application/json", None)?, 200)?;
            match order.get("status").and_then(Json::as_str) {
                Some("ACTIVE") => return last_segment(&order, "secret_ref"),
                Some("ERROR") => return Err(format!("{url} failed: {}", order["error_reason"])),
                _ if left.is_zero() => return Err(format!("{url} is still not carried out")),
                _ => {}
            }
            std::thread::sleep(pause.min(left));
            left = left.saturating_sub(pause);
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    /// A key with what is known of it.
    pub(super) fn read(&self, id: &str) -> Result<(Json, Vec<u8>), String> {
        let url = self.secret(id)?;
        let metadata = json(&url, self.send("GET", &url, "application/json", None)?, 200)?;
        let answer = self.send("GET", &format!("{url}/payload"), OCTETS, None)?;
        if answer.status != 200 {
            return Err(format!("{url}/payload answers {}", answer.status));
        }
        Ok((metadata, answer.body))
    }

    /// Stores a key that was read; the id of the copy.
    pub(super) fn store(&self, name: &str, key: &(Json, Vec<u8>)) -> Result<String, String> {
        let url = format!("{}/secrets", self.base);
        let (metadata, bytes) = key;
        let body = json!({
            "name": name,
            "algorithm": metadata["algorithm"],
            "bit_length": metadata["bit_length"],
            "secret_type": metadata.get("secret_type").unwrap_or(&json!("symmetric")),
            "payload": STANDARD.encode(bytes),
            "payload_content_type": OCTETS,
            "payload_content_encoding": "base64",
        });
        last_segment(&json(&url, self.send("POST", &url, "application/json", Some(&body))?, 201)?, "secret_ref")
    }

    /// Lets a user read a key of another project.
    pub(super) fn let_read(&self, id: &str, user_id: &str) -> Result<(), String> {
        let url = format!("{}/acl", self.secret(id)?);
        let body = json!({"read": {"users": [user_id], "project-access": true}});
        json(&url, self.send("PUT", &url, "application/json", Some(&body))?, 200).map(|_| ())
    }

    /// Removes a key; one that is gone is fine.
    pub(super) fn remove(&self, id: &str) -> Result<(), String> {
        let url = self.secret(id)?;
        match self.send("DELETE", &url, "application/json", None)?.status {
            204 | 404 => Ok(()),
            status => Err(format!("{url} is not removed: status {status}")),
        }
    }

    /// The ids of the holder's keys of a name.
    pub(super) fn named(&self, name: &str) -> Result<Vec<String>, String> {
        let url = format!("{}/secrets?name={name}", self.base);
        let found = json(&url, self.send("GET", &url, "application/json", None)?, 200)?;
        let secrets = found.get("secrets").and_then(Json::as_array).into_iter().flatten();
        secrets.map(|secret| last_segment(secret, "secret_ref")).collect()
    }

    fn secret(&self, id: &str) -> Result<String, String> {
        if uuid::Uuid::try_parse(id).is_err() {
            // No secret has such an id, and it has no place in a URL.
            return Err(format!("{id:?} is no id of a key"));
        }
        Ok(format!("{}/secrets/{id}", self.base))
    }

    fn send(&self, method: &str, url: &str, accept: &str, body: Option<&Json>) -> Result<Answer, String> {
        about_to_wait();
        let token = self.token.reveal();
        let sent = match (method, body) {
            ("POST", Some(body)) => {
                self.agent.post(url).header("Accept", accept).header("X-Auth-Token", token).send_json(body)
            }
            ("PUT", Some(body)) => {
                self.agent.put(url).header("Accept", accept).header("X-Auth-Token", token).send_json(body)
            }
            ("DELETE", _) => self.agent.delete(url).header("Accept", accept).header("X-Auth-Token", token).call(),
            _ => self.agent.get(url).header("Accept", accept).header("X-Auth-Token", token).call(),
        };
        let mut response = sent.map_err(|error| format!("{url}: {error}"))?;
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
        Ok(Answer { status: response.status().as_u16(), body: body.map_err(|error| format!("{url}: {error}"))? })
    }
}

/// The JSON of an answer that must have a status. What a refusal says goes to the log, as it holds no key.
fn json(url: &str, answer: Answer, expected: u16) -> Result<Json, String> {
    if answer.status == expected {
        return serde_json::from_slice(&answer.body).map_err(|error| format!("{url}: {error}"));
    }
    let text =
        String::from_utf8_lossy(answer.body.get(..answer.body.len().min(300)).unwrap_or(&answer.body)).into_owned();
    Err(format!("{url} answers {} {text}", answer.status))
}

/// The id at the end of a reference, whose host may be one that only Barbican knows.
fn last_segment(json: &Json, key: &str) -> Result<String, String> {
    let id = json.get(key).and_then(Json::as_str).and_then(|url| url.trim_end_matches('/').rsplit('/').next());
    let id = id.filter(|id| uuid::Uuid::try_parse(id).is_ok() && id.len() == 36);
    id.map(str::to_owned).ok_or_else(|| format!("an answer of Barbican has no {key}"))
}

fn agent(config: &Config) -> Result<ureq::Agent, String> {
    let mut tls = TlsConfig::builder().disable_verification(!config.boolean(&options::VERIFY_SSL));
    if let Some(path) = config.opt_text(&options::VERIFY_SSL_PATH) {
        let text = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        let items = parse_pem(&text).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let certificates: Vec<_> = items.collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    let timeout = config.seconds(&options::TIMEOUT);
    let client = tls::client(tls.build()).timeout_global((!timeout.is_zero()).then_some(timeout));
    Ok(client.build().new_agent())
}

#[cfg(test)]
mod tests {
    use super::last_segment;
    use serde_json::json;

    #[test]
    fn a_reference_ends_with_an_id() {
        let id = "0c0ee15b-9a1f-4b6a-8c4c-0c0d3e1f2a3b";
        assert_eq!(
            last_segment(&json!({"secret_ref": format!("http://h:9311/v1/secrets/{id}")}), "secret_ref"),
            Ok(id.to_owned())
        );
        for wrong in [json!({}), json!({"secret_ref": null}), json!({"secret_ref": "http://h/v1/secrets/../x"})] {
            assert!(last_segment(&wrong, "secret_ref").is_err());
        }
    }
}
