//! Quota sets, quota classes and limits.

use serde_json::{Value, json};

use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT, Persona::*};

fn set_path(project: &str) -> String {
    format!("/os-quota-sets/{project}")
}

/// Usage as if volumes had been charged.
fn used(cloud: &Cloud, resource: &str, in_use: i64, reserved: i64) {
    cloud.sql(
        "INSERT INTO quota_usages (deleted, project_id, resource, in_use, reserved, race_preventer) \
         VALUES (false, ?, ?, ?, ?, true)",
        &[PROJECT.into(), resource.into(), in_use.into(), reserved.into()],
    );
}

#[test]
fn a_project_without_limits_of_its_own_has_those_of_the_default_class() {
    let cloud = Cloud::new();
    let expected = json!({"volumes": 10, "snapshots": 10, "gigabytes": 1000, "backups": 10, "backup_gigabytes": 1000,
        "groups": 10, "per_volume_gigabytes": -1, "volumes___DEFAULT__": -1, "gigabytes___DEFAULT__": -1,
        "snapshots___DEFAULT__": -1, "id": PROJECT});
    assert_eq!(cloud.get(Reader, &set_path(PROJECT)).expect(200), json!({"quota_set": expected}));
    let defaults = cloud.get(Reader, &format!("{}/defaults", set_path(PROJECT))).expect(200);
    assert_eq!(defaults, json!({"quota_set": expected}));
    cloud.put(Admin, "/os-quota-class-sets/default", json!({"quota_class_set": {"volumes": 3}})).expect(200);
    assert_eq!(cloud.get(Reader, &set_path(PROJECT)).expect(200)["quota_set"]["volumes"], 3);
}

#[test]
fn the_configuration_counts_where_no_class_does() {
    let cloud = Cloud::with("quota_volumes = 7\nuse_default_quota_class = false");
    assert_eq!(cloud.get(Reader, &set_path(PROJECT)).expect(200)["quota_set"]["volumes"], 7);
}

#[test]
fn limits_of_a_project_are_set_and_taken_away() {
    let cloud = Cloud::new();
    let path = set_path(OTHER_PROJECT);
    let body = json!({"quota_set": {"volumes": 5, "gigabytes___DEFAULT__": "20", "groups": -1, "tenant_id": "x"}});
    let set = cloud.put(Admin, &path, body).expect(200)["quota_set"].clone();
    assert_eq!(set.get("id"), None);
    for (name, value) in [("volumes", 5), ("gigabytes___DEFAULT__", 20), ("groups", -1), ("snapshots", 10)] {
        assert_eq!(set[name], value, "{name}");
    }
    assert_eq!(cloud.get(Stranger, &path).expect(200)["quota_set"]["volumes"], 5);
    let deleted = cloud.delete(Admin, &path);
    assert_eq!((deleted.status, deleted.text.as_str()), (200, ""));
    assert_eq!(cloud.get(Stranger, &path).expect(200)["quota_set"]["volumes"], 10);
    cloud.put(Admin, &path, json!({"quota_set": {"volumes": 6}})).expect(200);
    assert_eq!(cloud.get(Stranger, &path).expect(200)["quota_set"]["volumes"], 6);
}

#[test]
fn bad_limits_are_refused_and_nothing_is_set() {
    let cloud = Cloud::new();
    let path = set_path(PROJECT);
    used(&cloud, "volumes", 4, 1);
    for (set, text) in [
        (
            json!({"colour": 1, "volumes": 6, "size": 2}),
            "Invalid input received: Bad key(s) in quota set: colour, size",
        ),
        (json!({"volumes": -2}), "volumes must be >= -1"),
        (json!({"volumes": 2_147_483_648_i64}), "volumes must be <= 2147483647"),
        (json!({"volumes": "many"}), "volumes must be an integer"),
        (json!({"volumes": true}), "volumes must be an integer"),
        (json!({"volumes": null}), "volumes must be an integer"),
        (
            json!({"snapshots": 7, "volumes": 4}),
            "Quota volumes limit must be equal or greater than existing resources. Current usage is 5 and the requested \
             limit is 4.",
        ),
    ] {
        cloud.put(Admin, &path, json!({"quota_set": set})).refuse(400, text);
    }
    cloud.put(Admin, &path, json!({"quota_set": {}})).expect(400);
    cloud.put(Member, &path, json!({"quota_set": {"volumes": 1}})).expect(403);
    assert_eq!(cloud.get(Admin, &path).expect(200)["quota_set"]["snapshots"], 10);
    cloud.put(Admin, &path, json!({"quota_set": {"volumes": 5}})).expect(200);
    cloud.put(Admin, &path, json!({"quota_set": {"volumes": -1}})).expect(200);
}

#[test]
fn usage_is_shown_when_asked_for() {
    let cloud = Cloud::new();
    used(&cloud, "gigabytes", 30, 2);
    let shown =
        |query: &str| cloud.get(Member, &format!("{}{query}", set_path(PROJECT))).expect(200)["quota_set"].clone();
    assert_eq!(shown("?usage=True")["gigabytes"], json!({"limit": 1000, "in_use": 30, "reserved": 2}));
    assert_eq!(shown("?usage=True")["volumes"], json!({"limit": 10, "in_use": 0, "reserved": 0}));
    assert_eq!(shown("?usage=false")["gigabytes"], 1000);
    let wrong = cloud.get(Member, &format!("{}?usage=perhaps", set_path(PROJECT)));
    wrong.refuse(400, "Value 'perhaps' for 'usage' is not a boolean.");
}

#[test]
fn another_projects_quotas_are_for_administrators() {
    let cloud = Cloud::new();
    let denied = "Policy doesn't allow volume_extension:quotas:show to be performed.";
    cloud.get(Stranger, &set_path(PROJECT)).refuse(403, denied);
    cloud.get(Member, &format!("{}/defaults", set_path(OTHER_PROJECT))).refuse(403, denied);
    cloud.get(Admin, &set_path(OTHER_PROJECT)).expect(200);
}

#[test]
fn a_class_is_made_by_setting_it() {
    let cloud = Cloud::new();
    let path = "/os-quota-class-sets/platinum";
    let before = cloud.get(Admin, path).expect(200)["quota_class_set"].clone();
    assert_eq!((&before["id"], &before["volumes"]), (&json!("platinum"), &json!(10)));
    let set = cloud.put(Admin, path, json!({"quota_class_set": {"volumes": 50}})).expect(200);
    assert_eq!((&set["quota_class_set"]["volumes"], set["quota_class_set"].get("id")), (&json!(50), None));
    assert_eq!(cloud.get(Admin, path).expect(200)["quota_class_set"]["volumes"], 50);
    cloud
        .put(Admin, path, json!({"quota_class_set": {"colour": 1}}))
        .refuse(400, "Invalid input received: Bad key(s) in quota class set: colour");
    cloud.put(Admin, path, json!({"quota_class_set": {"volumes": -2}})).expect(400);
    cloud.get(Member, path).expect(403);
    cloud.put(Member, path, json!({"quota_class_set": {"volumes": 1}})).expect(403);
}

#[test]
fn limits_show_what_the_callers_project_may_use_and_uses() {
    let cloud = Cloud::new();
    used(&cloud, "volumes", 4, 1);
    cloud.put(Admin, &set_path(PROJECT), json!({"quota_set": {"gigabytes": 77}})).expect(200);
    let expected = json!({"limits": {"rate": [], "absolute": {
        "maxTotalVolumes": 10, "maxTotalSnapshots": 10, "maxTotalVolumeGigabytes": 77, "maxTotalBackups": 10,
        "maxTotalBackupGigabytes": 1000, "totalVolumesUsed": 4, "totalSnapshotsUsed": 0, "totalGigabytesUsed": 0,
        "totalBackupsUsed": 0, "totalBackupGigabytesUsed": 0}}});
    assert_eq!(cloud.get(Reader, "/limits").expect(200), expected);
    let gigabytes = |answer: Value| answer["limits"]["absolute"]["maxTotalVolumeGigabytes"].clone();
    let of_other = format!("/limits?project_id={OTHER_PROJECT}");
    assert_eq!(gigabytes(cloud.get(Admin, &of_other).expect(200)), 1000);
    assert_eq!(gigabytes(cloud.get(Admin, &format!("3.38 {of_other}")).expect(200)), 77);
    assert_eq!(gigabytes(cloud.get(Admin, &format!("/limits?tenant_id={OTHER_PROJECT}")).expect(200)), 1000);
    assert_eq!(gigabytes(cloud.get(Reader, &of_other).expect(200)), 77);
}

#[test]
fn limits_without_the_right_to_see_usage_show_limits_alone() {
    let cloud = Cloud::new();
    let absolute = cloud.get(Service, "/limits").expect(200)["limits"]["absolute"].clone();
    assert_eq!((&absolute["maxTotalVolumes"], absolute.get("totalVolumesUsed")), (&json!(10), None));
}

#[test]
fn limits_follow_a_type_to_its_new_name_in_every_project() {
    let cloud = Cloud::new();
    let gold = cloud.post(Admin, "/types", json!({"volume_type": {"name": "gold"}})).expect(200);
    for project in [PROJECT, OTHER_PROJECT] {
        cloud.put(Admin, &set_path(project), json!({"quota_set": {"volumes_gold": 2}})).expect(200);
    }
    used(&cloud, "volumes_gold", 2, 0);
    used(&cloud, "volumes_silver", 9, 0);
    let path = format!("/types/{}", gold["volume_type"]["id"].as_str().unwrap());
    cloud.put(Admin, &path, json!({"volume_type": {"name": "silver"}})).expect(200);
    for project in [PROJECT, OTHER_PROJECT] {
        let set = cloud.get(Admin, &set_path(project)).expect(200)["quota_set"].clone();
        assert_eq!((&set["volumes_silver"], set.get("volumes_gold")), (&json!(2), None));
    }
    let usage = cloud.get(Admin, &format!("{}?usage=true", set_path(PROJECT))).expect(200)["quota_set"].clone();
    assert_eq!(usage["volumes_silver"]["in_use"], 2);
}

#[test]
fn the_commands_find_wrong_usage_and_put_it_right() {
    let cloud = Cloud::new();
    let volume = json!({"volume": {"size": 2}});
    cloud.post(Member, "/volumes", volume.clone()).expect(202);
    cloud.post(Stranger, "/volumes", volume).expect(202);
    let sql = "UPDATE quota_usages SET in_use = 7 WHERE resource = 'gigabytes' AND project_id = ?";
    cloud.sql(sql, &[PROJECT.into()]);
    let run = |project: Option<&str>, repair| {
        let mut out = Vec::new();
        let wrong = hearth::operate::quota::run(&cloud.config, &cloud.database, project, repair, &mut out).unwrap();
        (wrong, String::from_utf8(out).unwrap())
    };
    let (mine, other) = (format!("Processing quota usage for project {PROJECT}"), OTHER_PROJECT);
    let found = "\tgigabytes: invalid usage saved=7 actual=2";
    let (wrong, said) = run(None, false);
    assert!(wrong);
    let expected = format!(
        "{mine}\n{found}\nProcessing quota usage for project {other}\nUsage is wrong: hearth quota sync puts it right\n"
    );
    assert_eq!(said, expected);
    assert!(!run(Some(other), false).0);
    assert_eq!(run(Some(PROJECT), true), (true, format!("{mine}\n{found} - fixed\nUsage is right\n")));
    assert!(!run(None, false).0);
    assert_eq!(cloud.get(Member, "/limits").expect(200)["limits"]["absolute"]["totalGigabytesUsed"], 2);
}
