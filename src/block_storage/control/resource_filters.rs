//! By which names lists may be filtered: what the operator's file says, or what Cinder ships (Block Storage API v3,
//! "Resource filters"). The file is read once; a restart reads it again.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::block_storage::model::resource_filters::DEFAULTS;
use crate::config::Config;
use crate::config::default::RESOURCE_QUERY_FILTERS_FILE;

/// Resources and the names of their filters, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceFilters(Vec<(String, Vec<String>)>);

impl ResourceFilters {
    /// All of them.
    pub fn all(&self) -> &[(String, Vec<String>)] {
        &self.0
    }

    /// The names of one resource's filters; empty where it has none.
    pub fn of(&self, resource: &str) -> &[String] {
        self.0.iter().find(|(name, _)| name == resource).map_or(&[], |(_, names)| names)
    }

    /// Whether a resource may be filtered by `name`: by equality, or, where `like` says that the caller's version has
    /// it, by a part of the text (`name~`).
    pub fn allow(&self, resource: &str, name: &str, like: bool) -> bool {
        let is = |known: &String, wanted: &str| known == wanted;
        let similar =
            || self.of(resource).iter().any(|known| known.strip_suffix('~') == Some(name.trim_end_matches('~')));
        self.of(resource).iter().any(|known| is(known, name)) || (like && similar())
    }

    fn shipped() -> Self {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self(DEFAULTS.iter().map(|(resource, names)| ((*resource).to_owned(), texts(names))).collect())
    }

    /// Reads `{"volume": ["name", ...], ...}`; `None` where it is anything else.
    fn parse(text: &str) -> Option<Self> {
        let Value::Object(map) = serde_json::from_str(text).ok()? else { return None };
        let names = |value: Value| match value {
            Value::Array(names) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        map.into_iter().map(|(resource, value)| Some((resource, names(value)?))).collect::<Option<_>>().map(Self)
    }
}

/// The filters that hold under this configuration.
pub fn enabled(config: &Config) -> Arc<ResourceFilters> {
    static READ: Mutex<Option<HashMap<String, Arc<ResourceFilters>>>> = Mutex::new(None);
    let path = config.text(&RESOURCE_QUERY_FILTERS_FILE);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let known = read.get_or_insert_with(HashMap::new);
    let filters = known.entry(path.to_owned()).or_insert_with(|| Arc::new(load(Path::new(path))));
    Arc::clone(filters)
}

fn load(path: &Path) -> ResourceFilters {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                log::warn!("{}: {error}; lists are filtered by the usual names", path.display());
            }
            return ResourceFilters::shipped();
        }
    };
    ResourceFilters::parse(&text).unwrap_or_else(|| {
        log::error!("{} is no object of lists of names; lists are filtered by the usual names", path.display());
        ResourceFilters::shipped()
    })
}

#[cfg(test)]
mod tests {
    use super::ResourceFilters;

    #[test]
    fn the_operators_file_is_read_in_its_order() {
        let filters = ResourceFilters::parse(r#"{"volume": ["name~", "size"], "backup": []}"#).unwrap();
        assert_eq!(filters.all().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["volume", "backup"]);
        assert!(filters.allow("volume", "size", false));
        assert!(!filters.allow("volume", "name", false));
        assert!(filters.allow("volume", "name", true) && filters.allow("volume", "name~", true));
        assert!(!filters.allow("volume", "size~", true));
        assert!(!filters.allow("snapshot", "name", true));
        for wrong in ["[]", r#"{"volume": "name"}"#, r#"{"volume": [1]}"#, "{"] {
            assert_eq!(ResourceFilters::parse(wrong), None);
        }
    }

    #[test]
    fn what_is_shipped_lets_users_filter_by_name() {
        assert!(ResourceFilters::shipped().allow("volume", "name", false));
    }
}
