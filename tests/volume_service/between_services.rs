//! Volumes that move to a backend that another volume service has: it reads them through the export that hosts would use, or
//! in the file that both see. Each service is killed at every point, and started again.

use std::fs;
use std::path::PathBuf;

use hearth::block_storage::model::volume::Status;
use hearth::block_storage::store::volumes;

use super::crash_stories::{Fate, everywhere};
use super::daemon::{Daemon, free_port, kill_nbd_servers, nbd_servers};
use super::moving::{assert_content, assert_whole, file_of, fill, migrate, retype, type_on, usage_of};
use super::world::{Of, Service, World};

const SOURCE: &str = "node1@file";
const DESTINATION: &str = "node2@other";

/// Two hosts with a backend each.
struct Pair {
    world: World,
    daemon: Option<Daemon>,
}

impl Pair {
    /// With these lines in the section of the source and in that of the destination.
    fn with(daemon: Option<Daemon>, source: &str, destination: &str) -> Self {
        let sections = format!(
            "[hearth_volume]\norder_poll_interval = 0.02\n[file]\n{source}\n[other]\nreserved_percentage = 50\n{destination}"
        );
        Self { world: World::with("enabled_backends = file", &sections), daemon }
    }

    fn by_file(source: &str, destination: &str) -> Self {
        Self::with(None, source, destination)
    }

    fn by_nbd(source: &str, destination: &str) -> Self {
        let first = free_port();
        let nbd = format!(
            "target_protocol = nbd\ntarget_ip_address = 127.0.0.1\nhearth_nbd_ports = {first}-{}\n{source}",
            first.saturating_add(50)
        );
        Self::with(None, &nbd, destination)
    }

    fn by_iscsi() -> Option<Self> {
        let daemon = Daemon::start()?;
        let section = daemon.section();
        Some(Self::with(Some(daemon), &section, ""))
    }

    fn source(&self, fault: Option<&str>) -> Service {
        self.world.spawn_backend_on("node1", "file", fault)
    }

    fn destination(&self, fault: Option<&str>) -> Service {
        self.world.spawn_backend_on("node2", "other", fault)
    }

    /// Both services.
    fn both(&self) -> [Service; 2] {
        let both = [self.source(None), self.destination(None)];
        self.world.wait_for_service(SOURCE);
        self.world.wait_for_service(DESTINATION);
        both
    }

    /// A volume of the source with data, and the data.
    fn filled(&self) -> (String, PathBuf) {
        let id = self.world.create(1, Of::Nothing);
        self.world.settle();
        let content = fill(&self.world, &id);
        (id, content)
    }

    fn exports(&self) -> usize {
        let daemon = self.daemon.as_ref().map_or(0, |daemon| daemon.targets().len());
        daemon + nbd_servers(&self.world.folder).len()
    }

    /// Fails unless the volume lies there whole and free, and nobody else has anything of it.
    fn assert_at(&self, id: &str, pool: &str, migration_status: Option<&str>) {
        let volume = self.world.volume(id).unwrap();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, migration_status));
        assert_eq!(volume.host.as_deref(), Some(pool));
        assert_eq!((volume.provider_location, volume.provider_auth), (None, None), "an export is left in the row");
        assert_eq!(self.exports(), 0, "an export is left");
    }

    /// Waits until the order is for the service of this backend.
    fn wait_for_order_at(&self, backend: &str) {
        let sql = format!("SELECT count(*) FROM hearth_orders WHERE host = '{backend}' AND kind <> 'discard_disk'");
        self.world.wait("the order to be left to the other service", || (self.world.count(&sql) == 1).then_some(()));
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        kill_nbd_servers(&self.world.folder);
    }
}

#[test]
fn a_volume_moves_to_a_backend_of_another_service_and_back_with_every_byte() {
    let qcow2 = "nfs_qcow2_volumes = true";
    let pairs = [
        Some(Pair::by_file("", qcow2)),
        Some(Pair::by_file(qcow2, "")),
        Some(Pair::by_nbd("", "")),
        Some(Pair::by_nbd(qcow2, qcow2)),
        Pair::by_iscsi(),
    ];
    for pair in pairs.into_iter().flatten() {
        let world = &pair.world;
        let both = pair.both();
        let (id, content) = pair.filled();
        migrate(world, &id, DESTINATION, true);
        world.settle();
        pair.assert_at(&id, "node2@other#other", Some("success"));
        assert!(world.volume(&id).unwrap().name_id.is_some_and(|name| name != id));
        assert_content(world, &id, &content);
        let here = type_on(world, "file");
        retype(world, &id, &here, true);
        world.settle();
        pair.assert_at(&id, "node1@file#file", Some("success"));
        assert_eq!((usage_of(world, "on-file"), usage_of(world, "__DEFAULT__")), ([1, 0, 1], [0, 0, 0]));
        assert_content(world, &id, &content);
        assert_whole(world);
        both.into_iter().for_each(Service::stop);
    }
}

#[test]
fn what_is_ordered_of_a_volume_that_moves_to_another_service_waits_and_follows_it() {
    let pair = Pair::by_nbd("", "");
    let world = &pair.world;
    let [source, destination] = pair.both();
    let (id, content) = pair.filled();
    destination.stop();
    migrate(world, &id, DESTINATION, false);
    pair.wait_for_order_at(DESTINATION);
    let clone = world.create(1, Of::Volume(&id));
    world.extend(&id, 2);
    let other = world.create(1, Of::Nothing);
    // Others of the same service need not wait.
    world.wait("another volume", || (world.volume(&other)?.status == Status::Available).then_some(()));
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.size_gib, volume.host.as_deref()), (1, Some("node1@file#file")));
    let destination = pair.destination(None);
    world.settle();
    assert_eq!(world.volume(&id).unwrap().size_gib, 2);
    pair.assert_at(&id, "node2@other#other", Some("success"));
    assert_eq!(world.volume(&clone).unwrap().host.as_deref(), Some("node2@other#other"));
    assert_content(world, &clone, &content);
    world.assert_whole();
    [source, destination].into_iter().for_each(Service::stop);
}

#[test]
fn a_volume_that_the_other_service_can_not_read_stays_and_its_owner_is_told() {
    let pair = Pair::by_file("", "");
    let world = &pair.world;
    let [source, destination] = pair.both();
    let (id, content) = pair.filled();
    destination.stop();
    let new = type_on(world, "other");
    retype(world, &id, &new, true);
    pair.wait_for_order_at(DESTINATION);
    // Another file of the same name, as it may be on another machine.
    let path = file_of(world, &world.volume(&id).unwrap());
    let aside = world.folder.join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let destination = pair.destination(None);
    world.settle();
    fs::rename(&aside, &path).unwrap();
    pair.assert_at(&id, "node1@file#file", Some("error"));
    assert_eq!((usage_of(world, "on-other"), usage_of(world, "__DEFAULT__")), ([0, 0, 0], [1, 0, 1]));
    assert_eq!(world.messages(&id), ["VOLUME_VOLUME_001_003"]);
    assert_content(world, &id, &content);
    assert_whole(world);
    // Once more, and now it can.
    retype(world, &id, &new, true);
    world.settle();
    pair.assert_at(&id, "node2@other#other", Some("success"));
    assert_content(world, &id, &content);
    [source, destination].into_iter().for_each(Service::stop);
}

#[test]
fn an_operator_who_resets_a_volume_ends_its_move_to_another_service() {
    let pair = Pair::by_nbd("", "");
    let world = &pair.world;
    let [source, destination] = pair.both();
    let (id, content) = pair.filled();
    destination.stop();
    migrate(world, &id, DESTINATION, false);
    pair.wait_for_order_at(DESTINATION);
    assert_eq!(pair.exports(), 1);
    world.database.write(|tx| volumes::change(tx, &id, &[("migration_status", None::<String>.into())])).unwrap();
    let destination = pair.destination(None);
    world.settle();
    pair.assert_at(&id, "node1@file#file", None);
    assert_content(world, &id, &content);
    world.assert_whole();
    [source, destination].into_iter().for_each(Service::stop);
}

#[test]
fn a_move_to_a_service_that_never_comes_back_is_given_up_by_the_one_that_has_the_volume() {
    let pair = Pair::by_nbd("", "");
    let world = &pair.world;
    let [source, destination] = pair.both();
    let (id, content) = pair.filled();
    destination.kill();
    migrate(world, &id, DESTINATION, true);
    pair.wait_for_order_at(DESTINATION);
    let long_ago = "UPDATE services SET updated_at = '2020-01-01 00:00:00' WHERE host = 'node2@other'";
    world.database.write(|tx| tx.execute(long_ago, &[])).unwrap();
    world.wait("the end of the move", || (world.volume(&id)?.status == Status::Available).then_some(()));
    let left = "SELECT count(*) FROM hearth_orders WHERE host <> 'node2@other'";
    world.wait("the end of the export", || (world.count(left) == 0).then_some(()));
    pair.assert_at(&id, "node1@file#file", Some("error"));
    assert_content(world, &id, &content);
    // What the other one may have begun it removes when it is back.
    let destination = pair.destination(None);
    world.settle();
    world.assert_whole();
    [source, destination].into_iter().for_each(Service::stop);
}

/// Lets one of the services meet its fate while a volume moves, starts it again, and looks at what there is then.
fn play(kind: &str, at_source: bool, fate: Fate<'_>) {
    let pair = Pair::by_nbd("", "");
    let world = &pair.world;
    let [source, destination] = pair.both();
    let (id, content) = pair.filled();
    let (host, backend, other) = if at_source {
        source.stop();
        ("node1", "file", destination)
    } else {
        destination.stop();
        ("node2", "other", source)
    };
    let first = world.spawn_backend_as(host, backend, fate);
    fate.begin();
    if kind == "migrate_volume" {
        migrate(world, &id, DESTINATION, true);
    } else {
        let new = type_on(world, "other");
        retype(world, &id, &new, true);
    }
    if fate.is_watched() {
        world.settle();
        first.stop();
    } else {
        first.wait_for_death();
    }
    let findings = hearth::operate::doctor::examine(world.config(), &world.database);
    let strays = findings.iter().filter(|finding| finding.what.contains("belongs to no volume"));
    assert_eq!(strays.map(|finding| &finding.what).collect::<Vec<_>>(), Vec::<&String>::new());
    let next = if at_source { pair.source(None) } else { pair.destination(None) };
    world.settle();
    [other, next].into_iter().for_each(Service::stop);
    pair.assert_at(&id, "node2@other#other", Some("success"));
    assert_content(world, &id, &content);
    assert_whole(world);
}

#[test]
fn a_service_that_is_killed_anywhere_while_another_takes_its_volume_over_does_no_harm() {
    everywhere("migrate_volume to another service, which goes on", |fate| play("migrate_volume", true, fate));
}

#[test]
fn a_service_that_is_killed_anywhere_while_it_takes_a_volume_over_does_no_harm() {
    everywhere("retype_volume to another service, which dies", |fate| play("retype_volume", false, fate));
}

#[test]
fn a_service_that_is_killed_anywhere_while_it_ends_an_export_that_nobody_took_over_does_no_harm() {
    everywhere("end_export of a volume that stays", |fate| {
        let pair = Pair::by_nbd("", "");
        let world = &pair.world;
        let [source, destination] = pair.both();
        let (id, content) = pair.filled();
        destination.stop();
        migrate(world, &id, DESTINATION, false);
        pair.wait_for_order_at(DESTINATION);
        source.stop();
        assert_eq!(pair.exports(), 1);
        // An operator wants it to stay; the other service finds that when it starts, and orders the end of the export.
        world.database.write(|tx| volumes::change(tx, &id, &[("migration_status", None::<String>.into())])).unwrap();
        let first = world.spawn_backend_as("node1", "file", fate);
        fate.begin();
        let destination = pair.destination(None);
        if fate.is_watched() {
            world.settle();
            first.stop();
        } else {
            first.wait_for_death();
        }
        let next = pair.source(None);
        world.settle();
        [destination, next].into_iter().for_each(Service::stop);
        pair.assert_at(&id, "node1@file#file", None);
        assert_content(world, &id, &content);
        world.assert_whole();
    });
}

#[test]
fn a_take_over_that_kills_its_service_again_and_again_is_given_up_and_leaves_nothing_behind() {
    let pair = Pair::by_nbd("", "");
    let world = &pair.world;
    let [source, destination] = pair.both();
    let (id, content) = pair.filled();
    destination.stop();
    migrate(world, &id, DESTINATION, true);
    for _ in 0..5 {
        pair.destination(Some("file.after_fill:2")).wait_for_death();
    }
    let destination = pair.destination(None);
    world.settle();
    pair.assert_at(&id, "node1@file#file", Some("error"));
    assert_content(world, &id, &content);
    world.assert_whole();
    [source, destination].into_iter().for_each(Service::stop);
}
