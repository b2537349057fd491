//! Who asked, as Cinder's notifications say it: what oslo.context leaves of a request's context once tokens, the catalogue
//! and addresses are taken out.

use serde_json::{Map, Value as Json, json};

use crate::block_storage::model::work::Requester;
use crate::block_storage::store::records::written;
use crate::identity::Context;
use crate::time::Timestamp;

/// Of a request.
pub fn of_caller(context: &Context) -> Map<String, Json> {
    let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let who = Who {
        user: given(&context.user_id),
        project: given(&context.project_id),
        project_name: context.project_name.clone(),
        domain: context.domain_id.clone(),
        user_domain: context.user_domain_id.clone(),
        project_domain: context.project_domain_id.clone(),
        system_scope: context.system_scope.clone(),
        roles: context.roles.clone(),
        is_admin: context.is_admin,
        request_id: given(&context.request_id),
        global_request_id: context.global_request_id.clone(),
    };
    who.written()
}

/// Of an order: what the request left in it, or the little that every order knows.
pub fn of_requester(requester: &Requester) -> Map<String, Json> {
    if let Some(Json::Object(context)) = requester.context.as_deref().and_then(|text| serde_json::from_str(text).ok()) {
        return context;
    }
    let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let who = Who {
        user: given(&requester.user_id),
        project: given(&requester.project_id),
        request_id: given(&requester.request_id),
        roles: vec!["admin".to_owned()],
        is_admin: true,
        ..Who::default()
    };
    who.written()
}

/// With every right.
pub(super) fn elevate(context: &mut Map<String, Json>) {
    if context.is_empty() {
        return;
    }
    context.insert("is_admin".to_owned(), true.into());
    if let Some(Json::Array(roles)) = context.get_mut("roles")
        && !roles.iter().any(|role| role == "admin")
    {
        roles.push("admin".into());
    }
}

/// As it is put into a notification, which tells when.
pub(super) fn now(context: &Map<String, Json>) -> Json {
    let mut context = context.clone();
    context.insert("timestamp".to_owned(), written(Timestamp::now()).into());
    Json::Object(context)
}

#[derive(Default)]
struct Who {
    user: Option<String>,
    project: Option<String>,
    project_name: Option<String>,
    domain: Option<String>,
    user_domain: Option<String>,
    project_domain: Option<String>,
    system_scope: Option<String>,
    roles: Vec<String>,
    is_admin: bool,
    request_id: Option<String>,
    global_request_id: Option<String>,
}

impl Who {
    fn written(self) -> Map<String, Json> {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let identity = [&self.user, &self.project, &self.domain, &self.user_domain, &self.project_domain].map(part);
        let json = json!({
            "user": self.user,
            "project_id": self.project,
            "system_scope": self.system_scope,
            "project": self.project,
            "domain": self.domain,
            "user_domain": self.user_domain,
            "project_domain": self.project_domain,
            "is_admin": self.is_admin,
            "read_only": false,
            "show_deleted": false,
            "auth_token": null,
            "request_id": self.request_id,
            "global_request_id": self.global_request_id,
            "resource_uuid": null,
            "roles": self.roles,
            "user_identity": identity.join(" "),
            "is_admin_project": true,
            "user_id": self.user,
            "project_name": self.project_name,
            "domain_id": self.domain,
            "read_deleted": "no",
            "remote_address": null,
            "quota_class": null,
            "service_catalog": [],
            "message_resource_id": null,
            "message_resource_type": null,
            "message_action": null,
        });
        match json {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Context, Secret};

    #[test]
    fn nothing_secret_is_told_of_a_caller() {
        let context = Context {
            auth_token: Some(Secret::new("gAAAA")),
            remote_address: Some("192.0.2.1".to_owned()),
            request_id: "req-1".to_owned(),
            ..Context::default()
        };
        let told = Json::Object(of_caller(&context));
        assert!(!told.to_string().contains("gAAAA") && !told.to_string().contains("192.0.2.1"), "{told}");
        assert_eq!(told["user_identity"], "- - - - -");
        assert_eq!(told["request_id"], "req-1");
    }

    #[test]
    fn an_order_tells_what_its_request_left_or_what_it_knows() {
        let bare = Requester { project_id: "p".to_owned(), ..Requester::default() };
        assert_eq!(of_requester(&bare)["project_id"], "p");
        let left = Requester { context: Some(r#"{"project_id": "q"}"#.to_owned()), ..bare };
        assert_eq!(Json::Object(of_requester(&left)), json!({"project_id": "q"}));
    }
}
