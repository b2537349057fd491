//! The volume service is killed at every point at which it can be while Nova is told to copy a volume that a server uses, and
//! started again. What Nova does then is in `tests/api/swapping.rs`.

use hearth::block_storage::model::volume::{Status, Volume};
use hearth::block_storage::store::volumes;

use super::compute::{Compute, own_user};
use super::crash_stories::{Fate, everywhere};
use super::moving::{ENABLED, assert_whole, retype, sections, type_on, usage_of};
use super::world::{Of, World};

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// A volume that a server uses, a type that takes it elsewhere, and a Nova.
struct Scene {
    world: World,
    nova: Compute,
    volume: String,
    elsewhere: String,
}

impl Scene {
    fn new() -> Self {
        let nova = Compute::start();
        let sections = format!(
            "{}[hearth_volume]\norder_poll_interval = 0.02\n{}",
            own_user(nova.url()),
            sections(["raw", "raw"])
        );
        let world = World::with(&format!("{ENABLED}\nauth_strategy = keystone"), &sections);
        let service = world.start();
        let volume = world.create(1, Of::Nothing);
        world.settle();
        drop(service);
        let attachment = world.reserve(&volume);
        let attached = "UPDATE volume_attachment SET attach_status = 'attached', instance_uuid = ? WHERE id = ?";
        let columns = [("status", "in-use".into()), ("attach_status", "attached".into())];
        let done = world.database.write(|tx| {
            tx.execute(attached, &[SERVER.into(), (&attachment).into()])?;
            volumes::change(tx, &volume, &columns)
        });
        done.unwrap();
        let elsewhere = type_on(&world, "other");
        Self { world, nova, volume, elsewhere }
    }

    /// Lets a service meet its fate while it retypes the volume, and the next one do what is left.
    fn play(&self, fate: Fate<'_>) {
        self.world.meet(fate, "node1@other", || retype(&self.world, &self.volume, &self.elsewhere, true));
    }

    fn volume(&self) -> Volume {
        self.world.volume(&self.volume).unwrap()
    }

    /// The volumes that were made for the move.
    fn targets(&self) -> i64 {
        self.world.count("SELECT count(*) FROM volumes WHERE deleted = false AND migration_status LIKE 'target:%' AND status = 'available'")
    }
}

#[test]
fn nova_is_told_to_copy_a_volume_whatever_is_killed() {
    everywhere("swap_servers", |fate| {
        let scene = Scene::new();
        scene.play(fate);
        let volume = scene.volume();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Retyping, Some("migrating")));
        assert_eq!(volume.host.as_deref(), Some("node1@file#file"));
        assert_eq!(scene.targets(), 1, "one new volume waits for the server");
        assert!(!scene.nova.told().is_empty());
        assert_eq!((usage_of(&scene.world, "on-other"), usage_of(&scene.world, "__DEFAULT__")), ([0, 0, 0], [1, 0, 1]));
        assert_whole(&scene.world);
    });
}

#[test]
fn a_volume_that_nova_does_not_take_stays_whatever_is_killed() {
    everywhere("swap_servers, which Nova does not take", |fate| {
        let scene = Scene::new();
        scene.nova.fails();
        scene.play(fate);
        let volume = scene.volume();
        assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::InUse, Some("error")));
        assert_eq!(volume.host.as_deref(), Some("node1@file#file"));
        assert_eq!((scene.targets(), usage_of(&scene.world, "on-other")), (0, [0, 0, 0]));
        assert_whole(&scene.world);
    });
}
