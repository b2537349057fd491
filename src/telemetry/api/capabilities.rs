//! What the service can do: `/v2/capabilities` (specification: capabilities).

use crate::error::Result;
use crate::rest::{Answer, Call, Reply, Route};
use crate::telemetry::Telemetry;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] =
    &[Route::get("/capabilities", show).reply(200, Answer::Free).about("Show what the service can do")];

/// What there is, and is not, of the interface. Later releases of the service left out what was not there.
const API: &[(&str, bool)] = &[
    ("meters:query:simple", true),
    ("meters:query:metadata", true),
    ("meters:query:complex", false),
    ("resources:query:simple", true),
    ("resources:query:metadata", true),
    ("resources:query:complex", false),
    ("samples:query:simple", true),
    ("samples:query:metadata", true),
    ("samples:query:complex", true),
    ("statistics:groupby", true),
    ("statistics:query:simple", true),
    ("statistics:query:metadata", true),
    ("statistics:query:complex", false),
    ("statistics:aggregation:standard", true),
    ("statistics:aggregation:selectable:max", true),
    ("statistics:aggregation:selectable:min", true),
    ("statistics:aggregation:selectable:sum", true),
    ("statistics:aggregation:selectable:avg", true),
    ("statistics:aggregation:selectable:count", true),
    ("statistics:aggregation:selectable:stddev", true),
    ("statistics:aggregation:selectable:cardinality", true),
    ("events:query:simple", true),
];

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("api").object(|json| API.iter().for_each(|(name, there)| json.key(name).bool(*there)));
            json.key("storage").object(|json| json.key("storage:production_ready").bool(true));
            json.key("event_storage").object(|json| json.key("storage:production_ready").bool(true));
        });
    }))
}
