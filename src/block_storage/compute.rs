//! What the Compute service (Nova) is asked and told: with the caller's own token, which attachment of a volume a server uses;
//! with the service's, that a volume has grown or has another content. Its address is in the catalogue that Keystone tells of the token. Not here: what
//! follows from the answer (`control/detachment.rs`, `volume/work/servers.rs`).

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::{Config, keystone_authtoken, nova};
use crate::error::{Error, Result};
use crate::identity::{Context, Secret, catalog, keystone, tls};
use crate::service::threads::about_to_wait;

/// Most bytes of an answer: a catalogue has some ten thousand.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What the caller learns while Nova can not be asked.
const UNAVAILABLE: &str = "The Compute service is temporarily unavailable.";

/// The id of the attachment by which a server uses a volume; `None` where Nova knows no such server, or where the server
/// does not use the volume.
///
/// # Errors
/// [`crate::Kind::Unavailable`] where Keystone or Nova does not answer.
pub fn attachment_of(config: &Config, context: &Context, server_id: &str, volume_id: &str) -> Result<Option<String>> {
    if uuid::Uuid::try_parse(server_id).is_err() {
        // No server has such an id, and it has no place in a URL.
        return Ok(None);
    }
    let token = context.auth_token.as_ref().map_or("", Secret::reveal);
    let asking = Asking { agent: agent(config)?, token };
    let base = endpoint(config, &asking)?;
    let url = format!("{}/servers/{server_id}/os-volume_attachments/{volume_id}", base.trim_end_matches('/'));
    let Some(answer) = asking.get(&url)? else { return Ok(None) };
    let id = answer.pointer("/volumeAttachment/attachment_id").and_then(Json::as_str);
    id.map(|id| Some(id.to_owned())).ok_or_else(|| unavailable(format!("{url} tells no attachment_id")))
}

/// Tells Nova what has become of a volume that these servers use: it lets them see a volume that has grown, or go on with one that
/// has another content. The event goes by Nova's name of it, with the first version of its interface that knows it.
///
/// # Errors
/// [`crate::Kind::Invalid`] where `[keystone_authtoken]` lacks an option, [`crate::Kind::Unavailable`] where Keystone or Nova
/// does not answer, or Nova does not take it.
pub fn tell(config: &Config, (event, version): (&str, &str), server_ids: &[String], volume_id: &str) -> Result<()> {
    let token = keystone::own_token(config)?;
    let asking = Asking { agent: agent(config)?, token: token.reveal() };
    let url = format!("{}/os-server-external-events", endpoint(config, &asking)?.trim_end_matches('/'));
    let of_server = |id: &String| json!({"name": event, "server_uuid": id, "tag": volume_id});
    let events: Vec<Json> = server_ids.iter().map(of_server).collect();
    let answer = asking.post(&url, version, &json!({ "events": events }))?;
    let taken = answer.get("events").and_then(Json::as_array).ok_or_else(|| unavailable(format!("{url}: {answer}")))?;
    for event in taken {
        match event.get("code").and_then(Json::as_i64) {
            Some(200) => {}
            Some(code) => log::warn!("Nova has not taken {event}: {code}"),
            None => return Err(unavailable(format!("{url} tells no code: {answer}"))),
        }
    }
    Ok(())
}

/// Tells Nova to let a server use the volume `new_volume_id` in place of another one, and to copy the content. Nova has begun when
/// it answers, and says by itself when it is done.
///
/// # Errors
/// As [`tell`].
pub fn swap(config: &Config, server_id: &str, volume_id: &str, new_volume_id: &str) -> Result<()> {
    let token = keystone::own_token(config)?;
    let asking = Asking { agent: agent(config)?, token: token.reveal() };
    let base = endpoint(config, &asking)?;
    let url = format!("{}/servers/{server_id}/os-volume_attachments/{volume_id}", base.trim_end_matches('/'));
    asking.put(&url, "2.1", &json!({"volumeAttachment": {"volumeId": new_volume_id}}))
}

/// The questions of the holder of one token.
struct Asking<'a> {
    agent: ureq::Agent,
    token: &'a str,
}

impl Asking<'_> {
    /// The JSON under a URL; `None` where there is nothing.
    fn get(&self, url: &str) -> Result<Option<Json>> {
        about_to_wait();
        let request = self.agent.get(url).header("Accept", "application/json").header("X-Auth-Token", self.token);
        // The first version that tells the attachment's id.
        let request = request.header("OpenStack-API-Version", "compute 2.89");
        match read(url, request.call())? {
            (200, body) => json_of(url, &body).map(Some),
            (404, _) => Ok(None),
            (status, _) => Err(unavailable(format!("{url} answers {status}"))),
        }
    }

    /// Changes what is under a URL, at this version of Nova's interface.
    fn put(&self, url: &str, version: &str, body: &Json) -> Result<()> {
        match self.send(self.agent.put(url), url, version, body)? {
            (200 | 202, _) => Ok(()),
            (status, body) => Err(unavailable(format!("{url} answers {status}: {}", String::from_utf8_lossy(&body)))),
        }
    }

    fn send(
        &self,
        request: ureq::RequestBuilder<ureq::typestate::WithBody>,
        url: &str,
        version: &str,
        body: &Json,
    ) -> Result<(u16, Vec<u8>)> {
        about_to_wait();
        let request = request.header("Accept", "application/json").header("X-Auth-Token", self.token);
        let request = request.header("OpenStack-API-Version", format!("compute {version}"));
        read(url, request.header("Content-Type", "application/json").send(body.to_string()))
    }

    /// What is answered to something that is sent, at this version of Nova's interface.
    fn post(&self, url: &str, version: &str, body: &Json) -> Result<Json> {
        match self.send(self.agent.post(url), url, version, body)? {
            // 207: some were taken, and each says whether it was.
            (200 | 207, body) => json_of(url, &body),
            (status, _) => Err(unavailable(format!("{url} answers {status}"))),
        }
    }
}

/// Status and body.
fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>)> {
    let mut response = answer.map_err(|error| unavailable(format!("{url}: {error}")))?;
    let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
    Ok((response.status().as_u16(), body.map_err(|error| unavailable(format!("{url}: {error}")))?))
}

fn json_of(url: &str, body: &[u8]) -> Result<Json> {
    serde_json::from_slice(body).map_err(|error| unavailable(format!("{url}: {error}")))
}

fn endpoint(config: &Config, asking: &Asking<'_>) -> Result<String> {
    let url = config.opt_text(&nova::TOKEN_AUTH_URL).or_else(|| config.opt_text(&keystone_authtoken::AUTH_URL));
    let url = url.ok_or_else(|| unavailable("nobody says where Keystone is"))?.trim_end_matches('/');
    let url = format!("{}/v3/auth/catalog", url.trim_end_matches("/v3"));
    let catalog = asking.get(&url)?.unwrap_or_default();
    catalog::endpoint(&catalog, "compute", config.text(&nova::INTERFACE), config.opt_text(&nova::REGION_NAME))
        .ok_or_else(|| unavailable("there is none in the caller's catalogue"))
}

fn agent(config: &Config) -> Result<ureq::Agent> {
    let tls = tls::config(config.boolean(&nova::INSECURE), [config.opt_text(&nova::CAFILE), None, None]);
    let tls = tls.map_err(unavailable)?;
    let timeout = config.seconds(&nova::TIMEOUT);
    let some = |span: Duration| (!span.is_zero()).then_some(span);
    Ok(tls::client(tls).timeout_global(some(timeout)).build().new_agent())
}

fn unavailable(cause: impl std::fmt::Display) -> Error {
    Error::unavailable(UNAVAILABLE, format!("the Compute service can not be asked: {cause}"))
}
