//! Orders that a volume service gets about itself, as JSON. Not here: how orders wait (`orders.rs`).

use serde_json::{Value as Json, json};

use crate::block_storage::model::service_work::ServiceWork;

/// What an order's kind does not tell.
pub(super) fn payload(work: &ServiceWork) -> Json {
    match work {
        ServiceWork::SetLogLevel { prefix, level } => json!({"prefix": prefix, "level": level}),
        ServiceWork::LogLevels { prefix } => json!({ "prefix": prefix }),
        ServiceWork::CleanUp { resource_type, resource_id } => {
            json!({"resource_type": resource_type, "resource_id": resource_id})
        }
    }
}

/// The work of an order; `None` where it is of another kind.
pub(super) fn read(kind: &str, json: &Json) -> Option<ServiceWork> {
    let text = |key: &str| json.get(key)?.as_str().map(str::to_owned);
    Some(match kind {
        "set_log_level" => ServiceWork::SetLogLevel { prefix: text("prefix")?, level: text("level")? },
        "log_levels" => ServiceWork::LogLevels { prefix: text("prefix")? },
        "clean_up" => ServiceWork::CleanUp { resource_type: text("resource_type"), resource_id: text("resource_id") },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_is_read_as_it_was_written() {
        for work in [
            ServiceWork::SetLogLevel { prefix: "hearth::rest".to_owned(), level: "DEBUG".to_owned() },
            ServiceWork::LogLevels { prefix: String::new() },
            ServiceWork::CleanUp { resource_type: None, resource_id: None },
            ServiceWork::CleanUp { resource_type: Some("Volume".to_owned()), resource_id: Some("v".to_owned()) },
        ] {
            assert_eq!(read(work.kind(), &payload(&work)), Some(work));
        }
        assert_eq!(read("nonsense", &json!({})), None);
        assert_eq!(read("set_log_level", &json!({})), None);
    }
}
