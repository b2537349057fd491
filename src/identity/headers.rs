//! What a request says of its sender, found in one walk over its variables. Not here: whether it is true.

use crate::gateway::Request;

/// The headers and variables that identity reads. Texts are trimmed; empty ones and those that are not UTF-8 are absent.
#[derive(Debug, Default)]
pub(super) struct Headers<'a> {
    /// `X-Auth-Token`, else `X-Storage-Token`.
    pub(super) token: Option<&'a str>,
    /// `X-Service-Token`.
    pub(super) service_token: Option<&'a str>,
    /// `X-OpenStack-Request-Id`, where it has the form of one.
    pub(super) global_request_id: Option<&'a str>,
    /// Address of the client.
    pub(super) remote_address: Option<&'a str>,
}

impl<'a> Headers<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let mut headers = Self::default();
        let mut storage_token = None;
        for (name, value) in request.params.iter() {
            let place = match name {
                b"HTTP_X_AUTH_TOKEN" => &mut headers.token,
                b"HTTP_X_STORAGE_TOKEN" => &mut storage_token,
                b"HTTP_X_SERVICE_TOKEN" => &mut headers.service_token,
                b"HTTP_X_OPENSTACK_REQUEST_ID" => &mut headers.global_request_id,
                b"REMOTE_ADDR" => &mut headers.remote_address,
                _ => continue,
            };
            let text = std::str::from_utf8(value).ok().map(str::trim).filter(|text| !text.is_empty());
            // As everywhere the first of several counts.
            *place = place.or(text);
        }
        headers.token = headers.token.or(storage_token);
        headers.global_request_id = headers.global_request_id.filter(|id| is_request_id(id));
        headers
    }
}

/// `req-` and a UUID: other texts are not taken from outside into logs and messages.
fn is_request_id(id: &str) -> bool {
    id.len() == 40
        && id.strip_prefix("req-").is_some_and(|uuid| uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Body, Params};

    #[test]
    fn only_request_ids_of_the_known_form_are_taken_from_outside() {
        assert!(is_request_id("req-9b7f1e0c-3c1d-4f7e-9a5d-0c2b1a3d4e5f"));
        for id in ["", "req-", "req-9b7f1e0c-3c1d-4f7e-9a5d-0c2b1a3d4e5\n", "9b7f1e0c-3c1d-4f7e-9a5d-0c2b1a3d4e5f"] {
            assert!(!is_request_id(id), "{id:?}");
        }
    }

    #[test]
    fn the_first_of_several_counts_and_what_is_empty_or_no_text_is_absent() {
        let mut params = Params::default();
        for (name, value) in [
            ("HTTP_X_STORAGE_TOKEN", &b"old"[..]),
            ("HTTP_X_AUTH_TOKEN", b" new "),
            ("HTTP_X_AUTH_TOKEN", b"second"),
            ("HTTP_X_SERVICE_TOKEN", b"  "),
            ("REMOTE_ADDR", b"\xff"),
        ] {
            params.push(name.as_bytes(), value);
        }
        let request = Request { params, body: Body::Whole(Vec::new()) };
        let headers = Headers::of(&request);
        assert_eq!((headers.token, headers.service_token, headers.remote_address), (Some("new"), None, None));
    }
}
