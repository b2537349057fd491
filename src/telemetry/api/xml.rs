//! Answers as XML, for who takes no JSON: the root `<result>`, `<item>` for each item of a list, `<key>` and `<value>` for
//! entries of maps, `nil="true"` where there is nothing (specification: errors, times).

use std::fmt;
use std::io::Read;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use crate::gateway::{Request, Response, ResponseBody, Spool};

/// Bytes of a long list that are held in memory before they are let go of.
const HELD: usize = 128 * 1024;

/// Names of fields whose values are maps from any name to a value.
const MAPS: [&str; 8] =
    ["metadata", "resource_metadata", "groupby", "aggregate", "api", "storage", "event_storage", "raw"];

/// Whether a list of media types has room for XML and none for JSON.
pub(super) fn is_wanted(accept: &str) -> bool {
    takes(accept, "application/xml") && !takes(accept, "application/json")
}

/// Whether a list of media types has room for `kind`, an `application/` type (RFC 9110 section 12.5.1).
pub(super) fn takes(accept: &str, kind: &str) -> bool {
    let takes = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let given = parts.next().unwrap_or("").to_ascii_lowercase();
        let refused =
            parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        (given == kind || matches!(given.as_str(), "" | "*/*" | "application/*")) && !refused
    };
    accept.split(',').any(takes)
}

/// The answer in the form that the request wants.
pub(super) fn represent(request: &Request, response: Response) -> Response {
    let wanted = request.header("accept").is_some_and(is_wanted);
    if !wanted || response.status == 406 {
        return response;
    }
    let whole = "application/xml; charset=UTF-8";
    let (body, kind) = match &response.body {
        ResponseBody::Bytes(bytes) => {
            // No body is none in this form too.
            let Ok(json) = serde_json::from_slice::<Json>(bytes) else { return response };
            let (text, kind) = match json.as_object().and_then(|map| map.get("error_message")) {
                Some(error) => (fault(error), "application/xml"),
                None => {
                    let mut text = String::with_capacity(bytes.len() * 2);
                    element("result", &json, &mut text);
                    (text, whole)
                }
            };
            (ResponseBody::Bytes(text.into_bytes()), kind)
        }
        ResponseBody::Spooled(body) => match long_list(body.reader()) {
            Ok(body) => (body, whole),
            Err(error) => {
                log::error!("a long list could not be put into XML: {error}");
                return response;
            }
        },
        ResponseBody::Stream(_) => return response,
    };
    let headers = response.headers.into_iter().map(|(name, value)| {
        if name.eq_ignore_ascii_case("content-type") { (name, kind.into()) } else { (name, value) }
    });
    Response { status: response.status, headers: headers.collect(), body }
}

/// A list that is too long to be held, item by item.
fn long_list(json: impl Read) -> serde_json::Result<ResponseBody> {
    let items = Items { text: "<result>".to_owned(), before: Spool::default() };
    let Items { mut text, before } = serde_json::Deserializer::from_reader(json).deserialize_seq(items)?;
    text.push_str("</result>");
    Ok(ResponseBody::Spooled(before.end(text.into_bytes())))
}

/// What is written of a list.
struct Items {
    text: String,
    /// What was written before, where it was let go of.
    before: Spool,
}

impl<'de> Visitor<'de> for Items {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(item) = list.next_element::<Json>()? {
            element("item", &item, &mut self.text);
            if self.text.len() >= HELD && self.before.append(self.text.as_bytes()) {
                self.text.clear();
            }
        }
        Ok(self)
    }
}

fn fault(error: &Json) -> String {
    let mut text = "<error_message>".to_owned();
    match error {
        Json::Object(map) => {
            text.push_str("<error>");
            for name in ["faultcode", "faultstring"] {
                element(name, map.get(name).unwrap_or(&Json::Null), &mut text);
            }
            text.push_str("<debuginfo/></error>");
        }
        other => escape(other.as_str().unwrap_or(""), &mut text),
    }
    text.push_str("</error_message>");
    text
}

fn element(name: &str, value: &Json, out: &mut String) {
    if value.is_null() {
        out.push_str(&format!("<{name} nil=\"true\" />"));
        return;
    }
    out.push_str(&format!("<{name}>"));
    match value {
        Json::Array(items) => items.iter().for_each(|item| element("item", item, out)),
        Json::Object(entries) if MAPS.contains(&name) => map(entries, out),
        Json::Object(fields) => fields.iter().for_each(|(name, value)| element(name, value, out)),
        Json::String(text) => escape(text, out),
        other => out.push_str(&other.to_string()),
    }
    out.push_str(&format!("</{name}>"));
}

/// The entries of a map, whose names may be no names of XML. Maps in maps are maps.
fn map(entries: &Map<String, Json>, out: &mut String) {
    for (key, value) in entries {
        out.push_str("<item><key>");
        escape(key, out);
        out.push_str("</key>");
        match value {
            Json::Object(inner) => {
                out.push_str("<value>");
                map(inner, out);
                out.push_str("</value>");
            }
            other => element("value", other, out),
        }
        out.push_str("</item>");
    }
}

/// Text, without the characters that XML 1.0 can not hold.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(letter),
            letter if letter < ' ' || matches!(letter, '\u{fffe}' | '\u{ffff}') => {}
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD, element, fault, is_wanted, long_list, takes};
    use serde_json::json;

    #[test]
    fn json_is_taken_where_the_list_has_room_for_it_and_xml_where_it_has_none() {
        for accept in ["", "*/*", "application/json", "text/html, */*;q=0.8", "Application/JSON; q=0.5"] {
            assert!(takes(accept, "application/json") && !is_wanted(accept), "{accept}");
        }
        for (accept, xml) in [
            ("text/plain", false),
            ("application/xml", true),
            ("text/html, application/xml;q=0.9", true),
            ("application/json;q=0", false),
            ("text/html,image/png", false),
        ] {
            assert!(!takes(accept, "application/json"), "{accept}");
            assert_eq!(is_wanted(accept), xml, "{accept}");
        }
    }

    #[test]
    fn a_long_list_has_the_form_of_a_short_one() {
        let items: Vec<_> =
            (0..9_000).map(|at| json!({"volume": at, "metadata": {"name": format!("<{at}>")}})).collect();
        let list = serde_json::Value::from(items);
        let mut whole = String::new();
        element("result", &list, &mut whole);
        let mut long = Vec::new();
        long_list(list.to_string().as_bytes()).unwrap().write_to(&mut long).unwrap();
        assert!(whole.len() > 2 * HELD && long == whole.as_bytes());
    }

    #[test]
    fn lists_maps_and_nothing_have_forms_of_their_own() {
        let mut text = String::new();
        let value =
            json!([{"project_id": null, "volume": 5.0, "metadata": {"a.b": "<&>\u{1}", "c": null}, "links": []}]);
        element("result", &value, &mut text);
        assert_eq!(
            text,
            "<result><item><project_id nil=\"true\" /><volume>5.0</volume><metadata><item><key>a.b</key>\
             <value>&lt;&amp;&gt;</value></item><item><key>c</key><value nil=\"true\" /></item></metadata>\
             <links></links></item></result>"
        );
        assert_eq!(fault(&json!("401 Unauthorized")), "<error_message>401 Unauthorized</error_message>");
    }
}
