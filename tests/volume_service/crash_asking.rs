//! Orders that change no volume, killed everywhere: questions to the service, changes to itself, and what a server is told.
//! Whoever waits for an answer gets it from the next one.

use std::time::Duration;

use hearth::block_storage::model::service_work::ServiceWork;
use hearth::block_storage::model::volume::Status;
use hearth::block_storage::model::work::{Order, ServerEvent, Work};
use hearth::block_storage::rpc::{self, Ticket};
use hearth::block_storage::store::{orders, volumes};
use serde_json::Value;

use super::crash_stories::everywhere;
use super::upkeep::ask;
use super::world::{Of, World, requester};

const HOST: &str = "node1@file";

fn answer(world: &World, ticket: &Ticket) -> Value {
    rpc::wait(&world.database, &world.doorbell, ticket, Duration::from_secs(60)).unwrap()
}

/// A world with a volume of this id, which nobody serves.
fn with_volume() -> (World, String) {
    let world = World::with("enabled_backends = file", "[file]");
    let service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    (world, id)
}

#[test]
fn whoever_asks_what_can_be_managed_is_answered_by_the_next_service() {
    everywhere("list_manageable", |fate| {
        let (world, id) = with_volume();
        let ask = || world.database.write(|tx| rpc::list_manageable(tx, &requester(), HOST, false)).unwrap();
        let ticket = world.meet(fate, HOST, || {
            let ticket = ask();
            world.doorbell.ring();
            ticket
        });
        assert_eq!(answer(&world, &ticket)[0]["cinder_id"], id);
        world.assert_whole();
    });
}

#[test]
fn whoever_asks_for_levels_of_the_log_or_changes_them_waits_for_the_next_service_at_most() {
    let prefix = "hearth::block_storage";
    everywhere("log_levels", |fate| {
        let (world, _) = with_volume();
        let work = ServiceWork::LogLevels { prefix: "hearth".to_owned() };
        let ticket = world.meet(fate, HOST, || ask(&world, work.clone()));
        assert_eq!(answer(&world, &ticket)["hearth"], "INFO");
        world.assert_whole();
    });
    everywhere("set_log_level", |fate| {
        let (world, _) = with_volume();
        let work = ServiceWork::SetLogLevel { prefix: prefix.to_owned(), level: "DEBUG".to_owned() };
        world.meet(fate, HOST, || {
            let _ = ask(&world, work.clone());
            world.doorbell.ring();
        });
        world.assert_whole();
    });
}

#[test]
fn what_is_in_nobodys_hands_is_cleaned_up_by_the_next_service() {
    everywhere("clean_up", |fate| {
        let (world, id) = with_volume();
        world.meet(fate, HOST, || {
            // A service that starts looks at this too: it is lost after that.
            world.wait_for_reports(HOST, 2);
            world.database.write(|tx| volumes::change(tx, &id, &[("status", "deleting".into())])).unwrap();
            let _ = ask(&world, ServiceWork::CleanUp { resource_type: None, resource_id: None });
            world.doorbell.ring();
        });
        assert!(world.volume(&id).is_none());
        world.assert_whole();
    });
}

#[test]
fn an_owner_learns_once_that_no_server_could_be_told() {
    everywhere("tell_servers", |fate| {
        let (world, id) = with_volume();
        let order = Order {
            id: 0,
            backend: Some(HOST.to_owned()),
            volume_id: id.clone(),
            snapshot_id: None,
            source_volume_id: None,
            work: Work::TellServers {
                server_ids: vec!["aaaaaaaa-0000-4000-8000-000000000001".to_owned()],
                event: ServerEvent::Extended,
            },
            requester: requester(),
            attempts: 0,
        };
        // There is no Nova.
        world.meet(fate, HOST, || {
            world.database.write(|tx| orders::place(tx, &order)).unwrap();
            world.doorbell.ring();
        });
        assert_eq!(world.messages(&id).len(), 1);
        assert_eq!(world.volume(&id).unwrap().status, Status::Available);
        world.assert_whole();
    });
}
