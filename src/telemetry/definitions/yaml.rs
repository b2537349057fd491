//! Files of definitions: YAML as JSON, with merged keys (`<<`).

use std::fs;
use std::path::Path;

use serde_json::{Map, Value as Json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::{Error, Result};

/// The files of a folder that end in `.yaml`, by name; none where there is no such folder.
pub(super) fn files(folder: &str) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::invalid(format!("{folder}: {error}"))),
    };
    let mut files: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    Ok(files)
}

/// The first document of a file.
pub(super) fn read(file: &str) -> Result<Json> {
    let text = fs::read_to_string(Path::new(file)).map_err(|error| Error::invalid(format!("{file}: {error}")))?;
    parse(&text, file)
}

/// The first document of a text.
pub(super) fn parse(text: &str, name: &str) -> Result<Json> {
    let documents = YamlLoader::load_from_str(text).map_err(|error| Error::invalid(format!("{name}: {error}")))?;
    Ok(documents.first().map_or(Json::Null, json))
}

fn json(yaml: &Yaml) -> Json {
    match yaml {
        Yaml::String(text) => Json::from(text.as_str()),
        Yaml::Integer(number) => Json::from(*number),
        Yaml::Real(text) => text.parse::<f64>().map_or(Json::Null, Json::from),
        Yaml::Boolean(truth) => Json::from(*truth),
        Yaml::Array(items) => items.iter().map(json).collect(),
        Yaml::Hash(entries) => {
            let mut map = Map::new();
            let merged = |key: &Yaml| key.as_str() == Some("<<");
            for (_, value) in entries.iter().filter(|(key, _)| merged(key)) {
                match json(value) {
                    Json::Object(inner) => map.extend(inner),
                    // Of several that are merged the first one counts.
                    Json::Array(inner) => inner.into_iter().rev().for_each(|one| {
                        if let Json::Object(one) = one {
                            map.extend(one);
                        }
                    }),
                    _ => {}
                }
            }
            for (key, value) in entries.iter().filter(|(key, _)| !merged(key)) {
                let key = match json(key) {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                map.insert(key, json(value));
            }
            Json::Object(map)
        }
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn keys_are_merged_and_own_ones_win() {
        let text = "- &one\n  a: 1\n  b: x\n- <<: *one\n  b: [1.5, true, null]\n";
        assert_eq!(
            parse(text, "f").unwrap(),
            serde_json::json!([{"a": 1, "b": "x"}, {"a": 1, "b": [1.5, true, null]}])
        );
        assert!(parse("a: [", "f").unwrap_err().public().starts_with("f: "));
    }
}
