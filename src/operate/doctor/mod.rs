//! `hearth doctor`: looks for what is stuck, orphaned or down in Block Storage, and says what to do about each. It changes
//! nothing. Files and exports are compared with rows for the backends that the configuration of this host names, and
//! the files of backups for its backup service.

mod backups;
mod samples;

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::block_storage::key_store::KeyStore;
use crate::block_storage::model::pool::Space;
use crate::block_storage::model::service::{Service, VOLUME};
use crate::block_storage::store::census::{self, Resident};
use crate::block_storage::store::{keys, orders, pools, services, stranded, tables};
use crate::block_storage::volume::{Place, places};
use crate::config::key_manager::BACKEND;
use crate::config::{Config, default};
use crate::database::migrate::{self, Wanted};
use crate::database::{Database, orders as platform_orders, outbox};
use crate::error::{Error, Result};
use crate::messaging::{Mailbox, Outbox};
use crate::time::Timestamp;

/// Seconds after which an order that nobody has taken is worth a word.
const PATIENCE: i64 = 60;
/// Seconds after which a key that is still to be removed is worth a word.
const LATE_KEYS: i64 = 86_400;
/// Seconds after which a volume that waits for a server is worth a word.
const LATE_SERVERS: i64 = 3_600;
/// The most orders that are looked at.
const ORDERS: u32 = 10_000;
/// The share of free space below which a pool is worth a word.
const LITTLE: f64 = 0.05;

/// How bad a finding is. The worst one makes the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing. Exit code 0.
    Notice,
    /// Something will not get better by itself. Exit code 1.
    Warning,
    /// Users are hurt now, or data is missing. Exit code 2.
    Error,
}

/// Something that was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What an operator can do.
    pub todo: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Notice => "notice ",
            Severity::Warning => "warning",
            Severity::Error => "ERROR  ",
        };
        write!(f, "{word}  {}\n         do: {}", self.what, self.todo)
    }
}

/// What one examination gathers.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, what: impl Into<String>, todo: impl Into<String>) {
        self.0.push(Finding { severity, what: what.into(), todo: todo.into() });
    }
}

/// Examines everything, tells what was found, and answers the exit code: 0 where nothing worse than a notice was found,
/// 1 for warnings, 2 for errors. Of `telemetry`, where there is one, it says how much room its samples take.
///
/// # Errors
/// Those of the output; where a database can not be examined, that is a finding.
pub fn run(
    config: &Config,
    database: &Database,
    telemetry: Option<&Database>,
    out: &mut dyn Write,
) -> Result<ExitCode> {
    let mut say = |line: &str| writeln!(out, "{line}").map_err(Error::internal);
    let mut findings = examine(config, database);
    match telemetry.map_or(Ok(None), |telemetry| of_telemetry(config, telemetry, &mut findings)) {
        Ok(Some(line)) => say(&line)?,
        Ok(None) => {}
        Err(error) => findings.push(Finding {
            severity: Severity::Warning,
            what: format!("Telemetry's database can not be examined: {error}"),
            todo: "look at [hearth_telemetry] connection and at the server".to_owned(),
        }),
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in &findings {
        say(&finding.to_string())?;
    }
    let worst = findings.first().map(|finding| finding.severity);
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    say(&format!(
        "{} errors, {} warnings, {} notices",
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Notice)
    ))?;
    Ok(ExitCode::from(match worst {
        None | Some(Severity::Notice) => 0,
        Some(Severity::Warning) => 1,
        Some(Severity::Error) => 2,
    }))
}

/// What Block Storage's database is to hold.
const WANTED: Wanted<'static> = Wanted { cinder: true, components: &[&platform_orders::PLATFORM, &tables::COMPONENT] };

/// A line about the room that samples take, and what is worth a word in Telemetry's database.
fn of_telemetry(config: &Config, database: &Database, findings: &mut Vec<Finding>) -> Result<Option<String>> {
    let line = samples::room(database)?;
    if line.is_some() {
        let mut own = Findings::default();
        for_mailbox(config, database, Mailbox::ALARMS, "'hearth alarms'", &mut own)?;
        if !samples::have_a_partition(database, Timestamp::now())? {
            own.add(
                Severity::Warning,
                "samples of this month are in no partition, so that the room of old ones is not given back at once",
                "run 'hearth db sync' now; 'hearth telemetry expire' and each long-lived process of Telemetry make partitions ahead",
            );
        }
        findings.append(&mut own.0);
    }
    Ok(line)
}

/// Everything that is worth a word.
pub fn examine(config: &Config, database: &Database) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Err(error) = database.read(|c| migrate::require(c, &WANTED)) {
        let why = error.cause().unwrap_or_default();
        findings.add(
            Severity::Error,
            format!("the database can not be used: {} {why}", error.public()),
            "run 'hearth db sync' if it is new, or look at [database] connection and at the server",
        );
        return findings.0;
    }
    let parts: [(&str, Part); 15] = [
        ("indexes", of_indexes),
        ("services", of_services),
        ("pools", of_pools),
        ("orders", of_orders),
        ("statuses", of_statuses),
        ("objects under way", of_stranded),
        ("volumes between servers", of_servers),
        ("files", of_files),
        ("exports", of_exports),
        ("backup services", backups::of_services),
        ("statuses of backups", backups::of_statuses),
        ("chains of backups", backups::of_chains),
        ("files of backups", backups::of_files),
        ("keys", of_keys),
        ("notifications", of_notifications),
    ];
    for (name, part) in parts {
        if let Err(error) = part(config, database, &mut findings) {
            findings.add(
                Severity::Error,
                format!("{name} can not be examined: {error}"),
                "put this right and run the doctor again",
            );
        }
    }
    findings.0
}

/// One part of the examination.
type Part = fn(&Config, &Database, &mut Findings) -> Result<()>;

fn down_time(config: &Config) -> i64 {
    i64::try_from(config.seconds(&default::SERVICE_DOWN_TIME).as_secs()).unwrap_or(i64::MAX)
}

fn of_indexes(_: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for (table, index) in database.read(|c| migrate::missing_indexes(c, &WANTED))? {
        let what = format!("the index {} of the table {table} is missing: lists are slow", index.name);
        findings.add(Severity::Warning, what, "run 'hearth db sync': it makes the index again");
    }
    Ok(())
}

fn of_services(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let all = database.read(|c| services::list(c, None, Some(VOLUME)))?;
    if all.is_empty() {
        findings.add(
            Severity::Error,
            "no volume service has ever reported: volumes stay in status creating",
            "start 'hearth volume' on a storage host (systemctl start hearth-volume)",
        );
    }
    let now = Timestamp::now();
    for service in &all {
        let Service { host, .. } = service;
        if !service.is_up(now, down_time(config)) {
            let since = service.updated_at.map_or("never".to_owned(), |at| format!("at {} UTC", at.iso_short()));
            findings.add(
                if service.disabled { Severity::Warning } else { Severity::Error },
                format!("the volume service {host} is down: it last reported {since}"),
                format!("start 'hearth volume' on its host; if it runs, its log says why {host} does not work"),
            );
        }
        if service.disabled {
            let reason = service.disabled_reason.as_deref().unwrap_or("no reason was given");
            findings.add(
                Severity::Notice,
                format!("the volume service {host} is disabled ({reason}): it gets no new volumes"),
                format!("openstack volume service set --enable {host} {VOLUME}"),
            );
        }
    }
    Ok(())
}

fn of_pools(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for pool in database.read(|c| pools::list(c, down_time(config)))? {
        if let (Space::Gib(total), Space::Gib(free)) = (pool.total, pool.free)
            && pool.up
            && free < total * LITTLE
        {
            findings.add(
                Severity::Warning,
                format!("the pool {} is almost full: {free} of {total} GiB are left", pool.name),
                "add space, or remove volumes and snapshots; thin volumes fail to be written when it is full",
            );
        }
    }
    Ok(())
}

fn of_orders(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let (all, waiting) = database.read(|c| {
        let all = services::list(c, None, Some(VOLUME))?;
        let hosts: Vec<&str> = all.iter().map(|service| service.host.as_str()).collect();
        let waiting = orders::waiting(c, &hosts, ORDERS)?;
        Ok((all, waiting))
    })?;
    let now = Timestamp::now();
    let up = |host: &str| all.iter().any(|service| service.host == host && service.is_up(now, down_time(config)));
    for found in waiting.iter().filter(|found| found.placed_at < now.plus_seconds(-PATIENCE)) {
        let order = &found.order;
        let object = match &order.snapshot_id {
            Some(id) => format!("snapshot {id}"),
            None => format!("volume {}", order.volume_id),
        };
        let what = format!("{} of {object} waits since {} UTC", order.work.kind(), found.placed_at.iso_short());
        match &order.backend {
            _ if found.held => findings.add(
                Severity::Notice,
                format!("{what} and is worked on by {} (attempt {})", found.owner, order.attempts),
                "nothing: copies of large volumes take their time",
            ),
            Some(backend) if up(backend) => findings.add(
                Severity::Warning,
                format!("{what} although {backend} is up (attempt {})", order.attempts),
                "look at the log of its volume service; it may have more orders than [hearth_volume] workers can do",
            ),
            Some(backend) => findings.add(
                Severity::Error,
                format!("{what} for {backend}, which is down"),
                format!("start the volume service of {backend}: it carries the order out"),
            ),
            None => findings.add(
                Severity::Error,
                format!("{what} for a place"),
                "start a volume service: any of them places it",
            ),
        }
    }
    Ok(())
}

fn of_statuses(_: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for (is_snapshot, status, count) in database.read(census::in_error)? {
        let noun = if is_snapshot { "snapshots" } else { "volumes" };
        let command = if is_snapshot { "openstack volume snapshot" } else { "openstack volume" };
        let todo = match status.as_str() {
            "error" | "error_extending" | "error_restoring" => {
                format!(
                    "their owners can remove them: {command} delete ID; 'cinder message-list' tells what went wrong"
                )
            }
            _ => format!(
                "find the cause in the log of the volume service, then: {command} set --state available ID, and again"
            ),
        };
        findings.add(Severity::Notice, format!("{count} {noun} are in status {status}"), todo);
    }
    Ok(())
}

/// Hearth does not know whether a server is still on its way: whoever reserved the volume may be slow.
fn of_servers(_: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let long_ago = Timestamp::now().plus_seconds(-LATE_SERVERS);
    for (id, status, since) in database.read(|c| census::between_servers(c, long_ago))? {
        let what =
            format!("volume {id} is {status} since {} UTC: its server has neither come nor gone", since.iso_short());
        let todo = "see 'cinder --os-volume-api-version 3.27 attachment-list --volume-id ID'; if Nova knows no such server any more, \
                    'attachment-delete' each, or 'cinder reset-state --state available --attach-status detached ID'";
        findings.add(Severity::Notice, what, todo);
    }
    Ok(())
}

fn of_keys(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let overdue = database.read(|c| keys::overdue(c, LATE_KEYS))?;
    if overdue > 0 {
        let what = format!("{overdue} keys of volumes and backups that are gone could not be removed for a day");
        let todo = "see the log of hearth volume; for Barbican, give the user of [keystone_authtoken] the role admin";
        findings.add(Severity::Warning, what, todo);
    }
    // The default is Barbican, which is asked with the token of who needs a key.
    if config.text(&BACKEND) == "local"
        && let Err(error) = KeyStore::open(config, database)
    {
        let todo = "put the file in its place (hearth key master FILE makes a new one, which opens no old volume)";
        findings.add(Severity::Error, format!("no key can be had: {}", error.cause().unwrap_or_default()), todo);
    }
    Ok(())
}

fn of_stranded(_: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for object in database.read(stranded::everywhere)? {
        let since = object.changed_at.map(|at| at.iso_short()).unwrap_or_default();
        let todo = match &object.host {
            Some(host) => format!("restart the volume service of {host}: it settles this when it starts"),
            None => format!("openstack volume set --state error {}, then remove it", object.id),
        };
        findings.add(
            Severity::Error,
            format!(
                "{} {} is in status {} since {since} UTC, and nobody was asked to do anything",
                object.kind, object.id, object.status
            ),
            todo,
        );
    }
    Ok(())
}

fn of_files(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for place in places(config)? {
        let residents = database.read(|c| census::residents(c, &place.host))?;
        match place.driver.inventory() {
            Ok(found) => {
                compare(&place, &found.place, &found.names, &residents, findings);
                tended(&place, &residents, findings)?;
            }
            Err(_) if residents.is_empty() => {}
            Err(error) => findings.add(
                Severity::Error,
                format!("{} volumes and snapshots of {} can not be looked at: {error}", residents.len(), place.host),
                "mount its folder, or give this user the right to read it",
            ),
        }
    }
    Ok(())
}

fn of_exports(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for place in places(config)? {
        let found = match database.read(|c| place.exports(c)) {
            Ok(found) => found,
            Err(error) => {
                findings.add(
                    Severity::Error,
                    format!("the exports of {} can not be looked at: {error}", place.host),
                    "start the target daemon; give this user the right to ask it, or run the doctor as the service's user",
                );
                continue;
            }
        };
        for name in found.missing {
            findings.add(
                Severity::Error,
                format!("{name} of {} is in use, but it is not exported: its hosts do not reach it", place.host),
                "start the volume service, which exports it again; its log says why where it can not",
            );
        }
        for name in found.strays {
            findings.add(
                Severity::Warning,
                format!("{name} of {} is exported, but nobody uses it", place.host),
                "start the volume service, which ends the export; where it has just been attached, look again",
            );
        }
    }
    Ok(())
}

fn of_notifications(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for_mailbox(config, database, Mailbox::STORAGE, "'hearth volume', 'hearth backup' or 'hearth notify'", findings)
}

/// The notifications of a mailbox that wait, which the processes of these names deliver.
fn for_mailbox(
    config: &Config,
    database: &Database,
    mailbox: Mailbox,
    processes: &str,
    findings: &mut Findings,
) -> Result<()> {
    let outbox = Outbox::of(config);
    let now = Timestamp::now();
    for (place, count, oldest) in database.read(outbox::waiting)? {
        let Some(driver) = mailbox.driver(&place) else { continue };
        let known = outbox.drivers().iter().any(|name| name == driver);
        if known && oldest > now.plus_seconds(-PATIENCE) {
            continue;
        }
        let since = oldest.iso_short();
        let todo = match driver {
            _ if !known => format!("set [oslo_messaging_notifications] driver = {driver} here and start {processes}"),
            "messaging" | "messagingv2" => {
                format!("look at RabbitMQ and at the logs of {processes}: one of them must run")
            }
            _ => format!("start {processes}, which delivers"),
        };
        let what = format!("{count} notifications wait for the driver {place}, the oldest since {since} UTC");
        findings.add(if known { Severity::Warning } else { Severity::Notice }, what, todo);
    }
    Ok(())
}

/// Tells of volumes that hold what was removed from them while somebody used them.
fn tended(place: &Place, residents: &[Resident], findings: &mut Findings) -> Result<()> {
    for name in place.driver.untended()? {
        let of = residents.iter().find(|one| !one.is_snapshot && place.volume_name(&one.disk_id) == name);
        let Some(volume) = of else { continue };
        let what = format!("the file of volume {} on {} holds snapshots that were removed", volume.id, place.host);
        if volume.status == "available" {
            let todo = "the volume service frees their space with its next report, and its log says why where it can \
                        not; where a snapshot is made or removed now, look again";
            findings.add(Severity::Warning, what, todo);
        } else {
            findings.add(Severity::Notice, what, "nothing: their space is freed when nobody uses the volume");
        }
    }
    Ok(())
}

/// Compares the names on a backend with the rows that it should have.
fn compare(place: &Place, folder: &str, names: &[String], residents: &[Resident], findings: &mut Findings) {
    let mut expected: HashMap<String, &Resident> = HashMap::new();
    for resident in residents {
        let name = if resident.is_snapshot {
            place.snapshot_name(&resident.disk_id)
        } else {
            place.volume_name(&resident.disk_id)
        };
        expected.insert(name, resident);
    }
    let strays = names.iter().filter(|name| place.is_a_name(name) && !expected.contains_key(*name));
    for name in strays {
        findings.add(
            Severity::Warning,
            format!("{folder}/{name} belongs to no volume and no snapshot of {}", place.host),
            "make sure that no other database uses this folder, then move the file away",
        );
    }
    // What is on its way, or failed, may have no file.
    let whole = ["available", "in-use", "reserved", "attaching", "detaching", "backing-up", "restoring", "uploading"];
    for (name, resident) in expected {
        if whole.contains(&resident.status.as_str()) && !names.contains(&name) {
            let noun = if resident.is_snapshot { "snapshot" } else { "volume" };
            findings.add(
                Severity::Error,
                format!("{noun} {} is {}, but {folder}/{name} does not exist", resident.id, resident.status),
                "mount the right file system, or bring the file back; if it is lost for good, remove the object",
            );
        }
    }
}
