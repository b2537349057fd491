//! No more copies run at once than the operator allows, what takes no time goes past them, and a copy that waits is not lost
//! when the service is killed. `qemu-img`, which makes a copy larger than its source, waits here before it begins.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use hearth::block_storage::model::volume::Status;

use super::moving::{assert_content, fill};
use super::world::{Of, World};

/// Copies at once.
const MOST: usize = 2;
/// Copies that are asked for.
const ASKED: usize = 5;

/// A gate before `qemu-img`.
struct Gate {
    programs: PathBuf,
    closed: PathBuf,
    log: PathBuf,
}

impl Gate {
    /// A folder with a `qemu-img` that tells of the calls that make an image larger, with the process that asks, and holds them up while
    /// the gate is closed.
    fn closed(world: &World) -> Self {
        let programs = world.folder.join("programs");
        let gate = Self { closed: world.folder.join("closed"), log: world.folder.join("log"), programs };
        let real = hearth::service::exec::find("qemu-img").expect("qemu-img is needed for this test");
        fs::create_dir(&gate.programs).unwrap();
        fs::write(&gate.closed, "").unwrap();
        fs::write(&gate.log, "").unwrap();
        let (closed, log, real) = (gate.closed.display(), gate.log.display(), real.display());
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = resize ]; then\n  echo \"$PPID begins\" >>{log}\n  while [ -e {closed} ]; do /bin/sleep 0.01; done\n  \
             {real} \"$@\" || exit\n  echo \"$PPID ends\" >>{log}\nelse\n  exec {real} \"$@\"\nfi\n"
        );
        let program = gate.programs.join("qemu-img");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        gate
    }

    /// For each service that copied, how many copies it had begun and not ended, and how many those were at most.
    fn copies(&self) -> HashMap<String, (usize, usize)> {
        let mut all: HashMap<String, (usize, usize)> = HashMap::new();
        let log = fs::read_to_string(&self.log).unwrap();
        for line in log.lines() {
            let (service, what) = line.split_once(' ').unwrap();
            let (now, most) = all.entry(service.to_owned()).or_default();
            *now = if what == "begins" { *now + 1 } else { *now - 1 };
            *most = (*most).max(*now);
        }
        all
    }

    fn open(&self) {
        fs::remove_file(&self.closed).unwrap();
    }
}

#[test]
fn no_more_copies_run_at_once_than_allowed_small_orders_pass_them_and_a_kill_loses_none_that_waits() {
    let copies = format!("[hearth_volume]\nworkers = 4\nmax_copies = {MOST}");
    let world = World::with("", &format!("nfs_qcow2_volumes = true\n{copies}"));
    let service = world.start();
    let source = world.create(1, Of::Nothing);
    world.settle();
    let content = fill(&world, &source);
    drop(service);
    let gate = Gate::closed(&world);

    let clones: Vec<String> = (0..ASKED).map(|_| world.create(2, Of::Volume(&source))).collect();
    let mut service = world.spawn_with_path(&gate.programs);
    for services in 1..=2 {
        // This service and that one have each begun as many as they may.
        world.wait("the copies to begin", || {
            let all = gate.copies();
            (all.len() == services && all.values().all(|(now, _)| *now == MOST)).then_some(())
        });
        let small: Vec<String> = (0..3).map(|_| world.create(1, Of::Nothing)).collect();
        for id in &small {
            world.wait("a volume that is no copy", || (world.volume(id)?.status == Status::Available).then_some(()));
            world.delete(id, false);
            world.wait("its end", || world.volume(id).is_none().then_some(()));
        }
        // Whoever has taken those has seen that the copies could be begun.
        let taken = world.count("SELECT count(*) FROM hearth_orders WHERE lease_owner IS NOT NULL");
        assert_eq!(usize::try_from(taken), Ok(MOST), "more copies are taken than may run at once");
        assert!(clones.iter().all(|id| world.volume(id).unwrap().status == Status::Creating));
        if services == 1 {
            service.kill();
            service = world.spawn_with_path(&gate.programs);
        }
    }
    gate.open();
    world.settle();
    service.stop();
    for (_, most) in gate.copies().values() {
        assert_eq!(*most, MOST, "copies at once");
    }
    fs::File::options().write(true).open(&content).unwrap().set_len(2 << 30).unwrap();
    for id in &clones {
        let volume = world.volume(id).unwrap();
        assert_eq!((volume.status, volume.size_gib), (Status::Available, 2));
        assert_content(&world, id, &content);
    }
    world.assert_whole();
}
