//! What the alarming service can do so far: nothing but tell so (specification: capabilities). Alarms are not served yet.

use crate::error::Result;
use crate::rest::{Answer, Call, Reply, Route};
use crate::telemetry::Telemetry;

/// The rows.
pub(super) const ROUTES: &[Route<Telemetry>] =
    &[Route::get("/capabilities", show).reply(200, Answer::Free).about("Show what the service can do")];

const API: [&str; 4] =
    ["alarms:query:simple", "alarms:query:complex", "alarms:history:query:simple", "alarms:history:query:complex"];

fn show(call: &mut Call<'_, Telemetry>) -> Result<Reply> {
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("api").object(|json| API.iter().for_each(|name| json.key(name).bool(false)));
            json.key("alarm_storage").object(|json| json.key("storage:production_ready").bool(false));
        });
    }))
}
