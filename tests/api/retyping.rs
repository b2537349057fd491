//! Another type for a volume, as callers see it; moving its content is in `tests/volume_service`.

use serde_json::{Value, json};

use crate::fixture::Persona::{Admin, Member, Reader, Stranger};
use crate::fixture::{Cloud, OTHER_PROJECT, PROJECT};
use crate::people;

const REFUSED: &str = "Invalid volume: Retype needs volume to be in available or in-use state, not be part of an active \
    migration or a consistency group, requested type has to be different that the one from the volume, and for in-use volumes \
    front-end qos specs cannot change.";

fn new_type(cloud: &Cloud, name: &str, specs: Value) -> String {
    let body = json!({"volume_type": {"name": name, "extra_specs": specs}});
    cloud.post(Admin, "/types", body).expect(200)["volume_type"]["id"].as_str().unwrap().to_owned()
}

fn body(new_type: &str) -> Value {
    json!({"os-retype": {"new_type": new_type}})
}

/// What a project uses of a type: volumes, snapshots, GiB.
fn used(cloud: &Cloud, name: &str) -> [i64; 3] {
    ["volumes", "snapshots", "gigabytes"].map(|resource| people::used(cloud, PROJECT, &format!("{resource}_{name}")))
}

#[test]
fn a_volume_waits_in_retyping_and_counts_for_both_types_until_it_has_the_new_one() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    people::snapshot(&cloud, Member, &volume, "s");
    let gold = new_type(&cloud, "gold", json!({}));
    let path = format!("/volumes/{volume}/action");
    cloud.post(Reader, &path, body(&gold)).refuse(403, "Policy doesn't allow volume:retype to be performed.");
    cloud.post(Stranger, &path, body(&gold)).refuse(404, &format!("Volume {volume} could not be found."));
    cloud.post(Member, &path, body("gold")).expect(202);
    let shown = cloud.get(Admin, &format!("/volumes/{volume}")).expect(200)["volume"].clone();
    assert_eq!((&shown["status"], &shown["volume_type"]), (&json!("retyping"), &json!("__DEFAULT__")));
    assert_eq!(shown["migration_status"], json!(null));
    assert_eq!(used(&cloud, "gold"), [1, 1, 2]);
    assert_eq!(used(&cloud, "__DEFAULT__"), [1, 1, 2]);
    assert_eq!(people::used(&cloud, PROJECT, "gigabytes"), 2, "the project has no more than before");
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE kind = 'retype_volume'", &[]), [1]);
    // A count of what there is agrees with what was charged.
    let check = |_: ()| {
        let limits = hearth::block_storage::model::quota::Limits::default();
        hearth::block_storage::store::quota_repair::project(&cloud.database, PROJECT, &limits, false).unwrap()
    };
    assert_eq!(check(()), []);
    cloud.post(Member, &path, body(&gold)).refuse(400, REFUSED);
    assert_eq!(used(&cloud, "gold"), [1, 1, 2], "what is refused is not charged");
}

#[test]
fn types_that_do_not_go_with_the_volume_are_refused_with_the_words_of_cinder() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let path = format!("/volumes/{volume}/action");
    let post = |new_type: &str| cloud.post(Member, &path, body(new_type));
    post("nope").refuse(404, "Volume type with name nope could not be found.");
    post("__DEFAULT__").refuse(400, REFUSED);
    let large = new_type(&cloud, "large", json!({"provisioning:min_vol_size": "2"}));
    post(&large).refuse(
        400,
        "Invalid input received: Specified volume size of '1' is less than the minimum required size of '2' for volume type \
         'large'.",
    );
    new_type(&cloud, "several", json!({"multiattach": "<is> True"}));
    people::status(&cloud, "volumes", &volume, "in-use");
    post("several").refuse(
        400,
        "Invalid input received: Invalid volume_type passed, retypes affecting multiattach are only allowed on available \
         volumes, the specified volume however currently has a status of: in-use.",
    );
    people::status(&cloud, "volumes", &volume, "available");
    let both = new_type(&cloud, "both", json!({"multiattach": "<is> True"}));
    let encryption = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
    cloud.post(Admin, &format!("/types/{both}/encryption"), encryption).expect(200);
    post("both").refuse(
        400,
        "Invalid input received: Retype requested both encryption and multi-attach, which is not supported.",
    );
    let secret = json!({"volume_type": {"name": "secret", "os-volume-type-access:is_public": false}});
    cloud.post(Admin, "/types", secret).expect(200);
    post("secret").refuse(404, "Volume type with name secret could not be found.");
    assert_eq!(people::orders(&cloud), 1, "only the volume's own creation was ever ordered");
    for (input, words) in [
        (json!({}), "Invalid input for field/attribute os-retype. Value: {}. 'new_type' is a required property"),
        (
            json!({"new_type": "t", "migration_policy": "always"}),
            "Invalid input for field/attribute migration_policy. Value: always. 'always' is not one of ['on-demand', 'never']",
        ),
        (
            json!({"new_type": "t", "x": 1}),
            "Invalid input for field/attribute os-retype. Value: {'new_type': 't', 'x': 1}. Additional properties are not \
             allowed ('x' was unexpected)",
        ),
    ] {
        cloud.post(Member, &path, json!({ "os-retype": input })).refuse(400, words);
    }
}

#[test]
fn the_limits_of_the_new_type_hold() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    people::snapshot(&cloud, Member, &volume, "s");
    new_type(&cloud, "gold", json!({}));
    let path = format!("/volumes/{volume}/action");
    let limit = |resource: &str, most: i64| {
        let body = json!({"quota_set": {resource: most}});
        cloud.put(Admin, &format!("/os-quota-sets/{PROJECT}"), body).expect(200);
    };
    limit("gigabytes_gold", 1);
    cloud.post(Member, &path, body("gold")).refuse(
        413,
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes_gold quota. Requested 1G, \
         quota is 1G and 0G has been consumed.",
    );
    limit("gigabytes_gold", -1);
    limit("volumes_gold", 0);
    cloud
        .post(Member, &path, body("gold"))
        .refuse(413, "VolumeLimitExceeded: Maximum number of volumes allowed (0) exceeded for quota 'volumes_gold'.");
    limit("volumes_gold", -1);
    limit("snapshots_gold", 0);
    cloud
        .post(Member, &path, body("gold"))
        .refuse(413, "UnexpectedOverQuota: Unexpected over quota on snapshots_gold.");
    limit("snapshots_gold", 1);
    cloud.post(Member, &path, body("gold")).expect(202);
}

#[test]
fn a_volume_in_use_gets_no_other_front_end_qos_specs() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let path = format!("/volumes/{volume}/action");
    for (name, consumer) in [("front", "front-end"), ("back", "back-end")] {
        let made =
            cloud.post(Admin, "/qos-specs", json!({"qos_specs": {"name": name, "consumer": consumer, "k": "v"}}));
        let qos = made.expect(200)["qos_specs"]["id"].as_str().unwrap().to_owned();
        let id = new_type(&cloud, name, json!({}));
        cloud.get(Admin, &format!("/qos-specs/{qos}/associate?vol_type_id={id}")).expect(202);
    }
    people::status(&cloud, "volumes", &volume, "in-use");
    cloud.post(Member, &path, body("front")).refuse(400, REFUSED);
    cloud.post(Member, &path, body("back")).expect(202);
    people::status(&cloud, "volumes", &volume, "available");
    cloud.sql("DELETE FROM hearth_orders", &[]);
    cloud.post(Member, &path, body("front")).expect(202);
}

#[test]
fn a_snapshot_of_another_project_is_charged_to_that_project() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let snapshot = people::snapshot(&cloud, Member, &volume, "s");
    cloud.sql("UPDATE snapshots SET project_id = ? WHERE id = ?", &[OTHER_PROJECT.into(), (&snapshot).into()]);
    new_type(&cloud, "gold", json!({}));
    cloud.post(Member, &format!("/volumes/{volume}/action"), body("gold")).expect(202);
    assert_eq!(used(&cloud, "gold"), [1, 0, 1]);
    assert_eq!(people::used(&cloud, OTHER_PROJECT, "snapshots_gold"), 1);
    assert_eq!(people::used(&cloud, OTHER_PROJECT, "gigabytes_gold"), 1);
}
