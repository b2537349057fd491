//! Keystone stopped and started again, and a service user whose credentials change.

use std::process::Command;

use hearth::Kind;
use serde_json::json;

use crate::keystone::{project, until};
use crate::{Cloud, SHARED, context, refusal};

#[test]
fn while_keystone_is_down_known_tokens_go_on_others_are_unavailable_and_all_is_well_after_it_is_back() {
    let mut cloud = Cloud::start();
    let identity = cloud.identity("");
    let (known, unknown) = (cloud.ann(), cloud.ann());
    assert!(context(&identity, &known).is_ok());
    assert_eq!(refusal(&context(&identity, "wrong")), Some(Kind::Unauthenticated));
    cloud.keystone.stop();
    let down = context(&identity, &unknown).unwrap_err();
    assert_eq!(down.kind(), Kind::Unavailable);
    assert_eq!(down.public(), "The Keystone service is temporarily unavailable.");
    assert!(context(&identity, &known).is_ok());
    let asking = cloud.identity("token_cache_time = 0");
    assert_eq!(refusal(&context(&asking, &known)), Some(Kind::Unavailable));
    let delaying = cloud.identity("delay_auth_decision = true");
    assert_eq!(refusal(&context(&delaying, &known)), Some(Kind::Unauthenticated), "the services decide, and refuse");
    cloud.keystone.start_again();
    // The kept connections are gone with the server that closed them.
    assert!(context(&identity, &unknown).is_ok());
    assert!(context(&asking, &known).is_ok());
}

#[test]
fn the_services_own_token_is_replaced_when_keystone_no_longer_takes_it() {
    let cloud = Cloud::shared();
    let projects = cloud.keystone.ask("GET", "/projects?name=service", &serde_json::Value::Null);
    let user = cloud.keystone.make_user("changing", "service", projects["projects"][0]["id"].as_str().unwrap());
    let identity = cloud.identity("username = changing");
    assert!(context(&identity, &cloud.ann()).is_ok());
    let path = format!("/users/{user}");
    let password = |text: &str| cloud.keystone.ask("PATCH", &path, &json!({"user": {"password": text}}));
    password("another");
    let refused = context(&identity, &cloud.ann()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "that is no fault of the caller");
    assert!(refused.cause().unwrap().contains("are the credentials in [keystone_authtoken] right?"), "{refused}");
    password("secret");
    // A new token is good from the second after the change on.
    until("the service is known again", || context(&identity, &cloud.ann()).is_ok());
}

#[test]
fn a_service_user_who_may_not_check_tokens_is_named_as_the_cause() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("username = rob\nproject_name = demo");
    let refused = context(&identity, &cloud.ann()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    assert!(refused.cause().unwrap().contains("has the service user the role admin or service?"), "{refused}");
}

#[test]
fn the_service_may_ask_by_an_application_credential() {
    let cloud = Cloud::shared();
    let token = cloud.keystone.token("nova", &project("service"));
    let nova = context(&cloud.identity(""), &token).unwrap();
    let path = format!("/users/{}/application_credentials", nova.user_id);
    let made = cloud.keystone.ask_as(
        &token,
        "POST",
        &path,
        &json!({"application_credential": {"name": "check", "roles": [{"name": "service"}]}}),
    );
    let (id, secret) = (&made["application_credential"]["id"], &made["application_credential"]["secret"]);
    let identity = cloud.identity(&format!(
        "auth_type = v3applicationcredential\napplication_credential_id = {}\napplication_credential_secret = {}",
        id.as_str().unwrap(),
        secret.as_str().unwrap()
    ));
    assert!(context(&identity, &cloud.ann()).is_ok());
}

/// With CGI a request's header `Proxy` becomes `HTTP_PROXY`: it must not decide to whom the service's password is sent.
#[test]
fn proxies_of_the_environment_are_not_asked() {
    let nowhere = "http://127.0.0.1:1";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tokens::a_good_token_says_who_calls_and_with_which_roles"])
        .env(SHARED, Cloud::shared().address())
        .envs(
            ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
                .map(|name| (name, nowhere)),
        )
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
