//! What `hearth doctor` finds of backups, on a database and a folder that are really in that state.

use std::fs;

use hearth::block_storage::store::backups;
use hearth::operate::doctor::{Finding, Severity, examine};
use serde_json::json;

use super::cloud::Cloud;

fn found(cloud: &Cloud) -> Vec<Finding> {
    examine(cloud.world.config(), &cloud.world.database)
}

fn said(findings: &[Finding], severity: Severity, words: &str) -> bool {
    findings.iter().any(|finding| finding.severity == severity && finding.what.contains(words))
}

fn change(cloud: &Cloud, sql: &str) {
    cloud.world.database.write(|tx| tx.execute(sql, &[])).unwrap();
}

#[test]
fn healthy_backups_give_no_finding_and_every_trouble_of_them_is_told() {
    let cloud = Cloud::new();
    let _volumes = cloud.world.start();
    let service = cloud.start();
    let volume = cloud.volume(1);
    cloud.write(&volume, &[(0, b"data")]);
    let full = cloud.backed_up(&volume, json!({}));
    let child = cloud.backed_up(&volume, json!({"incremental": true}));
    let other = cloud.backed_up(&volume, json!({}));
    assert_eq!(found(&cloud), []);

    let folder = cloud.world.folder.join("backup");
    let row = cloud.world.read(|c| backups::by_id(c, &other)).unwrap();
    let (container, prefix) = (folder.join(row.container.unwrap()), row.service_metadata.unwrap());

    // Objects that are gone, and metadata that are damaged.
    let object = container.join(format!("{prefix}-00001"));
    fs::rename(&object, folder.join("kept")).unwrap();
    let findings = found(&cloud);
    assert!(said(&findings, Severity::Error, &format!("backup {other} is available, but")), "{findings:?}");
    assert_eq!(findings.len(), 1, "{findings:?}");
    fs::rename(folder.join("kept"), &object).unwrap();
    let metadata = container.join(format!("{prefix}_metadata"));
    let whole = fs::read(&metadata).unwrap();
    fs::write(&metadata, &whole[..whole.len() / 2]).unwrap();
    assert!(said(&found(&cloud), Severity::Error, "its metadata can not be read"));
    fs::write(&metadata, &whole).unwrap();
    assert_eq!(found(&cloud), []);

    // Files of nobody, whole and unfinished.
    let stray = container.join(format!("volume_{volume}_20200101000000_backup_{full}-00001"));
    let unfinished = container.join(".volume_v_20200101000000_backup_b_metadata.part");
    for path in [&stray, &unfinished] {
        fs::write(path, b"").unwrap();
    }
    let findings = found(&cloud);
    assert!(said(&findings, Severity::Warning, "2 files in") && findings.len() == 1, "{findings:?}");
    fs::remove_file(stray).unwrap();
    fs::remove_file(unfinished).unwrap();

    // A chain whose beginning is gone: its objects belong to nobody now.
    change(&cloud, &format!("UPDATE backups SET deleted = true WHERE id = '{full}'"));
    let findings = found(&cloud);
    assert!(
        said(&findings, Severity::Error, &format!("backup {child} builds on {full}, which is gone")),
        "{findings:?}"
    );
    assert!(said(&findings, Severity::Warning, "belong to no backup"));
    change(&cloud, &format!("UPDATE backups SET deleted = false WHERE id = '{full}'"));

    // What nobody was asked to do, and what it keeps waiting.
    change(&cloud, &format!("UPDATE backups SET status = 'deleting' WHERE id = '{other}'"));
    change(&cloud, &format!("UPDATE volumes SET status = 'backing-up' WHERE id = '{volume}'"));
    let findings = found(&cloud);
    assert!(said(&findings, Severity::Error, &format!("backup {other} is in status deleting")), "{findings:?}");
    assert!(said(&findings, Severity::Error, &format!("volume {volume} is in status backing-up, but no backup")));
    change(&cloud, &format!("UPDATE volumes SET status = 'available' WHERE id = '{volume}'"));

    // A service that is down, with an order that waits for it. What the doctor recommends helps.
    drop(service);
    cloud.delete(&child);
    change(&cloud, "UPDATE hearth_orders SET created_at = '2020-01-01 00:00:00'");
    change(&cloud, "UPDATE services SET updated_at = '2020-01-01 00:00:00' WHERE \"binary\" = 'cinder-backup'");
    let findings = found(&cloud);
    assert!(said(&findings, Severity::Error, "the backup service node1 is down"), "{findings:?}");
    assert!(said(&findings, Severity::Error, &format!("delete_backup of backup {child} waits since")));
    let _service = cloud.start();
    cloud.world.settle();
    assert_eq!(found(&cloud), []);
    cloud.assert_whole();

    // All of them at once.
    fs::rename(&folder, cloud.world.folder.join("elsewhere")).unwrap();
    assert!(said(&found(&cloud), Severity::Error, "1 backups lie in"));
}
