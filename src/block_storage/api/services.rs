//! Services: `/os-services` (Block Storage API v3, "Services").

use serde_json::Value;

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::services::{self as control, ServiceState};
use crate::block_storage::model::service::VOLUME;
use crate::block_storage::policies::services as rules;
use crate::error::{Error, Result};
use crate::rest::python::repr;
use crate::rest::view::{Answer, Field, Shape, View};
use crate::rest::{Call, Check, Input, Parameter, Reply, Route, Schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/os-services", list)
        .rules(&[&rules::LIST])
        .query(&[
            Parameter::new("host", "Only services of this host or backend"),
            Parameter::new("binary", "Only services of this kind, such as cinder-volume"),
        ])
        .reply(200, Answer::Many("services", &SERVICE))
        .about("List services"),
    Route::put("/os-services/enable", enable)
        .rules(&[&rules::UPDATE])
        .body(&ENABLE)
        .reply(200, Answer::Free)
        .about("Let a service take new work"),
    Route::put("/os-services/disable", disable)
        .rules(&[&rules::UPDATE])
        .body(&ENABLE)
        .reply(200, Answer::Free)
        .about("Let a service take no new work"),
    Route::put("/os-services/disable-log-reason", disable_log_reason)
        .rules(&[&rules::UPDATE])
        .body(&DISABLE_LOG_REASON)
        .reply(200, Answer::Free)
        .about("Let a service take no new work, and say why"),
];

type Row = Field<ServiceState>;

/// Whether a service is a volume service, which alone has a backend.
fn has_backend(item: &ServiceState) -> bool {
    item.service.binary == VOLUME
}

static SERVICE: View<ServiceState> = View {
    name: "Service",
    fields: &[
        Row::new("binary", Shape::Text, |item, _, json| json.text(&item.service.binary)),
        Row::new("host", Shape::Text, |item, _, json| json.text(&item.service.host)),
        Row::new("zone", Shape::Text, |item, _, json| json.opt_text(item.service.availability_zone.as_deref()))
            .nullable(),
        Row::new("status", Shape::Text, |item, _, json| {
            json.text(if item.service.disabled { "disabled" } else { "enabled" });
        }),
        Row::new("state", Shape::Text, |item, _, json| json.text(if item.up { "up" } else { "down" })),
        Row::new("updated_at", Shape::Time, |item, _, json| json.opt_time(item.updated_at())).nullable(),
        Row::new("backend_state", Shape::Text, |item, _, json| {
            json.opt_text(item.backend_up.map(|up| if up { "up" } else { "down" }));
        })
        .nullable()
        .since(49)
        .present(has_backend),
        Row::new("cluster", Shape::Text, |item, _, json| json.opt_text(item.service.cluster_name.as_deref()))
            .nullable()
            .since(7),
        Row::new("disabled_reason", Shape::Text, |item, _, json| {
            json.opt_text(item.service.disabled_reason.as_deref());
        })
        .nullable(),
        Row::new("replication_status", Shape::Text, |item, _, json| {
            json.opt_text(item.service.replication_status.as_deref());
        })
        .nullable()
        .present(has_backend),
        Row::new("active_backend_id", Shape::Text, |item, _, json| {
            json.opt_text(item.service.active_backend_id.as_deref());
        })
        .nullable()
        .present(has_backend),
        Row::new("frozen", Shape::Bool, |item, _, json| json.bool(item.service.frozen)).present(has_backend),
    ],
};

/// A name of a host, with or without backend and pool.
pub(super) const HOST: Check = Check::Pattern(1, 255, r"^[a-zA-Z0-9-._#@:/+\[\]]*$", is_host);

fn is_host(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._#@:/+[]".contains(&byte))
}

const BINARY: Input = Input::new("binary", Check::Text(1, 255));
/// A host or `host@backend`.
pub(super) const HOST_NAME: Input = Input::new("host", HOST).nullable();
/// A cluster.
pub(super) const CLUSTER: Input = Input::new("cluster", Check::Text(0, 255)).nullable();
/// An older name of `binary`; one of them must be there.
const SERVICE_NAME: Input = Input::new("service", Check::Text(1, 255));

static ENABLE: Schema = Schema::strict(&[BINARY, HOST_NAME, CLUSTER, SERVICE_NAME]);

static DISABLE_LOG_REASON: Schema =
    Schema::strict(&[BINARY, HOST_NAME, CLUSTER, SERVICE_NAME, Input::new("disabled_reason", Check::Stripped(1, 255))]);

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let (host, binary) = (call.query.last("host"), call.query.last("binary"));
    let found = control::list(&caller(call), host, binary, call.at_least(49))?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("services").array(|json| found.iter().for_each(|item| SERVICE.object(item, &viewer, json)));
        });
    }))
}

fn enable(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    set(call, false, false)
}

fn disable(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    set(call, true, false)
}

fn disable_log_reason(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    set(call, true, true)
}

fn set(call: &Call<'_, BlockStorage>, disabled: bool, with_reason: bool) -> Result<Reply> {
    let text = |name: &str| call.body.get(name).and_then(Value::as_str);
    let (binary, service) = (text("binary"), text("service"));
    let Some(name) = binary.or(service) else {
        return Err(Error::invalid(format!("{} is not valid under any of the given schemas", repr(&call.body))));
    };
    let reason = text("disabled_reason").filter(|_| with_reason);
    control::set_disabled(&caller(call), text("host"), name, disabled, reason)?;
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("host").opt_text(text("host"));
            json.key("service").text(service.unwrap_or_default());
            json.key("binary").text(binary.unwrap_or_default());
            json.key("status").text(if disabled { "disabled" } else { "enabled" });
            json.key("disabled").bool(disabled);
            if with_reason {
                json.key("disabled_reason").opt_text(reason);
            }
        });
    }))
}
