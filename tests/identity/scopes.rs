//! Tokens of other scopes than a project, and tokens by other means than a password.

use hearth::Kind;
use serde_json::{Value, json};

use crate::keystone::project;
use crate::{Cloud, context, request};

#[test]
fn a_token_of_the_system_has_no_project() {
    let cloud = Cloud::shared();
    let token = cloud.keystone.token("admin", &json!({"system": {"all": true}}));
    let admin = context(&cloud.identity(""), &token).unwrap();
    assert_eq!((admin.system_scope.as_deref(), admin.project_id.as_str()), (Some("all"), ""));
    assert!(admin.has_role("admin") && admin.has_role("reader"), "{:?}", admin.roles);
}

#[test]
fn a_token_of_a_domain_has_no_project() {
    let cloud = Cloud::shared();
    let role = cloud.keystone.role("reader");
    let dora = cloud.keystone.make_user("dora", "reader", &cloud.demo);
    cloud.keystone.ask("PUT", &format!("/domains/default/users/{dora}/roles/{role}"), &Value::Null);
    let token = cloud.keystone.token("dora", &json!({"domain": {"id": "default"}}));
    let dora = context(&cloud.identity(""), &token).unwrap();
    assert_eq!((dora.domain_id.as_deref(), dora.project_id.as_str()), (Some("default"), ""));
    assert_eq!(
        (dora.domain_name.as_deref(), dora.roles.as_slice()),
        (Some("Default"), ["reader".to_owned()].as_slice())
    );
}

#[test]
fn a_token_without_a_scope_has_neither_project_nor_roles() {
    let cloud = Cloud::shared();
    let token = cloud.keystone.token("ann", &json!("unscoped"));
    let ann = context(&cloud.identity(""), &token).unwrap();
    assert_eq!((ann.project_id.as_str(), ann.roles.len(), ann.user_name.as_deref()), ("", 0, Some("ann")));
}

#[test]
fn an_application_credential_and_a_trust_stand_for_their_owner() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("");
    let token = cloud.ann();
    let ann = context(&identity, &token).unwrap();
    let path = format!("/users/{}/application_credentials", ann.user_id);
    let made = cloud.keystone.ask_as(
        &token,
        "POST",
        &path,
        &json!({"application_credential": {"name": "plain", "roles": [{"name": "member"}]}}),
    );
    let made = &made["application_credential"];
    let by_credential = cloud.keystone.authenticate(
        &json!({"methods": ["application_credential"], "application_credential": {"id": made["id"], "secret": made["secret"]}}),
        &Value::Null,
    );
    let called = context(&identity, &by_credential).unwrap();
    assert_eq!((&called.user_id, &called.project_id), (&ann.user_id, &ann.project_id));

    let rob_token = cloud.keystone.token("rob", &project("demo"));
    let rob = context(&identity, &rob_token).unwrap();
    let trust = json!({"trust": {
        "trustor_user_id": ann.user_id, "trustee_user_id": rob.user_id, "project_id": ann.project_id,
        "impersonation": true, "roles": [{"name": "member"}],
    }});
    let trust = cloud.keystone.ask_as(&token, "POST", "/OS-TRUST/trusts", &trust);
    let by_trust = cloud.keystone.token("rob", &json!({"OS-TRUST:trust": {"id": trust["trust"]["id"]}}));
    let called = context(&identity, &by_trust).unwrap();
    assert_eq!((&called.user_id, &called.project_id), (&ann.user_id, &ann.project_id));
    assert!(called.has_role("member"));
}

#[test]
fn an_administrator_learns_which_projects_there_are_and_a_member_does_not() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("");
    let has = |token: &str, id: &str| identity.has_project(&request(&[("HTTP_X_AUTH_TOKEN", token)]), id);
    let admin = cloud.keystone.token("admin", &project("admin"));
    assert!(has(&admin, &cloud.demo).unwrap());
    for nowhere in ["0123456789abcdef0123456789abcdef", "", "..", "a/../b", "a?b"] {
        assert!(!has(&admin, nowhere).unwrap(), "{nowhere}");
    }
    assert_eq!(has(&cloud.ann(), "0123456789abcdef0123456789abcdef").unwrap_err().kind(), Kind::Forbidden);
    assert_eq!(has("nonsense", &cloud.demo).unwrap_err().kind(), Kind::Unauthenticated);
    assert_eq!(identity.has_project(&request(&[]), &cloud.demo).unwrap_err().kind(), Kind::Unauthenticated);
}
