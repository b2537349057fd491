//! The OpenAPI 3.1 document of a service at one microversion, made from the same rows that dispatch, check and write:
//! routes, parameters, request schemas and response views. Nothing in it is written by hand, so it can not drift.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::json_schema;
use super::microversion::Microversion;
use super::route::{Parameter, Route};
use super::service::Dialect;
use super::view::{Answer, Described};
use crate::error::Error;

/// What the document says of the service as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Title {
    /// The name of the API: `Block Storage API v3`.
    pub title: &'static str,
    /// What it is for, in one sentence.
    pub summary: &'static str,
}

/// The document of the service with these rows at `version`; where the service has no microversions, `version` is
/// [`Microversion::MAX`] and every row is in it.
pub fn document<S>(title: Title, tables: &[&'static [Route<S>]], dialect: &Dialect, version: Microversion) -> Value {
    let mut writer = Writer { version, dialect, views: BTreeMap::new() };
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut groups: BTreeMap<(String, &'static str), Vec<&'static Route<S>>> = BTreeMap::new();
    for route in tables.iter().copied().flatten().filter(|route| version.within(route.since, route.until)) {
        groups.entry((full_path(dialect, route.path), route.method.name())).or_default().push(route);
    }
    for ((path, method), routes) in groups {
        let operation = writer.operation(&path, method, &routes);
        paths.entry(path).or_default().insert(method.to_ascii_lowercase(), operation);
    }
    let info_version = match &dialect.versions {
        Some(_) => version.to_string(),
        None => dialect.base.trim_start_matches("/v").to_owned(),
    };
    json!({
        "openapi": "3.1.0",
        "info": {"title": title.title, "summary": title.summary, "version": info_version},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "schemas": writer.views,
            "responses": {"Fault": fault(dialect)},
        },
    })
}

/// The path as clients write it: version, project where the service has one, and the row's own path.
pub fn full_path(dialect: &Dialect, path: &str) -> String {
    let project = if dialect.project_in_path { "/{project_id}" } else { "" };
    [dialect.base, project, path].concat()
}

/// The form of the service's errors, read off one that it writes.
fn fault(dialect: &Dialect) -> Value {
    let response = (dialect.fault)(&Error::not_found("The resource could not be found."));
    let example: Value = match &response.body {
        crate::gateway::ResponseBody::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
        _ => Value::Null,
    };
    json!({
        "description": "The request was not carried out.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
    })
}

struct Writer<'a> {
    version: Microversion,
    dialect: &'a Dialect,
    views: BTreeMap<&'static str, Value>,
}

impl Writer<'_> {
    /// The operation of one path and method: one row, or the rows of an action path, whose bodies tell them apart.
    fn operation<S>(&mut self, path: &str, method: &str, routes: &[&'static Route<S>]) -> Value {
        let about: Vec<&str> = routes.iter().map(|route| route.about).filter(|about| !about.is_empty()).collect();
        let mut operation = json!({
            "operationId": operation_id(self.dialect, path, method),
            "summary": about.join("; "),
            "tags": [tag(self.dialect, path)],
            "parameters": self.parameters(path, routes),
            "responses": self.responses(routes),
            "x-openstack": self.extension(routes),
        });
        if let Some(body) = self.request_body(routes) {
            operation["requestBody"] = body;
        }
        operation
    }

    fn parameters<S>(&self, path: &str, routes: &[&'static Route<S>]) -> Vec<Value> {
        let in_path = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let mut all: Vec<Value> = in_path
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let mut named: Vec<&Parameter> = Vec::new();
        for parameter in routes.iter().flat_map(|route| route.query) {
            if parameter.since <= self.version && named.iter().all(|known| known.name != parameter.name) {
                named.push(parameter);
            }
        }
        all.extend(named.iter().map(|parameter| {
            json!({"name": parameter.name, "in": "query", "description": parameter.about, "schema": {"type": "string"}})
        }));
        if let Some(versions) = &self.dialect.versions {
            let header = |version: Microversion| format!("{} {version}", versions.word);
            all.push(json!({
                "name": "OpenStack-API-Version",
                "in": "header",
                "description": "The microversion that the request is written for.",
                "schema": {"type": "string", "default": header(versions.min)},
                "example": header(self.version),
            }));
        }
        all
    }

    /// `None` where no row reads a body.
    fn request_body<S>(&self, routes: &[&'static Route<S>]) -> Option<Value> {
        if routes.iter().any(|route| route.raw) {
            return Some(json!({"required": true, "content": {"application/json": {"schema": {}}}}));
        }
        let mut bodies: Vec<Value> = routes.iter().filter_map(|route| self.one_body(route)).collect();
        let schema = match bodies.len() {
            0 => return None,
            1 => bodies.remove(0),
            _ => json!({"oneOf": bodies}),
        };
        Some(json!({"required": true, "content": {"application/json": {"schema": schema}}}))
    }

    fn one_body<S>(&self, route: &Route<S>) -> Option<Value> {
        match (route.body, route.action) {
            (None, "") => None,
            (None, action) => Some(json!({
                "type": "object", "title": action, "required": [action],
                "properties": {action: {}}, "additionalProperties": false,
            })),
            (Some(schema), "") => Some(json_schema::body(schema, self.version)),
            (Some(schema), action) => {
                let mut body = json_schema::body(schema, self.version);
                body["title"] = json!(action);
                // The only key of an action's body is its name, whatever the schema lets through.
                body["required"] = json!([action]);
                body["additionalProperties"] = json!(false);
                Some(body)
            }
        }
    }

    fn responses<S>(&mut self, routes: &[&'static Route<S>]) -> Value {
        let mut by_status: BTreeMap<String, (Vec<Value>, Vec<&str>)> = BTreeMap::new();
        for route in routes {
            let (contents, silent) = by_status.entry(route.success.to_string()).or_default();
            match self.answer(&route.answer) {
                Some(schema) if !contents.contains(&schema) => contents.push(schema),
                Some(_) => {}
                None => silent.push(route.action),
            }
        }
        let mut all = Map::new();
        for (status, (mut schemas, silent)) in by_status {
            let mut description = "The request was carried out, or accepted.".to_owned();
            if !schemas.is_empty() && !silent.is_empty() {
                description = format!("{description} These actions answer without a body: {}.", silent.join(", "));
            }
            let mut response = json!({"description": description});
            let schema = match schemas.len() {
                0 => None,
                1 => Some(schemas.remove(0)),
                _ => Some(json!({"anyOf": schemas})),
            };
            if let Some(schema) = schema {
                response["content"] = json!({"application/json": {"schema": schema}});
            }
            all.insert(status, response);
        }
        all.insert("default".to_owned(), json!({"$ref": "#/components/responses/Fault"}));
        Value::Object(all)
    }

    fn answer(&mut self, answer: &Answer) -> Option<Value> {
        let (envelope, inner) = match answer {
            Answer::Nothing => return None,
            Answer::Free => return Some(json!({"type": "object"})),
            Answer::Perhaps(view) => {
                return Some(json!({"anyOf": [self.view(*view), {"type": "object", "maxProperties": 0}]}));
            }
            Answer::One(envelope, view) => (envelope, self.view(*view)),
            Answer::Many(envelope, view) => (envelope, json!({"type": "array", "items": self.view(*view)})),
        };
        if envelope.is_empty() {
            return Some(inner);
        }
        Some(json!({"type": "object", "properties": {*envelope: inner}, "required": [envelope]}))
    }

    /// A reference to the schema of a view, which is written down once.
    fn view(&mut self, view: &'static dyn Described) -> Value {
        let version = self.version;
        self.views.entry(view.name()).or_insert_with(|| json_schema::view(&view.rows(), version));
        json!({"$ref": format!("#/components/schemas/{}", view.name())})
    }

    /// What OpenStack's generators of clients read: versions, actions and the policy rules that are checked.
    fn extension<S>(&self, routes: &[&'static Route<S>]) -> Value {
        let mut rows: Vec<Value> = Vec::new();
        for route in routes {
            let mut row = Map::new();
            if !route.action.is_empty() {
                row.insert("action".to_owned(), json!(route.action));
            }
            if self.dialect.versions.is_some() && route.since > Microversion::MIN {
                row.insert("min-ver".to_owned(), json!(route.since.to_string()));
            }
            if self.dialect.versions.is_some() && route.until < Microversion::MAX {
                row.insert("max-ver".to_owned(), json!(route.until.to_string()));
            }
            row.insert("policies".to_owned(), route.rules.iter().map(|rule| json!(rule.name)).collect());
            rows.push(Value::Object(row));
        }
        if rows.len() == 1 { rows.remove(0) } else { json!({"actions": rows}) }
    }
}

/// A name for the operation that no other operation has: `get_volumes_detail`.
fn operation_id(dialect: &Dialect, path: &str, method: &str) -> String {
    let name = below(dialect, path).chars().filter(|letter| !matches!(letter, '{' | '}'));
    let name = name.map(|letter| if letter == '/' { '_' } else { letter });
    method.to_ascii_lowercase().chars().chain(name).collect()
}

/// The resource's name: the first segment of the row's own path.
fn tag<'p>(dialect: &Dialect, path: &'p str) -> &'p str {
    below(dialect, path).split('/').find(|segment| !segment.is_empty()).unwrap_or("versions")
}

/// The row's own path within the full one.
fn below<'p>(dialect: &Dialect, path: &'p str) -> &'p str {
    let path = path.strip_prefix(dialect.base).unwrap_or(path);
    if dialect.project_in_path { path.strip_prefix("/{project_id}").unwrap_or(path) } else { path }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Title, document};
    use crate::config;
    use crate::rest::fault;
    use crate::rest::microversion::Microversion;
    use crate::rest::pipeline::not_found;
    use crate::rest::route::{Parameter, Route};
    use crate::rest::schema::{Check, Input, Schema};
    use crate::rest::service::{Dialect, Versions};
    use crate::rest::view::{Answer, Field, Shape, View};
    use crate::rest::{Call, Reply};

    const MIN: Microversion = Microversion::new(3, 0);
    const MAX: Microversion = Microversion::new(3, 71);

    static DIALECT: Dialect = Dialect {
        base: "/v3",
        project_in_path: true,
        versions: Some(Versions { word: "volume", min: MIN, max: MAX }),
        fault: fault::block_storage,
        unrouted: not_found,
        allow: false,
        front: |_, _, _| None,
        guest: |_, _, _| None,
        represent: |_, response| response,
        content_types: &["application/json"],
        body_limit: &config::default::PUBLIC_ENDPOINT,
        challenge: false,
    };

    static VIEW: View<()> = View {
        name: "Volume",
        fields: &[
            Field::new("id", Shape::Uuid, |(), _, json| json.null()),
            Field::new("group_id", Shape::Uuid, |(), _, json| json.null()).nullable().since(13),
        ],
    };

    static EXTEND: Schema = Schema::strict(&[Input::new("os-extend", Check::Any).required()]);

    static ROUTES: [Route<()>; 4] = [
        Route::get("/volumes/{volume_id}", handler).reply(200, Answer::One("volume", &VIEW)).about("Show"),
        Route::get("/volumes/summary", handler)
            .since(12)
            .query(&[Parameter::new("all_tenants", "a"), Parameter::new("later", "b").since(40)])
            .reply(200, Answer::Many("items", &VIEW)),
        Route::action("/volumes/{volume_id}/action", "os-extend", handler).body(&EXTEND),
        Route::action("/volumes/{volume_id}/action", "revert", handler).since(40),
    ];

    fn handler(_: &mut Call<'_, ()>) -> crate::Result<Reply> {
        Ok(Reply::empty(200))
    }

    fn at(minor: u16) -> serde_json::Value {
        let title = Title { title: "T", summary: "S" };
        document(title, &[&ROUTES], &DIALECT, Microversion::new(3, minor))
    }

    #[test]
    fn only_what_exists_at_the_version_is_in_the_document() {
        let (old, new) = (at(0), at(71));
        let summary = "/v3/{project_id}/volumes/summary";
        assert_eq!(old["paths"][summary], json!(null));
        let names = |document: &serde_json::Value| {
            let parameters = document["paths"][summary]["get"]["parameters"].as_array().unwrap().clone();
            parameters.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&at(12)), ["project_id", "all_tenants", "OpenStack-API-Version"]);
        assert_eq!(names(&new), ["project_id", "all_tenants", "later", "OpenStack-API-Version"]);
        assert_eq!(old["components"]["schemas"]["Volume"]["required"], json!(["id"]));
        assert_eq!(new["components"]["schemas"]["Volume"]["required"], json!(["id", "group_id"]));
        assert_eq!(new["info"]["version"], json!("3.71"));
    }

    #[test]
    fn the_bodies_of_an_action_path_are_told_apart_by_their_key() {
        let path = "/v3/{project_id}/volumes/{volume_id}/action";
        let schema = |document: serde_json::Value| {
            document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"].clone()
        };
        assert_eq!(schema(at(39))["required"], json!(["os-extend"]));
        let both = schema(at(40));
        assert_eq!(both["oneOf"][1]["required"], json!(["revert"]));
        assert_eq!(at(40)["paths"][path]["post"]["x-openstack"]["actions"][1]["min-ver"], json!("3.40"));
    }
}
