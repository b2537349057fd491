//! Cleaning up after services: `/workers/cleanup`, from version 3.24 on (Block Storage API v3, "Workers").

use serde_json::Value;

use super::caller;
use super::services::HOST;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::cleanup::{self as control, Request};
use crate::block_storage::control::refusals::invalid_input;
use crate::block_storage::model::service::Service;
use crate::block_storage::policies::services as rules;
use crate::error::Result;
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Check, Input, Reply, Route, Schema, schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    row(Route::post("/workers/cleanup", clean_up)),
    // As openstacksdk asks for it.
    row(Route::put("/workers/cleanup", clean_up)),
];

const fn row(route: Route<BlockStorage>) -> Route<BlockStorage> {
    route
        .since(24)
        .rules(&[&rules::CLEAN_UP_WORKERS])
        .body(&CLEAN_UP)
        .reply(202, Answer::Free)
        .about("Tell services to end what is in nobody's hands")
}

static CLEAN_UP: Schema = Schema::strict(&[
    Input::new("cluster_name", HOST).nullable(),
    Input::new("disabled", Check::Boolean),
    Input::new("host", HOST).nullable(),
    Input::new("is_up", Check::Boolean),
    Input::new("binary", Check::Choice(&["cinder-volume", "cinder-scheduler"])),
    Input::new("resource_id", Check::Uuid).nullable(),
    Input::new("resource_type", Check::Text(0, 40)).nullable(),
    Input::new("service_id", Check::AnyOf(&[Check::Digits(0, i64::MAX), Check::Text(0, 0)])).nullable(),
]);

static SERVICE: View<Service> = View {
    name: "CleanedService",
    fields: &[
        Field::new("id", Shape::Int, |item: &Service, _, json| json.int(item.id)),
        Field::new("host", Shape::Text, |item: &Service, _, json| json.text(&item.host)),
        Field::new("binary", Shape::Text, |item: &Service, _, json| json.text(&item.binary)),
        Field::new("cluster_name", Shape::Text, |item: &Service, _, json| json.opt_text(item.cluster_name.as_deref()))
            .nullable(),
    ],
};

/// The types that can be cleaned up.
const TYPES: [&str; 2] = ["Volume", "Snapshot"];

fn clean_up(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    call.enforce(&rules::CLEAN_UP_WORKERS)?;
    let text = |name: &str| call.body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let flag = |name: &str| call.body.get(name).map(schema::boolean);
    let resource_type = match text("resource_type") {
        None => None,
        Some(named) => match TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(named)) {
            Some(known) => Some(known),
            None => {
                let list = TYPES.join(" or ");
                return Err(invalid_input(format!("Resource type {named} not valid, must be {list}")));
            }
        },
    };
    let request = Request {
        service_id: call.body.get("service_id").and_then(schema::integer),
        cluster_name: text("cluster_name"),
        host: text("host"),
        binary: text("binary"),
        is_up: Some(flag("is_up").unwrap_or(false)),
        disabled: flag("disabled"),
        resource_type,
        resource_id: text("resource_id"),
    };
    let (cleaning, unavailable) = control::clean_up(&caller(call), &request)?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            for (key, services) in [("cleaning", &cleaning), ("unavailable", &unavailable)] {
                json.key(key).array(|json| services.iter().for_each(|item| SERVICE.object(item, &viewer, json)));
            }
        });
    }))
}
