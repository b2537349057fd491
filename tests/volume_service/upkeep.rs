//! What is asked of a volume service about itself: levels of its log, and what is in nobody's hands.

use std::time::Duration;

use hearth::Result;
use hearth::block_storage::model::service::{Service, VOLUME};
use hearth::block_storage::model::service_work::ServiceWork;
use hearth::block_storage::model::volume::Status;
use hearth::block_storage::rpc::{self, Ticket};
use hearth::block_storage::store::services;
use serde_json::{Value, json};

use super::world::{Of, World, requester};

const HOST: &str = "node1@file";

fn service(world: &World) -> Service {
    world.wait_for_service(HOST);
    world.read(|c| services::find(c, HOST, VOLUME)).unwrap()
}

pub(super) fn ask(world: &World, work: ServiceWork) -> Ticket {
    let service = service(world);
    world.database.write(|tx| rpc::services::ask(tx, &requester(), &service, work.clone())).unwrap()
}

fn levels(world: &World, prefix: &str) -> Result<Value> {
    let ticket = ask(world, ServiceWork::LogLevels { prefix: prefix.to_owned() });
    rpc::wait(&world.database, &world.doorbell, &ticket, Duration::from_secs(60))
}

fn clean_up(world: &World, resource_type: Option<&str>, resource_id: Option<&str>) {
    let work = ServiceWork::CleanUp {
        resource_type: resource_type.map(str::to_owned),
        resource_id: resource_id.map(str::to_owned),
    };
    let _ = ask(world, work);
    world.doorbell.ring();
    world.settle();
}

#[test]
fn a_service_tells_the_levels_of_its_log_and_changes_them() {
    let world = World::new();
    let service = world.spawn(None);
    assert_eq!(levels(&world, "hearth").unwrap()["hearth"], "INFO");
    let work = ServiceWork::SetLogLevel { prefix: "hearth::block_storage".to_owned(), level: "DEBUG".to_owned() };
    let _ = ask(&world, work);
    assert_eq!(levels(&world, "hearth::b").unwrap(), json!({"hearth::block_storage": "DEBUG"}));
    assert_eq!(levels(&world, "hearth").unwrap()["hearth"], "INFO");
    let _ = ask(&world, ServiceWork::SetLogLevel { prefix: String::new(), level: "WARNING".to_owned() });
    assert_eq!(levels(&world, "").unwrap()["hearth"], "WARNING");
    service.stop();
    assert_eq!(world.count("SELECT count(*) FROM hearth_orders"), 0);
}

#[test]
fn what_was_deleted_long_ago_is_purged_by_services_where_the_operator_wants_that() {
    let world = World::with("", "[hearth_volume]\npurge_age_in_days = 30");
    let service = world.start();
    let [old, new, living] = [(); 3].map(|()| world.create(1, Of::Nothing));
    world.settle();
    [&old, &new].into_iter().for_each(|id| world.delete(id, false));
    world.settle();
    drop(service);
    for (table, id) in [("volumes", "id"), ("volume_admin_metadata", "volume_id")] {
        let aged = format!("UPDATE {table} SET deleted_at = '2020-01-01 00:00:00' WHERE {id} = ? AND deleted = true");
        assert_eq!(world.database.write(|tx| tx.execute(&aged, &[(&old).into()])).unwrap(), 1);
    }
    // Of two that begin at once, and one of which is killed in between, no matter where.
    let (first, second) = (world.spawn(None), world.spawn_on("node2"));
    first.kill();
    let left = || world.read(|c| c.rows("SELECT id FROM volumes ORDER BY id", &[], |row| row.string(0)));
    let mut expected = [new, living];
    expected.sort();
    world.wait("the end of the old row", || (left() == expected).then_some(()));
    second.stop();
    world.assert_whole();
}

#[test]
fn what_is_in_nobodys_hands_is_taken_up_when_an_operator_says_so() {
    let world = World::new();
    let _service = world.start();
    let ids = [world.create(1, Of::Nothing), world.create(1, Of::Nothing), world.create(1, Of::Nothing)];
    world.settle();
    let strand = |id: &str, status: &str| {
        let sql = "UPDATE volumes SET status = ? WHERE id = ?";
        world.database.write(|tx| tx.execute(sql, &[status.into(), id.into()])).unwrap();
    };
    ids.iter().for_each(|id| strand(id, "deleting"));
    clean_up(&world, Some("Snapshot"), None);
    assert!(ids.iter().all(|id| world.volume(id).is_some()), "only snapshots were meant");
    clean_up(&world, Some("Volume"), Some(&ids[0]));
    let left = ids.iter().map(|id| world.volume(id).is_some()).collect::<Vec<_>>();
    assert_eq!(left, [false, true, true]);
    clean_up(&world, None, None);
    assert!(ids.iter().all(|id| world.volume(id).is_none()));

    // What is in somebody's hands stays there.
    let growing = world.create(1, Of::Nothing);
    world.settle();
    strand(&growing, "extending");
    let busy = world.create(1, Of::Nothing);
    clean_up(&world, None, None);
    assert_eq!(world.volume(&growing).unwrap().status, Status::ErrorExtending);
    assert_eq!(world.volume(&busy).unwrap().status, Status::Available);
    assert_eq!(world.messages(&growing).len(), 1);
}
