//! QoS specs and the types that have them: `/qos-specs` (Block Storage API v3, "Quality of service (QoS) specifications").
//! That associations change by GET is the protocol's.

use std::cmp::Ordering;

use serde_json::Value;

use super::short_lists::ShortList;
use super::type_bodies::NULLABLE_SPECS;
use super::type_views::write_specs;
use super::types::extra_specs;
use super::{caller, flag, list_filters};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::qos_specs as control;
use crate::block_storage::model::qos_specs::QosSpecs;
use crate::block_storage::policies::qos_specs as rules;
use crate::config::default::OSAPI_MAX_LIMIT;
use crate::error::{Error, Result};
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Check, Input, Page, Parameter, Reply, Route, Schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/qos-specs", list)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("qos_specs", &QOS_SPECS))
        .about("List QoS specs"),
    Route::post("/qos-specs", create)
        .rules(&[&rules::CREATE])
        .body(&CREATE)
        .reply(200, Answer::One("qos_specs", &QOS_SPECS))
        .about("Create QoS specs"),
    Route::get("/qos-specs/{qos_id}", show)
        .rules(&[&rules::GET])
        .reply(200, Answer::One("qos_specs", &QOS_SPECS))
        .about("Show QoS specs"),
    Route::put("/qos-specs/{qos_id}", update)
        .rules(&[&rules::UPDATE])
        .body(&UPDATE)
        .reply(200, Answer::Free)
        .about("Set keys of QoS specs"),
    Route::delete("/qos-specs/{qos_id}", delete)
        .rules(&[&rules::DELETE])
        .query(&[Parameter::new("force", "Also where volume types have them")])
        .reply(202, Answer::Nothing)
        .about("Delete QoS specs"),
    Route::put("/qos-specs/{qos_id}/delete_keys", delete_keys)
        .rules(&[&rules::DELETE])
        .body(&DELETE_KEYS)
        .reply(202, Answer::Nothing)
        .about("Delete keys of QoS specs"),
    Route::get("/qos-specs/{qos_id}/associations", associations)
        .rules(&[&rules::GET_ALL])
        .reply(200, Answer::Many("qos_associations", &ASSOCIATION))
        .about("List the volume types that have QoS specs"),
    Route::get("/qos-specs/{qos_id}/associate", associate)
        .rules(&[&rules::UPDATE])
        .query(TYPE_PARAMETER)
        .reply(202, Answer::Nothing)
        .about("Give QoS specs to a volume type"),
    Route::get("/qos-specs/{qos_id}/disassociate", disassociate)
        .rules(&[&rules::UPDATE])
        .query(TYPE_PARAMETER)
        .reply(202, Answer::Nothing)
        .about("Take QoS specs from a volume type"),
    Route::get("/qos-specs/{qos_id}/disassociate_all", disassociate_all)
        .rules(&[&rules::UPDATE])
        .reply(202, Answer::Nothing)
        .about("Take QoS specs from every volume type"),
];

const TYPE_PARAMETER: &[Parameter] = &[Parameter::new("vol_type_id", "The id of the volume type")];

const LIST_PARAMETERS: &[Parameter] = &[
    Parameter::new("limit", "At most so many items"),
    Parameter::new("marker", "The id of the last item that the caller has seen"),
    Parameter::new("offset", "Items to skip after the marker"),
    Parameter::new("sort", "Keys and directions: name:asc,created_at:desc"),
    Parameter::new("sort_key", "An older form of sort"),
    Parameter::new("sort_dir", "An older form of sort"),
    Parameter::new("id", "Only those with this id"),
    Parameter::new("name", "Only those with this name"),
    Parameter::new("consumer", "Only those with this consumer"),
];

static CREATE: Schema = Schema::strict(&[Input::new(
    "qos_specs",
    Check::Object(&Schema::open(&[Input::new("name", Check::Name).required()])),
)
.required()]);

static UPDATE: Schema = Schema::strict(&[Input::new("qos_specs", NULLABLE_SPECS).required()]);

static DELETE_KEYS: Schema =
    Schema::strict(&[Input::new("keys", Check::List(&Check::Text(1, 255), 0, true)).required()]);

type Row = Field<QosSpecs>;

static QOS_SPECS: View<QosSpecs> = View {
    name: "QosSpecs",
    fields: &[
        Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id)),
        Row::new("name", Shape::Text, |item, _, json| json.text(&item.name)),
        Row::new("consumer", Shape::Text, |item, _, json| json.text(&item.consumer)),
        Row::new("specs", Shape::Map, |item, _, json| write_specs(item.specs.iter(), json)),
    ],
};

/// A type that has QoS specs: its id and its name.
type Association = (String, String);

static ASSOCIATION: View<Association> = View {
    name: "QosAssociation",
    fields: &[
        Field::new("association_type", Shape::Text, |_: &Association, _, json| json.text("volume_type")),
        Field::new("name", Shape::Text, |item: &Association, _, json| json.text(&item.1)),
        Field::new("id", Shape::Uuid, |item: &Association, _, json| json.text(&item.0)),
    ],
};

static LIST: ShortList<QosSpecs> =
    ShortList { envelope: "qos_specs", links: "qos_specs", path: "qos-specs", view: &QOS_SPECS, id: |item| &item.id };

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let page = Page::read(&call.query, call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
    let filters = list_filters::read(call, "qos_specs", 0, None, &[])?;
    let found = control::list(&caller(call), &filters)?;
    let found = page.cut(found, |item| &item.id, compare, control::not_found)?;
    Ok(LIST.reply(call, &page, &found, 0))
}

fn compare(a: &QosSpecs, b: &QosSpecs, key: &str) -> Option<Ordering> {
    Some(match key {
        "id" => a.id.cmp(&b.id),
        "name" => a.name.cmp(&b.name),
        "consumer" => a.consumer.cmp(&b.consumer),
        "created_at" => a.created_at.cmp(&b.created_at),
        "updated_at" => a.updated_at.cmp(&b.updated_at),
        _ => return None,
    })
}

fn one(call: &Call<'_, BlockStorage>, item: &QosSpecs) -> Reply {
    let viewer = call.viewer(0);
    call.json(|json| {
        json.object(|json| {
            QOS_SPECS.object(item, &viewer, json.key("qos_specs"));
            call.links.write("qos-specs", &item.id, json.key("links"));
        });
    })
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let input = call.input("qos_specs");
    let name = input["name"].as_str().unwrap_or_default().trim();
    let others = input.as_object().into_iter().flatten().filter(|(key, _)| *key != "name");
    others.clone().try_for_each(|(key, value)| check_pair(key, value))?;
    let pairs: Vec<_> = others.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect();
    let made = control::create(&caller(call), name, &pairs)?;
    Ok(one(call, &made))
}

/// Refuses what can not be kept. The words are those of oslo.utils.
fn check_pair(key: &str, value: &Value) -> Result<()> {
    let refuse = |what: String| Err(Error::invalid(format!("Invalid input received: {what}")));
    match key.chars().count() {
        0 => return refuse("Key \"\" has 0 characters, less than 1.".to_owned()),
        count if count > 255 => return refuse(format!("Key \"{key}\" has {count} characters, more than 255.")),
        _ => {}
    }
    match value {
        Value::Null => Ok(()),
        Value::String(text) => match text.chars().count() {
            count if count > 255 => refuse(format!("Value for key \"{key}\" has {count} characters, more than 255.")),
            _ => Ok(()),
        },
        _ => refuse(format!("Value for key \"{key}\" is not a string or unicode")),
    }
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::show(&caller(call), call.path.value("qos_id"))?;
    Ok(one(call, &found))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let pairs = extra_specs(call.input("qos_specs"));
    control::update(&caller(call), call.path.value("qos_id"), &pairs)?;
    Ok(call.json(|json| json.value(&call.body)))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    // Who may not delete is told so, whatever the query says.
    call.enforce(&rules::DELETE)?;
    control::delete(&caller(call), call.path.value("qos_id"), flag(call, "force")?)?;
    Ok(call.done())
}

fn delete_keys(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let keys = call.body["keys"].as_array().into_iter().flatten();
    let keys: Vec<&str> = keys.filter_map(Value::as_str).collect();
    control::delete_keys(&caller(call), call.path.value("qos_id"), &keys)?;
    Ok(call.done())
}

fn associations(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::associations(&caller(call), call.path.value("qos_id"))?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("qos_associations")
                .array(|json| found.iter().for_each(|item| ASSOCIATION.object(item, &viewer, json)));
        });
    }))
}

fn associate(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::associate(&caller(call), call.path.value("qos_id"), call.query.last("vol_type_id"))?;
    Ok(call.done())
}

fn disassociate(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::disassociate(&caller(call), call.path.value("qos_id"), call.query.last("vol_type_id"))?;
    Ok(call.done())
}

fn disassociate_all(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::disassociate_all(&caller(call), call.path.value("qos_id"))?;
    Ok(call.done())
}
