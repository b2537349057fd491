//! Extensions: `/extensions`, by which clients of old find out what a service can do (Block Storage API v3, "API
//! extensions"). Only those are listed whose routes or attributes are served.

use crate::block_storage::BlockStorage;
use crate::error::{Error, Result};
use crate::rest::view::{Answer, Field, Shape, View};
use crate::rest::{Call, Reply, Route};

/// The rows.
pub const ROUTES: &[Route<BlockStorage>] = &[
    Route::get("/extensions", list).reply(200, Answer::Many("extensions", &EXTENSION)).about("List extensions"),
    Route::get("/extensions/{alias}", show).reply(200, Answer::One("extension", &EXTENSION)).about("Show an extension"),
];

/// One extension.
struct Extension {
    name: &'static str,
    alias: &'static str,
    updated: &'static str,
    about: &'static str,
    /// A route that it stands for: it is listed where this is served. Attributes stand for the route that shows them.
    route: &'static str,
}

const fn row(
    name: &'static str,
    alias: &'static str,
    updated: &'static str,
    route: &'static str,
    about: &'static str,
) -> Extension {
    Extension { name, alias, updated, about, route }
}

const EXTENSIONS: &[Extension] = &[
    row(
        "AdminActions",
        "os-admin-actions",
        "2012-08-25T00:00:00+00:00",
        "os-reset_status",
        "Administrators set states and force operations.",
    ),
    row(
        "AvailabilityZones",
        "os-availability-zone",
        "2013-06-27T00:00:00+00:00",
        "/os-availability-zone",
        "Availability zones.",
    ),
    row("Backups", "backups", "2012-12-12T00:00:00+00:00", "/backups", "Backups of volumes."),
    row(
        "Capabilities",
        "capabilities",
        "2015-08-31T00:00:00+00:00",
        "/capabilities/{host}",
        "What a backend says of itself.",
    ),
    row("Cgsnapshots", "cgsnapshots", "2014-08-18T00:00:00+00:00", "/cgsnapshots", "Snapshots of consistency groups."),
    row(
        "Consistencygroups",
        "consistencygroups",
        "2014-08-18T00:00:00+00:00",
        "/consistencygroups",
        "Consistency groups.",
    ),
    row(
        "ExtendedServices",
        "os-extended-services",
        "2014-01-10T00:00:00-00:00",
        "/os-services/disable-log-reason",
        "Why a service is disabled.",
    ),
    row(
        "ExtendedSnapshotAttributes",
        "os-extended-snapshot-attributes",
        "2012-06-19T00:00:00+00:00",
        "/snapshots/{snapshot_id}",
        "Project and progress of a snapshot.",
    ),
    row("Hosts", "os-hosts", "2011-06-29T00:00:00+00:00", "/os-hosts", "Hosts and what lies on them."),
    row("Qos_specs_manage", "qos-specs", "2013-08-02T00:00:00+00:00", "/qos-specs", "Quality of service specs."),
    row(
        "QuotaClasses",
        "os-quota-class-sets",
        "2012-03-12T00:00:00+00:00",
        "/os-quota-class-sets/{class}",
        "Limits of quota classes.",
    ),
    row("Quotas", "os-quota-sets", "2011-08-08T00:00:00+00:00", "/os-quota-sets/{project}", "Limits of projects."),
    row(
        "SchedulerHints",
        "OS-SCH-HNT",
        "2013-04-18T00:00:00+00:00",
        "/volumes",
        "What the scheduler is told about a volume.",
    ),
    row(
        "Scheduler_stats",
        "scheduler-stats",
        "2014-09-07T00:00:00+00:00",
        "/scheduler-stats/get_pools",
        "The pools that the scheduler knows.",
    ),
    row("Services", "os-services", "2012-10-28T00:00:00-00:00", "/os-services", "Services and their states."),
    row(
        "SnapshotActions",
        "os-snapshot-actions",
        "2013-07-16T00:00:00+00:00",
        "os-update_snapshot_status",
        "Progress of snapshots.",
    ),
    row(
        "SnapshotManage",
        "os-snapshot-manage",
        "2014-12-31T00:00:00+00:00",
        "/os-snapshot-manage",
        "Taking over snapshots of a backend.",
    ),
    row(
        "SnapshotUnmanage",
        "os-snapshot-unmanage",
        "2014-12-31T00:00:00+00:00",
        "os-unmanage",
        "Giving snapshots back to a backend.",
    ),
    row(
        "TypesExtraSpecs",
        "os-types-extra-specs",
        "2011-08-24T00:00:00+00:00",
        "/types/{type_id}/extra_specs",
        "Extra specs of volume types.",
    ),
    row("TypesManage", "os-types-manage", "2011-08-24T00:00:00+00:00", "/types", "Making and changing volume types."),
    row("UsedLimits", "os-used-limits", "2013-10-03T00:00:00+00:00", "/limits", "Usage among the limits."),
    row(
        "VolumeActions",
        "os-volume-actions",
        "2012-05-31T00:00:00+00:00",
        "/volumes/{volume_id}/action",
        "Actions on volumes.",
    ),
    row(
        "VolumeEncryptionMetadata",
        "os-volume-encryption-metadata",
        "2013-07-10T00:00:00+00:00",
        "/volumes/{volume_id}/encryption",
        "How a volume is encrypted.",
    ),
    row(
        "VolumeHostAttribute",
        "os-vol-host-attr",
        "2011-11-03T00:00:00+00:00",
        "/volumes/{volume_id}",
        "The host of a volume.",
    ),
    row(
        "VolumeImageMetadata",
        "os-vol-image-meta",
        "2012-12-07T00:00:00+00:00",
        "os-show_image_metadata",
        "What the image said that a volume was made of.",
    ),
    row(
        "VolumeManage",
        "os-volume-manage",
        "2014-02-10T00:00:00+00:00",
        "/os-volume-manage",
        "Taking over volumes of a backend.",
    ),
    row(
        "VolumeMigStatusAttribute",
        "os-vol-mig-status-attr",
        "2013-08-08T00:00:00+00:00",
        "/volumes/{volume_id}",
        "The migration of a volume.",
    ),
    row(
        "VolumeTenantAttribute",
        "os-vol-tenant-attr",
        "2011-11-03T00:00:00+00:00",
        "/volumes/{volume_id}",
        "The project of a volume.",
    ),
    row(
        "VolumeTransfer",
        "os-volume-transfer",
        "2013-05-29T00:00:00+00:00",
        "/os-volume-transfer",
        "Handing a volume to another project.",
    ),
    row(
        "VolumeTypeAccess",
        "os-volume-type-access",
        "2014-06-26T00:00:00Z",
        "/types/{type_id}/os-volume-type-access",
        "Who may use a private volume type.",
    ),
    row(
        "VolumeTypeEncryption",
        "encryption",
        "2013-07-01T00:00:00+00:00",
        "/types/{type_id}/encryption",
        "Encryption of the volumes of a type.",
    ),
    row(
        "VolumeUnmanage",
        "os-volume-unmanage",
        "2012-05-31T00:00:00+00:00",
        "os-unmanage",
        "Giving volumes back to a backend.",
    ),
];

static EXTENSION: View<Extension> = View {
    name: "Extension",
    fields: &[
        Field::new("name", Shape::Text, |item: &Extension, _, json| json.text(item.name)),
        Field::new("alias", Shape::Text, |item: &Extension, _, json| json.text(item.alias)),
        Field::new("description", Shape::Text, |item: &Extension, _, json| json.text(item.about)),
        Field::new("updated", Shape::Text, |item: &Extension, _, json| json.text(item.updated)),
        Field::new("links", Shape::Objects, |_: &Extension, _, json| json.array(|_| {})),
    ],
};

/// The extensions that are served.
fn served() -> impl Iterator<Item = &'static Extension> {
    let routes = || super::ROUTES.iter().copied().flatten();
    EXTENSIONS.iter().filter(move |item| routes().any(|route| route.path == item.route || route.action == item.route))
}

fn list(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let viewer = call.viewer(0);
    Ok(call.json(|json| {
        json.object(|json| {
            json.key("extensions").array(|json| served().for_each(|item| EXTENSION.object(item, &viewer, json)));
        });
    }))
}

fn show(call: &mut Call<'_, BlockStorage>) -> Result<Reply> {
    let alias = call.path.value("alias");
    match served().find(|item| item.alias == alias) {
        Some(item) => Ok(call.one("extension", &EXTENSION, item, 0)),
        None => Err(Error::not_found("The resource could not be found.")),
    }
}
