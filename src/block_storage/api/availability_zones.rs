//! Availability zones: `/os-availability-zone` (Block Storage API v3, "Availability zones").

use super::caller;
use crate::block_storage::BlockStorage;
use crate::block_storage::control::services::{self as control, Zone};
use crate::error::Result;
use crate::rest::view::{Answer, Field, Shape, View};
use crate::rest::{Call, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[Route::get("/os-availability-zone", list)
    .reply(200, Answer::Many("availabilityZoneInfo", &ZONE))
    .about("List availability zones")];

static ZONE: View<Zone> = View {
    name: "AvailabilityZone",
    fields: &[
        Field::new("zoneName", Shape::Text, |item: &Zone, _, json| json.text(&item.name)),
        Field::new("zoneState", Shape::Object, |item: &Zone, _, json| {
            json.object(|json| json.key("available").bool(item.available));
        }),
    ],
};

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let zones = control::zones(&caller(call))?;
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("availabilityZoneInfo")
                .array(|json| zones.iter().for_each(|zone| ZONE.object(zone, &viewer, json)));
        });
    }))
}
