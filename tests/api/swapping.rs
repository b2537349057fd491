//! Volumes that move while servers use them, with a Nova that is played call by call: it is told to use a new volume in place of
//! the old one, reserves and connects that one, copies what is in it, and says when it is done.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::compute::{Compute, own_user};
use crate::fixture::Cloud;
use crate::fixture::Persona::{Admin, Member};
use crate::people::{self, real_volume};

const SERVER: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const DATA: &[u8] = b"what the server wrote";

/// A cloud with two backends, and a Nova beside it.
struct Scene {
    cloud: Cloud,
    nova: Compute,
    volume: String,
    attachment: String,
}

impl Scene {
    fn new() -> Self {
        let nova = Compute::start();
        // The second backend has always less room, so that new volumes are made on the first.
        let lines = format!(
            "host = node\nauth_strategy = keystone\nenabled_backends = one, two\n{}[hearth_volume]\norder_poll_interval = 0.02\n\
             [one]\nmax_over_subscription_ratio = 100000\n[two]\nmax_over_subscription_ratio = 100000\nreserved_percentage = 50\n",
            own_user(nova.url())
        );
        let mut cloud = Cloud::with(&lines);
        cloud.serve();
        let volume = real_volume(&cloud, Member, 1);
        let attachment = attach(&cloud, &volume);
        let scene = Self { cloud, nova, volume, attachment };
        fs::File::options().write(true).open(scene.path(&scene.attachment)).unwrap().write_all_at(DATA, 4096).unwrap();
        scene
    }

    fn act(&self, body: Value) -> crate::fixture::Answer {
        self.cloud.post(Admin, &format!("/volumes/{}/action", self.volume), body)
    }

    fn shown(&self, volume: &str) -> Value {
        self.cloud.get(Admin, &format!("/volumes/{volume}")).expect(200)["volume"].clone()
    }

    /// Waits until nobody has anything to do.
    fn settle(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while people::orders(&self.cloud) > 0 {
            assert!(std::time::Instant::now() < deadline, "an order is never done");
            std::thread::yield_now();
        }
    }

    /// The new volume that Nova was told of, which it was told once.
    fn told(&self) -> String {
        let told = self.nova.told();
        assert_eq!(told.len(), 1, "{told:?}");
        let (head, body) = told[0].split_at(told[0].find('{').unwrap());
        let path = format!("/v2.1/servers/{SERVER}/os-volume_attachments/{}", self.volume);
        assert_eq!(head, format!("own compute 2.1 {path} "));
        let body: Value = serde_json::from_str(body).unwrap();
        let new = body["volumeAttachment"]["volumeId"].as_str().unwrap().to_owned();
        assert_eq!(body, json!({"volumeAttachment": {"volumeId": new}}));
        new
    }

    /// Where the host of an attachment opens the volume.
    fn path(&self, attachment: &str) -> PathBuf {
        let shown = self.cloud.get(Member, &format!("3.44 /attachments/{attachment}")).expect(200);
        PathBuf::from(shown["attachment"]["connection_info"]["device_path"].as_str().unwrap())
    }

    /// What Nova does before it says that it is done: the attachment to the new volume.
    fn swap(&self, new: &str) -> String {
        self.cloud
            .post(Admin, &format!("/volumes/{}/action", self.volume), json!({"os-begin_detaching": {}}))
            .expect(202);
        let attachment = attach(&self.cloud, new);
        let (from, to) = (self.path(&self.attachment), self.path(&attachment));
        assert_ne!(from.parent(), to.parent(), "it is another backend");
        fs::copy(from, to).unwrap();
        self.cloud.delete(Admin, &format!("/attachments/{}", self.attachment)).expect(200);
        attachment
    }

    fn complete(&self, new: &str, failed: bool) -> Value {
        self.act(json!({"os-migrate_volume_completion": {"new_volume": new, "error": failed}})).expect(200)
    }

    fn volumes_of_project(&self) -> i64 {
        people::used(&self.cloud, crate::fixture::PROJECT, "volumes")
    }

    /// Fails unless usage is what the rows say.
    fn assert_exact(&self) {
        let sql = "SELECT COALESCE(SUM(in_use), 0) FROM quota_usages WHERE resource LIKE 'volumes\\_%' ESCAPE '\\'";
        assert_eq!(self.cloud.numbers(sql, &[]), [1], "the types count otherwise");
        assert_eq!(self.volumes_of_project(), 1);
        assert_eq!(self.cloud.numbers("SELECT COUNT(*) FROM workers WHERE resource_type <> 'SENTINEL'", &[]), [0]);
    }
}

/// Attaches a volume to a server, as Nova does: the id of the attachment.
fn attach(cloud: &Cloud, volume: &str) -> String {
    let body = json!({"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}});
    let made = cloud.post(Member, "/attachments", body).expect(200)["attachment"]["id"].clone();
    let id = made.as_str().unwrap().to_owned();
    let connector = json!({"attachment": {"connector": {"host": "h", "mountpoint": "/dev/vdb"}}});
    cloud.put(Member, &format!("/attachments/{id}"), connector).expect(200);
    cloud.post(Member, &format!("/attachments/{id}/action"), json!({"os-complete": {}})).expect(204);
    id
}

#[test]
fn nova_copies_a_volume_that_a_server_uses_and_the_volume_gets_the_new_disk() {
    let scene = Scene::new();
    let volume = &scene.volume;
    scene.act(json!({"os-migrate_volume": {"host": "node@two#two"}})).expect(202);
    scene.settle();
    let new = scene.told();
    let (old_row, new_row) = (scene.shown(volume), scene.shown(&new));
    assert_eq!((&old_row["status"], &old_row["migration_status"]), (&json!("in-use"), &json!("migrating")));
    assert_eq!(
        (&new_row["status"], &new_row["migration_status"]),
        (&json!("available"), &json!(format!("target:{volume}")))
    );
    let listed = scene.cloud.get(Member, "/volumes").expect(200)["volumes"].as_array().unwrap().len();
    assert_eq!(listed, 1, "its owner sees nothing of the new one");
    let attachment = scene.swap(&new);
    assert_eq!(scene.complete(&new, false), json!({ "save_volume_id": volume }));
    scene.settle();
    let now = scene.shown(volume);
    assert_eq!((&now["status"], &now["migration_status"]), (&json!("in-use"), &json!("success")));
    assert_eq!(
        (&now["os-vol-host-attr:host"], &now["os-vol-mig-status-attr:name_id"]),
        (&json!("node@two#two"), &json!(new))
    );
    assert_eq!(now["attachments"][0]["attachment_id"], json!(attachment));
    let mut found = [0; DATA.len()];
    fs::File::open(scene.path(&attachment)).unwrap().read_exact_at(&mut found, 4096).unwrap();
    assert_eq!(found, DATA);
    scene.cloud.get(Admin, &format!("/volumes/{new}")).refuse(404, &format!("Volume {new} could not be found."));
    let files = |backend: &str| fs::read_dir(scene.cloud.volumes().with_file_name(backend)).unwrap();
    let volumes = |backend: &str| {
        files(backend).filter(|file| !file.as_ref().unwrap().file_name().to_string_lossy().starts_with('.')).count()
    };
    assert_eq!((volumes("one"), volumes("two")), (0, 1));
    scene.assert_exact();
}

#[test]
fn a_retyping_that_has_to_move_what_a_server_uses_is_done_by_nova() {
    let scene = Scene::new();
    let made = scene.cloud.post(Admin, "/types", json!({"volume_type": {"name": "second"}})).expect(200);
    let type_id = made["volume_type"]["id"].as_str().unwrap().to_owned();
    let specs = json!({"extra_specs": {"volume_backend_name": "two"}});
    scene.cloud.post(Admin, &format!("/types/{type_id}/extra_specs"), specs).expect(200);
    scene.act(json!({"os-retype": {"new_type": "second", "migration_policy": "on-demand"}})).expect(202);
    scene.settle();
    let new = scene.told();
    assert_eq!(scene.shown(&scene.volume)["status"], json!("retyping"));
    // While Nova copies, the volume counts under its old type.
    scene.assert_exact();
    scene.swap(&new);
    scene.complete(&new, false);
    scene.settle();
    let now = scene.shown(&scene.volume);
    assert_eq!((&now["status"], &now["migration_status"]), (&json!("in-use"), &json!("success")));
    assert_eq!((&now["volume_type"], &now["os-vol-host-attr:host"]), (&json!("second"), &json!("node@two#two")));
    scene.assert_exact();
    let sql = "SELECT in_use FROM quota_usages WHERE resource = 'volumes_second'";
    assert_eq!(scene.cloud.numbers(sql, &[]), [1]);
}

#[test]
fn a_volume_that_nova_does_not_copy_stays_where_it_is() {
    let scene = Scene::new();
    let migrate = json!({"os-migrate_volume": {"host": "node@two#two", "lock_volume": true}});
    let stays = |why: &str| {
        scene.settle();
        let now = scene.shown(&scene.volume);
        assert_eq!((&now["status"], &now["migration_status"]), (&json!("in-use"), &json!("error")), "{why}");
        assert_eq!(now["os-vol-host-attr:host"], json!("node@one#one"), "{why}");
        assert_eq!(scene.cloud.numbers("SELECT COUNT(*) FROM volumes WHERE deleted = false", &[]), [1], "{why}");
        scene.assert_exact();
    };
    scene.act(migrate.clone()).expect(202);
    scene.settle();
    let new = scene.told();
    // The copying fails: Nova gives the new attachment back, and says so.
    let attachment = attach(&scene.cloud, &new);
    scene.cloud.delete(Admin, &format!("/attachments/{attachment}")).expect(200);
    scene.complete(&new, true);
    stays("nova has failed");
    scene.nova.fails();
    scene.act(migrate).expect(202);
    stays("nova refuses");
    let messages = scene.cloud.get(Member, "/messages").expect(200)["messages"].clone();
    assert_eq!(messages[0]["resource_uuid"], json!(scene.volume), "its owner is told");
}
