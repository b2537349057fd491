//! What moves a volume's content or the volume itself, as callers see it; the work is in `tests/volume_service`.

use serde_json::json;

use crate::fixture::Cloud;
use crate::fixture::Persona::{Member, Reader};
use crate::people;

#[test]
fn a_volume_goes_back_to_its_newest_snapshot_alone_and_both_are_busy_meanwhile() {
    let cloud = Cloud::new();
    let volume = people::volume(&cloud, Member, "v");
    let path = format!("/volumes/{volume}/action");
    let revert = |id: &str| json!({"revert": {"snapshot_id": id}});
    cloud.post(Member, &path, revert("x")).refuse(400, &format!("Volume {volume} doesn't have any snapshots."));
    let older = people::snapshot(&cloud, Member, &volume, "older");
    cloud.sql("UPDATE snapshots SET created_at = '2020-01-01 00:00:00' WHERE id = ?", &[(&older).into()]);
    let newer = people::snapshot(&cloud, Member, &volume, "newer");
    let not_it = format!("Specified snapshot {older} is None or not the latest one of volume {volume}.");
    cloud.post(Member, &path, revert(&older)).refuse(400, &not_it);
    cloud
        .post(Reader, &path, revert(&newer))
        .refuse(403, "Policy doesn't allow volume:revert_to_snapshot to be performed.");

    cloud.post(Member, &path, revert(&newer)).expect(202);
    let status = |path: String, noun: &str| cloud.get(Member, &path).expect(200)[noun]["status"].clone();
    assert_eq!(status(format!("/volumes/{volume}"), "volume"), json!("reverting"));
    assert_eq!(status(format!("/snapshots/{newer}"), "snapshot"), json!("restoring"));
    assert_eq!(cloud.numbers("SELECT COUNT(*) FROM hearth_orders WHERE kind = 'revert_to_snapshot'", &[]), [1]);
    let busy = format!(
        "Invalid volume: Can't revert volume {volume} to its latest snapshot {newer}. Volume's status must be 'available'."
    );
    cloud.post(Member, &path, revert(&newer)).refuse(409, &busy);

    // The volume has grown: it no longer fits.
    people::status(&cloud, "volumes", &volume, "available");
    people::status(&cloud, "snapshots", &newer, "available");
    cloud.sql("UPDATE volumes SET size = 2 WHERE id = ?", &[(&volume).into()]);
    let larger = format!(
        "Can't revert volume {volume} to its latest snapshot {newer}. The volume size must be equal to the snapshot size."
    );
    cloud.post(Member, &path, revert(&newer)).refuse(400, &larger);
}
