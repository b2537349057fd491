//! The catalogue that Keystone tells of a token: where other services answer.

use serde_json::Value as Json;

/// The address of a service of a kind, such as `compute`, in a catalogue.
pub fn endpoint(catalog: &Json, kind: &str, interface: &str, region: Option<&str>) -> Option<String> {
    let services = catalog.get("catalog")?.as_array()?.iter();
    let of_kind = services.filter(|service| service.get("type").and_then(Json::as_str) == Some(kind));
    let mut endpoints = of_kind.filter_map(|service| service.get("endpoints")?.as_array()).flatten();
    let text = |endpoint: &Json, key: &str| endpoint.get(key).and_then(Json::as_str).map(str::to_owned);
    let fits = |endpoint: &&Json| {
        let here = region.is_none_or(|region| {
            ["region_id", "region"].iter().any(|key| text(endpoint, key).as_deref() == Some(region))
        });
        here && text(endpoint, "interface").as_deref() == Some(interface)
    };
    text(endpoints.find(fits)?, "url")
}

#[cfg(test)]
mod tests {
    use super::endpoint;
    use serde_json::json;

    #[test]
    fn the_address_is_that_of_the_region_and_the_interface() {
        let at = |interface: &str, region: &str, url: &str| json!({"interface": interface, "region_id": region, "region": region, "url": url});
        let catalog = json!({"catalog": [
            {"type": "volumev3", "endpoints": [at("public", "one", "no")]},
            {"type": "compute", "endpoints": [at("public", "one", "a"), at("internal", "two", "b"), at("public", "two", "c")]},
        ]});
        let find = |interface: &str, region: Option<&str>| endpoint(&catalog, "compute", interface, region);
        assert_eq!(find("public", None).as_deref(), Some("a"));
        assert_eq!(find("public", Some("two")).as_deref(), Some("c"));
        assert_eq!(find("internal", None).as_deref(), Some("b"));
        assert_eq!(find("admin", None), None);
        assert_eq!(endpoint(&json!({"catalog": []}), "compute", "public", None), None);
    }
}
