//! Exports by the real tgtd and the real qemu-nbd: made with the first attachment, ended with the last, there again after
//! any end of the service or of the daemon. What hosts read and write through them is in `tests/clients`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hearth::block_storage::model::volume::Status;
use hearth::block_storage::rpc;
use hearth::block_storage::store::{attachments, volumes};
use serde_json::Value as Json;

use super::crash_stories::everywhere;
use super::daemon::{Daemon, free_port, initiate, kill_nbd_servers, nbd_servers, url};
use super::moving::{ENABLED, migrate};
use super::world::{Of, World, requester};

/// A world whose only backend exports its volumes.
struct Exporting {
    world: World,
    daemon: Option<Daemon>,
}

impl Exporting {
    fn by_iscsi(more: &str) -> Option<Self> {
        let daemon = Daemon::start()?;
        let section = format!("[file]\n{}{more}", daemon.section());
        Some(Self { world: World::with("enabled_backends = file", &section), daemon: Some(daemon) })
    }

    fn by_nbd(more: &str) -> Self {
        Self::by_nbd_beside("enabled_backends = file", more)
    }

    /// As [`Exporting::by_nbd`], beside other backends.
    fn by_nbd_beside(enabled: &str, more: &str) -> Self {
        let first = free_port();
        let ports = format!("{first}-{}", first.saturating_add(50));
        let section =
            format!("[file]\ntarget_protocol = nbd\ntarget_ip_address = 127.0.0.1\nhearth_nbd_ports = {ports}\n{more}");
        Self { world: World::with(enabled, &section), daemon: None }
    }

    /// Both protocols, or the one that this machine has.
    fn both() -> Vec<Self> {
        Self::by_iscsi("").into_iter().chain([Self::by_nbd("")]).collect()
    }

    /// How many volumes are exported.
    fn exports(&self) -> usize {
        match &self.daemon {
            Some(daemon) => {
                let targets = daemon.targets().len();
                assert_eq!(daemon.accounts(), targets, "an account is left, or missing");
                targets
            }
            None => nbd_servers(&self.world.folder).len(),
        }
    }

    fn volume(&self) -> String {
        let id = self.world.create(1, Of::Nothing);
        self.world.settle();
        id
    }

    fn connected(&self, volume: &str) -> String {
        let id = self.world.reserve(volume);
        self.world.connect(volume, &id);
        self.world.settle();
        id
    }

    /// What a host was told of an attachment.
    fn told(&self, attachment: &str) -> Json {
        let found = self.world.read(|c| attachments::by_id(c, attachment)).unwrap();
        serde_json::from_str(found.connection.as_deref().expect("it is connected")).unwrap()
    }

    fn path(&self, volume: &str) -> PathBuf {
        self.world.volumes().join(format!("volume-{volume}"))
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        kill_nbd_servers(&self.world.folder);
    }
}

#[test]
fn a_volume_is_exported_from_its_first_attachment_to_its_last() {
    for exporting in Exporting::both() {
        let world = &exporting.world;
        let _service = world.start();
        let volume = exporting.volume();
        world.database.write(|tx| volumes::change(tx, &volume, &[("multiattach", true.into())])).unwrap();
        assert_eq!(exporting.exports(), 0);
        let first = exporting.connected(&volume);
        let told = exporting.told(&first);
        assert_eq!((told["volume_id"].as_str(), told["access_mode"].as_str()), (Some(&*volume), Some("rw")));
        initiate(&url(&told), &["write -P 65 4096 8192", "flush"]).unwrap();
        let second = exporting.connected(&volume);
        let row = world.volume(&volume).unwrap();
        assert!(row.provider_location.is_some() && exporting.exports() == 1);
        // Both hosts were told the same.
        assert_eq!(url(&exporting.told(&second)), url(&told));
        world.disconnect(&volume, &first);
        world.settle();
        initiate(&url(&told), &["read -P 65 4096 8192"]).unwrap();
        world.disconnect(&volume, &second);
        world.settle();
        let row = world.volume(&volume).unwrap();
        assert_eq!((row.provider_location, row.provider_auth, row.status), (None, None, Status::Available));
        assert_eq!(exporting.exports(), 0);
        initiate(&url(&told), &["read 0 512"]).unwrap_err();
        let file = fs::read(exporting.path(&volume)).unwrap();
        assert!(file[4096..12288].iter().all(|byte| *byte == 65));
        world.delete(&volume, false);
        world.settle();
        world.assert_whole();
    }
}

#[test]
fn each_export_lets_in_those_alone_who_were_told_its_secret() {
    let Some(exporting) = Exporting::by_iscsi("") else { return };
    let _service = exporting.world.start();
    let (one, other) = (exporting.volume(), exporting.volume());
    let (one, other) = (exporting.told(&exporting.connected(&one)), exporting.told(&exporting.connected(&other)));
    assert_ne!(one["auth_password"], other["auth_password"]);
    initiate(&url(&one), &["read 0 512"]).unwrap();
    let mut wrong = one.clone();
    for key in ["auth_username", "auth_password"] {
        wrong[key] = other[key].clone();
    }
    initiate(&url(&wrong), &["read 0 512"]).unwrap_err();
}

#[test]
fn a_host_that_uses_a_volume_sees_it_grow_by_iscsi() {
    let Some(exporting) = Exporting::by_iscsi("") else { return };
    let world = &exporting.world;
    let _service = world.start();
    let volume = exporting.volume();
    let attachment = exporting.connected(&volume);
    let told = exporting.told(&attachment);
    // A host that goes on while the volume grows.
    let mut host = Command::new("qemu-io");
    host.args(["-f", "raw", &url(&told)]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut host = host.spawn().unwrap();
    let mut said = std::io::BufReader::new(host.stdout.take().unwrap());
    let mut tell = |line: &str| {
        use std::io::{BufRead as _, Write as _};
        host.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        said.read_line(&mut answer).unwrap();
        let mut rest = String::new();
        said.read_line(&mut rest).unwrap();
        answer
    };
    assert!(tell("write -P 66 0 4096").contains("wrote 4096/4096"));
    world.extend_attached(&volume, 2);
    world.settle();
    assert_eq!(world.volume(&volume).unwrap().size_gib, 2);
    assert!(tell("read -P 66 0 4096").contains("read 4096/4096"), "the session was broken off");
    drop(host.stdin.take());
    host.wait().unwrap();
    initiate(&url(&told), &["read -P 66 0 4096", "write -P 67 1536M 4096"]).unwrap();
}

#[test]
fn what_can_not_be_exported_is_refused_and_leaves_nothing() {
    let Some(exporting) = Exporting::by_iscsi("nfs_qcow2_volumes = true\n") else { return };
    let world = &exporting.world;
    let service = world.start();
    let volume = exporting.volume();
    let attachment = exporting.connected(&volume);
    let found = world.read(|c| attachments::by_id(c, &attachment)).unwrap();
    assert!(!found.is_connected(), "tgtd would serve the file of qcow2 itself");
    assert_eq!((exporting.exports(), world.volume(&volume).unwrap().provider_location), (0, None));
    drop(service);
    // By NBD it is read as it should.
    let exporting = Exporting::by_nbd("nfs_qcow2_volumes = true\n");
    let _service = exporting.world.start();
    let volume = exporting.volume();
    let told = exporting.told(&exporting.connected(&volume));
    initiate(&url(&told), &["write -P 68 1000M 4096", "read -P 0 0 4096"]).unwrap();
}

#[test]
fn what_a_daemon_forgot_is_there_again_and_what_nobody_knows_of_is_gone() {
    let Some(mut exporting) = Exporting::by_iscsi("") else { return };
    let service = exporting.world.start();
    let volume = exporting.volume();
    let told = exporting.told(&exporting.connected(&volume));
    initiate(&url(&told), &["write -P 69 0 4096"]).unwrap();
    if let Some(daemon) = &mut exporting.daemon {
        daemon.crash_and_restart();
    }
    // Without a word to the service, which looks at it with each report.
    exporting.world.wait("the export", || initiate(&url(&told), &["read -P 69 0 4096"]).ok());
    drop(service);
    // What somebody else serves, and a leftover of this backend.
    let daemon = exporting.daemon.as_ref().unwrap();
    let other = "iqn.2010-10.org.openstack:volume-7f7b2c0e-5a7e-4a7c-8a38-0d0e3f5e1d11";
    let stranger = exporting.world.folder.join("stranger");
    fs::File::create(&stranger).unwrap().set_len(1 << 20).unwrap();
    daemon.serve(other, &stranger);
    let left = exporting.world.volume(&volume).unwrap();
    exporting
        .world
        .database
        .write(|tx| volumes::change(tx, &volume, &[("provider_location", hearth::database::Value::Null)]))
        .unwrap();
    let _service = exporting.world.start();
    assert_eq!(exporting.daemon.as_ref().unwrap().targets(), [other.rsplit_once(':').unwrap().1], "{left:?}");
}

#[test]
fn the_doctor_tells_of_exports_that_are_missing_or_that_nobody_uses() {
    let exporting = Exporting::by_nbd("");
    let world = &exporting.world;
    let service = world.start();
    let volume = exporting.volume();
    exporting.connected(&volume);
    let found = || hearth::operate::doctor::examine(world.config(), &world.database);
    assert_eq!(found(), []);
    // Nobody looks after them any more.
    drop(service);
    let location = world.volume(&volume).unwrap().provider_location;
    let change = |location: hearth::database::Value<'_>| {
        world.database.write(|tx| volumes::change(tx, &volume, &[("provider_location", location.clone())])).unwrap();
    };
    change(hearth::database::Value::Null);
    let findings = found();
    assert!(findings.len() == 1 && findings[0].what.contains("is exported, but nobody uses it"), "{findings:?}");
    change((&location).into());
    kill_nbd_servers(&world.folder);
    let findings = found();
    assert!(findings.len() == 1 && findings[0].what.contains("but it is not exported"), "{findings:?}");
    let _service = world.start();
    assert_eq!(found(), []);
}

#[test]
fn a_server_of_nbd_outlives_the_service_and_is_replaced_when_it_dies() {
    let exporting = Exporting::by_nbd("");
    let service = exporting.world.spawn(None);
    let volume = exporting.volume();
    let told = exporting.told(&exporting.connected(&volume));
    initiate(&url(&told), &["write -P 70 0 4096"]).unwrap();
    service.kill();
    initiate(&url(&told), &["read -P 70 0 4096"]).unwrap();
    kill_nbd_servers(&exporting.world.folder);
    let _service = exporting.world.start();
    initiate(&url(&told), &["read -P 70 0 4096"]).unwrap();
    assert_eq!(exporting.exports(), 1);
}

/// What is killed, and how many exports there are in the end.
type Killed = (&'static str, fn(&Exporting, &str, &str), usize);

#[test]
fn whatever_is_killed_while_exports_change_leaves_as_many_as_there_are_attachments() {
    let operations: [Killed; 4] = [
        (
            "connect",
            |exporting, volume, reserved| {
                exporting.world.connect(volume, reserved);
            },
            2,
        ),
        (
            "disconnect",
            |exporting, _, _| {
                let (volume, attachment) = exporting.first();
                exporting.world.disconnect(&volume, &attachment);
            },
            0,
        ),
        ("extend_volume", |exporting, _, _| exporting.world.extend_attached(&exporting.first().0, 2), 1),
        (
            "delete_volume",
            |exporting, _, _| {
                let (volume, attachment) = exporting.first();
                // As an operator does who resets its state.
                let freed = exporting.world.database.write(|tx| {
                    volumes::change(
                        tx,
                        &volume,
                        &[("status", "available".into()), ("attach_status", "detached".into())],
                    )?;
                    attachments::remove_all(tx, &volume).map(|()| attachment.len())
                });
                freed.unwrap();
                exporting.world.delete(&volume, false);
            },
            0,
        ),
    ];
    for exporting in Exporting::both() {
        let protocol = if exporting.daemon.is_some() { "iSCSI" } else { "NBD" };
        for (kind, run, expected) in operations {
            if protocol == "NBD" && kind == "extend_volume" {
                continue;
            }
            everywhere(&format!("{kind} of a volume that is exported by {protocol}"), |fate| {
                exporting.clear();
                let service = exporting.world.start();
                let volume = exporting.volume();
                let first = exporting.connected(&volume);
                let told = exporting.told(&first);
                let other = exporting.volume();
                let reserved = exporting.world.reserve(&other);
                drop(service);
                exporting.world.meet(fate, "node1@file", || run(&exporting, &other, &reserved));
                // A comparison with the rows has come to its end before the first order was taken.
                assert_eq!(exporting.exports(), expected);
                if expected > 0 {
                    initiate(&url(&told), &["read 0 512"]).unwrap();
                }
                if expected == 2 {
                    initiate(&url(&exporting.told(&reserved)), &["read 0 512"]).unwrap();
                }
            });
        }
    }
}

impl Exporting {
    /// The volume with an export, and its attachment.
    fn first(&self) -> (String, String) {
        let sql = "SELECT volume_id, id FROM volume_attachment WHERE deleted = false AND connection_info IS NOT NULL";
        self.world.read(|c| c.row(sql, &[], |row| Ok((row.string(0)?, row.string(1)?)))).unwrap()
    }

    /// Removes everything, so that one world is enough.
    fn clear(&self) {
        let _service = self.world.start();
        let ids = self.world.read(|c| c.rows("SELECT id FROM volumes WHERE deleted = false", &[], |row| row.string(0)));
        for id in ids {
            let done = self.world.database.write(|tx| {
                attachments::remove_all(tx, &id)?;
                volumes::change(tx, &id, &[("status", "available".into()), ("attach_status", "detached".into())])
            });
            done.unwrap();
            self.world.delete(&id, false);
        }
        self.world.settle();
        assert_eq!(self.exports(), 0);
    }
}

#[test]
fn a_volume_that_a_host_reaches_without_an_attachment_does_not_move_before_that_ends() {
    let exporting = Exporting::by_nbd_beside(ENABLED, "[other]");
    let world = &exporting.world;
    let _service = world.start();
    let id = exporting.volume();
    let ask = |connects: bool| {
        let done = world.database.write(|tx| {
            let volume = volumes::lock(tx, &id)?.unwrap();
            if connects {
                return rpc::connect(tx, &requester(), &volume, None, "{}".to_owned(), false).map(drop);
            }
            rpc::disconnect(tx, &requester(), &volume, None, None).map(drop)
        });
        done.unwrap();
        world.settle();
    };
    ask(true);
    assert_eq!((exporting.exports(), world.volume(&id).unwrap().status), (1, Status::Available));
    migrate(world, &id, "node1@other", true);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.status, volume.migration_status.as_deref()), (Status::Available, Some("error")));
    assert_eq!((volume.host.as_deref(), exporting.exports()), (Some("node1@file#file"), 1));
    ask(false);
    migrate(world, &id, "node1@other", true);
    world.settle();
    let volume = world.volume(&id).unwrap();
    assert_eq!((volume.host.as_deref(), volume.provider_location), (Some("node1@other#other"), None));
    assert_eq!(exporting.exports(), 0);
    world.assert_whole();
}
