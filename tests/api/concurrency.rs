//! Many callers at once: exactly one wins, and the quota is exact.

use std::sync::Barrier;

use hearth::database::Engine;
use serde_json::json;

use crate::fixture::{Cloud, PROJECT, Persona::*};
use crate::people::{group, member, orders, status, used, volume, volume_with};
use crate::servers;

const CALLERS: usize = 8;

/// The statuses that so many callers get for the same request, sorted.
pub(crate) fn at_once(ask: impl Fn(usize) -> u16 + Sync) -> Vec<u16> {
    let start = Barrier::new(CALLERS);
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (start, ask) = (&start, &ask);
                scope.spawn(move || {
                    start.wait();
                    ask(caller)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    statuses
}

/// One caller was served, the others were refused with this status.
pub(crate) fn one_won(statuses: &[u16], won: u16, lost: u16) {
    let served = statuses.iter().filter(|status| **status == won).count();
    let refused = statuses.iter().filter(|status| **status == lost).count();
    assert_eq!((served, refused), (1, CALLERS - 1), "{statuses:?}");
}

#[test]
fn one_volume_is_extended_once() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 2}));
    let before = orders(&cloud);
    let path = format!("/volumes/{id}/action");
    let sizes = |caller: usize| json!({"os-extend": {"new_size": 3 + caller}});
    one_won(&at_once(|caller| cloud.post(Member, &path, sizes(caller)).status), 202, 400);
    assert_eq!(orders(&cloud), before + 1);
    let new_size = cloud.numbers("SELECT SUM(in_use) FROM quota_usages WHERE resource = 'gigabytes'", &[]);
    assert!((3..3 + CALLERS as i64).contains(&new_size[0]), "{new_size:?}");
}

#[test]
fn one_volume_is_deleted_once() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let before = orders(&cloud);
    one_won(&at_once(|_| cloud.delete(Member, &format!("/volumes/{id}")).status), 202, 400);
    assert_eq!(orders(&cloud), before + 1);
}

#[test]
fn a_volume_is_either_deleted_or_snapshotted() {
    for _ in 0..5 {
        let cloud = Cloud::new();
        let id = volume(&cloud, Member, "v");
        let statuses = at_once(|caller| {
            if caller % 2 == 0 {
                cloud.delete(Member, &format!("/volumes/{id}")).status
            } else {
                cloud.post(Member, "/snapshots", json!({"snapshot": {"volume_id": id}})).status
            }
        });
        let snapshots = cloud.numbers("SELECT COUNT(*) FROM snapshots", &[])[0];
        let deleting = cloud.numbers("SELECT COUNT(*) FROM volumes WHERE status = 'deleting'", &[])[0];
        assert!(deleting == 0 || snapshots == 0, "{statuses:?}: {snapshots} snapshots of a volume that is leaving");
        assert_eq!(used(&cloud, PROJECT, "snapshots"), snapshots);
    }
}

#[test]
fn the_last_of_the_quota_goes_to_one() {
    let cloud = Cloud::with("use_default_quota_class = false\nquota_volumes = 3");
    volume(&cloud, Member, "1");
    volume(&cloud, Member, "2");
    let body = json!({"volume": {"size": 1}});
    one_won(&at_once(|_| cloud.post(Member, "/volumes", body.clone()).status), 202, 413);
    assert_eq!(used(&cloud, PROJECT, "volumes"), 3);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM volumes", &[]), [3]);
}

#[test]
fn one_tag_lets_one_writer_through() {
    let cloud = Cloud::new();
    let id = volume_with(&cloud, Member, json!({"size": 1, "metadata": {"a": "0"}}));
    let answer = cloud.get(Member, &format!("/volumes/{id}/metadata"));
    let tag = answer.header("Etag").unwrap().to_owned();
    let url = format!("/v3/{PROJECT}/volumes/{id}/metadata");
    let statuses = at_once(|caller| {
        let headers =
            [("X-Auth-Token", "member"), ("OpenStack-API-Version", "volume 3.15"), ("If-Match", tag.as_str())];
        let body = json!({"metadata": {"a": format!("{}", caller + 1)}});
        cloud.raw("PUT", &url, &headers, Some(body)).status
    });
    one_won(&statuses, 200, 412);
}

#[test]
fn one_caller_takes_an_offered_volume() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let made = cloud.post(Member, "/volume-transfers", json!({"transfer": {"volume_id": id}})).expect(202);
    let path = format!("/volume-transfers/{}/accept", made["transfer"]["id"].as_str().unwrap());
    let body = json!({"accept": {"auth_key": made["transfer"]["auth_key"]}});
    one_won(&at_once(|_| cloud.post(Stranger, &path, body.clone()).status), 202, 404);
    assert_eq!((used(&cloud, PROJECT, "volumes"), used(&cloud, Stranger.project(), "volumes")), (0, 1));
}

#[test]
fn a_volume_is_offered_once() {
    let cloud = Cloud::new();
    let body = json!({"transfer": {"volume_id": volume(&cloud, Member, "v")}});
    one_won(&at_once(|_| cloud.post(Member, "/volume-transfers", body.clone()).status), 202, 400);
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM transfers", &[]), [1]);
}

#[test]
fn one_reservation_is_given() {
    let cloud = Cloud::new();
    let id = volume(&cloud, Member, "v");
    let path = format!("/volumes/{id}/action");
    one_won(&at_once(|_| cloud.post(Member, &path, json!({"os-reserve": {}})).status), 202, 400);
    status(&cloud, "volumes", &id, "available");
    one_won(&at_once(|_| cloud.post(Member, &path, json!({"os-reserve": {}})).status), 202, 400);
}

#[test]
fn one_group_is_deleted_once() {
    let cloud = Cloud::new();
    let id = group(&cloud, Member, "g");
    let before = orders(&cloud);
    let body = json!({"delete": {}});
    one_won(&at_once(|_| cloud.post(Member, &format!("/groups/{id}/action"), body.clone()).status), 202, 400);
    assert_eq!(orders(&cloud), before + 1);
}

#[test]
fn a_volume_enters_one_of_many_groups() {
    let cloud = Cloud::new();
    let groups: Vec<String> = (0..CALLERS).map(|number| group(&cloud, Member, &number.to_string())).collect();
    let id = volume(&cloud, Member, "v");
    let body = json!({"group": {"add_volumes": id}});
    let enter = |caller: usize| cloud.put(Member, &format!("/groups/{}", groups[caller]), body.clone()).status;
    one_won(&at_once(enter), 202, 400);
}

#[test]
fn a_group_is_either_deleted_or_gets_a_volume() {
    for _ in 0..5 {
        let cloud = Cloud::new();
        let id = group(&cloud, Member, "g");
        member(&cloud, Member, &id);
        let statuses = at_once(|caller| {
            if caller == 0 {
                let body = json!({"delete": {"delete-volumes": true}});
                cloud.post(Member, &format!("/groups/{id}/action"), body).status
            } else {
                let body = json!({"volume": {"size": 1, "group_id": id, "volume_type": "__DEFAULT__"}});
                cloud.post(Member, "/volumes", body).status
            }
        });
        let left = "SELECT COUNT(*) FROM volumes WHERE deleted = false AND status <> 'deleting' AND group_id = ?";
        assert_eq!(cloud.numbers(left, &[(&id).into()]), [0], "{statuses:?}");
    }
}

#[test]
fn a_group_snapshot_is_either_deleted_or_copied() {
    for _ in 0..3 {
        let cloud = Cloud::new();
        crate::people::backend(&cloud);
        let id = group(&cloud, Member, "g");
        member(&cloud, Member, &id);
        let snap = crate::group_snapshots::group_snapshot(&cloud, &id, "s");
        let statuses = at_once(|caller| {
            if caller % 2 == 0 {
                cloud.delete(Member, &format!("/group_snapshots/{snap}")).status
            } else {
                let body = json!({"create-from-src": {"group_snapshot_id": snap}});
                cloud.post(Member, "/groups/action", body).status
            }
        });
        let copies = cloud.numbers("SELECT COUNT(*) FROM \"groups\" WHERE group_snapshot_id = ?", &[(&snap).into()])[0];
        let leaving = cloud.numbers("SELECT COUNT(*) FROM group_snapshots WHERE status = 'deleting'", &[])[0];
        assert!(leaving == 0 || copies == 0, "{statuses:?}: {copies} copies of a group snapshot that is leaving");
        assert_eq!(leaving + copies.min(1), 1, "somebody was served: {statuses:?}");
    }
}

/// Everybody writes one name that is there, and adds one of its own, on every engine.
fn metadata_that_are_written_at_once_are_there_once(engine: Engine) {
    let cloud = Cloud::at(&servers::empty_database(engine), "");
    let id = volume_with(&cloud, Member, json!({"size": 1, "metadata": {"shared": "0", "gone": "0"}}));
    let (all, shared) = (format!("/volumes/{id}/metadata"), format!("/volumes/{id}/metadata/shared"));
    let statuses = at_once(|caller| {
        let own = format!("own{caller}");
        let asked = (0..4).map(|round| {
            let value = format!("{caller}-{round}");
            let merged = cloud.post(Member, &all, json!({"metadata": {&own: value, "shared": value}})).expect(200);
            assert_eq!(merged["metadata"][&own], json!(value));
            cloud.put(Member, &shared, json!({"meta": {"shared": value}})).expect(200);
            cloud.post(Member, &all, json!({"metadata": {&own: value}})).expect(200);
            cloud.delete(Member, &format!("{all}/gone")).status
        });
        asked.min().unwrap()
    });
    one_won(&statuses, 200, 404);
    let there = cloud.get(Member, &all).expect(200)["metadata"].as_object().unwrap().clone();
    let owned = (0..CALLERS).all(|caller| there[&format!("own{caller}")] == json!(format!("{caller}-3")));
    assert!(owned && there.len() == CALLERS + 1 && there["shared"].as_str().unwrap().ends_with("-3"), "{there:?}");
    let live = "SELECT COUNT(*) FROM volume_metadata WHERE volume_id = ? AND deleted = false";
    assert_eq!(cloud.numbers(live, &[(&id).into()]), [CALLERS as i64 + 1], "a name twice");
}

#[test]
fn metadata_that_are_written_at_once_are_there_once_on_sqlite() {
    metadata_that_are_written_at_once_are_there_once(Engine::Sqlite);
}

#[test]
fn metadata_that_are_written_at_once_are_there_once_on_mariadb() {
    metadata_that_are_written_at_once_are_there_once(Engine::Mysql);
}

#[test]
fn metadata_that_are_written_at_once_are_there_once_on_postgresql() {
    metadata_that_are_written_at_once_are_there_once(Engine::Postgres);
}
