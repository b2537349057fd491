//! How Block Storage talks, apart from its routes: version discovery, microversions, the form of an error, the page of an
//! unknown URL (Block Storage API v3, "API versions").

use std::cell::RefCell;

use crate::config;
use crate::gateway::{Request, Response};
use crate::rest::fault;
use crate::rest::json::Json;
use crate::rest::links::Links;
use crate::rest::microversion::Microversion;
use crate::rest::pipeline;
use crate::rest::service::{Dialect, Versions};

/// The lowest version that is served.
pub const MIN: Microversion = Microversion::new(3, 0);
/// The highest version that is served.
pub const MAX: Microversion = Microversion::new(3, 71);
/// When the highest version came to be.
const UPDATED: &str = "2023-08-31T00:00:00Z";

const VERSIONS: Versions = Versions { word: "volume", min: MIN, max: MAX };

/// Block Storage's dialect.
pub static DIALECT: Dialect = Dialect {
    base: "/v3",
    project_in_path: true,
    versions: Some(VERSIONS),
    fault: fault::block_storage,
    unrouted: pipeline::not_found,
    allow: false,
    front,
    guest: |_, _, _| None,
    represent: |_, response| response,
    content_types: &["application/json", "application/vnd.openstack.volume+json"],
    body_limit: &config::oslo_middleware::MAX_REQUEST_BODY_SIZE,
    challenge: true,
};

/// What needs no token: the list of versions at the root (300) and below the version's own path (200), and the redirect to
/// the latter. Clients find the service by them before they have a token.
fn front(request: &Request, path: &str, links: &Links) -> Option<Response> {
    match path {
        "/" | "" => Some(
            versions(300, links)
                .header("Vary", "OpenStack-API-Version")
                .header("OpenStack-API-Version", format!("volume {MIN}")),
        ),
        "/v3" => {
            let place = format!("{}/v3/", links.root);
            Some(Response::new(302, "text/html; charset=UTF-8", "").header("Location", place))
        }
        "/v3/" => Some(current(request, links)),
        _ => None,
    }
}

/// The version document below the version's own path. It takes part in microversions, as resources do.
fn current(request: &Request, links: &Links) -> Response {
    let mut echo = None;
    let answer = match VERSIONS.negotiate(request, &mut echo) {
        Ok(_) => versions(200, links),
        Err(error) => fault::block_storage(&error),
    };
    let answer = answer.header("Vary", "OpenStack-API-Version");
    match echo {
        Some(version) => answer.header("OpenStack-API-Version", format!("volume {version}")),
        None => answer,
    }
}

fn versions(status: u16, links: &Links) -> Response {
    thread_local! {
        /// The last document and its root: nearly all clients of a service ask for the same one.
        static MADE: RefCell<(String, Vec<u8>)> = const { RefCell::new((String::new(), Vec::new())) };
    }
    let bytes = MADE.with_borrow_mut(|(root, bytes)| {
        if *root != links.root || bytes.is_empty() {
            (*root, *bytes) = (links.root.clone(), document(links));
        }
        bytes.clone()
    });
    Response::new(status, "application/json", bytes)
}

fn document(links: &Links) -> Vec<u8> {
    let mut json = Json::with_capacity(512);
    let own = format!("{}/v3/", links.root);
    json.object(|json| {
        json.key("versions").array(|json| {
            json.object(|json| {
                json.key("id").text("v3.0");
                json.key("status").text("CURRENT");
                json.key("version").text(&MAX.to_string());
                json.key("min_version").text(&MIN.to_string());
                json.key("updated").text(UPDATED);
                json.key("links").array(|json| {
                    json.object(|json| {
                        json.key("rel").text("describedby");
                        json.key("type").text("text/html");
                        json.key("href").text("https://docs.openstack.org/");
                    });
                    json.object(|json| {
                        json.key("rel").text("self");
                        json.key("href").text(&own);
                    });
                });
                json.key("media-types").array(|json| {
                    json.object(|json| {
                        json.key("base").text("application/json");
                        json.key("type").text("application/vnd.openstack.volume+json;version=3");
                    });
                });
            });
        });
    });
    json.into_bytes()
}
