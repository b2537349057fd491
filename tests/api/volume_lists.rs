//! Lists of volumes: filters, order, pages, counts, the summary.

use serde_json::{Value, json};

use crate::fixture::{Cloud, PROJECT, Persona, Persona::*};
use crate::people::{HOST, names, snapshot, status, volume, volume_with};

/// Three volumes, made one after the other.
fn three(cloud: &Cloud) -> [String; 3] {
    ["a", "b", "c"].map(|name| {
        let id = volume_with(cloud, Member, json!({"name": name, "size": 1, "metadata": {"n": name, "all": "1"}}));
        let minute = name.bytes().next().unwrap() - b'a';
        let time = format!("2026-01-01 00:0{minute}:00.000000");
        cloud.sql("UPDATE volumes SET created_at = ?, updated_at = NULL WHERE id = ?", &[time.into(), (&id).into()]);
        id
    })
}

fn listed(cloud: &Cloud, persona: Persona, query: &str) -> Value {
    let (version, query) = query.split_once(' ').unwrap_or(("3.71", query));
    cloud.get(persona, &format!("{version} /volumes?{query}")).expect(200)
}

#[track_caller]
fn finds(cloud: &Cloud, persona: Persona, query: &str, expected: &[&str]) {
    assert_eq!(names(&listed(cloud, persona, query)["volumes"]), expected, "{query}");
}

#[test]
fn a_list_is_short_or_detailed() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let short = listed(&cloud, Member, "")["volumes"][0].clone();
    assert_eq!(short, json!({"id": id, "name": "v", "links": short["links"]}));
    let shown = cloud.get(Member, &format!("/volumes/{id}")).expect(200)["volume"].clone();
    let detail = cloud.get(Member, "/volumes/detail").expect(200);
    assert_eq!(detail, json!({"volumes": [shown]}));
    let shown = cloud.get(Admin, &format!("/volumes/{id}")).expect(200)["volume"].clone();
    assert_eq!(cloud.get(Admin, "/volumes/detail").expect(200)["volumes"][0], shown);
    assert_eq!(cloud.get(Stranger, "/volumes").expect(200), json!({"volumes": []}));
    assert_eq!(cloud.get(Anonymous, "/volumes").status, 401);
}

#[test]
fn a_page_ends_with_a_link_that_gives_the_next_one() {
    let cloud = Cloud::new();
    let [a, b, c] = three(&cloud);
    finds(&cloud, Member, "", &["c", "b", "a"]);
    let page = cloud.get(Member, "/volumes/detail?limit=2&status=available").expect(200);
    assert_eq!(names(&page["volumes"]), ["c", "b"]);
    let href = page["volumes_links"][0]["href"].as_str().unwrap();
    let url = format!("http://cloud.example/v3/{PROJECT}/volumes/detail?limit=2&status=available&marker={b}");
    assert_eq!((href, &page["volumes_links"][0]["rel"]), (url.as_str(), &json!("next")));
    let rest = cloud.get(Member, &href[format!("http://cloud.example/v3/{PROJECT}").len()..]).expect(200);
    assert_eq!(names(&rest["volumes"]), ["a"]);
    assert_eq!(rest.get("volumes_links"), None);
    // A page that is exactly full has a link to an empty one.
    let full = listed(&cloud, Member, "limit=3");
    assert!(full["volumes_links"].is_array());
    assert_eq!(listed(&cloud, Member, &format!("limit=3&marker={a}")), json!({"volumes": []}));
    assert_eq!(listed(&cloud, Member, "limit=0"), json!({"volumes": []}));
    finds(&cloud, Member, "offset=1", &["b", "a"]);
    finds(&cloud, Member, &format!("offset=1&marker={c}"), &["a"]);
    finds(&cloud, Member, "offset=9", &[]);
    let unknown = "5aef4e43-7b1c-4b55-9c8d-6ad8d2b1c111";
    cloud
        .get(Member, &format!("/volumes?marker={unknown}"))
        .refuse(404, &format!("Volume {unknown} could not be found."));
    let theirs = volume(&cloud, Stranger, "t");
    cloud
        .get(Member, &format!("/volumes?marker={theirs}"))
        .refuse(404, &format!("Volume {theirs} could not be found."));
    cloud.get(Member, "/volumes?limit=-1").refuse(400, "limit param must be positive");
    cloud.get(Member, "/volumes?limit=x").refuse(400, "limit param must be an integer");
    assert_eq!(cloud.get(Member, "/volumes?offset=2147483648").status, 400);
    let capped = Cloud::with("osapi_max_limit = 2");
    three(&capped);
    assert_eq!(listed(&capped, Member, "limit=9")["volumes"].as_array().unwrap().len(), 2);
    assert!(listed(&capped, Member, "")["volumes_links"].is_array());
}

#[test]
fn the_whole_list_is_the_same_page_by_page_in_every_order() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_volumes = -1\nquota_gigabytes = -1");
    for n in 0..12 {
        let name = if n % 4 == 0 { Value::Null } else { json!(format!("n{}", n % 3)) };
        let id = volume_with(&cloud, Member, json!({"name": name, "size": 1 + n % 5}));
        if n % 3 == 0 {
            cloud.sql("UPDATE volumes SET created_at = '2026-01-01 00:00:00.000000' WHERE id = ?", &[(&id).into()]);
        }
    }
    let ids = |list: &Value| -> Vec<String> {
        list["volumes"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    for order in [
        "",
        "sort=name:asc",
        "sort=name:desc",
        "sort=name",
        "sort=size:asc,name:desc",
        "sort=bootable,size:desc,name:asc",
        "sort=created_at:asc",
        "sort=id:asc",
        "sort=updated_at:asc",
        "sort=updated_at:desc",
        "sort_key=name&sort_dir=asc",
    ] {
        let whole = ids(&listed(&cloud, Member, order));
        assert_eq!(whole.len(), 12, "{order}");
        let mut paged = Vec::new();
        let mut marker = String::new();
        loop {
            let page = ids(&listed(&cloud, Member, &format!("{order}&limit=5{marker}")));
            let Some(last) = page.last() else { break };
            marker = format!("&marker={last}");
            paged.extend(page);
        }
        assert_eq!(paged, whole, "{order}");
    }
}

#[test]
fn a_list_is_sorted_by_any_column_and_by_no_other_key() {
    let cloud = Cloud::new();
    three(&cloud);
    finds(&cloud, Member, "sort=name:asc", &["a", "b", "c"]);
    finds(&cloud, Member, "sort=name", &["c", "b", "a"]);
    finds(&cloud, Member, "sort=size:asc", &["a", "b", "c"]);
    finds(&cloud, Member, "sort=size:desc", &["c", "b", "a"]);
    finds(&cloud, Member, "sort_key=display_name&sort_dir=asc", &["a", "b", "c"]);
    cloud.get(Member, "/volumes?sort=colour").refuse(400, "Invalid input received: Invalid sort key");
    assert_eq!(cloud.get(Member, "/volumes?sort=name:up").status, 400);
    assert_eq!(cloud.get(Member, "/volumes?sort=name&sort_key=name").status, 400);
}

#[test]
fn filters_find_what_they_say() {
    let cloud = Cloud::new();
    let [a, b, _] = three(&cloud);
    status(&cloud, "volumes", &a, "error");
    cloud
        .sql("UPDATE volumes SET size = 7, bootable = true, migration_status = 'success' WHERE id = ?", &[(&b).into()]);
    cloud.sql(
        "INSERT INTO volume_admin_metadata (deleted, volume_id, \"key\", value) VALUES (false, ?, 'readonly', 'True')",
        &[(&b).into()],
    );
    for (query, expected) in [
        ("name=b", &["b"][..]),
        ("name=%22b%22", &[]),
        ("name=B", &[]),
        ("status=error", &["a"]),
        ("status=available&name=a", &[]),
        ("metadata=%7B'n':+'b'%7D", &["b"]),
        ("metadata=%7B%22n%22:+%22c%22,+%22all%22:+%221%22%7D", &["c"]),
        ("metadata=%7B'n':'a','all':'2'%7D", &[]),
        ("metadata=%7B'readonly':'True'%7D", &["b"]),
        ("metadata=n", &[]),
        ("bootable=true", &["b"]),
        ("bootable=0", &["c", "a"]),
        ("3.1 bootable=whatever", &["b"]),
        ("3.1 bootable=False", &["c", "a"]),
        ("migration_status=success", &["b"]),
        ("availability_zone=nova", &["c", "b", "a"]),
        ("availability_zone=123", &[]),
        ("size=7", &["b"]),
        ("size=seven", &[]),
        ("created_at=gt:2026-01-01T00:00:00", &["c", "b"]),
        ("created_at=gte:2026-01-01T00:01:00,lt:2026-01-01T00:02:00", &["b"]),
        ("created_at=gt:2026-01-01T00:01:00,lt:2026-01-01T00:01:00", &[]),
        ("created_at=eq:2026-01-01T00:02:00", &["c"]),
        ("created_at=neq:2026-01-01T00:02:00", &["b", "a"]),
        ("created_at=lte:2026-01-01T00:00:00", &["a"]),
        ("consumes_quota=true", &["c", "b", "a"]),
        ("consumes_quota=false", &[]),
        ("all_tenants=1&name=a", &["a"]),
        ("3.30 colour=red&name=a", &["a"]),
        ("3.30 created_at=nonsense&name=a", &["a"]),
        ("3.9 group_id=g&name=a", &["a"]),
        ("3.10 group_id=g", &[]),
    ] {
        finds(&cloud, Member, query, expected);
    }
    for (query, text) in [
        ("colour=red&taste=sour", "Invalid filters colour,taste are found in query options."),
        ("host=x", "Invalid filters host are found in query options."),
        ("glance_metadata=%7B%7D", "Invalid filters glance_metadata are found in query options."),
        ("name~=a", "Invalid filters name~ are found in query options."),
        ("bootable=perhaps", "Invalid input received: 'bootable = perhaps'"),
        ("created_at=around:2026-01-01", "Invalid around operator"),
        ("created_at=2026-01-01", "Invalid 2026-01-01 operator"),
        ("created_at=gt:tomorrow", "Invalid tomorrow value"),
        ("with_count=perhaps", "Value 'perhaps' for 'with_count' is not a boolean."),
    ] {
        cloud.get(Member, &format!("/volumes?{query}")).refuse(400, text);
    }
}

#[test]
fn administrators_filter_by_any_column_and_see_every_project() {
    let cloud = Cloud::new();
    let [a, ..] = three(&cloud);
    volume(&cloud, Stranger, "t");
    cloud.sql(
        "INSERT INTO volume_glance_metadata (deleted, volume_id, \"key\", value) VALUES (false, ?, 'os', 'linux')",
        &[(&a).into()],
    );
    let theirs = Stranger.project();
    for (query, expected) in [
        ("", &["c", "b", "a"][..]),
        ("all_tenants=0", &["c", "b", "a"]),
        ("all_tenants=1&sort=name:asc", &["a", "b", "c", "t"]),
        (&format!("all_tenants=1&project_id={theirs}"), &["t"]),
        (&format!("id={a}"), &["a"]),
        ("host=node", &["c", "b", "a"]),
        ("host=node@file", &["c", "b", "a"]),
        (&format!("host={}", HOST.replace('#', "%23")), &["c", "b", "a"]),
        ("host=nod", &[]),
        ("host=node@file%23p", &[]),
        ("host=node%25", &[]),
        ("cluster_name=x", &[]),
        ("attach_status=detached&name=a", &["a"]),
        ("glance_metadata=%7B'os':'linux'%7D", &["a"]),
        ("3.3 glance_metadata=%7B'os':'linux'%7D", &["c", "b", "a"]),
        ("name~=b", &["b"]),
        ("name~=%25", &[]),
        ("colour=red", &[]),
        ("3.0 colour=red", &[]),
        ("volume_type=__DEFAULT__", &[]),
    ] {
        finds(&cloud, Admin, query, expected);
    }
    cloud.get(Admin, "/volumes?all_tenants=perhaps").refuse(400, "Value 'perhaps' for 'all_tenants' is not a boolean.");
    finds(&cloud, Member, "all_tenants=perhaps&name=a", &["a"]);
    cloud.get(Admin, "/volumes?%C3%A9=1").refuse(400, "Filter keys can only contain ASCII characters.");
    cloud.sql("UPDATE volumes SET migration_status = 'target:x' WHERE id = ?", &[(&a).into()]);
    finds(&cloud, Admin, "", &["c", "b", "a"]);
    finds(&cloud, Member, "", &["c", "b"]);
}

#[test]
fn the_count_is_that_of_all_pages_and_exists_from_3_45_on() {
    let cloud = Cloud::new();
    let [_, b, a] = {
        let [a, b, c] = three(&cloud);
        [c, b, a]
    };
    let page = listed(&cloud, Member, "with_count=true&limit=2&status=available");
    assert_eq!((&page["count"], page["volumes"].as_array().unwrap().len()), (&json!(3), 2));
    let last = listed(&cloud, Member, &format!("with_count=true&limit=2&marker={b}"));
    assert_eq!((&last["count"], last["volumes_links"].is_array()), (&json!(3), true));
    let empty = listed(&cloud, Member, &format!("with_count=true&limit=2&marker={a}"));
    assert_eq!(empty, json!({"volumes": [], "count": 3}));
    assert_eq!(listed(&cloud, Member, "with_count=1")["count"], json!(3));
    assert_eq!(listed(&cloud, Member, "with_count=1").get("volumes_links"), None);
    assert_eq!(listed(&cloud, Member, "with_count=0").get("count"), None);
    cloud
        .get(Member, "3.44 /volumes?with_count=1")
        .refuse(400, "Invalid filters with_count are found in query options.");
}

#[test]
fn the_summary_counts_what_the_filters_find() {
    let cloud = Cloud::new();
    let [a, ..] = three(&cloud);
    cloud.sql("UPDATE volumes SET size = 5, status = 'error' WHERE id = ?", &[(&a).into()]);
    volume(&cloud, Stranger, "t");
    let summary = |persona, path: &str| cloud.get(persona, path).expect(200)["volume-summary"].clone();
    cloud.get(Member, "3.11 /volumes/summary").refuse(404, "The resource could not be found.");
    assert_eq!(summary(Member, "3.12 /volumes/summary"), json!({"total_count": 3, "total_size": 7}));
    assert_eq!(
        summary(Member, "3.36 /volumes/summary"),
        json!({"total_count": 3, "total_size": 7, "metadata": {"all": ["1"], "n": ["a", "b", "c"]}})
    );
    assert_eq!(
        summary(Member, "/volumes/summary?status=error&colour=red"),
        json!({"total_count": 1, "total_size": 5, "metadata": {"all": ["1"], "n": ["a"]}})
    );
    assert_eq!(
        summary(Member, "/volumes/summary?created_at=gt:2026-01-01T00:00:30&name=b"),
        json!({"total_count": 1, "total_size": 1, "metadata": {"all": ["1"], "n": ["b"]}})
    );
    assert_eq!(summary(Admin, "3.12 /volumes/summary?all_tenants=1"), json!({"total_count": 4, "total_size": 8}));
    assert_eq!(summary(Admin, "3.12 /volumes/summary"), json!({"total_count": 3, "total_size": 7}));
    assert_eq!(
        Cloud::new().get(Reader, "/volumes/summary").expect(200),
        json!({"volume-summary": {"total_count": 0, "total_size": 0, "metadata": {}}})
    );
}

#[test]
fn what_hangs_on_volumes_multiplies_no_rows() {
    let cloud = Cloud::new();
    let [a, b, c] = three(&cloud);
    for id in [&a, &b, &c] {
        snapshot(&cloud, Member, id, "s");
        for attachment in ["1", "2"] {
            cloud.sql(
                "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status) VALUES (?, ?, false, 'attached')",
                &[format!("{id}{attachment}").into(), id.into()],
            );
        }
    }
    let list = cloud.get(Member, "/volumes/detail?limit=2").expect(200)["volumes"].clone();
    assert_eq!(names(&list), ["c", "b"]);
    for item in list.as_array().unwrap() {
        assert_eq!(item["attachments"].as_array().unwrap().len(), 2);
        assert_eq!(item["metadata"], json!({"n": item["name"], "all": "1"}));
    }
}
