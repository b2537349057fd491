//! Identity by a real Keystone: which tokens are good, what they say, and what happens when Keystone changes its mind or
//! goes away. One Keystone serves all tests but those that stop it.

#[path = "../support/keystone.rs"]
mod keystone;

mod outages;
mod scopes;
mod tokens;

use std::sync::{Arc, OnceLock};

use hearth::config::Config;
use hearth::gateway::{Body, Params, Request};
use hearth::identity::{Authenticate, Context};
use hearth::{Kind, Result};
use keystone::Keystone;

/// The variable by which a test that starts another process of this suite shows it the shared Keystone.
pub(crate) const SHARED: &str = "HEARTH_TEST_SHARED_KEYSTONE";

/// A Keystone with users: `cinder` as whom Hearth asks, `nova` with the role service and `glance` without it in project
/// service; `ann` (member) and `rob` (reader) in project demo.
pub(crate) struct Cloud {
    pub(crate) keystone: Keystone,
    pub(crate) demo: String,
}

impl Cloud {
    /// One with data of its own.
    pub(crate) fn start() -> Self {
        let keystone = Keystone::start();
        let service = keystone.make_project("service");
        let demo = keystone.make_project("demo");
        keystone.make_user("cinder", "service", &service);
        keystone.make_user("nova", "service", &service);
        keystone.make_user("glance", "member", &service);
        keystone.make_user("ann", "member", &demo);
        keystone.make_user("rob", "reader", &demo);
        Self { keystone, demo }
    }

    /// The one that tests share.
    pub(crate) fn shared() -> &'static Self {
        static CLOUD: OnceLock<Cloud> = OnceLock::new();
        CLOUD.get_or_init(|| match std::env::var(SHARED) {
            Ok(known) => {
                let (port, demo) = known.split_once(' ').unwrap();
                Self { keystone: Keystone::at(port.parse().unwrap()), demo: demo.to_owned() }
            }
            Err(_) => Self::start(),
        })
    }

    /// How another process of this suite finds the one that tests share: as the value of [`SHARED`].
    pub(crate) fn address(&self) -> String {
        format!("{} {}", self.keystone.port(), self.demo)
    }

    /// A server of the shared one whose tokens end after ten seconds.
    pub(crate) fn hasty() -> &'static Keystone {
        static HASTY: OnceLock<Keystone> = OnceLock::new();
        HASTY.get_or_init(|| Self::shared().keystone.beside(&[("OS_TOKEN__EXPIRATION", "10")]))
    }

    /// Hearth's identity with further options of `[keystone_authtoken]`.
    pub(crate) fn identity(&self, options: &str) -> Arc<dyn Authenticate> {
        let config = format!(
            "[keystone_authtoken]\nauth_url = {}\nwww_authenticate_uri = https://keystone.example/v3\nusername = cinder\n\
             password = secret\nuser_domain_id = default\nproject_name = service\nproject_domain_id = default\n{options}",
            self.keystone.url()
        );
        hearth::identity::open(&Config::from_text(&config).unwrap()).unwrap()
    }

    /// Ann's token in her project.
    pub(crate) fn ann(&self) -> String {
        self.keystone.token("ann", &keystone::project("demo"))
    }
}

/// A request with headers given as the web server gives them, such as `HTTP_X_AUTH_TOKEN`.
pub(crate) fn request(headers: &[(&str, &str)]) -> Request {
    let mut params = Params::default();
    params.push(b"REQUEST_METHOD", b"GET");
    params.push(b"REQUEST_URI", b"/v3/volumes?limit=1");
    headers.iter().for_each(|(name, value)| params.push(name.as_bytes(), value.as_bytes()));
    Request { params, body: Body::Whole(Vec::new()) }
}

/// Who calls with a token.
pub(crate) fn context(identity: &Arc<dyn Authenticate>, token: &str) -> Result<Context> {
    identity.context(&request(&[("HTTP_X_AUTH_TOKEN", token)]))
}

/// Who calls with a token on behalf of a service with another.
pub(crate) fn service_context(identity: &Arc<dyn Authenticate>, token: &str, service: &str) -> Result<Context> {
    identity.context(&request(&[("HTTP_X_AUTH_TOKEN", token), ("HTTP_X_SERVICE_TOKEN", service)]))
}

/// The kind of a refusal; `None` where there is none.
pub(crate) fn refusal(result: &Result<Context>) -> Option<Kind> {
    result.as_ref().err().map(hearth::Error::kind)
}
