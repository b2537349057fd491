//! Freezing, thawing and failing over.

use serde_json::{Value, json};

use crate::fixture::{Cloud, Persona::*};
use crate::people;
use crate::services::service;

/// A cloud with the service of the volumes of [`people`].
fn cloud() -> Cloud {
    let cloud = Cloud::new();
    service(&cloud, "node@file", "cinder-volume", "az1", 5);
    cloud
}

/// `frozen`, `status` and `disabled_reason` of each volume service.
fn states(cloud: &Cloud) -> Vec<(Value, Value, Value)> {
    let list = cloud.get(Admin, "3.48 /os-services?binary=cinder-volume").expect(200);
    let state = |item: &Value| (item["frozen"].clone(), item["status"].clone(), item["disabled_reason"].clone());
    list["services"].as_array().unwrap().iter().map(state).collect()
}

#[test]
fn a_frozen_backend_takes_no_volumes_and_keeps_those_that_it_has() {
    let cloud = cloud();
    let volume = people::volume(&cloud, Member, "kept");
    let body = json!({"host": "node@file"});
    let answer = cloud.put(Admin, "/os-services/freeze", body.clone());
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(states(&cloud), [(json!(true), json!("disabled"), json!("frozen"))]);
    let text =
        "Invalid input received: No service could be changed: frozen in ['node@file'] must be False to failover.";
    cloud.put(Admin, "/os-services/freeze", body.clone()).refuse(400, text);
    let frozen = "Invalid input received: Modification operations are not allowed on frozen storage backends.";
    cloud.delete(Member, &format!("/volumes/{volume}")).refuse(400, frozen);

    // A host is enough where it has one backend.
    cloud.put(Admin, "/os-services/thaw", json!({"host": "node"})).expect(200);
    assert_eq!(states(&cloud), [(json!(false), json!("enabled"), json!(""))]);
    let text = "Invalid input received: No service could be changed: frozen in ['node@file'] must be True to failover.";
    cloud.put(Admin, "/os-services/thaw", body).refuse(400, text);
    cloud.delete(Member, &format!("/volumes/{volume}")).expect(202);
}

#[test]
fn exactly_one_host_or_cluster_is_meant() {
    let cloud = cloud();
    let freeze = |version: &str, body: Value| cloud.put(Admin, &format!("{version} /os-services/freeze"), body);
    let missing = "Invalid input received: Host field is missing.";
    freeze("3.25", json!({})).refuse(400, missing);
    freeze("3.25", json!({"cluster": "c"})).refuse(400, missing);
    let one = "Invalid input received: One and only one of cluster and host must be set.";
    freeze("3.26", json!({})).refuse(400, one);
    freeze("3.26", json!({"host": "node@file", "cluster": "c"})).refuse(400, one);
    freeze("3.26", json!({"host": "node9"})).refuse(400, "No service found with host=node9");
    freeze("3.26", json!({"cluster": "c"})).refuse(400, "No service found with cluster=c");
    freeze("3.26", json!({"host": "node 1"})).expect(400);
    freeze("3.26", json!({"host": "node", "why": "x"})).expect(400);
    service(&cloud, "node@other", "cinder-volume", "az1", 5);
    freeze("3.26", json!({"host": "node"})).refuse(400, "Services from different clusters found.");
    assert!(states(&cloud).iter().all(|(frozen, _, _)| *frozen == json!(false)));
    cloud.put(Member, "/os-services/freeze", json!({"host": "node@file"})).expect(403);
}

#[test]
fn the_services_of_a_cluster_are_frozen_together() {
    let cloud = cloud();
    service(&cloud, "node2@file", "cinder-volume", "az1", 5);
    service(&cloud, "node3@file", "cinder-volume", "az1", 5);
    cloud.sql("UPDATE services SET cluster_name = 'c@file' WHERE host <> 'node3@file'", &[]);
    cloud.sql(
        "INSERT INTO clusters (deleted, name, \"binary\", disabled, race_preventer, frozen) \
         VALUES (false, 'c@file', 'cinder-volume', false, 0, false)",
        &[],
    );
    let frozen = || states(&cloud).into_iter().map(|(frozen, _, _)| frozen).collect::<Vec<_>>();
    let of_cluster = || cloud.get(Admin, "/clusters/c@file").expect(200)["cluster"]["frozen"].clone();
    cloud.put(Admin, "/os-services/freeze", json!({"host": "node2@file"})).expect(200);
    assert_eq!((frozen(), of_cluster()), (vec![json!(true), json!(true), json!(false)], json!(true)));
    let text = "Invalid input received: frozen in c@file must be False to failover.";
    cloud.put(Admin, "/os-services/freeze", json!({"cluster": "c@file"})).refuse(400, text);
    cloud.put(Admin, "/os-services/thaw", json!({"cluster": "c@file"})).expect(200);
    assert_eq!((frozen(), of_cluster()), (vec![json!(false); 3], json!(false)));
}

#[test]
fn of_several_who_freeze_one_backend_at_once_one_does() {
    let cloud = cloud();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || cloud.put(Admin, "/os-services/freeze", json!({"host": "node@file"})).status;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 3, "{statuses:?}");
}

#[test]
fn what_does_not_replicate_does_not_fail_over() {
    let cloud = cloud();
    let body = json!({"host": "node@file", "backend_id": "other"});
    let text = "Invalid input received: No service could be changed: replication_status in ['node@file'] must be \
                ['enabled', 'failed-over'] and must be up to failover.";
    for path in ["/os-services/failover_host", "3.0 /os-services/failover_host", "3.26 /os-services/failover"] {
        cloud.put(Admin, path, body.clone()).refuse(400, text);
    }
    cloud.put(Admin, "3.25 /os-services/failover", body.clone()).expect(404);
    cloud.put(Member, "/os-services/failover", body.clone()).expect(403);
    // One that does is another's, which can not be reached: nothing begins that nobody would end.
    cloud.sql("UPDATE services SET replication_status = 'enabled'", &[]);
    cloud.put(Admin, "/os-services/failover_host", body).expect(501);
    let list = cloud.get(Admin, "3.48 /os-services").expect(200);
    assert_eq!(list["services"][0]["replication_status"], "enabled");
}

#[test]
fn a_service_that_starts_says_that_it_does_not_replicate_unless_it_has_failed_over() {
    for (before, after) in [("enabled", "disabled"), ("failing-over", "disabled"), ("failed-over", "failed-over")] {
        let mut cloud = Cloud::with("host = node\n");
        service(&cloud, "node@file", "cinder-volume", "nova", 5);
        cloud.sql("UPDATE services SET replication_status = ?", &[before.into()]);
        cloud.serve();
        let list = cloud.get(Admin, "3.48 /os-services").expect(200);
        assert_eq!(list["services"][0]["replication_status"], after, "{before}");
    }
}
