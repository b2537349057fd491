//! Backups: `/backups` (Block Storage API v3, "Backups").

use serde_json::Value;

use super::backup_bodies as bodies;
use super::backup_views::{self as views, DETAIL, RECORD, RESTORE, SUMMARY};
use super::selections::{Listed, PAGING, Written};
use super::volumes::renamed;
use super::{caller, metadata};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::backup_create::{self, NewBackup};
use crate::block_storage::control::backup_records::{self, Record};
use crate::block_storage::control::backups::{self as control, Change};
use crate::block_storage::control::{Authorized, Caller, backup_restore};
use crate::block_storage::model::backup::{Backup, BackupDetails};
use crate::block_storage::model::backup_list::COLUMNS;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::{backups as rules, volumes as volume_rules};
use crate::error::Result;
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Parameter, Reply, Route, schema};

const ACTION: &str = "/backups/{backup_id}/action";

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/backups", list)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("backups", &SUMMARY))
        .about("List backups in short"),
    Route::get("/backups/detail", list_detailed)
        .rules(&[&rules::GET_ALL, &rules::PROJECT_ATTRIBUTE])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("backups", &DETAIL))
        .about("List backups in full"),
    Route::post("/backups", create)
        .rules(&[&volume_rules::GET, &rules::CREATE])
        .body(&bodies::CREATE)
        .reply(202, Answer::One("backup", &SUMMARY))
        .about("Create a backup of a volume or a snapshot"),
    Route::post("/backups/import_record", import)
        .rules(&[&rules::IMPORT])
        .body(&bodies::IMPORT)
        .reply(201, Answer::One("backup", &SUMMARY))
        .about("Import the record of a backup"),
    Route::get("/backups/{backup_id}", show)
        .rules(&[&rules::GET, &rules::PROJECT_ATTRIBUTE])
        .reply(200, Answer::One("backup", &DETAIL))
        .about("Show a backup"),
    Route::put("/backups/{backup_id}", update)
        .since(9)
        .rules(&[&rules::GET, &rules::UPDATE])
        .body(&bodies::UPDATE)
        .reply(200, Answer::One("backup", &SUMMARY))
        .about("Change name, description and metadata of a backup"),
    Route::delete("/backups/{backup_id}", delete)
        .rules(&[&rules::GET, &rules::DELETE])
        .reply(202, Answer::Nothing)
        .about("Delete a backup"),
    Route::post("/backups/{backup_id}/restore", restore)
        .rules(&[&rules::GET, &rules::RESTORE])
        .body(&bodies::RESTORE)
        .reply(202, Answer::One("restore", &RESTORE))
        .about("Write a backup into a volume"),
    Route::get("/backups/{backup_id}/export_record", export)
        .rules(&[&rules::GET, &rules::EXPORT])
        .reply(200, Answer::One("backup-record", &RECORD))
        .about("Export the record of a backup"),
    Route::action(ACTION, "os-reset_status", reset_status)
        .rules(&[&rules::GET, &rules::RESET_STATUS])
        .body(&bodies::RESET_STATUS)
        .about("Set the status of a backup without doing anything"),
    Route::action(ACTION, "os-force_delete", force_delete)
        .rules(&[&rules::GET, &rules::FORCE_DELETE, &rules::DELETE])
        .about("Delete a backup in any status"),
];

const FILTERS: [Parameter; 4] = [
    Parameter::new("all_tenants", "Administrators only: whether backups of all projects are listed"),
    Parameter::new("name", "Backups of this name"),
    Parameter::new("status", "Backups in this status"),
    Parameter::new("volume_id", "Backups of this volume"),
];

const LIST_PARAMETERS: &[Parameter] = &join();

const fn join() -> [Parameter; 11] {
    let mut all = [PAGING[0]; 11];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < PAGING.len() { PAGING[at] } else { FILTERS[at - PAGING.len()] };
        at += 1;
    }
    all
}

const BACKUPS: Listed = Listed {
    resource: "backup",
    columns: COLUMNS,
    compares_times: false,
    early: Some(&["name", "status", "volume_id"]),
    late: &[],
    sorts_by_name: 37,
    counts: true,
};

/// What of backups the caller sees in show and detail.
fn shown(caller: &Caller<'_>) -> u32 {
    if caller.allows(&rules::PROJECT_ATTRIBUTE) { views::OWNER } else { 0 }
}

fn id_of(item: &BackupDetails) -> &str {
    &item.backup.id
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = BACKUPS.read(call)?;
    let (items, count) = control::list(&caller(call), &asked.selection, asked.counted)?;
    let (plural, path) = ("backups", "backups");
    Ok(Written { plural, path, view: &SUMMARY, items: &items, id: id_of, count, allowed: 0 }.reply(call, &asked.page))
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = BACKUPS.read(call)?;
    let (items, count) = control::list(&caller(call), &asked.selection, asked.counted)?;
    let (plural, path, allowed) = ("backups", "backups/detail", shown(&caller(call)));
    Ok(Written { plural, path, view: &DETAIL, items: &items, id: id_of, count, allowed }.reply(call, &asked.page))
}

fn load(call: &Call<'_, BlockStorage>, rules: &[&Rule]) -> Result<Authorized<Backup>> {
    Authorized::<Backup>::load(&caller(call), call.path.value("backup_id"), rules)
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let backup = load(call, &[])?;
    let caller = caller(call);
    let details = control::details(&caller, &backup)?;
    Ok(call.one("backup", &DETAIL, &details, shown(&caller)))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("backup");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str| body.get(key).is_some_and(schema::boolean);
    let metadata = body.get("metadata").map(metadata::read).filter(|_| call.at_least(43));
    let new = NewBackup {
        name: renamed(body, "name", "name").flatten(),
        description: renamed(body, "description", "description").flatten(),
        container: text("container"),
        incremental: flag("incremental"),
        force: flag("force"),
        snapshot_id: text("snapshot_id"),
        metadata: metadata.unwrap_or_default(),
        availability_zone: text("availability_zone").filter(|_| call.at_least(51)),
    };
    let caller = caller(call);
    let volume = Authorized::<Volume>::load(&caller, &text("volume_id").unwrap_or_default(), &[])?;
    let details = backup_create::create(&caller, &volume, &new)?;
    Ok(call.one("backup", &SUMMARY, &details, 0))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("backup");
    let change = Change {
        name: renamed(body, "name", "name"),
        description: renamed(body, "description", "description"),
        metadata: body.get("metadata").map(metadata::read).filter(|_| call.at_least(43)),
    };
    let backup = load(call, &[&rules::UPDATE])?;
    let details = control::update(&caller(call), &backup, &change)?;
    Ok(call.one("backup", &SUMMARY, &details, 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let backup = load(call, &[&rules::DELETE])?;
    control::delete(&caller(call), &backup, false)?;
    Ok(call.done())
}

fn restore(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("restore");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let (volume_id, name) = (text("volume_id"), text("name"));
    let backup = load(call, &[&rules::RESTORE])?;
    let volume = backup_restore::restore(&caller(call), &backup, volume_id.as_deref(), name.as_deref())?;
    Ok(call.one("restore", &RESTORE, &views::Restore { backup_id: backup.id.clone(), volume }, 0))
}

fn export(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let backup = load(call, &[&rules::EXPORT])?;
    let record = backup_records::export(&caller(call), &backup)?;
    Ok(call.one("backup-record", &RECORD, &record, 0))
}

fn import(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("backup-record");
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let record = Record { service: text("backup_service"), url: text("backup_url") };
    let details = backup_records::import(&caller(call), &record)?;
    Ok(call.one("backup", &SUMMARY, &details, 0))
}

fn reset_status(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let status = call.input("os-reset_status").get("status").and_then(Value::as_str).unwrap_or_default();
    let status = control::read_status(status)?;
    let backup = load(call, &[&rules::RESET_STATUS])?;
    control::reset_status(&caller(call), &backup, status)?;
    Ok(call.done())
}

fn force_delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let backup = load(call, &[&rules::FORCE_DELETE, &rules::DELETE])?;
    control::delete(&caller(call), &backup, true)?;
    Ok(call.done())
}
