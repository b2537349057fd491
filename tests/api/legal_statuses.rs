//! Every operation on a volume in every status, against what was observed of Cinder.

use hearth::block_storage::model::status::Status as _;
use hearth::block_storage::model::volume::Status;
use serde_json::json;

use crate::fixture::{Cloud, Persona::*};
use crate::people::{status, volume};

const OBSERVED: &str = include_str!("../data/block_storage/legal_statuses.tsv");

/// Asks for an operation on a volume; the status of the answer.
fn ask(cloud: &Cloud, operation: &str, id: &str) -> u16 {
    let volume = format!("/volumes/{id}");
    let action = |version: &str, body| cloud.post(Admin, &format!("{version} {volume}/action"), body).status;
    let snapshot = |version: &str, body| cloud.post(Admin, &format!("{version} /snapshots"), body).status;
    match operation {
        "delete" => cloud.delete(Admin, &volume).status,
        "delete_cascade" => cloud.delete(Admin, &format!("{volume}?cascade=true")).status,
        "force_delete" => action("3.71", json!({"os-force_delete": {}})),
        "update" => cloud.put(Admin, &volume, json!({"volume": {"name": "n"}})).status,
        "set_bootable" => action("3.71", json!({"os-set_bootable": {"bootable": true}})),
        "metadata" => cloud.post(Admin, &format!("{volume}/metadata"), json!({"metadata": {}})).status,
        "reserve" => action("3.71", json!({"os-reserve": {}})),
        "unreserve" => action("3.71", json!({"os-unreserve": {}})),
        "begin_detaching" => action("3.71", json!({"os-begin_detaching": {}})),
        "roll_detaching" => action("3.71", json!({"os-roll_detaching": {}})),
        "extend_3.41" => action("3.41", json!({"os-extend": {"new_size": 2}})),
        "extend_3.42" => action("3.42", json!({"os-extend": {"new_size": 2}})),
        "update_readonly_flag" => action("3.71", json!({"os-update_readonly_flag": {"readonly": true}})),
        "snapshot_3.65" => snapshot("3.65", json!({"snapshot": {"volume_id": id}})),
        "snapshot_forced_3.65" => snapshot("3.65", json!({"snapshot": {"volume_id": id, "force": true}})),
        "snapshot_3.66" => snapshot("3.66", json!({"snapshot": {"volume_id": id}})),
        "transfer" => cloud.post(Admin, "/volume-transfers", json!({"transfer": {"volume_id": id}})).status,
        "attachment" => cloud.post(Admin, "/attachments", json!({"attachment": {"volume_uuid": id}})).status,
        "clone" => cloud.post(Admin, "/volumes", json!({"volume": {"source_volid": id}})).status,
        "retype" => {
            cloud.post(Admin, "/types", json!({"volume_type": {"name": "other"}}));
            action("3.71", json!({"os-retype": {"new_type": "other"}}))
        }
        "migrate" => {
            if cloud.numbers("SELECT 1 FROM services", &[]).is_empty() {
                crate::people::backend(cloud);
            }
            cloud.sql("UPDATE volumes SET migration_status = NULL", &[]);
            action("3.71", json!({"os-migrate_volume": {"host": "node@file"}}))
        }
        "reset_status" => action("3.71", json!({"os-reset_status": {"status": "error"}})),
        other => panic!("{other} is no operation"),
    }
}

fn legal(statuses: &str, status: Status) -> bool {
    let named = |list: &str| list.split(' ').any(|name| name == status.name());
    match statuses.strip_prefix('!') {
        Some(list) => !named(list),
        None => statuses == "*" || named(statuses),
    }
}

#[test]
fn every_operation_is_carried_out_from_exactly_the_observed_statuses() {
    let cloud =
        Cloud::with("use_default_quota_class = false\nquota_volumes = -1\nquota_gigabytes = -1\nquota_snapshots = -1");
    let rows = OBSERVED.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('\t').unwrap());
    for (operation, statuses) in rows {
        let id = volume(&cloud, Admin, "v");
        if operation == "begin_detaching" {
            cloud.sql("UPDATE volumes SET attach_status = 'attached' WHERE id = ?", &[(&id).into()]);
        }
        for from in Status::ALL {
            status(&cloud, "volumes", &id, from.name());
            let answer = ask(&cloud, operation, &id);
            let expected = if !legal(statuses, *from) {
                400
            } else if matches!(operation, "update" | "set_bootable" | "metadata" | "attachment") {
                200
            } else {
                202
            };
            assert_eq!(answer, expected, "{operation} from {from}");
        }
    }
}
