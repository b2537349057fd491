//! Hosts: `/os-hosts`, the older view of services (Block Storage API v3, "Hosts").

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::hosts::{self as control, Usage};
use crate::block_storage::control::services::ServiceState;
use crate::block_storage::policies::services as rules;
use crate::error::Result;
use crate::rest::json::Json;
use crate::rest::view::{Answer, Field, Shape, View};
use crate::rest::{Call, Check, Input, Parameter, Reply, Route, Schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/os-hosts", list)
        .rules(&[&rules::HOSTS])
        .query(&[Parameter::new("zone", "Only hosts of this availability zone")])
        .reply(200, Answer::Many("hosts", &HOST))
        .about("List services that take new work"),
    Route::get("/os-hosts/{host}", show)
        .rules(&[&rules::HOSTS])
        .reply(200, Answer::Free)
        .about("Show what each project has on a host"),
    Route::put("/os-hosts/{host}", update)
        .rules(&[&rules::HOSTS])
        .body(&UPDATE)
        .reply(200, Answer::Free)
        .about("Let all services of a host take new work, or none"),
];

type Row = Field<ServiceState>;

static HOST: View<ServiceState> = View {
    name: "Host",
    fields: &[
        Row::new("host_name", Shape::Text, |item, _, json| json.text(&item.service.host)),
        Row::new("service", Shape::Text, |item, _, json| json.text(&item.service.binary)),
        Row::new("zone", Shape::Text, |item, _, json| json.opt_text(item.service.availability_zone.as_deref()))
            .nullable(),
        Row::new("service-status", Shape::Text, |item, _, json| {
            json.text(if item.up { "available" } else { "unavailable" });
        }),
        Row::new("service-state", Shape::Text, |item, _, json| {
            json.text(if item.service.disabled { "disabled" } else { "enabled" });
        }),
        Row::new("last-update", Shape::Time, |item, _, json| json.opt_time(item.service.updated_at)).nullable(),
    ],
};

static UPDATE: Schema = Schema::strict(&[Input::new("status", Check::Choice(&["enable", "disable"])).required()]);

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = control::list(&caller(call), call.query.last("zone"))?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("hosts").array(|json| found.iter().for_each(|item| HOST.object(item, &viewer, json)));
        });
    }))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let host = call.path.value("host");
    let usages = control::show(&caller(call), host)?;
    let sum = |of: fn(&Usage) -> i64| usages.iter().map(of).sum::<i64>();
    let total = Usage {
        project_id: "(total)".to_owned(),
        volumes: sum(|usage| usage.volumes),
        volumes_gib: sum(|usage| usage.volumes_gib),
        snapshots: sum(|usage| usage.snapshots),
        snapshots_gib: sum(|usage| usage.snapshots_gib),
    };
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("host").array(|json| {
                [&total].into_iter().chain(&usages).for_each(|usage| resource(host, usage, json));
            });
        });
    }))
}

/// Every figure is a text.
fn resource(host: &str, usage: &Usage, json: &mut Json) {
    json.object(|json| {
        json.key("resource").object(|json| {
            json.key("host").text(host);
            json.key("project").text(&usage.project_id);
            json.key("volume_count").text(&usage.volumes.to_string());
            json.key("total_volume_gb").text(&usage.volumes_gib.to_string());
            json.key("snapshot_count").text(&usage.snapshots.to_string());
            json.key("total_snapshot_gb").text(&usage.snapshots_gib.to_string());
        });
    });
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let (host, status) = (call.path.value("host"), call.input("status").as_str().unwrap_or_default());
    let enabled = status == "enable";
    control::set_enabled(&caller(call), host, enabled)?;
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("host").text(host);
            json.key("status").text(if enabled { "enabled" } else { "disabled" });
        });
    }))
}
