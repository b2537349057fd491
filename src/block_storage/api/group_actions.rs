//! Actions on groups: `POST /groups/{group_id}/action`, and `POST /groups/action`, which makes a group of another one or of
//! a group snapshot (Block Storage API v3, "Group actions").

use serde_json::Value;

use super::group_views::SUMMARY;
use super::groups::{load, refuse_consistency_type, summary, text};
use super::{caller, group_bodies as bodies};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::group_actions::{self as control, Replication};
use crate::block_storage::control::group_copies::{self, Source};
use crate::block_storage::control::{Authorized, group_delete};
use crate::block_storage::model::group::{Group, Status};
use crate::block_storage::model::group_snapshot::GroupSnapshot;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::policies::groups as rules;
use crate::error::{Error, Result};
use crate::identity::policy::Rule;
use crate::rest::{Answer, Call, Reply, Route, python, schema};

const PATH: &str = "/groups/{group_id}/action";
/// The version that brought actions on the replication of groups.
const REPLICATION: u16 = 38;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::action("/groups/action", "create-from-src", create_from_source)
        .since(14)
        .rules(&[&rules::GET, &rules::GET_SNAPSHOT, &rules::CREATE])
        .body(&bodies::CREATE_FROM_SOURCE)
        .reply(202, Answer::One("group", &SUMMARY))
        .about("Create a group of another group or of a group snapshot"),
    Route::action(PATH, "delete", delete)
        .since(13)
        .rules(&[&rules::GET, &rules::DELETE])
        .body(&bodies::DELETE)
        .about("Delete a group, with its volumes where that is asked for"),
    Route::action(PATH, "reset_status", reset_status)
        .since(20)
        .rules(&[&rules::GET, &rules::RESET_STATUS])
        .body(&bodies::RESET_STATUS)
        .about("Set the status of a group without doing anything"),
    Route::action(PATH, "enable_replication", enable_replication)
        .since(REPLICATION)
        .rules(&[&rules::GET, &rules::ENABLE_REPLICATION])
        .body(&bodies::ENABLE_REPLICATION)
        .about("Begin to replicate a group"),
    Route::action(PATH, "disable_replication", disable_replication)
        .since(REPLICATION)
        .rules(&[&rules::GET, &rules::DISABLE_REPLICATION])
        .body(&bodies::DISABLE_REPLICATION)
        .about("End the replication of a group"),
    Route::action(PATH, "failover_replication", failover_replication)
        .since(REPLICATION)
        .rules(&[&rules::GET, &rules::FAILOVER_REPLICATION])
        .body(&bodies::FAILOVER_REPLICATION)
        .about("Switch a replicated group to its other site"),
    Route::action(PATH, "list_replication_targets", list_replication_targets)
        .since(REPLICATION)
        .rules(&[&rules::GET, &rules::LIST_REPLICATION_TARGETS])
        .body(&bodies::LIST_REPLICATION_TARGETS)
        .reply(200, Answer::Free)
        .about("List where a group is replicated to"),
];

fn create_from_source(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("create-from-src");
    let id = |key: &str| body.get(key).and_then(Value::as_str);
    let caller = caller(call);
    let source = match (id("group_snapshot_id"), id("source_group_id")) {
        (None, Some(id)) => {
            let group = Authorized::<Group>::load(&caller, id, &[])?;
            refuse_consistency_type(&caller, &group.group_type_id)?;
            Source::group(&caller, &group)?
        }
        (Some(id), None) => {
            let found = Authorized::<GroupSnapshot>::load(&caller, id, &[])?;
            refuse_consistency_type(&caller, &found.group_type_id)?;
            Source::snapshot(&caller, &found)?
        }
        (given, _) => {
            let text = python::repr(body);
            let wrong = match given {
                Some(_) => {
                    "is valid under each of {'required': ['source_group_id']}, {'required': ['group_snapshot_id']}"
                }
                None => "is not valid under any of the given schemas",
            };
            return Err(Error::invalid(format!(
                "Invalid input for field/attribute create-from-src. Value: {text}. {text} {wrong}"
            )));
        }
    };
    let group = group_copies::create(&caller, text(body, "name"), text(body, "description"), &source)?;
    Ok(call.one("group", &SUMMARY, &summary(group), 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let delete_volumes = call.input("delete").get("delete-volumes").is_some_and(schema::boolean);
    let group = load(call, &[&rules::DELETE])?;
    group_delete::delete(&caller(call), &group, delete_volumes)?;
    Ok(call.done())
}

fn reset_status(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let given = call.input("reset_status").get("status").and_then(Value::as_str).unwrap_or_default();
    let status = read_status(given)?;
    let id = call.path.value("group_id");
    let group = Authorized::<Group>::load(&caller(call), id, &[&rules::RESET_STATUS])?;
    control::reset_status(&caller(call), &group, status)?;
    Ok(call.done())
}

/// Reads a status that an operator may set, in any case.
fn read_status(given: &str) -> Result<Status> {
    let refused = |why: String| Error::invalid(format!("Invalid Group Status: {why}"));
    if given.trim().is_empty() {
        return Err(refused("The 'status' can not be empty.".to_owned()));
    }
    // No group gets there, although the refusal names it.
    let known = Status::parse(&given.to_lowercase()).filter(|status| *status != Status::InUse);
    known.ok_or_else(|| {
        let all: Vec<String> = Status::ALL.iter().map(|status| format!("'{status}'")).collect();
        refused(format!("Group status: {given} is invalid, valid status are: ({}).", all.join(", ")))
    })
}

fn replicate(call: &Call<'_, BlockStorage>, rule: &Rule, what: Replication) -> Result<Reply> {
    let group = Authorized::<Group>::load(&caller(call), call.path.value("group_id"), &[rule])?;
    control::replicate(&caller(call), &group, what)?;
    Ok(call.done())
}

fn enable_replication(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    replicate(call, &rules::ENABLE_REPLICATION, Replication::Enable)
}

fn disable_replication(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    replicate(call, &rules::DISABLE_REPLICATION, Replication::Disable)
}

fn failover_replication(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let attached = call.input("failover_replication").get("allow_attached_volume").is_some_and(schema::boolean);
    replicate(call, &rules::FAILOVER_REPLICATION, Replication::Failover { attached })
}

/// No driver replicates, so there is no target.
fn list_replication_targets(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let id = call.path.value("group_id");
    let group = Authorized::<Group>::load(&caller(call), id, &[&rules::LIST_REPLICATION_TARGETS])?;
    control::refuse_unreplicated(&caller(call), &group)?;
    Ok(call.json(|json| json.object(|json| json.key("replication_targets").array(|_| {}))))
}
