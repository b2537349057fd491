//! How Telemetry talks, apart from its routes: the version document, representations, the form of an error, the page of
//! an unknown URL (specification: errors).

use super::xml::{self, takes};
use crate::config;
use crate::error::{Error, Kind};
use crate::gateway::{Request, Response};
use crate::rest::fault;
use crate::rest::json::Json;
use crate::rest::links::Links;
use crate::rest::service::Dialect;

const JSON: &str = "application/json";

/// The dialect of metering.
pub static METERING: Dialect = Dialect {
    base: "/v2",
    project_in_path: false,
    versions: None,
    fault: fault::metering,
    unrouted: no_page,
    allow: true,
    front: front_of_metering,
    guest: super::publishers::admit,
    represent: xml::represent,
    content_types: &["application/json"],
    body_limit: &config::telemetry::MAX_REQUEST_BODY_SIZE,
    challenge: true,
};

/// The dialect of alarming.
pub static ALARMING: Dialect = Dialect {
    base: "/v2",
    project_in_path: false,
    versions: None,
    fault: fault::alarming,
    unrouted: no_alarming_page,
    allow: true,
    front: front_of_alarming,
    guest: |_, _, _| None,
    represent: |_, response| response,
    content_types: &["application/json"],
    body_limit: &config::telemetry::MAX_REQUEST_BODY_SIZE,
    challenge: true,
};

fn no_page(_: &Request) -> Response {
    let text = r#"{"error_message": "404 Not Found\n\nThe resource could not be found.\n\n   "}"#;
    Response::new(404, "application/json", text)
}

fn no_alarming_page(_: &Request) -> Response {
    fault::alarming(&Error::not_found("The resource could not be found."))
}

fn front_of_metering(request: &Request, path: &str, links: &Links) -> Option<Response> {
    front(request, path, links, fault::metering, xml::is_wanted)
}

fn front_of_alarming(request: &Request, path: &str, links: &Links) -> Option<Response> {
    front(request, path, links, fault::alarming, |_| false)
}

/// What needs no token: the version document, and the refusal of representations that are not written.
fn front(
    request: &Request,
    path: &str,
    links: &Links,
    fault: fn(&Error) -> Response,
    takes_other: fn(&str) -> bool,
) -> Option<Response> {
    if let Some(kind) = request.header("accept").filter(|accept| !takes(accept, JSON) && !takes_other(accept)) {
        let text = "The resource could not be generated that was acceptable to your browser (content of type";
        return Some(fault(&Error::new(Kind::NotAcceptable, format!("{text} {kind}."))));
    }
    matches!(path, "/" | "").then(|| versions(links))
}

fn versions(links: &Links) -> Response {
    let mut json = Json::with_capacity(512);
    let media = |json: &mut Json, name: &str| {
        json.object(|json| {
            json.key("base").text(&format!("application/{name}"));
            json.key("type").text(&format!("application/vnd.openstack.telemetry-v2+{name}"));
        });
    };
    json.object(|json| {
        json.key("versions").object(|json| {
            json.key("values").array(|json| {
                json.object(|json| {
                    json.key("id").text("v2");
                    json.key("links").array(|json| {
                        json.object(|json| {
                            json.key("href").text(&format!("{}/v2", links.root));
                            json.key("rel").text("self");
                        });
                        json.object(|json| {
                            json.key("href").text("https://docs.openstack.org/");
                            json.key("rel").text("describedby");
                            json.key("type").text("text/html");
                        });
                    });
                    json.key("media-types").array(|json| media(json, "json"));
                    json.key("status").text("stable");
                    json.key("updated").text("2013-02-13T00:00:00Z");
                });
            });
        });
    });
    Response::new(200, "application/json", json.into_bytes())
}
