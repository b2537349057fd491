//! Request schemas and response views as JSON Schema (draft 2020-12), for the OpenAPI document: what a body may hold and
//! what an answer holds at one microversion. Checking bodies is `schema.rs`, writing answers is `view.rs`.

use serde_json::{Map, Value, json};

use super::microversion::Microversion;
use super::schema::{Check, Extra, FALSE_TEXTS, Input, Schema, TRUE_TEXTS};
use super::view::{FieldRow, Shape};

/// The body that `schema` takes at `version`.
pub fn body(schema: &Schema, version: Microversion) -> Value {
    let known = || schema.fields.iter().filter(|field| version.within(field.since, field.until));
    let properties: Map<String, Value> = known().map(|field| (field.name.to_owned(), input(field, version))).collect();
    let required: Vec<&str> = known().filter(|field| field.required).map(|field| field.name).collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    let (least, since) = schema.min_fields;
    if least > 0 && version >= since {
        object["minProperties"] = json!(least);
    }
    match schema.extra {
        Extra::Refuse(since) if version >= since => object["additionalProperties"] = json!(false),
        Extra::Check(check) => object["additionalProperties"] = value(check, version),
        Extra::Refuse(_) | Extra::Ignore => {}
    }
    object
}

/// The value of one key.
fn input(field: &Input, version: Microversion) -> Value {
    let schema = value(&field.check, version);
    if field.nullable { nullable(schema) } else { schema }
}

/// The values that `check` takes.
fn value(check: &Check, version: Microversion) -> Value {
    match check {
        Check::Any => json!({}),
        Check::Text(min, max) | Check::Stripped(min, max) | Check::Named(_, min, max) => {
            json!({"type": "string", "minLength": min, "maxLength": max})
        }
        Check::Name => json!({"type": "string", "minLength": 1, "maxLength": 255}),
        Check::Pattern(min, max, pattern, _) => {
            json!({"type": "string", "minLength": min, "maxLength": max, "pattern": pattern})
        }
        Check::Base64 => json!({"type": "string", "minLength": 1, "format": "base64"}),
        Check::Uuid => json!({"type": "string", "format": "uuid"}),
        Check::Choice(choices) => json!({"type": "string", "enum": choices}),
        Check::Boolean => {
            let texts = TRUE_TEXTS.iter().chain(&FALSE_TEXTS).map(|text| json!(text));
            let all: Vec<Value> = [json!(true), json!(false)].into_iter().chain(texts).collect();
            json!({"type": ["boolean", "string"], "enum": all})
        }
        Check::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Check::Digits(min, max) => {
            json!({"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": min, "maximum": max})
        }
        Check::Object(schema) => body(schema, version),
        Check::Map(pattern, _, check, null) => {
            let inner = value(check, version);
            let inner = if *null { nullable(inner) } else { inner };
            json!({"type": "object", "patternProperties": {*pattern: inner}, "additionalProperties": false})
        }
        Check::List(check, min, unique) => {
            json!({"type": "array", "items": value(check, version), "minItems": min, "uniqueItems": unique})
        }
        Check::AnyOf(checks) => {
            json!({"anyOf": checks.iter().map(|check| value(check, version)).collect::<Vec<_>>()})
        }
        Check::Types(names) => json!({ "type": names }),
        Check::Null => json!({"type": "null"}),
    }
}

/// The object that a view with these rows writes at `version`.
pub fn view(rows: &[FieldRow], version: Microversion) -> Value {
    let known = || rows.iter().filter(|row| version.within(row.since, row.until));
    let properties: Map<String, Value> = known()
        .map(|row| {
            let schema = shape(row.shape);
            (row.name.to_owned(), if row.nullable { nullable(schema) } else { schema })
        })
        .collect();
    let required: Vec<&str> = known().filter(|row| !row.optional).map(|row| row.name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({"type": "string"}),
        Shape::Uuid => json!({"type": "string", "format": "uuid"}),
        Shape::Time => json!({"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?$"}),
        Shape::Int => json!({"type": "integer"}),
        Shape::Number => json!({"type": "number"}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Map => json!({"type": "object", "additionalProperties": {"type": ["string", "null"]}}),
        Shape::Object => json!({"type": "object"}),
        Shape::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Shape::Objects => json!({"type": "array", "items": {"type": "object"}}),
        Shape::Links => {
            let link = json!({
                "type": "object",
                "properties": {"rel": {"type": "string"}, "href": {"type": "string", "format": "uri"}},
                "required": ["rel", "href"],
            });
            json!({"type": "array", "items": link})
        }
        Shape::Any => json!({}),
    }
}

/// The same schema, which also takes null.
fn nullable(mut schema: Value) -> Value {
    let types = match schema.get("type") {
        Some(Value::String(one)) => json!([one, "null"]),
        Some(Value::Array(many)) => many.iter().cloned().chain([json!("null")]).collect(),
        _ if schema.as_object().is_some_and(Map::is_empty) => return schema,
        _ => return json!({"anyOf": [schema, {"type": "null"}]}),
    };
    schema["type"] = types;
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::view::{FieldRow, Shape};
    use super::{Check, Input, Microversion, Schema, body, view};

    const VOLUME: Schema = Schema::open(&[
        Input::new("size", Check::Digits(1, 7)).required(),
        Input::new("kind", Check::Choice(&["a"])).nullable(),
        Input::new("group_id", Check::Uuid).nullable().since(13),
    ])
    .strict_since(53)
    .at_least(1, 53);

    #[test]
    fn keys_and_strictness_follow_the_version() {
        let old = body(&VOLUME, Microversion::new(3, 0));
        assert_eq!(old["properties"]["group_id"], json!(null));
        assert_eq!((&old["additionalProperties"], &old["minProperties"]), (&json!(null), &json!(null)));
        let new = body(&VOLUME, Microversion::new(3, 53));
        assert_eq!(new["properties"]["group_id"], json!({"type": ["string", "null"], "format": "uuid"}));
        assert_eq!(new["properties"]["kind"], json!({"type": ["string", "null"], "enum": ["a", null]}));
        assert_eq!((&new["additionalProperties"], &new["minProperties"]), (&json!(false), &json!(1)));
        assert_eq!(new["required"], json!(["size"]));
    }

    #[test]
    fn a_field_that_policy_may_hide_is_not_required() {
        let (since, until) = (Microversion::new(3, 13), Microversion::MAX);
        let row = |name, optional| FieldRow { name, shape: Shape::Text, nullable: true, since, until, optional };
        let rows = [row("seen", false), row("hidden", true)];
        let at = view(&rows, since);
        assert_eq!(at["required"], json!(["seen"]));
        assert_eq!(at["properties"]["hidden"], json!({"type": ["string", "null"]}));
        assert_eq!(view(&rows, Microversion::new(3, 12))["properties"], json!({}));
    }
}
