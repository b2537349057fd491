//! Quota sets, quota classes and limits: `/os-quota-sets`, `/os-quota-class-sets`, `/limits` (Block Storage API v3).
//! Their keys are the resources and, for each volume type, three more; so no view describes them.

use serde_json::{Map, Value};

use super::{caller, flag};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::quotas::{self as control, Quota};
use crate::block_storage::model::quota::{GREATEST, Resource};
use crate::block_storage::policies::quotas as rules;
use crate::error::{Error, Result};
use crate::rest::json::Json;
use crate::rest::python::str_of;
use crate::rest::{Answer, Call, Check, Input, Parameter, Reply, Route, Schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/os-quota-sets/{project}", show)
        .rules(&[&rules::SHOW])
        .query(&[Parameter::new("usage", "Whether to show what is used")])
        .reply(200, Answer::Free)
        .about("Show what a project may use"),
    Route::get("/os-quota-sets/{project}/defaults", defaults)
        .rules(&[&rules::SHOW])
        .reply(200, Answer::Free)
        .about("Show what a project may use that has no limits of its own"),
    Route::put("/os-quota-sets/{project}", update)
        .rules(&[&rules::UPDATE])
        .body(&UPDATE)
        .reply(200, Answer::Free)
        .about("Set what a project may use"),
    Route::delete("/os-quota-sets/{project}", delete)
        .rules(&[&rules::DELETE])
        .reply(200, Answer::Nothing)
        .about("Take a project's own limits away"),
    Route::get("/os-quota-class-sets/{class}", show_class)
        .rules(&[&rules::GET_CLASS])
        .reply(200, Answer::Free)
        .about("Show the limits of a class"),
    Route::put("/os-quota-class-sets/{class}", update_class)
        .rules(&[&rules::UPDATE_CLASS])
        .body(&UPDATE_CLASS)
        .reply(200, Answer::Free)
        .about("Set the limits of a class"),
    Route::get("/limits", limits)
        .rules(&[&rules::USED_LIMITS])
        .query(&[
            Parameter::new("project_id", "Administrators only: another project").since(39),
            Parameter::new("tenant_id", "An older name of project_id").since(39),
        ])
        .reply(200, Answer::Free)
        .about("Show what the caller's project may use and uses"),
];

/// Which keys there are depends on the volume types; the handler checks them.
static UPDATE: Schema =
    Schema::strict(&[Input::new("quota_set", Check::Object(&Schema::open(&[]).at_least(1, 0))).required()]);

static UPDATE_CLASS: Schema = Schema::strict(&[Input::new(
    "quota_class_set",
    Check::Map("^[a-zA-Z0-9-_:. ]{1,300}$", is_key, &Check::Digits(-1, GREATEST), false),
)
.required()]);

fn is_key(text: &str) -> bool {
    (1..=300).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_:. ".contains(&byte))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let project = call.path.value("project");
    let usage = flag(call, "usage")?;
    let found = control::show(&caller(call), project)?;
    Ok(answer(call, "quota_set", &found, Some(project), usage))
}

fn defaults(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let project = call.path.value("project");
    let found = control::defaults(&caller(call), project)?;
    Ok(answer(call, "quota_set", &found, Some(project), false))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let project = call.path.value("project");
    let values = values(call, call.input("quota_set"), "quota set", &["id", "tenant_id"])?;
    check_length(project, "quota_set_name")?;
    let found = control::update(&caller(call), project, &values)?;
    Ok(answer(call, "quota_set", &found, None, false))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    control::delete(&caller(call), call.path.value("project"))?;
    Ok(call.done())
}

fn show_class(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let class = call.path.value("class");
    let found = control::show_class(&caller(call), class)?;
    Ok(answer(call, "quota_class_set", &found, Some(class), false))
}

fn update_class(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let class = call.path.value("class");
    let values = values(call, call.input("quota_class_set"), "quota class set", &[])?;
    check_length(class, "quota_class_name")?;
    let found = control::update_class(&caller(call), class, &values)?;
    Ok(answer(call, "quota_class_set", &found, None, false))
}

/// The limits of a body, of which every key must be a resource. `ignored` keys may be there and say nothing.
fn values(call: &Call<'_, BlockStorage>, input: &Value, what: &str, ignored: &[&str]) -> Result<Vec<(String, i64)>> {
    let empty = Map::new();
    let given = input.as_object().unwrap_or(&empty).iter().filter(|(key, _)| !ignored.contains(&key.as_str()));
    let given: Vec<(&String, &Value)> = given.collect();
    let known = control::names(&caller(call))?;
    let mut bad: Vec<&str> = Vec::new();
    let mut values = Vec::new();
    for (key, value) in given {
        if known.contains(key) {
            values.push((key.clone(), limit(key, value)?));
        } else {
            bad.push(key);
        }
    }
    if bad.is_empty() {
        return Ok(values);
    }
    Err(Error::invalid(format!("Invalid input received: Bad key(s) in {what}: {}", bad.join(", "))))
}

/// A whole number, or a text of one, from -1 on.
fn limit(name: &str, value: &Value) -> Result<i64> {
    let wrong = |what: &str| Err(Error::invalid(format!("{name} must be {what}")));
    let text = match value {
        Value::Number(_) | Value::String(_) => str_of(value),
        _ => String::new(),
    };
    match text.trim().parse::<i64>() {
        Ok(limit) if limit < -1 => wrong(">= -1"),
        Ok(limit) if limit > GREATEST => wrong(&format!("<= {GREATEST}")),
        Ok(limit) => Ok(limit),
        Err(_) => wrong("an integer"),
    }
}

fn check_length(text: &str, name: &str) -> Result<()> {
    match text.chars().count() {
        1..=255 => Ok(()),
        count => Err(Error::invalid(format!("{name} has {count} characters, more than 255."))),
    }
}

fn answer(call: &Call<'_, BlockStorage>, envelope: &str, quotas: &[Quota], id: Option<&str>, usage: bool) -> Reply {
    let write = |quota: &Quota, json: &mut Json| {
        if !usage {
            return json.key(&quota.name).int(quota.limit);
        }
        json.key(&quota.name).object(|json| {
            json.key("limit").int(quota.limit);
            json.key("in_use").int(quota.usage.in_use);
            json.key("reserved").int(quota.usage.reserved);
        });
    };
    call.json(|json| {
        json.object(|json| {
            json.key(envelope).object(|json| {
                quotas.iter().for_each(|quota| write(quota, json));
                if let Some(id) = id {
                    json.key("id").text(id);
                }
            });
        });
    })
}

/// The resources of `/limits` with the names of their limits and of their usage.
const ABSOLUTE: [(Resource, &str, &str); 5] = [
    (Resource::Volumes, "maxTotalVolumes", "totalVolumesUsed"),
    (Resource::Snapshots, "maxTotalSnapshots", "totalSnapshotsUsed"),
    (Resource::Gigabytes, "maxTotalVolumeGigabytes", "totalGigabytesUsed"),
    (Resource::Backups, "maxTotalBackups", "totalBackupsUsed"),
    (Resource::BackupGigabytes, "maxTotalBackupGigabytes", "totalBackupGigabytesUsed"),
];

fn limits(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let own = call.context.project_id.as_str();
    let named = call.query.last("project_id").or_else(|| call.query.last("tenant_id"));
    let project = named.filter(|_| call.context.is_admin && call.at_least(39)).unwrap_or(own);
    let (quotas, usage) = control::absolute(&caller(call), project)?;
    let of = |resource: Resource| quotas.iter().find(|quota| quota.name == resource.name());
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("limits").object(|json| {
                json.key("rate").array(|_| {});
                json.key("absolute").object(|json| {
                    for (quota, most, used) in ABSOLUTE.iter().filter_map(|row| Some((of(row.0)?, row.1, row.2))) {
                        json.key(most).int(quota.limit);
                        if usage {
                            json.key(used).int(quota.usage.in_use);
                        }
                    }
                });
            });
        });
    }))
}
