//! Volumes: `/volumes` (Block Storage API v3, "Volumes").

use serde_json::Value;

use super::selections::{Listed, PAGING, Written};
use super::volume_bodies as bodies;
use super::volume_views::{self as views, DETAIL, SUMMARY};
use super::{caller, flag, metadata};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::volume_create::{self, NewVolume};
use crate::block_storage::control::volume_delete::{self, How};
use crate::block_storage::control::volumes::{self, Change};
use crate::block_storage::control::{Authorized, Caller};
use crate::block_storage::model::volume::{Volume, VolumeBrief, VolumeDetails};
use crate::block_storage::model::volume_list::COLUMNS;
use crate::block_storage::model::work::Hints;
use crate::block_storage::policies::volumes as rules;
use crate::error::{Error, Result};
use crate::rest::{Answer, Call, Parameter, Reply, Route, schema};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/volumes", list)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("volumes", &SUMMARY))
        .about("List volumes in short"),
    Route::get("/volumes/detail", list_detailed)
        .rules(&[
            &rules::GET_ALL,
            &rules::HOST_ATTRIBUTE,
            &rules::PROJECT_ATTRIBUTE,
            &rules::MIGRATION_STATUS_ATTRIBUTE,
            &rules::SHOW_IMAGE_METADATA,
        ])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("volumes", &DETAIL))
        .about("List volumes in full"),
    Route::get("/volumes/summary", summary)
        .since(12)
        .rules(&[&rules::GET_ALL])
        .query(FILTERS)
        .reply(200, Answer::Free)
        .about("Sum volumes up"),
    Route::post("/volumes", create)
        .rules(&[&rules::CREATE, &rules::CREATE_FROM_IMAGE, &rules::MULTIATTACH])
        .body(&bodies::CREATE)
        .reply(202, Answer::One("volume", &DETAIL))
        .about("Create a volume"),
    Route::get("/volumes/{volume_id}", show)
        .rules(&[
            &rules::GET,
            &rules::HOST_ATTRIBUTE,
            &rules::PROJECT_ATTRIBUTE,
            &rules::MIGRATION_STATUS_ATTRIBUTE,
            &rules::SHOW_IMAGE_METADATA,
        ])
        .reply(200, Answer::One("volume", &DETAIL))
        .about("Show a volume"),
    Route::put("/volumes/{volume_id}", update)
        .rules(&[&rules::GET, &rules::UPDATE])
        .body(&bodies::UPDATE)
        .reply(200, Answer::One("volume", &DETAIL))
        .about("Change name, description and metadata of a volume"),
    Route::delete("/volumes/{volume_id}", delete)
        .rules(&[&rules::GET, &rules::FORCE_DELETE, &rules::DELETE])
        .query(&[
            Parameter::new("cascade", "Whether its snapshots are deleted with it"),
            Parameter::new("force", "Whether it is deleted in any status").since(23),
        ])
        .reply(202, Answer::Nothing)
        .about("Delete a volume"),
];

const FILTERS: &[Parameter] = &[
    Parameter::new("all_tenants", "Administrators only: whether volumes of all projects are listed"),
    Parameter::new("name", "Volumes of this name"),
    Parameter::new("status", "Volumes in this status"),
    Parameter::new("metadata", "Volumes with these metadata, as a dictionary"),
    Parameter::new("bootable", "Volumes from which machines may start, or may not"),
    Parameter::new("migration_status", "Volumes in this migration status"),
    Parameter::new("availability_zone", "Volumes in this availability zone"),
    Parameter::new("size", "Volumes of so many GiB"),
    Parameter::new("glance_metadata", "Administrators only: volumes whose image had these properties").since(4),
    Parameter::new("group_id", "Volumes of this group").since(10),
    Parameter::new("created_at", "Volumes made at, before or after a time: gt:TIME,lt:TIME").since(60),
    Parameter::new("updated_at", "Volumes changed at, before or after a time: gt:TIME,lt:TIME").since(60),
    Parameter::new("consumes_quota", "Volumes that count against the quota, or do not").since(65),
];

const LIST_PARAMETERS: &[Parameter] = &join();

const fn join() -> [Parameter; 20] {
    let mut all = [PAGING[0]; 20];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < PAGING.len() { PAGING[at] } else { FILTERS[at - PAGING.len()] };
        at += 1;
    }
    all
}

const VOLUMES: Listed = Listed {
    resource: "volume",
    columns: COLUMNS,
    compares_times: true,
    early: Some(&[
        "name",
        "status",
        "metadata",
        "bootable",
        "migration_status",
        "availability_zone",
        "size",
        "group_id",
    ]),
    late: &[("glance_metadata", 4), ("group_id", 10), ("created_at", 60), ("updated_at", 60), ("consumes_quota", 65)],
    sorts_by_name: 0,
    counts: true,
};

/// What of volumes the caller sees in show and detail.
fn shown(caller: &Caller<'_>) -> u32 {
    let rules = [
        (views::HOST, &rules::HOST_ATTRIBUTE),
        (views::TENANT, &rules::PROJECT_ATTRIBUTE),
        (views::MIGRATION, &rules::MIGRATION_STATUS_ATTRIBUTE),
        (views::IMAGE, &rules::SHOW_IMAGE_METADATA),
    ];
    let allowed = rules.into_iter().filter(|(_, rule)| caller.allows(rule)).map(|(bit, _)| bit);
    allowed.sum::<u32>() | shown_after_change(caller)
}

/// What of volumes the caller sees in the answer to a change.
pub(super) fn shown_after_change(caller: &Caller<'_>) -> u32 {
    let admin = caller.context.is_admin;
    let hosts = admin || caller.context.has_role("service");
    (if admin { views::ADMIN } else { 0 }) | (if hosts { views::ATTACHED_HOST } else { 0 })
}

fn id_of(item: &VolumeDetails) -> &str {
    &item.volume.id
}

fn brief_id(item: &VolumeBrief) -> &str {
    &item.id
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = VOLUMES.read(call)?;
    let (items, count) = volumes::list_briefly(&caller(call), asked.selection, asked.counted)?;
    let (plural, path) = ("volumes", "volumes");
    Ok(Written { plural, path, view: &SUMMARY, items: &items, id: brief_id, count, allowed: 0 }
        .reply(call, &asked.page))
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = VOLUMES.read(call)?;
    let page = volumes::list(&caller(call), asked.selection, asked.counted)?;
    let (plural, path, allowed) = ("volumes", "volumes/detail", shown(&caller(call)));
    let written = Written { plural, path, view: &DETAIL, items: &page.items, id: id_of, count: page.count, allowed };
    Ok(written.reply(call, &asked.page))
}

fn summary(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    // Unknown filters were never refused here.
    let selection = VOLUMES.select(call, u16::MAX, &[])?;
    let summary = volumes::summary(&caller(call), selection)?;
    let with_metadata = call.at_least(36);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("volume-summary").object(|json| {
                json.key("total_count").int(summary.count);
                json.key("total_size").int(summary.size_gib);
                if with_metadata {
                    json.key("metadata").object(|json| {
                        for same_key in summary.metadata.chunk_by(|one, other| one.0 == other.0) {
                            let Some((key, _)) = same_key.first() else { continue };
                            json.key(key).array(|json| same_key.iter().for_each(|(_, value)| json.text(value)));
                        }
                    });
                }
            });
        });
    }))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let details = Authorized::<VolumeDetails>::load(&caller, call.path.value("volume_id"), &[])?;
    Ok(call.one("volume", &DETAIL, &*details, shown(&caller)))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let new = new_volume(call)?;
    let caller = caller(call);
    let details = volume_create::create(&caller, &new)?;
    Ok(call.one("volume", &DETAIL, &details, shown_after_change(&caller)))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("volume");
    let change = Change {
        name: renamed(body, "name", "display_name"),
        description: renamed(body, "description", "display_description"),
        metadata: body.get("metadata").map(metadata::read),
        bootable: None,
    };
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), &[&rules::UPDATE])?;
    let details = volumes::update(&caller, &volume, &change)?;
    Ok(call.one("volume", &DETAIL, &details, shown_after_change(&caller)))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let how =
        How { cascade: flag(call, "cascade")?, force: call.at_least(23) && flag(call, "force")?, unmanage: false };
    let rules: &[_] = if how.force { &[&rules::FORCE_DELETE, &rules::DELETE] } else { &[&rules::DELETE] };
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, call.path.value("volume_id"), rules)?;
    volume_delete::delete(&caller, &volume, how)?;
    Ok(call.done())
}

/// A text under its new key or its old one, without outer blanks; the inner `None` where it is null.
pub(super) fn renamed(body: &Value, key: &str, old_key: &str) -> Option<Option<String>> {
    let value = body.get(key).or_else(|| body.get(old_key))?;
    Some(value.as_str().map(|text| text.trim().to_owned()))
}

fn new_volume(call: &Call<'_, BlockStorage>) -> Result<NewVolume> {
    let body = call.input("volume");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    if body.get("multiattach").is_some_and(schema::boolean) {
        return Err(Error::invalid(
            "multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. \
             Contact your administrator to create a multiattach enabled volume type and use it to create multiattach \
             volumes.",
        ));
    }
    // Versions that do not document group and backup yet take them too, as they take whatever they do not know: who asks for
    // the content of a backup must not get an empty volume.
    let group = text("group_id").or_else(|| text("consistencygroup_id"));
    Ok(NewVolume {
        size_gib: size(body)?,
        name: renamed(body, "name", "display_name").flatten(),
        description: renamed(body, "description", "display_description").flatten(),
        volume_type: text("volume_type"),
        metadata: body.get("metadata").map(metadata::read).unwrap_or_default(),
        availability_zone: text("availability_zone"),
        snapshot_id: text("snapshot_id"),
        source_volid: text("source_volid"),
        image: text("image_id").or_else(|| text("imageRef")),
        follows_image: call.at_least(46),
        backup_id: text("backup_id").filter(|id| !id.is_empty()),
        by_restore: false,
        group_id: group,
        hints: hints(call.input("OS-SCH-HNT:scheduler_hints")),
    })
}

/// The size, which may be a text of digits without zeros before them.
fn size(body: &Value) -> Result<Option<i64>> {
    match body.get("size") {
        Some(Value::String(text)) if text.starts_with('0') => Err(Error::invalid(format!(
            "Invalid input received: Invalid volume size provided for create request: {text} (size argument must be an \
             integer (or string representation of an integer) and greater than zero)."
        ))),
        Some(value) => Ok(schema::integer(value)),
        None => Ok(None),
    }
}

fn hints(value: &Value) -> Hints {
    let ids = |key: &str| match value.get(key) {
        Some(Value::String(id)) => Some(vec![id.clone()]),
        Some(Value::Array(ids)) => Some(ids.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    };
    Hints { same_host: ids("same_host"), different_host: ids("different_host").unwrap_or_default() }
}
