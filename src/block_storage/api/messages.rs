//! Messages to users: `/messages` (Block Storage API v3, "Messages"), from version 3.3 on.

use super::caller;
use super::selections::{Listed, PAGING, Written};
use crate::block_storage::BlockStorage;
use crate::block_storage::control::{Authorized, messages as control};
use crate::block_storage::model::message::Message;
use crate::block_storage::model::message_list::COLUMNS;
use crate::block_storage::policies::messages as rules;
use crate::error::Result;
use crate::rest::view::{Field, Shape, View};
use crate::rest::{Answer, Call, Parameter, Reply, Route};

/// The version that knows pages, order and filters.
const PAGED: u16 = 5;

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/messages", list)
        .since(3)
        .rules(&[&rules::GET_ALL])
        .query(LIST_PARAMETERS)
        .reply(200, Answer::Many("messages", &MESSAGE))
        .about("List messages"),
    Route::get("/messages/{message_id}", show)
        .since(3)
        .rules(&[&rules::GET])
        .reply(200, Answer::One("message", &MESSAGE))
        .about("Show a message"),
    Route::delete("/messages/{message_id}", delete)
        .since(3)
        .rules(&[&rules::DELETE])
        .reply(204, Answer::Nothing)
        .about("Delete a message"),
];

const LIST_PARAMETERS: &[Parameter] = &[
    PAGING[0].since(PAGED),
    PAGING[1].since(PAGED),
    PAGING[2].since(PAGED),
    PAGING[3].since(PAGED),
    PAGING[4].since(PAGED),
    PAGING[5].since(PAGED),
    Parameter::new("resource_uuid", "Messages about this object").since(PAGED),
    Parameter::new("resource_type", "Messages about this kind of object").since(PAGED),
    Parameter::new("event_id", "Messages about this event").since(PAGED),
    Parameter::new("request_id", "Messages about this request").since(PAGED),
    Parameter::new("message_level", "Messages of this level").since(PAGED),
];

type Row = Field<Message>;

static MESSAGE: View<Message> = View {
    name: "Message",
    fields: &[
        Row::new("id", Shape::Uuid, |item, _, json| json.text(&item.id)),
        Row::new("event_id", Shape::Text, |item, _, json| json.text(&item.event_id)),
        Row::new("user_message", Shape::Text, |item, _, json| json.text(&item.words())),
        Row::new("message_level", Shape::Text, |item, _, json| json.text(&item.level)),
        Row::new("created_at", Shape::Time, |item, _, json| json.opt_time(item.created_at)),
        Row::new("guaranteed_until", Shape::Time, |item, _, json| json.opt_time(item.expires_at)).nullable(),
        Row::new("request_id", Shape::Text, |item, _, json| json.opt_text(item.request_id.as_deref())).nullable(),
        Row::new("links", Shape::Links, |item, viewer, json| viewer.links.write("messages", &item.id, json)),
        Row::new("resource_type", Shape::Text, |item, _, json| json.opt_text(item.resource_type.as_deref()))
            .present(|item| item.resource_type.as_deref().is_some_and(|text| !text.is_empty())),
        Row::new("resource_uuid", Shape::Uuid, |item, _, json| json.opt_text(item.resource_uuid.as_deref()))
            .present(|item| item.resource_uuid.as_deref().is_some_and(|text| !text.is_empty())),
    ],
};

const MESSAGES: Listed = Listed {
    resource: "message",
    columns: COLUMNS,
    compares_times: false,
    early: None,
    late: &[],
    sorts_by_name: 0,
    counts: false,
};

fn id_of(item: &Message) -> &str {
    &item.id
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let mut asked = if call.at_least(PAGED) { MESSAGES.read(call)? } else { MESSAGES.whole(call)? };
    if call.context.is_admin {
        asked.selection.project_id = None;
    }
    let items = control::list(&caller(call), &asked.selection)?;
    let (plural, path) = ("messages", "messages");
    let written = Written { plural, path, view: &MESSAGE, items: &items, id: id_of, count: None, allowed: 0 };
    Ok(written.reply(call, &asked.page))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let message = Authorized::<Message>::load(&caller(call), call.path.value("message_id"), &rules::GET)?;
    Ok(call.one("message", &MESSAGE, &message, 0))
}

fn delete(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let caller = caller(call);
    let message = Authorized::<Message>::load(&caller, call.path.value("message_id"), &rules::DELETE)?;
    control::delete(&caller, &message)?;
    Ok(call.done())
}
