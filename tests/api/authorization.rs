//! Who may what: every route tried by every persona, against `tests/data/authorization.tsv`; and every route tried with
//! another project's objects and another project's URL, after which nothing may have changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use hearth::block_storage::{BlockStorage, ROUTES};
use hearth::rest::{Method, Route};
use serde_json::{Value, json};

use crate::fixture::{Cloud, PROJECT, Persona};
use crate::image_service::{self, IMAGE};
use crate::people;

/// One route as the table names it: method, path, action.
pub(crate) fn key(route: &Route<BlockStorage>) -> String {
    [route.method.name(), route.path, route.action].join("\t")
}

/// The id of a message.
const MESSAGE: &str = "11111111-2222-4333-8444-555555555555";

/// What the operator has configured.
fn configured() -> String {
    format!("default_group_type = mine\nglance_api_servers = {}", image_service::url())
}

/// A cloud with one of everything that paths name, all of [`PROJECT`].
pub(crate) struct World {
    pub(crate) cloud: Cloud,
    /// The value of each path variable.
    pub(crate) ids: BTreeMap<&'static str, String>,
}

impl World {
    /// A world of one's own; what it holds is made once for all of them.
    pub(crate) fn new() -> Self {
        static FIRST: OnceLock<(Vec<u8>, BTreeMap<&'static str, String>)> = OnceLock::new();
        let (database, ids) = FIRST.get_or_init(|| {
            let first = Self::make();
            (first.cloud.database_file(), first.ids)
        });
        Self { cloud: Cloud::on(database, &format!("host = node\n{}", configured())), ids: ids.clone() }
    }

    fn make() -> Self {
        let cloud = Cloud::new();
        let volume = people::volume(&cloud, Persona::Member, "mine");
        let source = people::volume(&cloud, Persona::Member, "source");
        let snapshot = people::snapshot(&cloud, Persona::Member, &source, "mine");
        for path in [format!("/volumes/{volume}/metadata"), format!("/snapshots/{snapshot}/metadata")] {
            cloud.post(Persona::Member, &path, json!({"metadata": {"k": "v"}})).expect(200);
        }
        let body = json!({"volume_type": {"name": "secret", "os-volume-type-access:is_public": false,
            "extra_specs": {"k": "v", "multiattach": "<is> False"}}});
        let made = cloud.post(Persona::Admin, "/types", body).expect(200);
        let volume_type = made["volume_type"]["id"].as_str().unwrap().to_owned();
        people::backend(&cloud);
        cloud.sql(
            "INSERT INTO clusters (deleted, name, \"binary\", disabled, race_preventer, frozen) \
             VALUES (false, 'c@file', 'cinder-volume', false, 0, false)",
            &[],
        );
        cloud.sql(
            "INSERT INTO volume_glance_metadata (deleted, volume_id, \"key\", value) VALUES (false, ?, 'k', 'v')",
            &[(&volume).into()],
        );
        let group_type = crate::group_types::group_type(&cloud, "mine", true, json!({"k": "v"}));
        let used = people::volume(&cloud, Persona::Member, "used");
        let reserve = json!({"attachment": {"volume_uuid": used}});
        let attachment = cloud.post(Persona::Member, "/attachments", reserve).expect(200)["attachment"]["id"].clone();
        let offered = people::volume(&cloud, Persona::Member, "offered");
        let offer = json!({"transfer": {"volume_id": offered}});
        let transfer = cloud.post(Persona::Member, "/volume-transfers", offer).expect(202)["transfer"].clone();
        let text = |key: &str| transfer[key].as_str().unwrap().to_owned();
        let body = json!({"qos_specs": {"name": "mine", "k": "v"}});
        let made = cloud.post(Persona::Admin, "/qos-specs", body).expect(200);
        let qos = made["qos_specs"]["id"].as_str().unwrap().to_owned();
        let grant = json!({"addProjectAccess": {"project": PROJECT}});
        cloud.post(Persona::Admin, &format!("/types/{volume_type}/action"), grant).expect(202);
        let default = json!({"default_type": {"volume_type": volume_type}});
        cloud.put(Persona::Admin, &format!("/default-types/{PROJECT}"), default).expect(200);
        cloud.sql(
            "INSERT INTO messages (id, project_id, deleted, created_at, expires_at, message_level, event_id) \
             VALUES (?, ?, false, '2026-01-01 00:00:00', '2999-01-01 00:00:00', 'ERROR', 'VOLUME_VOLUME_001_001')",
            &[MESSAGE.into(), PROJECT.into()],
        );
        let group = people::group(&cloud, Persona::Member, "mine");
        people::member(&cloud, Persona::Member, &group);
        let snapshotted = people::group(&cloud, Persona::Member, "snapshotted");
        people::member(&cloud, Persona::Member, &snapshotted);
        let group_snapshot = crate::group_snapshots::group_snapshot(&cloud, &snapshotted, "mine");
        let backup = people::backup(&cloud, Persona::Member, &volume);
        let ids = [
            ("backup_id", backup),
            ("group_id", group),
            ("group_snapshot_id", group_snapshot.clone()),
            ("cgsnapshot_id", group_snapshot),
            ("consistencygroup_id", crate::consistency_groups::consistency_group(&cloud, "mine")),
            ("message_id", MESSAGE.to_owned()),
            ("volume_id", volume),
            ("used", used),
            ("attachment_id", attachment.as_str().unwrap().to_owned()),
            ("transfer_id", text("id")),
            ("auth_key", text("auth_key")),
            ("snapshot_id", snapshot),
            ("type_id", volume_type),
            ("group_type_id", group_type),
            ("qos_id", qos),
            ("encryption_id", "any".to_owned()),
            ("cluster_name", "c@file".to_owned()),
            ("key", "k".to_owned()),
            ("project", PROJECT.to_owned()),
            ("class", "default".to_owned()),
            ("host", "node@file".to_owned()),
            ("alias", "os-quota-sets".to_owned()),
        ];
        Self { cloud, ids: ids.into() }
    }

    /// The row's path with everything filled in.
    pub(crate) fn path(&self, route: &Route<BlockStorage>) -> String {
        let segments = route.path.split('/').map(|segment| {
            let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match variable {
                Some("key") if route.path.contains("/encryption/") => "provider".to_owned(),
                Some(name) => self.ids.get(name).unwrap_or_else(|| panic!("no value for {{{name}}}")).clone(),
                None => segment.to_owned(),
            }
        });
        let path = segments.collect::<Vec<_>>().join("/");
        match route.query {
            [parameter] if parameter.name == "vol_type_id" => format!("{path}?vol_type_id={}", self.ids["type_id"]),
            _ => path,
        }
    }

    /// What must be true before the route can succeed.
    fn arrange(&mut self, route: &Route<BlockStorage>) {
        let volume = &self.ids["volume_id"];
        match (route.path, route.action) {
            ("/attachments/{attachment_id}", _)
            | (_, "os-initialize_connection" | "os-terminate_connection" | "os-force_detach") => {
                self.cloud.serve();
                for volume in ["volume_id", "used"] {
                    let file = self.cloud.volumes().join(format!("volume-{}", self.ids[volume]));
                    std::fs::File::create(file).unwrap();
                }
            }
            ("/volumes/{volume_id}/action", "revert") => {
                let sql = "UPDATE snapshots SET volume_id = ? WHERE id = ?";
                self.cloud.sql(sql, &[volume.into(), (&self.ids["snapshot_id"]).into()]);
            }
            ("/volumes/{volume_id}/action", "os-extend_volume_completion") => {
                people::status(&self.cloud, "volumes", volume, "extending");
                people::waits_for_a_server(&self.cloud, volume, 2);
            }
            ("/volumes/{volume_id}/action", "os-begin_detaching") => {
                people::status(&self.cloud, "volumes", volume, "in-use");
                let sql = "UPDATE volumes SET attach_status = 'attached' WHERE id = ?";
                self.cloud.sql(sql, &[volume.into()]);
            }
            ("/snapshots/{snapshot_id}/action", "os-update_snapshot_status") => {
                people::status(&self.cloud, "snapshots", &self.ids["snapshot_id"], "creating");
            }
            ("/os-services/failover" | "/os-services/failover_host", _) => {
                self.cloud.sql("UPDATE services SET replication_status = 'enabled'", &[]);
            }
            ("/os-services/thaw", _) => self.cloud.sql("UPDATE services SET frozen = true", &[]),
            ("/types/{type_id}/encryption/{encryption_id}", _) => {
                let body = json!({"encryption": {"provider": "luks", "control_location": "front-end"}});
                self.cloud
                    .post(Persona::Admin, &format!("/types/{}/encryption", self.ids["type_id"]), body)
                    .expect(200);
            }
            ("/types/{type_id}/encryption/{key}" | "/volumes/{volume_id}/encryption/{key}", _) => {
                let sql = "INSERT INTO encryption (deleted, encryption_id, volume_type_id, provider, control_location) \
                           SELECT false, id, id, 'luks', 'front-end' FROM volume_types";
                self.cloud.sql(sql, &[]);
            }
            ("/groups/{group_id}/action", action)
                if action.ends_with("_replication") || action.starts_with("list_") =>
            {
                self.replicate(action);
            }
            ("/types/{type_id}", _) if route.method == Method::Delete => {
                self.cloud.delete(Persona::Admin, &format!("/default-types/{PROJECT}"));
            }
            ("/types/{type_id}/action", "addProjectAccess") => {
                let path = format!("/types/{}/action", self.ids["type_id"]);
                self.cloud
                    .post(Persona::Admin, &path, json!({"removeProjectAccess": {"project": PROJECT}}))
                    .expect(202);
            }
            _ => {}
        }
    }

    /// Makes the group one that may be asked for this.
    fn replicate(&self, action: &str) {
        let status = if action == "enable_replication" { "disabled" } else { "enabled" };
        for sql in [
            "INSERT INTO group_type_specs (group_type_id, \"key\", value, deleted) \
             SELECT group_type_id, 'group_replication_enabled', '<is> True', false FROM \"groups\"",
            "INSERT INTO volume_type_extra_specs (volume_type_id, \"key\", value, deleted) \
             SELECT id, 'replication_enabled', '<is> True', false FROM volume_types WHERE name = '__DEFAULT__'",
        ] {
            self.cloud.sql(sql, &[]);
        }
        for table in ["\"groups\"", "volumes"] {
            self.cloud.sql(&format!("UPDATE {table} SET replication_status = ?"), &[status.into()]);
        }
    }

    /// A body that the route takes; `None` where it reads none.
    pub(crate) fn body(&self, route: &Route<BlockStorage>) -> Option<Value> {
        if !route.action.is_empty() {
            return Some(json!({ route.action: self.action(route.action) }));
        }
        let volume = &self.ids["volume_id"];
        let body = match (route.method.name(), route.path) {
            ("POST", "/groups") => {
                json!({"group": {"group_type": self.ids["group_type_id"], "volume_types": ["__DEFAULT__"]}})
            }
            ("POST", "/consistencygroups") => json!({"consistencygroup": {"volume_types": "__DEFAULT__"}}),
            ("POST", "/consistencygroups/create_from_src") => {
                json!({"consistencygroup-from-src": {"source_cgid": self.ids["group_id"]}})
            }
            ("PUT", path) if path.starts_with("/consistencygroups/") => json!({"consistencygroup": {"name": "new"}}),
            ("POST", "/cgsnapshots") => json!({"cgsnapshot": {"consistencygroup_id": self.ids["group_id"]}}),
            ("POST", "/group_snapshots") => json!({"group_snapshot": {"group_id": self.ids["group_id"]}}),
            ("PUT", "/groups/{group_id}") => json!({"group": {"name": "new"}}),
            ("POST", "/volumes") => json!({"volume": {"size": 1}}),
            ("POST", "/snapshots") => json!({"snapshot": {"volume_id": volume}}),
            ("POST", "/backups") => json!({"backup": {"volume_id": volume}}),
            ("POST", "/backups/import_record") => {
                let record = r#"{"id": "2ad4dc35-9f73-4c5b-8bd6-1c2bd3a4d1b0", "size": 1, "display_name": "n", "object_count": 1,
                    "display_description": null, "container": "c", "service_metadata": "p"}"#;
                let url = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, record);
                json!({"backup-record": {"backup_service": "posix", "backup_url": url}})
            }
            ("POST", "/backups/{backup_id}/restore") => json!({"restore": {"volume_id": volume}}),
            ("PUT", "/backups/{backup_id}") => json!({"backup": {"name": "new"}}),
            ("PUT", "/volumes/{volume_id}") => json!({"volume": {"name": "new"}}),
            ("PUT", "/snapshots/{snapshot_id}") => json!({"snapshot": {"name": "new"}}),
            (_, path) if path.ends_with("/metadata") => json!({"metadata": {"k": "w"}}),
            (_, path) if path.ends_with("/metadata/{key}") => json!({"meta": {"k": "w"}}),
            ("POST", "/attachments") => json!({"attachment": {"volume_uuid": volume}}),
            ("PUT", "/attachments/{attachment_id}") => json!({"attachment": {"connector": {"host": "h"}}}),
            ("POST", path) if path.ends_with("/accept") => json!({"accept": {"auth_key": self.ids["auth_key"]}}),
            ("POST", path) if path.ends_with("-transfer") || path.ends_with("-transfers") => {
                json!({"transfer": {"volume_id": volume}})
            }
            ("POST", "/types") => json!({"volume_type": {"name": "new"}}),
            ("PUT", "/types/{type_id}") => json!({"volume_type": {"name": "new"}}),
            ("POST", "/types/{type_id}/extra_specs") => json!({"extra_specs": {"k": "w"}}),
            ("PUT", "/types/{type_id}/extra_specs/{key}") => json!({"k": "w"}),
            ("POST", "/group_types") => json!({"group_type": {"name": "new"}}),
            ("PUT", "/group_types/{group_type_id}") => json!({"group_type": {"name": "new"}}),
            ("POST", "/group_types/{group_type_id}/group_specs") => json!({"group_specs": {"k": "w"}}),
            ("PUT", "/group_types/{group_type_id}/group_specs/{key}") => json!({"k": "w"}),
            ("POST" | "PUT", path) if path.starts_with("/types/{type_id}/encryption") => {
                json!({"encryption": {"provider": "luks", "control_location": "front-end"}})
            }
            ("POST", "/os-volume-manage" | "/manageable_volumes") => {
                json!({"volume": {"host": "node@file", "ref": {"source-name": "stranger"}}})
            }
            ("POST", "/os-snapshot-manage" | "/manageable_snapshots") => {
                json!({"snapshot": {"volume_id": volume, "ref": {"source-name": "stranger"}}})
            }
            ("POST", "/qos-specs") => json!({"qos_specs": {"name": "new"}}),
            ("PUT", "/qos-specs/{qos_id}") => json!({"qos_specs": {"k": "w"}}),
            ("PUT", "/qos-specs/{qos_id}/delete_keys") => json!({"keys": ["k"]}),
            ("PUT", "/default-types/{project}") => json!({"default_type": {"volume_type": self.ids["type_id"]}}),
            ("PUT", "/os-quota-sets/{project}") => json!({"quota_set": {"volumes": 20}}),
            ("PUT", "/os-quota-class-sets/{class}") => json!({"quota_class_set": {"volumes": 20}}),
            ("PUT", "/os-services/get-log") => json!({"binary": "cinder-api"}),
            ("PUT", "/os-services/set-log") => json!({"binary": "cinder-api", "level": "INFO"}),
            ("POST" | "PUT", "/workers/cleanup") => json!({}),
            ("PUT", path) if path.starts_with("/clusters/") => json!({"name": "c@file"}),
            (
                "PUT",
                "/os-services/freeze" | "/os-services/thaw" | "/os-services/failover" | "/os-services/failover_host",
            ) => {
                json!({"host": "node@file"})
            }
            ("PUT", path) if path.starts_with("/os-services/") => {
                json!({"host": "node@file", "binary": "cinder-volume"})
            }
            ("PUT", "/os-hosts/{host}") => json!({"status": "disable"}),
            _ => panic!("no body for {}", key(route)),
        };
        Some(body)
    }

    fn action(&self, action: &str) -> Value {
        match action {
            "os-attach" => json!({"host_name": "h", "mountpoint": "/dev/vdb"}),
            "os-initialize_connection" | "os-terminate_connection" => json!({"connector": {}}),
            "os-volume_upload_image" => json!({"image_name": "new"}),
            "os-reimage" => json!({"image_id": IMAGE}),
            "os-extend" => json!({"new_size": 2}),
            "os-retype" => json!({"new_type": self.ids["type_id"]}),
            "os-migrate_volume" => json!({"host": "node@file"}),
            "os-migrate_volume_completion" => json!({"new_volume": self.ids["used"]}),
            "revert" => json!({"snapshot_id": self.ids["snapshot_id"]}),
            "os-set_bootable" => json!({"bootable": true}),
            "os-update_readonly_flag" => json!({"readonly": true}),
            "os-reset_status" => json!({"status": "error"}),
            "os-update_snapshot_status" => json!({"status": "available"}),
            "os-set_image_metadata" => json!({"metadata": {"k": "w"}}),
            "os-unset_image_metadata" => json!({"key": "k"}),
            "create-from-src" => json!({"source_group_id": self.ids["group_id"]}),
            "delete" => json!({"delete-volumes": true}),
            "reset_status" => json!({"status": "error"}),
            "addProjectAccess" | "removeProjectAccess" => json!({"project": PROJECT}),
            _ => json!({}),
        }
    }

    /// Tries a route as it should be tried.
    fn try_route(&self, persona: Persona, route: &Route<BlockStorage>) -> u16 {
        let body = if route.body.is_some() || !route.action.is_empty() { self.body(route) } else { None };
        self.cloud.send(persona, route.method.name(), &self.path(route), body).status
    }
}

pub(crate) fn routes() -> impl Iterator<Item = &'static Route<BlockStorage>> {
    ROUTES.iter().copied().flatten()
}

#[test]
fn every_route_answers_every_persona_as_the_table_says() {
    let table = include_str!("../data/authorization.tsv");
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("method\tpath\taction\tadmin\tmember\treader\tstranger\tanonymous\tservice"));
    let mut expected: BTreeMap<String, &str> = BTreeMap::new();
    for line in lines {
        let (at, _) = line.match_indices('\t').nth(2).unwrap();
        assert_eq!(expected.insert(line[..at].to_owned(), &line[at + 1..]), None, "{line} is there twice");
    }
    let mut wrong = String::new();
    for route in routes() {
        let arranged = || {
            let mut world = World::new();
            world.arrange(route);
            world
        };
        let mut world = arranged();
        let found = Persona::ALL.map(|persona| {
            let status = world.try_route(persona, route);
            if status < 300 && route.method != Method::Get {
                world = arranged();
            }
            status.to_string()
        });
        let found = found.join("\t");
        let key = key(route);
        if expected.remove(&key) != Some(found.as_str()) {
            let _ = writeln!(wrong, "{key}\t{found}");
        }
    }
    assert!(wrong.is_empty(), "these are not the rows of tests/data/authorization.tsv:\n{wrong}");
    assert!(expected.is_empty(), "these rows of the table have no route: {:?}", expected.keys());
}

#[test]
fn what_an_administrator_may_succeeds() {
    let table = include_str!("../data/authorization.tsv");
    for line in table.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let admin = line.split('\t').nth(3).unwrap();
        // Failing over is there for who may, and then no driver can.
        let is_right = match line {
            line if line.contains("/failover") => admin == "501",
            // Whoever names a backend waits for its answer, and here is none.
            line if line.starts_with("GET\t/manageable_")
                || line.starts_with("GET\t/os-") && line.contains("-manage") =>
            {
                admin == "400"
            }
            _ => admin.starts_with('2'),
        };
        assert!(is_right, "a route that nobody can take tells nothing about the others: {line}");
    }
}

/// Whether the path names an object that belongs to a project.
fn names_an_object(route: &Route<BlockStorage>) -> bool {
    // A transfer is there to be taken by whoever has its key.
    let variables = [
        "{volume_id}",
        "{snapshot_id}",
        "{group_id}",
        "{group_snapshot_id}",
        "{consistencygroup_id}",
        "{cgsnapshot_id}",
        "{backup_id}",
        "{message_id}",
        "{project}",
        "{transfer_id}",
        "{attachment_id}",
    ];
    !route.path.ends_with("/accept") && variables.iter().any(|variable| route.path.contains(variable))
}

#[test]
fn another_projects_objects_are_out_of_reach() {
    let world = World::new();
    let before = contents(&world.cloud);
    for route in routes().filter(|route| names_an_object(route)) {
        for persona in [Persona::Stranger, Persona::Service, Persona::Anonymous] {
            let status = world.try_route(persona, route);
            assert!(matches!(status, 401 | 403 | 404), "{persona:?}: {}: {status}", key(route));
        }
    }
    assert_eq!(contents(&world.cloud), before);
}

#[test]
fn another_projects_objects_are_no_sources() {
    let world = World::new();
    let before = contents(&world.cloud);
    let (volume, snapshot) = (&world.ids["volume_id"], &world.ids["snapshot_id"]);
    for (path, body) in [
        ("/volumes", json!({"volume": {"size": 1, "source_volid": volume}})),
        ("/volumes", json!({"volume": {"size": 1, "snapshot_id": snapshot}})),
        ("/volumes", json!({"volume": {"size": 1, "volume_type": world.ids["type_id"]}})),
        ("/volumes", json!({"volume": {"size": 1, "volume_type": "secret"}})),
        ("/snapshots", json!({"snapshot": {"volume_id": volume}})),
        ("/backups", json!({"backup": {"volume_id": volume}})),
        ("/groups/action", json!({"create-from-src": {"source_group_id": world.ids["group_id"]}})),
        ("/groups/action", json!({"create-from-src": {"group_snapshot_id": world.ids["group_snapshot_id"]}})),
        ("/group_snapshots", json!({"group_snapshot": {"group_id": world.ids["group_id"]}})),
        ("/cgsnapshots", json!({"cgsnapshot": {"consistencygroup_id": world.ids["group_id"]}})),
        (
            "/consistencygroups/create_from_src",
            json!({"consistencygroup-from-src": {"source_cgid": world.ids["consistencygroup_id"]}}),
        ),
        ("/volumes", json!({"volume": {"size": 1, "group_id": world.ids["group_id"], "volume_type": "__DEFAULT__"}})),
    ] {
        world.cloud.post(Persona::Stranger, path, body).expect(404);
    }
    assert_eq!(contents(&world.cloud), before);
}

#[test]
fn another_projects_url_is_refused_on_every_route() {
    let world = World::new();
    let before = contents(&world.cloud);
    for route in routes() {
        let body = if route.body.is_some() || !route.action.is_empty() { world.body(route) } else { None };
        let url = format!("/v3/{PROJECT}{}", world.path(route));
        for (token, expected) in [("stranger", 400), ("service", 400), ("", 401)] {
            let mut headers = vec![("OpenStack-API-Version", "volume 3.71")];
            headers.extend((!token.is_empty()).then_some(("X-Auth-Token", token)));
            let answer = world.cloud.raw(route.method.name(), &url, &headers, body.clone());
            assert_eq!(answer.status, expected, "{token}: {}: {}", key(route), answer.text);
        }
    }
    assert_eq!(contents(&world.cloud), before);
}

/// Every row of every table, as text.
pub(crate) fn contents(cloud: &Cloud) -> String {
    let file = cloud.file();
    let database = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let names = |sql: &str| {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<String>>()
    };
    let mut text = String::new();
    for table in names("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<_> = (0..columns)
                .map(|at| match row.get_ref(at).unwrap() {
                    rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    other => format!("{other:?}"),
                })
                .collect();
            let _ = writeln!(text, "{table}: {}", cells.join(" "));
        }
    }
    text
}
