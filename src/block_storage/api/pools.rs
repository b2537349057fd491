//! Storage pools and capabilities of backends: `/scheduler-stats/get_pools`, `/capabilities/{host}` (Block Storage API v3,
//! "Back-end storage pools", "Capabilities for storage back ends").

use super::{caller, flag, list_filters};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::pools::{self as control, Filter};
use crate::block_storage::control::resource_filters;
use crate::block_storage::model::pool::{Capability, Pool};
use crate::block_storage::policies::services as rules;
use crate::error::{Error, Result};
use crate::rest::json::Json;
use crate::rest::page::NAMES;
use crate::rest::view::{Answer, Field, Shape, View};
use crate::rest::{Call, Parameter, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/scheduler-stats/get_pools", list)
        .rules(&[&rules::GET_POOLS])
        .query(&[
            Parameter::new("detail", "Whether to show what each pool reports"),
            Parameter::new("name", "Only the pool of this name").since(28),
            Parameter::new("volume_type", "Only pools that can take volumes of this type").since(35),
        ])
        .reply(200, Answer::Many("pools", &POOL))
        .about("List the pools that the scheduler chooses from"),
    Route::get("/capabilities/{host}", show)
        .rules(&[&rules::CAPABILITIES])
        .reply(200, Answer::One("", &CAPABILITIES))
        .about("Show what a backend says of itself"),
];

/// `capabilities`, which is left out unless the query asks for details.
const DETAIL: u32 = 1;

static POOL: View<Pool> = View {
    name: "Pool",
    fields: &[
        Field::new("name", Shape::Text, |item: &Pool, _, json| json.text(&item.name)),
        Field::new("capabilities", Shape::Object, |item: &Pool, _, json| {
            json.object(|json| {
                for (name, value) in item.capabilities() {
                    // A protocol has several names; the first is the one that is shown.
                    let value = if name == "storage_protocol" { first(&value) } else { &value };
                    write(value, json.key(&name));
                }
            });
        })
        .needs(DETAIL),
    ],
};

type Row = Field<Pool>;

static CAPABILITIES: View<Pool> = View {
    name: "Capabilities",
    fields: &[
        Row::new("namespace", Shape::Text, |item, _, json| {
            json.text(&["OS::Storage::Capabilities::", item.service_host()].concat());
        }),
        Row::new("vendor_name", Shape::Text, |item, _, json| reported(item, "vendor_name", json)).nullable(),
        Row::new("volume_backend_name", Shape::Text, |item, _, json| reported(item, "volume_backend_name", json))
            .nullable(),
        Row::new("pool_name", Shape::Text, |item, _, json| reported(item, "pool_name", json)).nullable(),
        Row::new("driver_version", Shape::Text, |item, _, json| reported(item, "driver_version", json)).nullable(),
        Row::new("storage_protocol", Shape::Text, |item, _, json| reported(item, "storage_protocol", json)).nullable(),
        Row::new("display_name", Shape::Text, |item, _, json| reported(item, "display_name", json)).nullable(),
        Row::new("description", Shape::Text, |item, _, json| reported(item, "description", json)).nullable(),
        Row::new("visibility", Shape::Text, |item, _, json| reported(item, "visibility", json)).nullable(),
        Row::new("replication_targets", Shape::Texts, |_, _, json| json.array(|_| {})),
        Row::new("properties", Shape::Object, |_, _, json| json.object(|_| {})),
    ],
};

fn reported(item: &Pool, name: &str, json: &mut Json) {
    match item.capabilities().iter().find(|(known, _)| known == name) {
        Some((_, value)) => write(first(value), json),
        None => json.null(),
    }
}

fn first(value: &Capability) -> &Capability {
    match value {
        Capability::List(values) => values.first().unwrap_or(&Capability::None),
        other => other,
    }
}

fn write(value: &Capability, json: &mut Json) {
    match value {
        Capability::None => json.null(),
        Capability::Text(text) => json.text(text),
        Capability::Integer(number) => json.int(*number),
        Capability::Number(number) => json.real(*number),
        Capability::Boolean(value) => json.bool(*value),
        Capability::List(values) => json.array(|json| values.iter().for_each(|value| write(value, json))),
        Capability::Map(values) => {
            json.object(|json| values.iter().for_each(|(name, value)| write(value, json.key(name))));
        }
    }
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let detail = flag(call, "detail")?;
    let found = control::list(&caller(call), &filter(call)?)?;
    let viewer = call.viewer(if detail { DETAIL } else { 0 });
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("pools").array(|json| found.iter().for_each(|item| POOL.object(item, &viewer, json)));
        });
    }))
}

/// The filters of the query: none before 3.28, what pools report up to 3.30, and from 3.31 on what the operator allows,
/// for administrators too. `volume_type` is known from 3.35 on.
fn filter(call: &Call<'_, BlockStorage>) -> Result<Filter> {
    let mut filter = Filter::default();
    if !call.at_least(28) {
        return Ok(filter);
    }
    let enabled = resource_filters::enabled(caller(call).config);
    let mut unknown: Vec<&str> = Vec::new();
    for (name, value) in call.query.pairs().filter(|(name, _)| *name != "detail" && !NAMES.contains(name)) {
        match name {
            _ if call.at_least(31) && !name.is_ascii() => return Err(list_filters::no_ascii()),
            "all_tenants" if call.at_least(31) => {}
            _ if call.at_least(31) && !enabled.allow("pool", name, call.at_least(34)) => unknown.push(name),
            "volume_type" if !call.at_least(35) || value.is_empty() => {}
            "name" if value.is_empty() => {}
            "volume_type" => filter.volume_type = Some(value.to_owned()),
            "name" => filter.name = Some(value.to_owned()),
            _ => filter.capabilities.push((name.to_owned(), value.to_owned())),
        }
    }
    if unknown.is_empty() {
        return Ok(filter);
    }
    Err(Error::invalid(format!("Invalid filters {} are found in query options.", unknown.join(","))))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::backend(&caller(call), call.path.value("host"))?;
    Ok(call.one("", &CAPABILITIES, &found, 0))
}
