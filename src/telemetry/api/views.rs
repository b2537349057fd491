//! What answers show of samples, meters, resources and statistics (specification: shapes). Times have a fraction only
//! where it is not zero.

use crate::rest::json::Json;
use crate::rest::python::str_of;
use crate::rest::{Field, Shape, View};
use crate::telemetry::control::statistics::Row;
use crate::telemetry::model::metadata::flatten;
use crate::telemetry::model::{
    Aggregate, Event, Function, ResourceState, Sample, SeriesState, Trait, TraitDescription, TraitValue,
};
use crate::time::Timestamp;

/// A sample in the old form.
pub(super) static OLD_SAMPLE: View<Sample> = View {
    name: "OldSample",
    fields: &[
        Field::new("source", Shape::Text, |s: &Sample, _, json| json.text(&s.owner.source)),
        Field::new("counter_name", Shape::Text, |s: &Sample, _, json| json.text(&s.meter.name)),
        Field::new("counter_type", Shape::Text, |s: &Sample, _, json| json.text(s.meter.kind.name())),
        Field::new("counter_unit", Shape::Text, |s: &Sample, _, json| json.text(&s.meter.unit)),
        Field::new("counter_volume", Shape::Number, |s: &Sample, _, json| json.real(s.volume)),
        Field::new("user_id", Shape::Text, |s: &Sample, _, json| json.opt_text(s.owner.user_id.as_deref())).nullable(),
        Field::new("project_id", Shape::Text, |s: &Sample, _, json| json.opt_text(s.owner.project_id.as_deref()))
            .nullable(),
        Field::new("resource_id", Shape::Text, |s: &Sample, _, json| json.text(&s.resource_id)),
        Field::new("timestamp", Shape::Time, |s: &Sample, _, json| time(s.timestamp, json)),
        Field::new("recorded_at", Shape::Time, |s: &Sample, _, json| time(s.recorded_at, json)),
        Field::new("resource_metadata", Shape::Map, |s: &Sample, _, json| metadata(&s.metadata, json)),
        Field::new("message_id", Shape::Text, |s: &Sample, _, json| json.text(&s.id)),
    ],
};

/// A sample in the new form.
pub(super) static SAMPLE: View<Sample> = View {
    name: "Sample",
    fields: &[
        Field::new("id", Shape::Text, |s: &Sample, _, json| json.text(&s.id)),
        Field::new("meter", Shape::Text, |s: &Sample, _, json| json.text(&s.meter.name)),
        Field::new("type", Shape::Text, |s: &Sample, _, json| json.text(s.meter.kind.name())),
        Field::new("unit", Shape::Text, |s: &Sample, _, json| json.text(&s.meter.unit)),
        Field::new("volume", Shape::Number, |s: &Sample, _, json| json.real(s.volume)),
        Field::new("user_id", Shape::Text, |s: &Sample, _, json| json.opt_text(s.owner.user_id.as_deref())).nullable(),
        Field::new("project_id", Shape::Text, |s: &Sample, _, json| json.opt_text(s.owner.project_id.as_deref()))
            .nullable(),
        Field::new("resource_id", Shape::Text, |s: &Sample, _, json| json.text(&s.resource_id)),
        Field::new("source", Shape::Text, |s: &Sample, _, json| json.text(&s.owner.source)),
        Field::new("timestamp", Shape::Time, |s: &Sample, _, json| time(s.timestamp, json)),
        Field::new("recorded_at", Shape::Time, |s: &Sample, _, json| time(s.recorded_at, json)),
        Field::new("metadata", Shape::Map, |s: &Sample, _, json| metadata(&s.metadata, json)),
    ],
};

/// A meter of a resource, or of all of them.
pub(super) static METER: View<SeriesState> = View {
    name: "Meter",
    fields: &[
        Field::new("name", Shape::Text, |m: &SeriesState, _, json| json.text(&m.meter.name)),
        Field::new("type", Shape::Text, |m: &SeriesState, _, json| json.text(m.meter.kind.name())),
        Field::new("unit", Shape::Text, |m: &SeriesState, _, json| json.text(&m.meter.unit)),
        Field::new("resource_id", Shape::Text, |m: &SeriesState, _, json| json.opt_text(m.resource_id.as_deref()))
            .nullable(),
        Field::new("project_id", Shape::Text, |m: &SeriesState, _, json| {
            json.opt_text(m.owner.as_ref().and_then(|owner| owner.project_id.as_deref()));
        })
        .nullable(),
        Field::new("user_id", Shape::Text, |m: &SeriesState, _, json| {
            json.opt_text(m.owner.as_ref().and_then(|owner| owner.user_id.as_deref()));
        })
        .nullable(),
        Field::new("source", Shape::Text, |m: &SeriesState, _, json| {
            json.opt_text(m.owner.as_ref().map(|owner| owner.source.as_str()));
        })
        .nullable(),
        Field::new("meter_id", Shape::Text, |m: &SeriesState, _, json| {
            let resource = m.resource_id.as_deref().unwrap_or("None");
            json.text(&base64(format!("{resource}+{}", m.meter.name).as_bytes()));
        }),
    ],
};

/// A resource.
pub(super) static RESOURCE: View<ResourceState> = View {
    name: "Resource",
    fields: &[
        Field::new("resource_id", Shape::Text, |r: &ResourceState, _, json| json.text(&r.resource_id)),
        Field::new("project_id", Shape::Text, |r: &ResourceState, _, json| {
            json.opt_text(r.owner.project_id.as_deref())
        })
        .nullable(),
        Field::new("user_id", Shape::Text, |r: &ResourceState, _, json| json.opt_text(r.owner.user_id.as_deref()))
            .nullable(),
        Field::new("first_sample_timestamp", Shape::Time, |r: &ResourceState, _, json| time(r.first_sample, json)),
        Field::new("last_sample_timestamp", Shape::Time, |r: &ResourceState, _, json| time(r.last_sample, json)),
        Field::new("metadata", Shape::Map, |r: &ResourceState, _, json| metadata(&r.metadata, json)),
        Field::new("links", Shape::Links, |r: &ResourceState, viewer, json| {
            let root = &viewer.links.root;
            let link = |json: &mut Json, rel: &str, href: &str| {
                json.object(|json| {
                    json.key("href").text(href);
                    json.key("rel").text(rel);
                });
            };
            json.array(|json| {
                link(json, "self", &format!("{root}/v2/resources/{}", r.resource_id));
                for meter in &r.meters {
                    let query = format!("q.field=resource_id&q.value={}", r.resource_id);
                    link(json, meter, &format!("{root}/v2/meters/{meter}?{query}"));
                }
            });
        }),
        Field::new("source", Shape::Text, |r: &ResourceState, _, json| json.text(&r.owner.source)),
    ],
};

/// A row of statistics.
pub(super) static STATISTIC: View<Row> = View {
    name: "Statistics",
    fields: &[
        Field::new("groupby", Shape::Map, |row: &Row, _, json| {
            if row.asked.groupings.is_empty() {
                json.null();
                return;
            }
            json.object(|json| {
                for (grouping, value) in row.asked.groupings.iter().zip(&row.statistic.group) {
                    json.key(&grouping.name()).opt_text(value.as_deref());
                }
            });
        })
        .nullable(),
        Field::new("unit", Shape::Text, |row: &Row, _, json| json.text(&row.statistic.unit)),
        Field::new("min", Shape::Number, |row: &Row, _, json| json.real(row.statistic.moments.min))
            .present(|row: &Row| standard(row, Function::Min)),
        Field::new("max", Shape::Number, |row: &Row, _, json| json.real(row.statistic.moments.max))
            .present(|row: &Row| standard(row, Function::Max)),
        Field::new("avg", Shape::Number, |row: &Row, _, json| json.real(row.statistic.moments.mean()))
            .present(|row: &Row| standard(row, Function::Avg)),
        Field::new("sum", Shape::Number, |row: &Row, _, json| json.real(row.statistic.moments.sum.value()))
            .present(|row: &Row| standard(row, Function::Sum)),
        Field::new("count", Shape::Int, |row: &Row, _, json| json.int(row.statistic.moments.count))
            .present(|row: &Row| row.asked.aggregates.is_empty()),
        Field::new("aggregate", Shape::Object, |row: &Row, _, json| {
            json.object(|json| {
                for aggregate in &row.asked.aggregates {
                    let parameter = aggregate.parameter.as_ref().map(|parameter| format!("/{parameter}"));
                    let name = [aggregate.function.name(), parameter.as_deref().unwrap_or("")].concat();
                    json.key(&name).real(value(row, aggregate));
                }
            });
        })
        .present(|row: &Row| !row.asked.aggregates.is_empty()),
        Field::new("duration", Shape::Number, |row: &Row, _, json| match row.duration {
            Some((start, end)) => json.real(end.0.saturating_sub(start.0) as f64 / 1e6),
            None => json.null(),
        })
        .nullable(),
        Field::new("duration_start", Shape::Time, |row: &Row, _, json| {
            opt_time(row.duration.map(|(start, _)| start), json)
        })
        .nullable(),
        Field::new("duration_end", Shape::Time, |row: &Row, _, json| opt_time(row.duration.map(|(_, end)| end), json))
            .nullable(),
        Field::new("period", Shape::Int, |row: &Row, _, json| json.int(row.asked.period)),
        Field::new("period_start", Shape::Time, |row: &Row, _, json| time(row.statistic.period_start, json)),
        Field::new("period_end", Shape::Time, |row: &Row, _, json| time(row.statistic.period_end, json)),
    ],
};

/// A trait of an event. Its value is a text, whatever its type.
pub(super) static TRAIT: View<Trait> = View {
    name: "Trait",
    fields: &[
        Field::new("name", Shape::Text, |t: &Trait, _, json| json.text(&t.name)),
        Field::new("type", Shape::Text, |t: &Trait, _, json| json.text(t.value.kind().name())),
        Field::new("value", Shape::Text, |t: &Trait, _, json| match &t.value {
            TraitValue::Text(text) => json.text(text),
            TraitValue::Integer(value) => json.text(&value.to_string()),
            TraitValue::Float(value) => json.text(&str_of(&serde_json::Value::from(*value))),
            TraitValue::Time(at) => time(*at, json),
        }),
    ],
};

/// Name and type of a trait.
pub(super) static TRAIT_DESCRIPTION: View<TraitDescription> = View {
    name: "TraitDescription",
    fields: &[
        Field::new("name", Shape::Text, |t: &TraitDescription, _, json| json.text(&t.name)),
        Field::new("type", Shape::Text, |t: &TraitDescription, _, json| json.text(t.kind.name())),
    ],
};

/// An event.
pub(super) static EVENT: View<Event> = View {
    name: "Event",
    fields: &[
        Field::new("message_id", Shape::Text, |e: &Event, _, json| json.text(&e.message_id)),
        Field::new("event_type", Shape::Text, |e: &Event, _, json| json.text(&e.event_type)),
        Field::new("generated", Shape::Time, |e: &Event, _, json| time(e.generated, json)),
        Field::new("traits", Shape::Objects, |e: &Event, viewer, json| {
            json.array(|json| e.traits.iter().for_each(|one| TRAIT.object(one, viewer, json)));
        }),
        Field::new("raw", Shape::Any, |e: &Event, _, json| {
            let raw = e.raw.as_deref().and_then(|raw| serde_json::from_str(raw).ok());
            json.value(&raw.unwrap_or_else(|| serde_json::json!({})));
        }),
    ],
};

/// Whether a standard aggregate stands at the top: where none was selected, or this one was.
fn standard(row: &Row, function: Function) -> bool {
    let selected = &row.asked.aggregates;
    selected.is_empty() || selected.iter().any(|aggregate| aggregate.function == function)
}

fn value(row: &Row, aggregate: &Aggregate) -> f64 {
    let moments = &row.statistic.moments;
    match aggregate.function {
        Function::Max => moments.max,
        Function::Min => moments.min,
        Function::Sum => moments.sum.value(),
        Function::Avg => moments.mean(),
        Function::Count => moments.count as f64,
        Function::Stddev => moments.deviation(),
        Function::Cardinality => {
            let place = row.asked.counted.iter().position(|by| Some(by) == aggregate.counted.as_ref());
            place.and_then(|place| row.statistic.counted.get(place)).map_or(0.0, |count| *count as f64)
        }
    }
}

fn time(at: Timestamp, json: &mut Json) {
    json.text(&at.iso_short());
}

fn opt_time(at: Option<Timestamp>, json: &mut Json) {
    json.opt_text(at.map(Timestamp::iso_short).as_deref());
}

/// Flat metadata, every value as the text that Python makes of it.
fn metadata(body: &str, json: &mut Json) {
    json.object(|json| {
        for (key, value) in flatten(body) {
            json.key(&key).text(&str_of(&value));
        }
    });
}

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for at in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_has_padding() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(b"r1+volume.size"), "cjErdm9sdW1lLnNpemU=");
    }
}
