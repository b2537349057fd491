//! The volume service on MariaDB and PostgreSQL, with several hosts on one database, and while the server goes away.

use hearth::block_storage::model::volume::Status;
use hearth::database::Engine;

use super::moving::{ENABLED, every_move, sections};
use super::servers::{Server, empty_database};
use super::service::every_operation;
use super::world::{Of, World, files};

/// Makes of each function that takes an [`Engine`] a test for every server.
macro_rules! on_every_server {
    ($($name:ident,)+) => {
        mod mariadb { $(#[test] fn $name() { super::$name(hearth::database::Engine::Mysql); })+ }
        mod postgresql { $(#[test] fn $name() { super::$name(hearth::database::Engine::Postgres); })+ }
    };
}

on_every_server! {
    every_operation_leaves_rows_files_and_usage_in_agreement,
    every_operation_on_a_group_leaves_rows_files_and_usage_in_agreement,
    every_move_leaves_rows_files_and_usage_in_agreement,
    several_hosts_share_the_work_and_nothing_is_done_twice,
    a_database_that_goes_away_costs_time_and_nothing_else,
}

fn every_operation_leaves_rows_files_and_usage_in_agreement(engine: Engine) {
    every_operation(&World::on(&empty_database(engine)));
}

fn every_operation_on_a_group_leaves_rows_files_and_usage_in_agreement(engine: Engine) {
    super::groups::every_operation(|| World::on(&empty_database(engine)));
}

fn every_move_leaves_rows_files_and_usage_in_agreement(engine: Engine) {
    every_move(&World::on_with(&empty_database(engine), ENABLED, &sections(["raw", "qcow2"])));
}

#[test]
fn several_hosts_share_the_work_on_sqlite() {
    several_hosts_share_the_work_and_nothing_is_done_twice(Engine::Sqlite);
}

fn several_hosts_share_the_work_and_nothing_is_done_twice(engine: Engine) {
    const HOSTS: [&str; 3] = ["node1", "node2", "node3"];
    let world = World::on(&empty_database(engine));
    let services = HOSTS.map(|host| world.spawn_on(host));
    HOSTS.iter().for_each(|host| world.wait_for_service(&format!("{host}@file")));
    let ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..15).map(|_| world.create(1, Of::Nothing)).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    world.settle();
    let on_disk = || HOSTS.map(|host| files(&world.folder.join(host)));
    for id in &ids {
        let volume = world.volume(id).unwrap();
        assert_eq!(volume.status, Status::Available, "{id}");
        let host = volume.host.unwrap();
        let own = HOSTS.iter().position(|name| host.starts_with(&format!("{name}@"))).unwrap();
        for (at, names) in on_disk().iter().enumerate() {
            assert_eq!(names.contains(&format!("volume-{id}")), at == own, "{id} of {host} at {}", HOSTS[at]);
        }
    }
    assert!(
        on_disk().iter().all(|names| names.len() > 5),
        "the work is spread: {:?}",
        on_disk().map(|names| names.len())
    );
    assert_eq!(world.usage(), [60, 0, 60]);
    ids.iter().for_each(|id| world.delete(id, false));
    world.settle();
    assert_eq!(world.usage(), [0, 0, 0]);
    assert!(on_disk().iter().all(Vec::is_empty));
    services.into_iter().for_each(super::world::Service::stop);
}

fn a_database_that_goes_away_costs_time_and_nothing_else(engine: Engine) {
    let mut server = Server::start(engine);
    let world = World::on(&server.create("volumes"));
    let service = world.spawn(None);
    world.wait_for_service("node1@file");
    let ids: Vec<String> = (0..20).map(|_| world.create(1, Of::Nothing)).collect();
    // In the middle of the work.
    world.wait("the first volume", || ids.iter().find(|id| world.volume(id).unwrap().status == Status::Available));
    server.halt();
    server.resume();
    world.settle();
    for id in &ids {
        assert_eq!(world.volume(id).unwrap().status, Status::Available);
    }
    let after = world.create(1, Of::Nothing);
    world.settle();
    assert_eq!(world.volume(&after).unwrap().status, Status::Available);
    world.assert_whole();
    service.stop();
}
