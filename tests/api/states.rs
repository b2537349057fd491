//! The tables of statuses that were observed of Cinder (`tests/data/block_storage/states/`), and the world that they were
//! observed in. Not here: what is compared with them.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::fixture::{Cloud, PROJECT};

pub(crate) const OPERATIONS: &str = include_str!("../data/block_storage/states/operations.tsv");
const WORLD: &str = include_str!("../data/block_storage/states/world.sql");
pub(crate) const DIFFERS: &str = include_str!("../data/block_storage/states/differs.tsv");

/// Nothing that a limit could refuse, and the host of the world's objects.
const UNLIMITED: &str = "host = node\nrpc_response_timeout = 2\nuse_default_quota_class = false\nquota_volumes = -1\nquota_gigabytes = -1\n\
                          quota_snapshots = -1\nquota_backups = -1\nquota_groups = -1\nenable_force_upload = true";

/// The same, with an Image service.
pub(crate) fn configured() -> String {
    format!("{UNLIMITED}\nglance_api_servers = {}", crate::image_service::url())
}

/// What has a status.
pub(crate) struct Kind {
    pub(crate) noun: &'static str,
    /// The table of observations.
    pub(crate) observed: &'static str,
    /// Where its status stands in the database.
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    pub(crate) id: &'static str,
}

pub(crate) const VOLUME: Kind = Kind {
    noun: "volume",
    observed: include_str!("../data/block_storage/states/volumes.tsv"),
    table: "volumes",
    column: "status",
    id: "00000000-0000-4000-8000-00000000000a",
};
pub(crate) const SNAPSHOT: Kind = Kind {
    noun: "snapshot",
    observed: include_str!("../data/block_storage/states/snapshots.tsv"),
    table: "snapshots",
    column: "status",
    id: "00000000-0000-4000-8000-00000000000c",
};
pub(crate) const BACKUP: Kind = Kind {
    noun: "backup",
    observed: include_str!("../data/block_storage/states/backups.tsv"),
    table: "backups",
    column: "status",
    id: "00000000-0000-4000-8000-00000000000e",
};
pub(crate) const GROUP: Kind = Kind {
    noun: "group",
    observed: include_str!("../data/block_storage/states/groups.tsv"),
    table: "\"groups\"",
    column: "status",
    id: "00000000-0000-4000-8000-000000000010",
};
pub(crate) const GROUP_SNAPSHOT: Kind = Kind {
    noun: "group_snapshot",
    observed: include_str!("../data/block_storage/states/group_snapshots.tsv"),
    table: "group_snapshots",
    column: "status",
    id: "00000000-0000-4000-8000-000000000013",
};
pub(crate) const ATTACHMENT: Kind = Kind {
    noun: "attachment",
    observed: include_str!("../data/block_storage/states/attachments.tsv"),
    table: "volume_attachment",
    column: "attach_status",
    id: "00000000-0000-4000-8000-000000000016",
};
/// A transfer has no status but that of its volume.
pub(crate) const TRANSFER: Kind = Kind {
    noun: "transfer",
    observed: include_str!("../data/block_storage/states/transfers.tsv"),
    table: "volumes",
    column: "status",
    id: "00000000-0000-4000-8000-000000000017",
};

/// The rows of a table, without its comments and its head.
pub(crate) fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| line.split('\t').collect())
}

/// The statuses that a table of observations has as its columns.
pub(crate) fn statuses(table: &'static str) -> Vec<&'static str> {
    let head = table.lines().find(|line| !line.starts_with('#')).unwrap();
    head.split('\t').skip(1).collect()
}

/// The database of the world, made once.
pub(crate) fn world() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let cloud = Cloud::with(&configured());
        fill(&cloud, 0);
        cloud.database_file()
    })
}

/// The ids of the world's objects in its `number`th copy; what several copies share keeps its id.
pub(crate) fn of_copy(number: usize, text: &str) -> String {
    const SHARED: [&str; 5] = ["02", "03", "f1", "f2", "f3"];
    const PREFIX: &str = "00000000-0000-4000-8000-0000000000";
    let mut parts = text.split(PREFIX);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let first = if SHARED.iter().any(|id| part.starts_with(id)) { 0 } else { number };
        out += &format!("{first:08x}-0000-4000-8000-0000000000{part}");
    }
    out
}

/// Puts the world into a database; with a number above 0, one more copy of its objects.
pub(crate) fn fill(cloud: &Cloud, number: usize) {
    let sql = "SELECT id FROM volume_types WHERE name = '__DEFAULT__'";
    let kind = cloud.database.read(|c| c.row(sql, &[], |row| row.string(0))).unwrap().unwrap();
    let mut mac = Hmac::<Sha1>::new_from_slice(b"01234567").unwrap();
    mac.update(b"0123456789abcdef");
    let hash: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let shared =
        ["services", "quota_classes", "volume_types", "group_types"].map(|table| format!("INSERT INTO {table} "));
    for line in WORLD.lines().filter(|line| !line.starts_with("--")) {
        if number > 0 && shared.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        let line = line.replace("$project", PROJECT).replace("$type", &kind);
        cloud.sql(&of_copy(number, &line.replace("$salt", "01234567").replace("$hash", &hash)), &[]);
    }
    if number > 0 {
        return;
    }
    for backend in ["file", "second"] {
        cloud.sql(
            "INSERT INTO hearth_pools (name, service_host, report, allocated_gib, provisioned_gib, promised_gib, \
             reported_at) VALUES (?, ?, '{\"working\": true}', 0, 0, 0, '2999-01-01 00:00:00')",
            &[format!("node@{backend}#{backend}").into(), format!("node@{backend}").into()],
        );
    }
}
