//! Snapshots of consistency groups: `/cgsnapshots` (Block Storage API v3, "Consistency group snapshots"), an older form of
//! group snapshots, which works with every group.

use super::caller;
use super::group_snapshots::LISTED;
use super::groups::text;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::{Authorized, group_snapshots as control};
use crate::block_storage::model::group::Group;
use crate::block_storage::model::group_snapshot::GroupSnapshot;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::policies::groups as rules;
use crate::config::default::OSAPI_MAX_LIMIT;
use crate::error::Result;
use crate::rest::schema::{Check, Input, Schema};
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Page, Parameter, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/cgsnapshots", list)
        .rules(&[&rules::GET_ALL_SNAPSHOTS])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("cgsnapshots", &SUMMARY))
        .about("List group snapshots in short, in the older form"),
    Route::get("/cgsnapshots/detail", list_detailed)
        .rules(&[&rules::GET_ALL_SNAPSHOTS])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("cgsnapshots", &DETAIL))
        .about("List group snapshots in full, in the older form"),
    Route::post("/cgsnapshots", create)
        .rules(&[&rules::GET, &rules::CREATE_SNAPSHOT])
        .body(&CREATE)
        .reply(202, Answer::One("cgsnapshot", &SUMMARY))
        .about("Create a snapshot of a consistency group"),
    Route::get("/cgsnapshots/{cgsnapshot_id}", show)
        .rules(&[&rules::GET_SNAPSHOT])
        .reply(200, Answer::One("cgsnapshot", &DETAIL))
        .about("Show a group snapshot in the older form"),
    Route::delete("/cgsnapshots/{cgsnapshot_id}", delete)
        .rules(&[&rules::GET_SNAPSHOT, &rules::DELETE_SNAPSHOT])
        .reply(202, Answer::Nothing)
        .about("Delete a snapshot of a consistency group with its snapshots"),
];

const LIST_PARAMETERS: &[Parameter] =
    &[Parameter::new("limit", "At most so many items"), Parameter::new("offset", "Items to skip")];

static CREATE: Schema = Schema::open(&[Input::new(
    "cgsnapshot",
    Check::Object(&Schema::open(&[
        Input::new("consistencygroup_id", Check::Text(0, 65_535)).required(),
        Input::new("name", Check::Text(0, 255)).nullable(),
        Input::new("description", Check::Text(0, 255)).nullable(),
    ])),
)
.required()]);

type Row = Field<GroupSnapshot>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id));
const NAME: Row = Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.name.as_deref())).nullable();

/// The short form.
static SUMMARY: View<GroupSnapshot> = View { name: "CgsnapshotSummary", fields: &[ID, NAME] };

/// The whole form.
static DETAIL: View<GroupSnapshot> = View {
    name: "Cgsnapshot",
    fields: &[
        ID,
        Row::new("consistencygroup_id", Shape::Uuid, |item, _, json| json.text(&item.group_id)),
        Row::new("status", Shape::Text, |item, _, json| json.text(item.status.name())),
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.created_at)),
        NAME,
        Row::new("description", Shape::Text, |item, _, json| json.opt_text(item.description.as_deref())).nullable(),
    ],
};

/// Of the query, only how many and from where is read.
fn written(call: &Call<'_, BlockStorage>, view: &'static View<GroupSnapshot>) -> Result<Reply> {
    let page = Page::read(&call.query, call.platform.config.integer(&OSAPI_MAX_LIMIT))?;
    let mut asked = LISTED.whole(call)?;
    (asked.selection.limit, asked.selection.offset) = (page.limit, page.offset);
    let items = control::list(&caller(call), &asked.selection)?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("cgsnapshots").array(|json| items.iter().for_each(|item| view.object(item, &viewer, json)));
        });
    }))
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, &SUMMARY)
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, &DETAIL)
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let found = Authorized::<GroupSnapshot>::load(&caller(call), call.path.value("cgsnapshot_id"), &[])?;
    Ok(call.one("cgsnapshot", &DETAIL, &found, 0))
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("cgsnapshot");
    let caller = caller(call);
    let id = body.get("consistencygroup_id").and_then(serde_json::Value::as_str).unwrap_or_default();
    let group = Authorized::<Group>::load(&caller, id, &[&rules::CREATE_SNAPSHOT])?;
    let made = control::create(&caller, &group, text(body, "name"), text(body, "description"))?;
    Ok(call.one("cgsnapshot", &SUMMARY, &made, 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let id = call.path.value("cgsnapshot_id");
    let found = Authorized::<GroupSnapshot>::load(&caller, id, &[&rules::DELETE_SNAPSHOT])?;
    control::delete(&caller, &found)?;
    Ok(call.done())
}
