//! Usage under a storm: callers who do whatever comes to their minds through two responders, while responders, the volume
//! service and the backup service are killed again and again, at points of the source or just so. When the wind has laid,
//! usage is what the rows say, nothing is over its limit, and nothing is stuck.
//!
//! `HEARTH_STORM_KILLS` makes it longer (8 kills an engine where it is not set), `HEARTH_STORM_SEED` repeats a sequence
//! of choices; the seed is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hearth::database::Engine;
use serde_json::{Value, json};

use super::bytes;
use super::servers::empty_database;
use super::world::World;

/// The last one has no limits of its own, but those of the default class, which change meanwhile.
const PROJECTS: [&str; 3] =
    ["0a1d7e94c3b84f6f9d52e8a6b7c4f310", "99999999aaaaaaaabbbbbbbbcccccccc", "77777777bbbbbbbbddddddddffffffff"];
const BACKENDS: [&str; 2] = ["node1@file#file", "node1@other#other"];
const CALLERS: u64 = 4;
/// How many answers the callers get between two kills, at most.
const PACE: u64 = 40;
/// How long anything may take before the test gives up.
const DEADLINE: Duration = Duration::from_secs(60);

/// Points at which services are killed, besides any moment.
const VOLUME_POINTS: [&str; 21] = [
    "order.before_take",
    "order.after_take",
    "create_volume.before_commit",
    "create_volume.after_commit",
    "delete_volume.before_commit",
    "delete_volume.after_commit",
    "extend_volume.after_step",
    "extend_volume.after_commit",
    "create_snapshot.after_step",
    "delete_snapshot.after_step",
    "retype_volume.begun",
    "retype_volume.after_commit",
    "migrate_volume.after_step",
    "migrate_volume.after_commit",
    "move.after_note",
    "revert_to_snapshot.after_step",
    "manage.after_charge",
    "manage_volume.after_step",
    "unmanage_volume.after_commit",
    "file.after_rename",
    "file.after_remove",
];
const BACKUP_POINTS: [&str; 6] = [
    "backup_order.after_take",
    "create_backup.after_step",
    "create_backup.after_commit",
    "delete_backup.after_step",
    "delete_backup.after_commit",
    "object.after_rename",
];

/// A small generator (xorshift64*), so that choices can be made again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let bound = u64::try_from(list.len()).unwrap();
        (bound > 0).then(|| &list[usize::try_from(self.below(bound)).unwrap()])
    }
}

/// What callers know of: ids with the place of their project.
#[derive(Default)]
struct Known {
    volumes: Mutex<Vec<(usize, String)>>,
    snapshots: Mutex<Vec<(usize, String)>>,
    backups: Mutex<Vec<(usize, String)>>,
    groups: Mutex<Vec<(usize, String)>>,
    /// Volumes that were given up, and whose files may be taken over.
    files: Mutex<Vec<(usize, String)>>,
}

/// The cloud: its processes, and the socket that outlives them.
struct Cloud {
    world: World,
    socket: UnixListener,
    known: Known,
    answers: AtomicU64,
    refused_by_quota: AtomicU64,
    over: AtomicBool,
}

/// A process of the cloud.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Responder,
    Volume,
    Backup,
}

impl Cloud {
    fn new(engine: Engine) -> Self {
        let sections = "[file]\n[other]\nreserved_percentage = 50";
        let world = World::on_with(&empty_database(engine), "enabled_backends = file, other", sections);
        let socket = UnixListener::bind(world.folder.join("hearth.sock")).unwrap();
        Self {
            world,
            socket,
            known: Known::default(),
            answers: AtomicU64::new(0),
            refused_by_quota: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.env("HEARTH_CONFIG", self.world.folder.join("hearth.conf"));
        command.env("OS_DEFAULT__AUTH_STRATEGY", "noauth").env("OS_DEFAULT__BACKUP_FILE_SIZE", "1073741824");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = fs::File::options().create(true).append(true).open(self.world.folder.join("storm.log")).unwrap();
        command.stderr(log);
        command
    }

    fn spawn(&self, role: Role, fault: Option<&str>) -> Child {
        let mut command = self.command();
        match role {
            Role::Responder => {
                command.stdin(OwnedFd::from(self.socket.try_clone().unwrap()));
            }
            Role::Volume => drop(command.arg("volume")),
            Role::Backup => drop(command.arg("backup")),
        }
        command.env(hearth::service::fault::VARIABLE, fault.unwrap_or("none")).spawn().unwrap()
    }

    /// Asks in a project. `None` where whoever had the request was killed.
    fn ask(&self, project: usize, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let project = PROJECTS[project];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut variables = bytes::variables(method, &format!("/v3/{project}{path}"), body.len());
        for (name, value) in [
            ("HTTP_HOST", "cloud.example".to_owned()),
            ("HTTP_X_AUTH_TOKEN", format!("admin:{project}")),
            ("HTTP_OPENSTACK_API_VERSION", "volume 3.71".to_owned()),
            ("CONTENT_TYPE", "application/json".to_owned()),
            ("HEARTH_SERVICE", "block-storage".to_owned()),
        ] {
            variables.push((name.to_owned(), value.into_bytes()));
        }
        let mut sent = bytes::begin(1, false);
        sent.extend(bytes::stream(bytes::PARAMS, 1, &bytes::pairs(&variables)));
        sent.extend(bytes::stream(bytes::STDIN, 1, &body));
        let mut stream = UnixStream::connect(self.world.folder.join("hearth.sock")).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&sent).ok()?;
        let mut came = Vec::new();
        stream.read_to_end(&mut came).ok()?;
        let answer = answer_in(&came);
        self.answers.fetch_add(1, Ordering::Relaxed);
        answer
    }

    /// As [`Cloud::ask`], until somebody lives to answer.
    fn expect(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let since = Instant::now();
        loop {
            match self.ask(0, method, path, body.clone()) {
                Some((status, json)) if status < 300 => return json,
                Some((status, json)) if (400..500).contains(&status) => panic!("{method} {path}: {status} {json}"),
                other => assert!(since.elapsed() < DEADLINE, "{method} {path}: {other:?}"),
            }
        }
    }

    /// One thing that a caller does.
    fn act(&self, random: &mut Random) {
        let known = &self.known;
        let any = |list: &Mutex<Vec<(usize, String)>>, random: &mut Random| random.of(&list.lock().unwrap()).cloned();
        let own = usize::try_from(random.below(3)).unwrap();
        let kind = *random.of(&["__DEFAULT__", "gold"]).unwrap();
        let size = 1 + random.below(3);
        match random.below(23) {
            0..=3 => {
                let body = json!({"volume": {"size": size, "volume_type": kind}});
                self.make(own, "/volumes", body, "volume", &known.volumes);
            }
            4 => {
                let Some((at, source)) = any(&known.volumes, random) else { return };
                let body = json!({"volume": {"source_volid": source}});
                self.make(at, "/volumes", body, "volume", &known.volumes);
            }
            5 => {
                let Some((at, source)) = any(&known.snapshots, random) else { return };
                let body = json!({"volume": {"snapshot_id": source}});
                self.make(at, "/volumes", body, "volume", &known.volumes);
            }
            6 | 7 => {
                let Some((at, volume)) = any(&known.volumes, random) else { return };
                let body = json!({"snapshot": {"volume_id": volume}});
                self.make(at, "/snapshots", body, "snapshot", &known.snapshots);
            }
            8 => {
                let Some((at, volume)) = any(&known.volumes, random) else { return };
                let body = json!({"backup": {"volume_id": volume, "incremental": random.below(3) == 0}});
                self.make(at, "/backups", body, "backup", &known.backups);
            }
            9 => {
                let Some((at, volume)) = any(&known.volumes, random) else { return };
                let body = json!({"os-extend": {"new_size": 2 + random.below(3)}});
                self.done(self.ask(at, "POST", &format!("/volumes/{volume}/action"), Some(body)));
            }
            10 | 11 => {
                let Some((at, volume)) = any(&known.volumes, random) else { return };
                let how = *random.of(&["", "?cascade=true", "?force=true"]).unwrap();
                self.done(self.ask(at, "DELETE", &format!("/volumes/{volume}{how}"), None));
            }
            12 => {
                let Some((at, snapshot)) = any(&known.snapshots, random) else { return };
                self.done(self.ask(at, "DELETE", &format!("/snapshots/{snapshot}"), None));
            }
            13 => {
                let Some((at, backup)) = any(&known.backups, random) else { return };
                if random.below(2) == 0 {
                    self.done(self.ask(at, "DELETE", &format!("/backups/{backup}"), None));
                } else {
                    self.done(self.ask(
                        at,
                        "POST",
                        &format!("/backups/{backup}/restore"),
                        Some(json!({"restore": {}})),
                    ));
                }
            }
            14 => self.hand_over(random),
            15 | 16 => {
                let Some((at, volume)) = any(&known.volumes, random) else { return };
                let policy = *random.of(&["never", "on-demand"]).unwrap();
                let body = json!({"os-retype": {"new_type": kind, "migration_policy": policy}});
                self.done(self.ask(at, "POST", &format!("/volumes/{volume}/action"), Some(body)));
            }
            17 => {
                let Some((at, volume)) = any(&known.volumes, random) else { return };
                let body = json!({"host": random.of(&BACKENDS).unwrap(), "lock_volume": random.below(2) == 0});
                let body = json!({ "os-migrate_volume": body });
                self.done(self.ask(at, "POST", &format!("/volumes/{volume}/action"), Some(body)));
            }
            18 => self.revert(random),
            19 | 20 => self.give_up_or_take_over(kind, random),
            21 => {
                let limits =
                    json!({"quota_class_set": {"volumes": 6 + random.below(7), "gigabytes_gold": 4 + random.below(9)}});
                self.done(self.ask(own, "PUT", "/os-quota-class-sets/default", Some(limits)));
            }
            _ => self.group(own, random),
        }
    }

    fn make(&self, at: usize, path: &str, body: Value, noun: &str, list: &Mutex<Vec<(usize, String)>>) {
        let answer = self.ask(at, "POST", path, Some(body));
        if let Some(id) = answer.as_ref().and_then(|(_, json)| json[noun]["id"].as_str()) {
            list.lock().unwrap().push((at, id.to_owned()));
        }
        self.done(answer);
    }

    /// No answer may be a failure of the server; refusals are what a storm brings.
    fn done(&self, answer: Option<(u16, Value)>) {
        if let Some((status, json)) = answer {
            assert!(status < 500, "{status} {json}");
            self.refused_by_quota.fetch_add(u64::from(status == 413), Ordering::Relaxed);
        }
    }

    /// A volume goes back to one of its snapshots.
    fn revert(&self, random: &mut Random) {
        let Some((at, snapshot)) = random.of(&self.known.snapshots.lock().unwrap()).cloned() else { return };
        let shown = self.ask(at, "GET", &format!("/snapshots/{snapshot}"), None);
        let Some(volume) = shown.as_ref().and_then(|(_, json)| json["snapshot"]["volume_id"].as_str()) else { return };
        let body = json!({"revert": {"snapshot_id": snapshot}});
        self.done(self.ask(at, "POST", &format!("/volumes/{volume}/action"), Some(body)));
    }

    /// A volume is given up, or the file of one that was becomes a volume again, of any project and type.
    fn give_up_or_take_over(&self, kind: &str, random: &mut Random) {
        let file = if random.below(2) == 0 { self.known.files.lock().unwrap().pop() } else { None };
        if let Some((_, file)) = file {
            let at = usize::try_from(random.below(3)).unwrap();
            for backend in BACKENDS {
                let reference = json!({"source-name": format!("volume-{file}")});
                let body = json!({"volume": {"host": backend, "ref": reference, "volume_type": kind}});
                self.make(at, "/manageable_volumes", body, "volume", &self.known.volumes);
            }
            return;
        }
        let Some((at, volume)) = random.of(&self.known.volumes.lock().unwrap()).cloned() else { return };
        let given_up = self.ask(at, "POST", &format!("/volumes/{volume}/action"), Some(json!({"os-unmanage": {}})));
        if given_up.as_ref().is_some_and(|(status, _)| *status == 202) {
            self.known.files.lock().unwrap().push((at, volume));
        }
        self.done(given_up);
    }

    /// A volume goes to another project, its snapshots with it.
    fn hand_over(&self, random: &mut Random) {
        let Some((at, volume)) = random.of(&self.known.volumes.lock().unwrap()).cloned() else { return };
        let offer = json!({"transfer": {"volume_id": volume}});
        let Some((_, made)) = self.ask(at, "POST", "/volume-transfers", Some(offer)) else { return };
        let Some(id) = made["transfer"]["id"].as_str() else { return };
        let key = json!({"accept": {"auth_key": made["transfer"]["auth_key"]}});
        let other = (at + 1) % PROJECTS.len();
        let taken = self.ask(other, "POST", &format!("/volume-transfers/{id}/accept"), Some(key));
        if taken.as_ref().is_some_and(|(status, _)| *status == 202) {
            self.known.volumes.lock().unwrap().push((other, volume));
        }
        self.done(taken);
    }

    /// A group comes with a volume, or goes with all of its own.
    fn group(&self, at: usize, random: &mut Random) {
        let old = random.of(&self.known.groups.lock().unwrap()).cloned();
        match old.filter(|_| random.below(2) == 0) {
            Some((at, group)) => {
                let body = json!({"delete": {"delete-volumes": true}});
                self.done(self.ask(at, "POST", &format!("/groups/{group}/action"), Some(body)));
            }
            None => {
                let body = json!({"group": {"group_type": "plain", "volume_types": ["__DEFAULT__"]}});
                self.make(at, "/groups", body, "group", &self.known.groups);
                let Some((at, group)) = self.known.groups.lock().unwrap().last().cloned() else { return };
                let body = json!({"volume": {"size": 1, "group_id": group, "volume_type": "__DEFAULT__"}});
                self.make(at, "/volumes", body, "volume", &self.known.volumes);
            }
        }
    }

    /// Waits until so many more requests were answered.
    fn pass(&self, count: u64) {
        let (since, goal) = (Instant::now(), self.answers.load(Ordering::Relaxed) + count);
        while self.answers.load(Ordering::Relaxed) < goal {
            assert!(since.elapsed() < DEADLINE, "nobody answers; see {}/storm.log", self.world.folder.display());
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Usage as it is kept: project and resource to what is in use. Nothing may be reserved, or be there twice.
    fn usage(&self) -> BTreeMap<(String, String), i64> {
        let sql = "SELECT project_id, resource, in_use, reserved FROM quota_usages WHERE deleted = false";
        let rows: Vec<(String, String, i64, i64)> =
            self.world.read(|c| c.rows(sql, &[], |row| Ok((row.string(0)?, row.string(1)?, row.int(2)?, row.int(3)?))));
        let mut usage = BTreeMap::new();
        for (project, resource, in_use, reserved) in rows {
            assert_eq!(reserved, 0, "{resource} of {project}");
            assert_eq!(usage.insert((project, resource.clone()), in_use), None, "{resource} is there twice");
        }
        usage
    }

    /// Usage as the rows of the objects say it, counted here, and not as Hearth counts it.
    fn truth(&self) -> BTreeMap<(String, String), i64> {
        let mut truth: BTreeMap<(String, String), i64> = BTreeMap::new();
        let mut add = |project: &str, resource: String, amount: i64| {
            *truth.entry((project.to_owned(), resource)).or_default() += amount;
        };
        let volumes = "SELECT v.project_id, v.size, t.name FROM volumes v JOIN volume_types t ON t.id = v.volume_type_id \
                       WHERE v.deleted = false AND v.use_quota = true AND v.size > 0";
        let snapshots = "SELECT s.project_id, s.volume_size, t.name FROM snapshots s JOIN volumes v ON v.id = s.volume_id \
                         JOIN volume_types t ON t.id = v.volume_type_id WHERE s.deleted = false AND s.use_quota = true";
        for (noun, sql) in [("volumes", volumes), ("snapshots", snapshots)] {
            let rows: Vec<(String, i64, String)> =
                self.world.read(|c| c.rows(sql, &[], |row| Ok((row.string(0)?, row.int(1)?, row.string(2)?))));
            for (project, size, kind) in rows {
                for end in [String::new(), format!("_{kind}")] {
                    add(&project, format!("{noun}{end}"), 1);
                    add(&project, format!("gigabytes{end}"), size);
                }
            }
        }
        let plain = [
            ("backups", "SELECT project_id, 1 FROM backups WHERE deleted = false"),
            ("backup_gigabytes", "SELECT project_id, size FROM backups WHERE deleted = false"),
            ("groups", "SELECT project_id, 1 FROM \"groups\" WHERE deleted = false"),
        ];
        for (resource, sql) in plain {
            let rows: Vec<(String, i64)> =
                self.world.read(|c| c.rows(sql, &[], |row| Ok((row.string(0)?, row.int(1)?))));
            rows.iter().for_each(|(project, amount)| add(project, resource.to_owned(), *amount));
        }
        truth
    }

    /// `hearth quota COMMAND`: whether it found nothing wrong, and what it said.
    fn quota(&self, what: &str) -> (bool, String) {
        let output = self.command().args(["quota", what]).stdout(Stdio::piped()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }
}

/// The status and the JSON of an answer in records; `None` where it is not whole.
fn answer_in(mut came: &[u8]) -> Option<(u16, Value)> {
    let mut out = Vec::new();
    loop {
        let header = came.get(..8)?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let content = came.get(8..8 + length)?;
        match header[1] {
            bytes::STDOUT => out.extend_from_slice(content),
            bytes::END => break,
            _ => {}
        }
        came = came.get(8 + length + usize::from(header[6])..)?;
    }
    let text = String::from_utf8(out).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).and_then(|status| status.get(..3));
    Some((status.map_or(Some(200), |digits| digits.parse().ok())?, serde_json::from_str(body).unwrap_or_default()))
}

fn storm(engine: Engine) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = variable("HEARTH_STORM_SEED").unwrap_or(now.as_secs()) | 1;
    let kills = variable("HEARTH_STORM_KILLS").unwrap_or(8);
    println!("storm on {engine:?}: HEARTH_STORM_SEED={seed} HEARTH_STORM_KILLS={kills}");
    let cloud = Cloud::new(engine);
    let roles = [Role::Responder, Role::Responder, Role::Volume, Role::Backup];
    let mut processes: Vec<Child> = roles.iter().map(|role| cloud.spawn(*role, None)).collect();
    cloud.expect("POST", "/types", Some(json!({"volume_type": {"name": "gold"}})));
    cloud.expect("POST", "/group_types", Some(json!({"group_type": {"name": "plain"}})));
    let limits = json!({"volumes": 12, "gigabytes": 40, "snapshots": 10, "volumes_gold": 5, "gigabytes_gold": 12,
        "backups": 4, "backup_gigabytes": 8, "groups": 4, "per_volume_gigabytes": 3});
    for project in &PROJECTS[..2] {
        cloud.expect("PUT", &format!("/os-quota-sets/{project}"), Some(json!({ "quota_set": limits })));
    }
    cloud.expect("PUT", "/os-quota-class-sets/default", Some(json!({ "quota_class_set": limits })));
    std::thread::scope(|scope| {
        for caller in 1..=CALLERS {
            let cloud = &cloud;
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_mul(2 * caller + 1) | 1);
                while !cloud.over.load(Ordering::Relaxed) {
                    cloud.act(&mut random);
                }
            });
        }
        // A caller that fails would else leave the others going for ever.
        let killing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut random = Random(seed);
            for _ in 0..kills {
                cloud.pass(1 + random.below(PACE));
                let at = usize::try_from(random.below(4)).unwrap();
                let points: &[&str] = match roles[at] {
                    Role::Responder => &[],
                    Role::Volume => &VOLUME_POINTS,
                    Role::Backup => &BACKUP_POINTS,
                };
                let fault = random.of(points).map(|point| format!("{point}:{}", 1 + random.below(2)));
                let _ = processes[at].kill();
                processes[at].wait().unwrap();
                processes[at] = cloud.spawn(roles[at], fault.as_deref());
            }
            cloud.pass(PACE);
        }));
        cloud.over.store(true, Ordering::Relaxed);
        if let Err(panic) = killing {
            std::panic::resume_unwind(panic);
        }
    });
    // Those that still wait for their point are replaced, the rest ends what was begun.
    for (process, role) in processes.iter_mut().zip(roles) {
        let _ = process.kill();
        process.wait().unwrap();
        *process = cloud.spawn(role, None);
    }
    cloud.world.settle();
    let (usage, truth) = (cloud.usage(), cloud.truth());
    let keys: BTreeSet<_> = usage.keys().chain(truth.keys()).collect();
    let both = |key| (usage.get(key).copied().unwrap_or(0), truth.get(key).copied().unwrap_or(0));
    let wrong: Vec<_> =
        keys.into_iter().map(|key| (key, both(key))).filter(|(_, (kept, counted))| kept != counted).collect();
    assert!(wrong.is_empty(), "kept, and counted from the rows: {wrong:?}; seed {seed}");
    for (resource, limit) in
        [("volumes", 12), ("gigabytes", 40), ("volumes_gold", 5), ("gigabytes_gold", 12), ("groups", 4)]
    {
        for project in PROJECTS {
            let in_use = usage.get(&(project.to_owned(), resource.to_owned())).copied().unwrap_or(0);
            assert!(in_use <= limit, "{resource} of {project}: {in_use} of {limit}; seed {seed}");
        }
    }
    for table in ["volumes", "snapshots", "backups", "\"groups\""] {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE deleted = false AND status IN ('creating', 'deleting', 'extending', \
             'backing-up', 'restoring-backup', 'restoring', 'updating', 'retyping', 'reverting', 'managing', 'unmanaging', \
             'maintenance', 'error_managing_deleting')"
        );
        assert_eq!(cloud.world.count(&sql), 0, "something of {table} is stuck; seed {seed}");
    }
    let moving = "SELECT count(*) FROM volumes WHERE deleted = false AND migration_status IN ('starting', 'migrating')";
    assert_eq!(cloud.world.count(moving), 0, "something moves for ever; seed {seed}");
    let (answers, refused) = (cloud.answers.load(Ordering::Relaxed), cloud.refused_by_quota.load(Ordering::Relaxed));
    println!("{answers} answers, {refused} of them refused by a quota, {kills} kills; {} rows of usage", usage.len());
    assert!(refused > 0, "the quota was never reached");
    assert!(cloud.quota("check").0, "hearth quota check; seed {seed}");
    drift(&cloud);
    for process in &mut processes {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

/// What goes wrong by other hands is found and put right, rows of types too.
fn drift(cloud: &Cloud) {
    let right = cloud.usage();
    let sql = "UPDATE quota_usages SET in_use = in_use + 7 WHERE deleted = false";
    cloud.world.database.write(|tx| tx.execute(sql, &[])).unwrap();
    let (is_right, said) = cloud.quota("check");
    assert!(!is_right);
    for (project, resource) in right.keys() {
        let of_project = said.split(&format!("project {project}")).nth(1).expect("the project is looked at");
        assert!(of_project.contains(&format!("\t{resource}: invalid usage")), "{resource} is not found: {said}");
    }
    cloud.quota("sync");
    assert_eq!(cloud.usage(), right);
    assert!(cloud.quota("check").0);
}

#[test]
fn usage_is_exact_after_a_storm_on_sqlite() {
    storm(Engine::Sqlite);
}

#[test]
fn usage_is_exact_after_a_storm_on_mariadb() {
    storm(Engine::Mysql);
}

#[test]
fn usage_is_exact_after_a_storm_on_postgresql() {
    storm(Engine::Postgres);
}
