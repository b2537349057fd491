//! The part of the doctor that looks at backups: services, orders, statuses, chains, and the files of this host.

use std::collections::HashMap;

use super::{Findings, ORDERS, PATIENCE, Severity, down_time};
use crate::block_storage::backup::Survey;
use crate::block_storage::model::backup::Backup;
use crate::block_storage::model::service::BACKUP;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::store::{backup_orders, backups, census, services};
use crate::config::Config;
use crate::database::Database;
use crate::error::Result;
use crate::time::Timestamp;

pub(super) fn of_services(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let (now, down) = (Timestamp::now(), down_time(config));
    let (all, waiting) = database.read(|c| {
        let all = services::list(c, None, Some(BACKUP))?;
        let hosts: Vec<&str> = all.iter().map(|service| service.host.as_str()).collect();
        let waiting = backup_orders::waiting(c, &hosts, ORDERS)?;
        Ok((all, waiting))
    })?;
    for service in all.iter().filter(|service| !service.is_up(now, down)) {
        let since = service.updated_at.map_or("never".to_owned(), |at| format!("at {} UTC", at.iso_short()));
        findings.add(
            if service.disabled { Severity::Warning } else { Severity::Error },
            format!("the backup service {} is down: it last reported {since}", service.host),
            "start 'hearth backup' on its host; if it runs, its log says why it does not work",
        );
    }
    for found in waiting.iter().filter(|found| found.placed_at < now.plus_seconds(-PATIENCE)) {
        let order = &found.order;
        let since = found.placed_at.iso_short();
        let what = format!("{} of backup {} waits since {since} UTC", order.work.kind(), order.backup_id);
        let is_up = all.iter().any(|service| service.host == order.host && service.is_up(now, down));
        match (found.held, is_up) {
            (true, _) => findings.add(
                Severity::Notice,
                format!("{what} and is worked on by {} (attempt {})", found.owner, order.attempts),
                "nothing: copies of large volumes take their time",
            ),
            (false, true) => findings.add(
                Severity::Warning,
                format!("{what} although the backup service {} is up (attempt {})", order.host, order.attempts),
                "look at its log; it may have more orders than backup_max_operations lets it do at once",
            ),
            (false, false) => findings.add(
                Severity::Error,
                format!("{what} for the backup service {}, which is down", order.host),
                format!("start 'hearth backup' on {}: it carries the order out", order.host),
            ),
        }
    }
    Ok(())
}

pub(super) fn of_statuses(_: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    for (status, count) in database.read(census::backups_in_error)? {
        let todo = match status.as_str() {
            "error" => {
                "their owners can remove them: openstack volume backup delete ID; fail_reason tells what went wrong"
            }
            _ => {
                "find the cause in the log of the backup service, then: openstack volume backup set --state error ID, and \
                 delete it again"
            }
        };
        findings.add(Severity::Notice, format!("{count} backups are in status {status}"), todo);
    }
    for backup in database.read(|c| backups::stranded(c, None))? {
        let host = backup.host.as_deref().unwrap_or("its host");
        findings.add(
            Severity::Error,
            format!("backup {} is in status {}, and nobody was asked to do anything", backup.id, backup.status.name()),
            format!("restart the backup service of {host}: it settles this when it starts"),
        );
    }
    for (id, status) in database.read(census::without_backup)? {
        findings.add(
            Severity::Error,
            format!("volume {id} is in status {status}, but no backup is being made of it or restored into it"),
            format!("openstack volume set --state available {id}; after a restore that was broken off, restore again"),
        );
    }
    Ok(())
}

pub(super) fn of_chains(_: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let all = database.read(backups::all)?;
    let by_id: HashMap<&str, &Backup> = all.iter().map(|backup| (&*backup.id, backup)).collect();
    for backup in &all {
        let Some(parent) = &backup.parent_id else { continue };
        let what = match by_id.get(parent.as_str()) {
            None => format!("backup {} builds on {parent}, which is gone: it can not be restored", backup.id),
            Some(found) if found.status.name().starts_with("error") => {
                format!("backup {} builds on {parent}, which is in status {}", backup.id, found.status.name())
            }
            Some(_) => continue,
        };
        let todo = "bring the record back (cinder backup-import), if its objects are there; else make a full backup";
        findings.add(Severity::Error, what, todo);
    }
    Ok(())
}

pub(super) fn of_files(config: &Config, database: &Database, findings: &mut Findings) -> Result<()> {
    let survey = Survey::new(config)?;
    let all = database.read(backups::all)?;
    let own: Vec<&Backup> = all.iter().filter(|backup| survey.keeps(backup)).collect();
    if !survey.is_there() {
        if !own.is_empty() {
            let what = format!("{} backups lie in {}, which is not there", own.len(), survey.path.display());
            findings.add(Severity::Error, what, "mount its file system, or set backup_posix_path");
        }
        return Ok(());
    }
    for backup in own {
        if let Some(fault) = survey.fault(backup) {
            findings.add(
                Severity::Error,
                format!("backup {} is {}, but {fault}", backup.id, backup.status.name()),
                "mount the right file system, or bring the files back; if they are lost for good, remove the backup and make a \
                 full one",
            );
        }
    }
    for strays in survey.strays(&all)? {
        findings.add(
            Severity::Warning,
            format!(
                "{} files in {} belong to no backup: {}",
                strays.count,
                strays.folder.display(),
                strays.names.join(", ")
            ),
            "make sure that no other database uses this folder; import the record, or move the files away",
        );
    }
    Ok(())
}
