//! Where the service stands as the client sees it, and the links in answers.

use crate::gateway::Request;

/// The place of a service: what stands before a resource's path in every link.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Scheme, authority and mount prefix, without a slash at the end: `https://cloud.example:443/volume`.
    pub root: String,
    /// The version segment with its slash, such as `/v3`.
    pub version: &'static str,
    /// The project segment of the request's own URL with its slash, or nothing: links repeat the caller's form.
    pub project: String,
}

impl Links {
    /// The link of a collection with a query: `ROOT/v3/PROJECT/volumes/detail?QUERY`.
    pub fn page(&self, path: &str, query: &str) -> String {
        [&self.root, self.version, &self.project, "/", path, "?", query].concat()
    }

    /// Writes the `links` list of an item: `self`, `ROOT/v3/PROJECT/volumes/ID`, and `bookmark`, which names no version.
    pub fn write(&self, collection: &str, id: &str, json: &mut super::json::Json) {
        json.array(|json| {
            for (rel, version) in [("self", self.version), ("bookmark", "")] {
                json.object(|json| {
                    json.name("rel").text(rel);
                    json.name("href").joined(&[&self.root, version, &self.project, "/", collection, "/", id]);
                });
            }
        });
    }
}

/// The client's view of scheme, authority and prefix: `public_endpoint` where the operator set one; else the
/// `X-Forwarded-*` headers where the operator trusts them (`[oslo_middleware] enable_proxy_headers_parsing`); else what
/// the web server says. No slash at the end.
pub fn root(request: &Request, prefix: &str, public_endpoint: Option<&str>, trust_forwarded: bool) -> String {
    if let Some(endpoint) = public_endpoint {
        return endpoint.trim_end_matches('/').to_owned();
    }
    let forwarded = |name| {
        let header = if trust_forwarded { request.header(name) } else { None };
        header.and_then(|list| list.split(',').next()).map(str::trim).filter(|value| !value.is_empty())
    };
    let secure = request.param("HTTPS").is_some_and(|value| !value.is_empty() && !value.eq_ignore_ascii_case("off"));
    let scheme = forwarded("x-forwarded-proto").or_else(|| request.param("REQUEST_SCHEME").filter(|s| !s.is_empty()));
    let scheme = scheme.filter(|scheme| matches!(*scheme, "http" | "https"));
    let scheme = scheme.unwrap_or(if secure { "https" } else { "http" });
    let host = forwarded("x-forwarded-host").or_else(|| request.header("host")).filter(|host| is_authority(host));
    let outer = forwarded("x-forwarded-prefix").unwrap_or("").trim_end_matches('/');
    match host {
        Some(host) => [scheme, "://", host, outer, prefix].concat(),
        None => {
            let name = request.param("SERVER_NAME").filter(|name| !name.is_empty()).unwrap_or("localhost");
            let port = request.param("SERVER_PORT").unwrap_or("");
            let default = if scheme == "https" { "443" } else { "80" };
            let (colon, port) = if port.is_empty() || port == default { ("", "") } else { (":", port) };
            [scheme, "://", name, colon, port, outer, prefix].concat()
        }
    }
}

/// Whether a Host header is safe to be repeated in a link: letters, digits and the punctuation of RFC 3986 section 3.2.2.
fn is_authority(host: &str) -> bool {
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::{Links, root};
    use crate::gateway::{Body, Params, Request};

    fn request(variables: &[(&str, &str)]) -> Request {
        let mut params = Params::default();
        for (name, value) in variables {
            params.push(name.as_bytes(), value.as_bytes());
        }
        Request { params, body: Body::Whole(Vec::new()) }
    }

    #[test]
    fn the_root_is_what_the_client_sees() {
        let plain = request(&[
            ("HTTP_HOST", "cloud:8080"),
            ("HTTP_X_FORWARDED_HOST", "front"),
            ("HTTP_X_FORWARDED_PROTO", "https"),
        ]);
        assert_eq!(root(&plain, "/volume", None, false), "http://cloud:8080/volume");
        assert_eq!(root(&plain, "/volume", None, true), "https://front/volume");
        assert_eq!(root(&plain, "/volume", Some("https://public/x/"), true), "https://public/x");
        let bare = request(&[("SERVER_NAME", "node"), ("SERVER_PORT", "8776"), ("HTTP_HOST", "a\"<b")]);
        assert_eq!(root(&bare, "", None, false), "http://node:8776");
    }

    #[test]
    fn links_repeat_the_callers_form() {
        let mut links = Links { root: "http://h".into(), version: "/v3", project: "/p".into() };
        let mut json = super::super::json::Json::default();
        links.write("volumes", "1", &mut json);
        let written =
            r#"[{"rel":"self","href":"http://h/v3/p/volumes/1"},{"rel":"bookmark","href":"http://h/p/volumes/1"}]"#;
        assert_eq!(String::from_utf8(json.into_bytes()).unwrap(), written);
        links.project.clear();
        assert_eq!(links.page("volumes/detail", "limit=1"), "http://h/v3/volumes/detail?limit=1");
    }
}
