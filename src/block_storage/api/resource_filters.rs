//! By which names lists may be filtered: `/resource_filters` (Block Storage API v3, "Resource filters").

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::resource_filters as control;
use crate::error::Result;
use crate::rest::view::{Answer, Field, Shape, View};
use crate::rest::{Call, Parameter, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[Route::get("/resource_filters", list)
    .since(33)
    .query(&[Parameter::new("resource", "Only this resource")])
    .reply(200, Answer::Many("resource_filters", &FILTERS))
    .about("List by which names lists may be filtered")];

/// A resource and the names of its filters.
type Row = (String, Vec<String>);

static FILTERS: View<Row> = View {
    name: "ResourceFilters",
    fields: &[
        Field::new("resource", Shape::Text, |(resource, _): &Row, _, json| json.text(resource)),
        Field::new("filters", Shape::Texts, |(_, names): &Row, _, json| {
            json.array(|json| names.iter().for_each(|name| json.text(name)));
        }),
    ],
};

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let enabled = control::enabled(caller(call).config);
    let wanted = call.query.last("resource").filter(|resource| !resource.is_empty());
    let rows = enabled.all().iter().filter(|(resource, _)| wanted.is_none_or(|wanted| wanted == resource));
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("resource_filters").array(|json| rows.for_each(|row| FILTERS.object(row, &viewer, json)));
        });
    }))
}
