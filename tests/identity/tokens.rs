//! Good and bad tokens, revocation, service tokens.

use std::sync::Arc;

use hearth::Kind;

use crate::keystone::{project, until};
use crate::{Cloud, context, refusal, request, service_context};

#[test]
fn a_good_token_says_who_calls_and_with_which_roles() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("");
    let ann = context(&identity, &cloud.ann()).unwrap();
    assert_eq!((ann.user_name.as_deref(), ann.project_id.as_str()), (Some("ann"), cloud.demo.as_str()));
    assert_eq!((ann.project_name.as_deref(), ann.user_domain_id.as_deref()), (Some("demo"), Some("default")));
    assert!(ann.has_role("member") && ann.has_role("reader") && !ann.has_role("admin"), "{:?}", ann.roles);
    assert!(!ann.service_token && ann.service.is_none() && ann.system_scope.is_none() && ann.domain_id.is_none());
    let rob = context(&identity, &cloud.keystone.token("rob", &project("demo"))).unwrap();
    assert_eq!(rob.roles, ["reader"]);
    let admin = context(&identity, &cloud.keystone.token("admin", &project("admin"))).unwrap();
    assert!(admin.has_role("admin") && admin.has_role("member") && admin.has_role("reader"), "{:?}", admin.roles);
}

#[test]
fn white_space_around_a_token_does_not_matter() {
    let cloud = Cloud::shared();
    assert!(context(&cloud.identity(""), &format!("  {} ", cloud.ann())).is_ok());
}

#[test]
fn missing_wrong_and_damaged_tokens_are_refused_with_the_way_to_a_better_one() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("");
    let good = cloud.ann();
    let mut damaged = good.clone();
    damaged.replace_range(40..41, if &good[40..41] == "A" { "B" } else { "A" });
    for token in ["", " ", "x", "user:project", "a\tb", "tökén", "0123456789abcdef0123456789abcdef", &damaged] {
        let refused = context(&identity, token).unwrap_err();
        assert_eq!(refused.kind(), Kind::Unauthenticated, "{token}");
        assert_eq!(refused.public(), "The request you have made requires authentication.");
    }
    assert_eq!(refusal(&identity.context(&request(&[]))), Some(Kind::Unauthenticated));
    assert_eq!(identity.challenge(), Some("Keystone uri=\"https://keystone.example/v3\""));
    // Refusals are remembered apart: the good token still is one.
    assert!(context(&identity, &good).is_ok());
}

#[test]
fn a_token_that_ends_is_refused_from_then_on_although_it_is_remembered() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("");
    let token = Cloud::hasty().token("ann", &project("demo"));
    assert!(context(&identity, &token).is_ok());
    until("the token ends", || refusal(&context(&identity, &token)) == Some(Kind::Unauthenticated));
    // Keystone agrees: its clock is this machine's.
    until("Keystone says so too", || !cloud.keystone.vouches_for(&token));
    assert_eq!(refusal(&context(&cloud.identity(""), &token)), Some(Kind::Unauthenticated));
}

#[test]
fn a_service_may_use_a_token_that_ended_and_others_may_not() {
    let cloud = Cloud::shared();
    let ended = Cloud::hasty().token("ann", &project("demo"));
    until("the token ends", || !cloud.keystone.vouches_for(&ended));
    let nova = cloud.keystone.token("nova", &project("service"));
    let glance = cloud.keystone.token("glance", &project("service"));
    let identity = cloud.identity("");
    // Refused without a service first: that is remembered, but not for services.
    assert_eq!(refusal(&context(&identity, &ended)), Some(Kind::Unauthenticated));
    let called = service_context(&identity, &ended, &nova).unwrap();
    assert_eq!(called.user_name.as_deref(), Some("ann"));
    assert!(called.service_token && called.service_roles().iter().any(|role| role == "service"));
    // And what is remembered for services is no good for others.
    assert_eq!(refusal(&context(&identity, &ended)), Some(Kind::Unauthenticated));
    assert_eq!(refusal(&service_context(&identity, &ended, &glance)), Some(Kind::Unauthenticated));
    let lenient = cloud.identity("service_token_roles_required = false");
    assert_eq!(refusal(&service_context(&lenient, &ended, &glance)), Some(Kind::Unauthenticated));
}

#[test]
fn a_service_token_must_be_valid_and_have_the_role_that_is_asked_for() {
    let cloud = Cloud::shared();
    let (ann, nova) = (cloud.ann(), cloud.keystone.token("nova", &project("service")));
    let glance = cloud.keystone.token("glance", &project("service"));
    let strict = cloud.identity("");
    assert!(service_context(&strict, &ann, &nova).unwrap().service_token);
    assert_eq!(refusal(&service_context(&strict, &ann, &glance)), Some(Kind::Unauthenticated));
    assert_eq!(refusal(&service_context(&strict, &ann, "wrong")), Some(Kind::Unauthenticated));
    assert_eq!(refusal(&service_context(&strict, "wrong", &nova)), Some(Kind::Unauthenticated));
    let lenient = cloud.identity("service_token_roles_required = false");
    let called = service_context(&lenient, &ann, &glance).unwrap();
    let mut roles = called.service_roles().to_vec();
    roles.sort();
    assert!(!called.service_token && roles == ["member", "reader"], "{roles:?}");
    assert_eq!(refusal(&service_context(&lenient, &ann, "wrong")), Some(Kind::Unauthenticated));
    let members = cloud.identity("service_token_roles = member, other");
    assert!(service_context(&members, &ann, &glance).unwrap().service_token);
}

#[test]
fn a_revoked_token_is_refused_at_once_where_nothing_is_remembered() {
    let cloud = Cloud::shared();
    for options in ["token_cache_time = 0", "token_cache_time = -1"] {
        let identity = cloud.identity(options);
        let token = cloud.ann();
        assert!(context(&identity, &token).is_ok());
        cloud.keystone.revoke(&token);
        assert_eq!(refusal(&context(&identity, &token)), Some(Kind::Unauthenticated), "{options}");
    }
}

#[test]
fn a_revoked_token_is_refused_when_what_is_remembered_of_it_is_old() {
    let cloud = Cloud::shared();
    let (long, short) = (cloud.identity("token_cache_time = 300"), cloud.identity("token_cache_time = 3"));
    let token = cloud.ann();
    assert!(context(&long, &token).is_ok() && context(&short, &token).is_ok());
    cloud.keystone.revoke(&token);
    until("the short memory ends", || refusal(&context(&short, &token)) == Some(Kind::Unauthenticated));
    assert!(context(&long, &token).is_ok(), "remembered for five minutes");
    assert_eq!(refusal(&context(&cloud.identity(""), &token)), Some(Kind::Unauthenticated), "asked for the first time");
}

#[test]
fn tokens_are_checked_on_many_threads_at_once() {
    let cloud = Cloud::shared();
    let identity = cloud.identity("");
    let tokens: Vec<(String, &str)> = (0..12)
        .map(|n| if n % 3 == 0 { (cloud.keystone.token("rob", &project("demo")), "rob") } else { (cloud.ann(), "ann") })
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (identity, tokens) = (Arc::clone(&identity), &tokens);
            scope.spawn(move || {
                for (token, owner) in tokens.iter().cycle().skip(thread * 3).take(200) {
                    assert_eq!(context(&identity, token).unwrap().user_name.as_deref(), Some(*owner));
                    assert_eq!(refusal(&context(&identity, &format!("wrong-{thread}"))), Some(Kind::Unauthenticated));
                }
            });
        }
    });
}

#[test]
fn an_application_credential_with_access_rules_is_good_for_these_requests_of_this_service_alone() {
    let cloud = Cloud::shared();
    let token = cloud.ann();
    let user = context(&cloud.identity(""), &token).unwrap().user_id.clone();
    let restricted = |path: &str| {
        let credential = serde_json::json!({"application_credential": {
            "name": format!("restricted to {path}"),
            "roles": [{"name": "member"}],
            "access_rules": [{"service": "block-storage", "method": "GET", "path": path}],
        }});
        let made =
            cloud.keystone.ask_as(&token, "POST", &format!("/users/{user}/application_credentials"), &credential);
        let made = &made["application_credential"];
        let credential = serde_json::json!({"id": made["id"], "secret": made["secret"]});
        let identity = serde_json::json!({"methods": ["application_credential"], "application_credential": credential});
        cloud.keystone.authenticate(&identity, &serde_json::Value::Null)
    };
    let (volumes, others) = (restricted("/v3/volumes"), restricted("/v3/backups/**"));
    let own = cloud.identity("service_type = block-storage");
    assert_eq!(context(&own, &volumes).unwrap().user_name.as_deref(), Some("ann"));
    assert_eq!(refusal(&context(&own, &others)), Some(Kind::Unauthenticated));
    let nova = cloud.keystone.token("nova", &project("service"));
    assert!(service_context(&own, &others, &nova).is_ok(), "on the way, not what the user asked for");
    let unset = cloud.identity("");
    assert_eq!(refusal(&context(&unset, &volumes)), Some(Kind::Unauthenticated));
    let another = cloud.identity("service_type = compute");
    assert_eq!(refusal(&context(&another, &volumes)), Some(Kind::Unauthenticated));
}
