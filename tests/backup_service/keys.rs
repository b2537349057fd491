//! The API, killed around the making and the removal of a key: no volume is without its key, and no key is left over.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hearth::block_storage::key_store::KeyStore;
use serde_json::json;

use super::cloud::Cloud;
use super::crash_stories;
use super::from_backup::{encrypted_type, with_keys, with_keys_and};
use super::world::PROJECT;

/// The executable with every role, which dies at `fault` where one is given; killed when dropped.
struct Serving {
    child: Child,
    port: u16,
}

impl Serving {
    fn start(cloud: &Cloud, fault: Option<&str>) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.arg("--config-file").arg(cloud.world.folder.join("hearth.conf")).arg("serve");
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--without-backup-service"]);
        command.env(hearth::service::fault::VARIABLE, fault.unwrap_or("none"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let serving = Self { child, port };
        cloud.world.wait("the server", || TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
        serving
    }

    /// Sends a request; the status of the answer, 0 where none came.
    fn send(&self, method: &str, path: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{method} /volume/v3/{PROJECT}{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: admin:{PROJECT}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// Waits for its end at `point`.
    fn wait_for_death(mut self, cloud: &Cloud, point: &str) {
        crash_stories::tell("killed", point);
        cloud.world.wait("its death at the fault", || self.child.try_wait().unwrap().map(drop));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn counts(cloud: &Cloud) -> [i64; 3] {
    ["volumes WHERE deleted = false", "hearth_sealed_keys", "hearth_loose_keys"]
        .map(|from| cloud.world.count(&format!("SELECT count(*) FROM {from}")))
}

#[test]
fn a_key_that_was_made_for_a_request_that_died_is_removed_when_its_time_is_over() {
    let cloud = with_keys();
    let vault = encrypted_type(&cloud, "vault");
    let doomed = Serving::start(&cloud, Some("key.made"));
    let body = json!({"volume": {"size": 1, "volume_type": vault}}).to_string();
    assert_eq!(doomed.send("POST", "/volumes", &body), 0, "it should have died");
    doomed.wait_for_death(&cloud, "key.made");
    assert_eq!(counts(&cloud), [0, 1, 1]);

    let next = Serving::start(&cloud, None);
    // A request that comes through has its key, whatever else waits to be removed.
    assert_eq!(next.send("POST", "/volumes", &body), 202);
    cloud.world.settle();
    assert_eq!(counts(&cloud), [1, 2, 1]);
    let sql = "UPDATE hearth_loose_keys SET due_at = '2020-01-01 00:00:00', retry_at = '2020-01-01 00:00:00'";
    cloud.world.database.write(|tx| tx.execute(sql, &[])).unwrap();
    cloud.world.wait("the removal of the key", || (counts(&cloud) == [1, 1, 0]).then_some(()));
    let sql = "SELECT count(*) FROM volumes v JOIN hearth_sealed_keys k ON k.id = v.encryption_key_id";
    assert_eq!(cloud.world.count(sql), 1, "the volume has lost its key");
}

#[test]
fn the_key_of_a_volume_that_is_gone_is_removed_whoever_dies_meanwhile() {
    let cloud = with_keys();
    let vault = encrypted_type(&cloud, "vault");
    let body = json!({"volume": {"size": 1, "volume_type": vault}}).to_string();
    let first = Serving::start(&cloud, None);
    assert_eq!(first.send("POST", "/volumes", &body), 202);
    cloud.world.settle();
    drop(first);
    assert_eq!(counts(&cloud), [1, 1, 0]);
    let sql = "SELECT id FROM volumes";
    let id: String = cloud.world.read(|c| c.row(sql, &[], |row| row.string(0))).unwrap();
    for point in ["delete_volume.before_commit", "delete_volume.after_commit", "key.removed"] {
        let doomed = Serving::start(&cloud, Some(point));
        if counts(&cloud)[0] == 1 {
            // The second time it is being deleted already.
            doomed.send("DELETE", &format!("/volumes/{id}"), "");
        }
        doomed.wait_for_death(&cloud, point);
        let [volumes, kept, loose] = counts(&cloud);
        match point {
            "delete_volume.before_commit" => assert_eq!([volumes, kept, loose], [1, 1, 0], "{point}"),
            "delete_volume.after_commit" => assert_eq!([volumes, kept, loose], [0, 1, 1], "{point}"),
            _ => assert_eq!([volumes, kept, loose], [0, 0, 1], "{point}"),
        }
    }
    let _last = Serving::start(&cloud, None);
    cloud.world.wait("the end of the key", || (counts(&cloud) == [0, 0, 0]).then_some(()));
}

/// Where `[key_manager] backend` is changed and the key of the configuration is left in place.
#[test]
fn what_has_the_key_of_the_configuration_gets_one_of_its_own_with_the_same_bytes() {
    const FIXED: &str = "00000000-0000-0000-0000-000000000000";
    let cloud = with_keys_and("fixed_key = 00112233445566778899aabbccddeeff");
    let vault = encrypted_type(&cloud, "vault");
    let body = json!({"volume": {"size": 1, "volume_type": vault}}).to_string();
    let first = Serving::start(&cloud, None);
    assert_eq!(first.send("POST", "/volumes", &body), 202);
    cloud.world.settle();
    let id: String = cloud.world.read(|c| c.row("SELECT id FROM volumes", &[], |row| row.string(0))).unwrap();
    cloud.world.create_snapshot(&id);
    cloud.world.settle();
    drop(first);
    for table in ["volumes", "snapshots"] {
        let sql = format!("UPDATE {table} SET encryption_key_id = ?");
        cloud.world.database.write(|tx| tx.execute(&sql, &[FIXED.into()])).unwrap();
    }
    // One that is killed between the two leaves a key that is removed in time.
    let doomed = Serving::start(&cloud, Some("key.made"));
    doomed.wait_for_death(&cloud, "key.made");
    let key = || {
        let sql = "SELECT v.encryption_key_id FROM volumes v JOIN snapshots s ON s.volume_id = v.id \
                   AND s.encryption_key_id = v.encryption_key_id";
        cloud.world.read(|c| c.row(sql, &[], |row| row.string(0)))
    };
    assert_eq!(key().as_deref(), Some(FIXED));
    let _last = Serving::start(&cloud, None);
    let new = cloud.world.wait("a key of its own", || key().filter(|key| key != FIXED));
    let store = KeyStore::open(cloud.world.config(), &cloud.world.database).unwrap();
    let bytes: Vec<u8> = (0..16).map(|byte| byte * 0x11).collect();
    assert_eq!(store.reveal(&new).unwrap(), bytes);
    assert_eq!(counts(&cloud)[2], 1, "the key of the one that was killed");
}
