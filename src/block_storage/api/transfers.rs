//! Transfers: `/volume-transfers`, and `/os-volume-transfer`, the same under its old name, which always takes the
//! snapshots along (Block Storage API v3, "Volume transfers").

use serde_json::Value;

use super::caller;
use super::selections::{Listed, PAGING, Written};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::Authorized;
use crate::block_storage::control::transfers::{self as control, NewTransfer};
use crate::block_storage::model::transfer::{COLUMNS, Transfer};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::policies::transfers as rules;
use crate::error::{Error, Kind, Result};
use crate::rest::route::HandlerFn;
use crate::rest::schema::{Check, Input, Schema};
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Parameter, Reply, Route, schema};

/// The version from which on lists begin with the newest transfer.
const NEWEST_FIRST: u16 = 59;
/// The version that knows encrypted volumes.
const ENCRYPTED: u16 = 70;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    list_row("/os-volume-transfer", list_old, &SUMMARY, "List transfers in short, by their old name"),
    list_row("/os-volume-transfer/detail", list_old_detailed, &DETAIL, "List transfers in full, by their old name"),
    create_row("/os-volume-transfer", create_old, &CREATE_OLD, "Offer a volume, by the old name"),
    show_row("/os-volume-transfer/{transfer_id}", "Show a transfer, by its old name"),
    delete_row("/os-volume-transfer/{transfer_id}", "Withdraw a transfer, by its old name"),
    accept_row("/os-volume-transfer/{transfer_id}/accept", "Take an offered volume, by the old name"),
    list_row("/volume-transfers", list, &SUMMARY, "List transfers in short"),
    list_row("/volume-transfers/detail", list_detailed, &DETAIL, "List transfers in full"),
    create_row("/volume-transfers", create, &CREATE, "Offer a volume to another project"),
    show_row("/volume-transfers/{transfer_id}", "Show a transfer"),
    delete_row("/volume-transfers/{transfer_id}", "Withdraw a transfer"),
    accept_row("/volume-transfers/{transfer_id}/accept", "Take a volume that another project offers"),
];

type Handler = HandlerFn<BlockStorage>;

const fn list_row(
    path: &'static str,
    handler: Handler,
    view: &'static View<Transfer>,
    about: &'static str,
) -> Route<BlockStorage> {
    let answer = Answer::Many("transfers", view);
    Route::get(path, handler).rules(&[&rules::GET_ALL]).query(PARAMETERS).reply(200, answer).about(about)
}

const fn create_row(
    path: &'static str,
    handler: Handler,
    body: &'static Schema,
    about: &'static str,
) -> Route<BlockStorage> {
    let answer = Answer::One("transfer", &DETAIL);
    Route::post(path, handler).rules(&[&rules::CREATE]).body(body).reply(202, answer).about(about)
}

const fn show_row(path: &'static str, about: &'static str) -> Route<BlockStorage> {
    let answer = Answer::One("transfer", &DETAIL);
    Route::get(path, show).rules(&[&rules::GET]).reply(200, answer).about(about)
}

const fn delete_row(path: &'static str, about: &'static str) -> Route<BlockStorage> {
    Route::delete(path, delete).rules(&[&rules::DELETE]).reply(202, Answer::Nothing).about(about)
}

const fn accept_row(path: &'static str, about: &'static str) -> Route<BlockStorage> {
    let answer = Answer::One("transfer", &SUMMARY);
    Route::post(path, accept).rules(&[&rules::ACCEPT]).body(&ACCEPT).reply(202, answer).about(about)
}

const PARAMETERS: &[Parameter] = &[
    PAGING[0],
    PAGING[1],
    PAGING[2],
    PAGING[3],
    PAGING[4],
    PAGING[5],
    Parameter::new("all_tenants", "Administrators only: whether transfers of all projects are listed"),
    Parameter::new("name", "Transfers of this name"),
    Parameter::new("volume_id", "Transfers of this volume"),
];

const fn body(fields: &'static Schema) -> Input {
    Input::new("transfer", Check::Object(fields)).required()
}

const VOLUME_ID: Input = Input::new("volume_id", Check::Uuid).required();
const NAME: Input = Input::new("name", Check::AnyOf(&[Check::Name, Check::Null]));

static CREATE_OLD: Schema = Schema::strict(&[body(&Schema::strict(&[VOLUME_ID, NAME]))]);
static CREATE: Schema =
    Schema::strict(&[body(&Schema::strict(&[VOLUME_ID, NAME, Input::new("no_snapshots", Check::Boolean).since(55)]))]);
static ACCEPT: Schema = Schema::strict(&[Input::new(
    "accept",
    Check::Object(&Schema::strict(&[Input::new("auth_key", Check::Types(&["string", "integer"])).required()])),
)
.required()]);

type Row = Field<Transfer>;

const ID: Row = Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id));
const OF_VOLUME: Row = Row::new("volume_id", Shape::Uuid, |item, _, json| json.text(&item.volume_id));
const CALLED: Row = Row::new("name", Shape::Text, |item, _, json| json.opt_text(item.name.as_deref())).nullable();
const LINKS: Row =
    Row::new("links", Shape::Links, |item, viewer, json| viewer.links.write("os-volume-transfer", &item.id, json));

static SUMMARY: View<Transfer> = View { name: "TransferSummary", fields: &[ID, OF_VOLUME, CALLED, LINKS] };

static DETAIL: View<Transfer> = View {
    name: "Transfer",
    fields: &[
        ID,
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.created_at)),
        CALLED,
        OF_VOLUME,
        Row::new("auth_key", Shape::Text, |item, _, json| json.opt_text(item.auth_key.as_deref()))
            .present(|item| item.auth_key.is_some()),
        LINKS,
        Row::new("no_snapshots", Shape::Bool, |item, _, json| json.bool(item.no_snapshots)).since(55),
        Row::new("destination_project_id", Shape::Text, |item, _, json| {
            json.opt_text(item.destination_project_id.as_deref());
        })
        .nullable()
        .since(57),
        Row::new("source_project_id", Shape::Text, |item, _, json| {
            json.opt_text(item.source_project_id.as_deref());
        })
        .nullable()
        .since(57),
        Row::new("accepted", Shape::Bool, |item, _, json| json.bool(item.accepted)).since(57),
    ],
};

const TRANSFERS: Listed = Listed {
    // Every column is a filter, for everybody.
    resource: "",
    columns: COLUMNS,
    compares_times: false,
    early: None,
    late: &[],
    sorts_by_name: 0,
    counts: false,
};

fn list_old(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, "os-volume-transfer", &SUMMARY, false)
}

fn list_old_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, "os-volume-transfer/detail", &DETAIL, false)
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, "volume-transfers", &SUMMARY, call.at_least(NEWEST_FIRST))
}

fn list_detailed(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    written(call, "volume-transfers/detail", &DETAIL, call.at_least(NEWEST_FIRST))
}

fn written(
    call: &Call<'_, BlockStorage>,
    path: &str,
    view: &'static View<Transfer>,
    newest_first: bool,
) -> Result<Reply> {
    let mut asked = TRANSFERS.read(call)?;
    if asked.page.sort.is_empty() {
        asked.selection.order.iter_mut().for_each(|order| order.ascending = !newest_first);
    }
    let items = control::list(&caller(call), &asked.selection)?;
    let written =
        Written { plural: "transfers", path, view, items: &items, id: |item| &item.id, count: None, allowed: 0 };
    Ok(written.reply(call, &asked.page))
}

fn create_old(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    offer(call, false, false)
}

fn create(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let stay = call.input("transfer").get("no_snapshots").is_some_and(schema::boolean);
    offer(call, stay, call.at_least(ENCRYPTED))
}

fn offer(call: &Call<'_, BlockStorage>, no_snapshots: bool, encrypted: bool) -> Result<Reply> {
    let body = call.input("transfer");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let new = NewTransfer { name: text("name").map(|name| name.trim().to_owned()), no_snapshots, encrypted };
    let caller = caller(call);
    let id = text("volume_id").unwrap_or_default();
    let volume = Authorized::<Volume>::load_unseen(&caller, id, &rules::CREATE)?;
    let transfer = control::create(&caller, &volume, &new)?;
    Ok(call.one("transfer", &DETAIL, &transfer, 0))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    caller.enforce(&rules::GET)?;
    let transfer = Authorized::<Transfer>::load(&caller, call.path.value("transfer_id"), &[])?;
    Ok(call.one("transfer", &DETAIL, &transfer, 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let transfer = Authorized::<Transfer>::load(&caller, call.path.value("transfer_id"), &[&rules::DELETE])?;
    control::delete(&caller, &transfer)?;
    Ok(call.done())
}

fn accept(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let key = match call.input("accept").get("auth_key") {
        Some(Value::String(text)) => text.clone(),
        Some(number) => number.to_string(),
        None => String::new(),
    };
    let transfer = control::accept(&caller(call), call.path.value("transfer_id"), &key).map_err(plain)?;
    Ok(call.one("transfer", &SUMMARY, &transfer, 0))
}

/// This route tells the lack of room without the name that stands before it elsewhere.
fn plain(error: Error) -> Error {
    match error.public().strip_prefix("VolumeSizeExceedsAvailableQuota: ") {
        Some(text) if error.kind() == Kind::OverQuota => Error::new(Kind::OverQuota, text.to_owned()),
        _ => error,
    }
}
