//! Attachments: `/attachments` (Block Storage API v3, "Attachments"), from version 3.27 on.

use serde_json::{Map, Value};

use super::caller;
use super::selections::{Listed, PAGING};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::attachments::{self as control, NewAttachment};
use crate::block_storage::control::{Authorized, Caller};
use crate::block_storage::model::attachment::{AttachmentDetails, COLUMNS};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::{attachments as rules, volumes as volume_rules};
use crate::error::Result;
use crate::identity::policy::{Rule, Target};
use crate::rest::json::Json;
use crate::rest::schema::{Check, Input, Schema};
use crate::rest::view::{Field, Shape, View, Viewer};
use crate::rest::{Answer, Call, Parameter, Reply, Route};
use crate::time::Timestamp;

/// The version that brought attachments.
const SINCE: u16 = 27;
/// The bit of callers who may read how a volume is reached, which may hold secrets: those who may connect it themselves.
const CONNECTION: u32 = 1;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/attachments", list)
        .since(SINCE)
        .rules(&[&volume_rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("attachments", &SUMMARY))
        .about("List attachments in short"),
    Route::get("/attachments/detail", list_detailed)
        .since(SINCE)
        .rules(&[&volume_rules::GET_ALL, &rules::UPDATE])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("attachments", &DETAIL))
        .about("List attachments in full"),
    Route::post("/attachments", create)
        .since(SINCE)
        .rules(&[&rules::CREATE, &rules::MULTIATTACH_BOOTABLE])
        .body(&CREATE)
        .reply(200, Answer::One("attachment", &DETAIL))
        .about("Reserve a volume for a server, and connect it to a host"),
    Route::get("/attachments/{attachment_id}", show)
        .since(SINCE)
        .rules(&[&volume_rules::GET, &rules::UPDATE])
        .reply(200, Answer::One("attachment", &DETAIL))
        .about("Show an attachment"),
    Route::put("/attachments/{attachment_id}", update)
        .since(SINCE)
        .rules(&[&rules::UPDATE])
        .body(&UPDATE)
        .reply(200, Answer::One("attachment", &DETAIL))
        .about("Connect a reserved volume to a host"),
    Route::delete("/attachments/{attachment_id}", delete)
        .since(SINCE)
        .rules(&[&rules::DELETE])
        .reply(200, Answer::Many("attachments", &SUMMARY))
        .about("End an attachment"),
    Route::action("/attachments/{attachment_id}/action", "os-complete", complete)
        .since(44)
        .rules(&[&rules::COMPLETE])
        .reply(204, Answer::Nothing)
        .about("Mark an attachment as used by its server"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    PAGING[0],
    PAGING[1],
    PAGING[2],
    PAGING[3],
    PAGING[4],
    PAGING[5],
    Parameter::new("all_tenants", "Administrators only: whether attachments of all projects are listed"),
    Parameter::new("volume_id", "Attachments of this volume"),
    Parameter::new("status", "Attachments in this status"),
    Parameter::new("attach_status", "The same"),
    Parameter::new("instance_id", "Attachments of this server"),
];

static CREATE: Schema = Schema::strict(&[Input::new(
    "attachment",
    Check::Object(&Schema::strict(&[
        Input::new("instance_uuid", Check::Uuid),
        Input::new("connector", Check::Object(&Schema::open(&[]))).nullable(),
        Input::new("volume_uuid", Check::Uuid).required(),
        Input::new("mode", Check::Choice(&["rw", "ro"])).since(54),
    ])),
)
.required()]);

static UPDATE: Schema = Schema::strict(&[Input::new(
    "attachment",
    Check::Object(&Schema::strict(&[
        Input::new("connector", Check::Object(&Schema::open(&[]).at_least(1, SINCE))).required()
    ])),
)
.required()]);

type Row = Field<AttachmentDetails>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.attachment.id));
const STATUS: Row = Row::new("status", Shape::Text, |item, _, json| json.text(item.status.name()));
const INSTANCE: Row =
    Row::new("instance", Shape::Uuid, |item, _, json| json.opt_text(item.attachment.instance_uuid.as_deref()))
        .nullable();
const VOLUME_ID: Row = Row::new("volume_id", Shape::Uuid, |item, _, json| json.text(&item.attachment.volume_id));

static SUMMARY: View<AttachmentDetails> =
    View { name: "AttachmentSummary", fields: &[ID, STATUS, INSTANCE, VOLUME_ID] };

static DETAIL: View<AttachmentDetails> = View {
    name: "Attachment",
    fields: &[
        ID,
        STATUS,
        INSTANCE,
        VOLUME_ID,
        Row::new("attached_at", Shape::Text, |item, _, json| time(item.attachment.attach_time, json)),
        Row::new("detached_at", Shape::Text, |item, _, json| time(item.detach_time, json)),
        Row::new("attach_mode", Shape::Text, |item, _, json| json.opt_text(item.mode.as_deref())).nullable(),
        Row::new("connection_info", Shape::Object, connection),
    ],
};

/// A time, or an empty text where there is none yet.
fn time(time: Option<Timestamp>, json: &mut Json) {
    match time {
        Some(time) => json.time(time),
        None => json.text(""),
    }
}

fn connection(item: &AttachmentDetails, viewer: &Viewer<'_>, json: &mut Json) {
    let kept = item.connection.as_deref().filter(|_| viewer.allowed & CONNECTION != 0);
    let value: Option<Map<String, Value>> = kept.and_then(|text| serde_json::from_str(text).ok());
    json.value(&Value::Object(value.unwrap_or_default()));
}

/// Whether the caller may read how the volumes of a project are reached.
fn shown(caller: &Caller<'_>, project_id: &str) -> u32 {
    let allowed = caller.policy.allows(&rules::UPDATE, caller.context, &Target::project(project_id));
    if allowed { CONNECTION } else { 0 }
}

const ATTACHMENTS: Listed = Listed {
    resource: "attachment",
    columns: COLUMNS,
    compares_times: false,
    early: Some(&["volume_id", "status", "instance_id", "attach_status"]),
    late: &[],
    sorts_by_name: 0,
    counts: false,
};

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = ATTACHMENTS.read(call)?;
    let items = control::list(&caller(call), &asked.selection)?;
    Ok(many(call, &SUMMARY, &items))
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let asked = ATTACHMENTS.read(call)?;
    let items = control::list(&caller(call), &asked.selection)?;
    Ok(many(call, &DETAIL, &items))
}

/// Lists of attachments have no links.
fn many(call: &Call<'_, BlockStorage>, view: &View<AttachmentDetails>, items: &[AttachmentDetails]) -> Reply {
    let caller = caller(call);
    call.json(|json| {
        json.object(|json| {
            json.key("attachments").array(|json| {
                for item in items {
                    view.object(item, &call.viewer(shown(&caller, &item.project_id)), json);
                }
            });
        });
    })
}

fn one(call: &Call<'_, BlockStorage>, item: &AttachmentDetails) -> Reply {
    call.one("attachment", &DETAIL, item, shown(&caller(call), &item.project_id))
}

fn load(call: &Call<'_, BlockStorage>, rule: &Rule) -> Result<Authorized<AttachmentDetails>> {
    Authorized::<AttachmentDetails>::load(&caller(call), call.path.value("attachment_id"), rule)
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let body = call.input("attachment");
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let connector = body.get("connector").filter(|value| value.as_object().is_some_and(|object| !object.is_empty()));
    let new = NewAttachment { instance_uuid: text("instance_uuid"), connector: connector.cloned(), mode: text("mode") };
    let caller = caller(call);
    let volume = Authorized::<Volume>::load_unseen(&caller, &text("volume_uuid").unwrap_or_default(), &rules::CREATE)?;
    let made = control::create(&caller, &volume, &new)?;
    Ok(one(call, &made))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let attachment = load(call, &volume_rules::GET)?;
    let mut item = AttachmentDetails::clone(&attachment);
    let kept = item.connection.as_deref().and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    if let Some(mut connection) = kept.filter(|kept| !kept.is_empty())
        && let Some(format) = control::format(&caller(call), &item)?
    {
        connection.insert("format".to_owned(), Value::String(format));
        item.connection = Some(Value::Object(connection).to_string());
    }
    Ok(one(call, &item))
}

fn update(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let connector = call.input("attachment").get("connector").cloned().unwrap_or_default();
    let attachment = load(call, &rules::UPDATE)?;
    let updated = control::update(&caller(call), &attachment, &connector)?;
    Ok(one(call, &updated))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let attachment = load(call, &rules::DELETE)?;
    let left = control::delete(&caller(call), &attachment)?;
    Ok(many(call, &SUMMARY, &left))
}

fn complete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let attachment = load(call, &rules::COMPLETE)?;
    control::complete(&caller(call), &attachment)?;
    Ok(call.done())
}
