//! Version documents, microversions, the form of errors, URLs with and without a project.

use serde_json::{Value, json};

use crate::fixture::{Answer, Cloud, PROJECT, Persona::*};

fn plain(cloud: &Cloud, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    cloud.raw(method, url, headers, None)
}

#[test]
fn versions_are_found_without_a_token() {
    let cloud = Cloud::new();
    let expected = json!({"versions": [{
        "id": "v3.0", "status": "CURRENT", "version": "3.71", "min_version": "3.0", "updated": "2023-08-31T00:00:00Z",
        "links": [{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
            {"rel": "self", "href": "http://cloud.example/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }]});
    let root = plain(&cloud, "GET", "/", &[]);
    assert_eq!(root.header("Content-Type"), Some("application/json"));
    assert_eq!(root.expect(300), expected);
    let own = plain(&cloud, "GET", "/v3/", &[]);
    assert_eq!(own.header("OpenStack-API-Version"), Some("volume 3.0"));
    assert_eq!(own.expect(200), expected);
    let redirect = plain(&cloud, "GET", "/v3", &[]);
    assert_eq!((redirect.status, redirect.header("Location")), (302, Some("http://cloud.example/v3/")));
    let asked = plain(&cloud, "GET", "/v3/", &[("OpenStack-API-Version", "volume latest")]);
    assert_eq!(asked.header("OpenStack-API-Version"), Some("volume 3.71"));
    assert_eq!(plain(&cloud, "GET", "/v3/", &[("OpenStack-API-Version", "volume 4.0")]).status, 406);
}

#[test]
fn a_version_is_asked_for_by_a_header() {
    let cloud = Cloud::new();
    let ask = |header: &str| {
        let headers = [("X-Auth-Token", "member"), ("OpenStack-API-Version", header)];
        plain(&cloud, "GET", "/v3/volumes", &headers)
    };
    for (header, version) in [
        ("volume 3.50", "volume 3.50"),
        ("volume latest", "volume 3.71"),
        ("compute 2.1, volume 3.7", "volume 3.7"),
        ("volume 3.0,compute 2.90", "volume 3.0"),
    ] {
        let answer = ask(header);
        assert_eq!((answer.status, answer.header("OpenStack-API-Version")), (200, Some(version)), "{header}");
        assert_eq!(answer.header("Vary"), Some("OpenStack-API-Version"));
    }
    let without = plain(&cloud, "GET", "/v3/volumes", &[("X-Auth-Token", "member")]);
    assert_eq!((without.status, without.header("OpenStack-API-Version")), (200, Some("volume 3.0")));
    for header in ["block-storage 3.70", "volume", "volume three", "volume 3.01", "volume 3"] {
        assert_eq!(ask(header).status, 400, "{header}");
    }
    ask("volume x.y").refuse(400, "API Version String x.y is of invalid format. Must be of format MajorNum.MinorNum.");
    let beyond = ask("volume 3.72");
    assert_eq!(beyond.header("OpenStack-API-Version"), Some("volume 3.72"));
    assert_eq!(
        beyond.expect(406),
        json!({"computeFault": {"code": 406,
            "message": "Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71."}})
    );
}

#[test]
fn every_answer_carries_the_requests_id() {
    let cloud = Cloud::new();
    for (url, resource) in [("/v3/volumes", true), ("/v3/volumes/x", true), ("/v3/nothing", false), ("/", false)] {
        let answer = plain(&cloud, "GET", url, &[("X-Auth-Token", "member")]);
        let id = answer.header("x-openstack-request-id").unwrap();
        assert!(id.starts_with("req-") && id.len() == 40, "{url}");
        assert_eq!(answer.header("x-compute-request-id"), resource.then_some(id), "{url}");
    }
}

#[test]
fn unknown_urls_and_methods_are_a_plain_page() {
    let cloud = Cloud::new();
    let page = "404 Not Found\n\nThe resource could not be found.\n\n   ";
    for (method, url) in [
        ("GET", "/v3/nothing"),
        ("GET", "/v3/volumes/"),
        ("PATCH", "/v3/volumes"),
        ("DELETE", "/v3/volumes"),
        ("OPTIONS", "/v3/volumes"),
        ("GET", "/v2/volumes"),
        ("GET", "/v3/PROJECT/volumes"),
    ] {
        let answer = plain(&cloud, method, url, &[("X-Auth-Token", "member")]);
        assert_eq!((answer.status, answer.text.as_str()), (404, page), "{method} {url}");
        assert_eq!(answer.header("OpenStack-API-Version"), None);
    }
    assert_eq!(plain(&cloud, "GET", "/v3/volumes.json", &[("X-Auth-Token", "member")]).status, 200);
}

#[test]
fn a_project_in_the_url_is_the_tokens_own() {
    let cloud = Cloud::new();
    let get = |url: &str| plain(&cloud, "GET", url, &[("X-Auth-Token", "member")]);
    assert_eq!(get(&format!("/v3/{PROJECT}/volumes")).status, 200);
    assert_eq!(get("/v3/volumes").status, 200);
    get("/v3/0123-abc/volumes").refuse(400, "Malformed request url");
    let id = cloud.post(Member, "/volumes", json!({"volume": {"size": 1}})).expect(202)["volume"]["id"].clone();
    let id = id.as_str().unwrap();
    let links = |url: &str| -> Vec<Value> {
        let shown = get(url).expect(200);
        shown["volume"]["links"].as_array().unwrap().iter().map(|link| link["href"].clone()).collect()
    };
    let host = "http://cloud.example";
    assert_eq!(
        links(&format!("/v3/volumes/{id}")),
        [json!(format!("{host}/v3/volumes/{id}")), json!(format!("{host}/volumes/{id}"))]
    );
    assert_eq!(
        links(&format!("/v3/{PROJECT}/volumes/{id}")),
        [json!(format!("{host}/v3/{PROJECT}/volumes/{id}")), json!(format!("{host}/{PROJECT}/volumes/{id}"))]
    );
}

#[test]
fn bodies_are_json_of_a_known_type_and_not_too_long() {
    let cloud = Cloud::new();
    let post = |kind: &str, body: Value| {
        let headers = [("X-Auth-Token", "member"), ("X-Content", kind)];
        cloud.raw("POST", "/v3/volumes", &headers, Some(body))
    };
    let long = json!({"volume": {"size": 1, "x": "x".repeat(114_688)}});
    let refused = post("", long);
    assert_eq!(refused.status, 413);
    assert_eq!(refused.json["overLimit"]["code"], json!(413));
}
