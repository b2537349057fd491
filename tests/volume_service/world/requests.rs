//! Requests as the API makes them: one transaction that charges, writes the row and places the order.

use hearth::block_storage::model::attachment::AttachmentDetails;
use hearth::block_storage::model::quota::Limits;
use hearth::block_storage::model::snapshot::{self, Snapshot};
use hearth::block_storage::model::volume::{self, AttachStatus, Volume};
use hearth::block_storage::model::work::{Hints, Requester};
use hearth::block_storage::rpc;
use hearth::block_storage::store::quotas::{Charge, charge};
use hearth::block_storage::store::{attachments, snapshots, volumes};
use hearth::database::Connection;
use hearth::time::Timestamp;

use super::{Of, PROJECT, World};

impl World {
    pub(crate) fn create(&self, size_gib: i64, of: Of<'_>) -> String {
        self.create_where(size_gib, of, &Hints::default(), None)
    }

    pub(crate) fn create_where(&self, size_gib: i64, of: Of<'_>, hints: &Hints, zone: Option<&str>) -> String {
        let volume = new_volume(size_gib, of, zone);
        let done = self.database.write(|tx| {
            let source = match of {
                Of::Nothing => None,
                Of::Volume(id) => volumes::by_id(tx, id)?,
                Of::Snapshot(id) => {
                    let snapshot = snapshots::by_id(tx, id)?.unwrap();
                    volumes::by_id(tx, &snapshot.volume_id)?
                }
            };
            let volume_type_id = default_type(tx)?;
            let volume = Volume { volume_type_id, ..volume.clone() };
            charge(tx, &Charge { volumes: 1, gigabytes: size_gib, ..charge_of(&volume) }, &limits())?;
            volumes::insert(tx, &volume)?;
            rpc::create_volume(tx, &requester(), &volume, source.as_ref(), hints)
        });
        done.unwrap();
        self.doorbell.ring();
        volume.id
    }

    pub(crate) fn delete(&self, id: &str, cascade: bool) {
        let rule = if cascade { &volume::DELETE_CASCADE } else { &volume::DELETE };
        let done = self.database.write(|tx| {
            assert!(volumes::begin(tx, id, rule, &[])?, "{id} can not be removed now");
            if cascade {
                for own in snapshots::of_volume(tx, id)? {
                    assert!(snapshots::begin(tx, &own.id, &snapshot::DELETE_WITH_VOLUME, &[])?);
                }
            }
            let volume = volumes::by_id(tx, id)?.unwrap();
            rpc::delete_volume(tx, &requester(), &volume, cascade)
        });
        done.unwrap();
        self.doorbell.ring();
    }

    pub(crate) fn extend(&self, id: &str, size_gib: i64) {
        let done = self.database.write(|tx| {
            let volume = volumes::by_id(tx, id)?.unwrap();
            let more = size_gib - volume.size_gib;
            charge(tx, &Charge { gigabytes: more, ..charge_of(&volume) }, &limits())?;
            assert!(volumes::begin(tx, id, &volume::EXTEND, &[])?, "{id} can not grow now");
            rpc::extend_volume(tx, &requester(), &volume, size_gib)
        });
        done.unwrap();
        self.doorbell.ring();
    }

    /// As [`World::extend`], of a volume that somebody uses.
    pub(crate) fn extend_attached(&self, id: &str, size_gib: i64) {
        let done = self.database.write(|tx| {
            // Its host has said that it uses it.
            let columns = [("status", "in-use".into()), ("attach_status", "attached".into())];
            assert!(volumes::change(tx, id, &columns)?);
            let volume = volumes::by_id(tx, id)?.unwrap();
            charge(tx, &Charge { gigabytes: size_gib - volume.size_gib, ..charge_of(&volume) }, &limits())?;
            assert!(volumes::begin(tx, id, &volume::EXTEND_ATTACHED, &[])?, "{id} can not grow now");
            rpc::extend_volume(tx, &requester(), &volume, size_gib)
        });
        done.unwrap();
        self.doorbell.ring();
    }

    /// Orders that a file of the backend becomes a volume.
    pub(crate) fn manage(&self, file: &str) -> String {
        let new = new_volume(0, Of::Nothing, None);
        let done = self.database.write(|tx| {
            let volume_type_id = default_type(tx)?;
            let host = Some("node1@file".to_owned());
            let volume = Volume { volume_type_id, status: volume::Status::Managing, host, ..new.clone() };
            volumes::insert(tx, &volume)?;
            rpc::manage_volume(tx, &requester(), &volume, file)
        });
        done.unwrap();
        self.doorbell.ring();
        new.id
    }

    pub(crate) fn unmanage(&self, id: &str) {
        let done = self.database.write(|tx| {
            assert!(volumes::begin(tx, id, &volume::UNMANAGE, &[])?, "{id} can not be given up now");
            let volume = volumes::by_id(tx, id)?.unwrap();
            rpc::unmanage_volume(tx, &requester(), &volume)
        });
        done.unwrap();
        self.doorbell.ring();
    }

    /// Orders that a file of the backend becomes a snapshot of a volume.
    pub(crate) fn manage_snapshot(&self, volume_id: &str, file: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let done = self.database.write(|tx| {
            let volume = volumes::by_id(tx, volume_id)?.unwrap();
            let snapshot = new_snapshot(&id, &volume);
            charge(tx, &Charge { snapshots: 1, gigabytes: volume.size_gib, ..charge_of(&volume) }, &limits())?;
            snapshots::insert(tx, &snapshot)?;
            rpc::manage_snapshot(tx, &requester(), &volume, &snapshot, file)
        });
        done.unwrap();
        self.doorbell.ring();
        id
    }

    pub(crate) fn unmanage_snapshot(&self, id: &str) {
        self.move_snapshot(id, &snapshot::UNMANAGE, rpc::unmanage_snapshot);
    }

    pub(crate) fn create_snapshot(&self, volume_id: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let done = self.database.write(|tx| {
            let volume = volumes::by_id(tx, volume_id)?.unwrap();
            let snapshot = new_snapshot(&id, &volume);
            charge(tx, &Charge { snapshots: 1, gigabytes: volume.size_gib, ..charge_of(&volume) }, &limits())?;
            snapshots::insert(tx, &snapshot)?;
            rpc::create_snapshot(tx, &requester(), &volume, &snapshot)
        });
        done.unwrap();
        self.doorbell.ring();
        id
    }

    pub(crate) fn delete_snapshot(&self, id: &str) {
        self.move_snapshot(id, &snapshot::DELETE, rpc::delete_snapshot);
    }

    pub(crate) fn revert(&self, volume_id: &str, id: &str) {
        let done = self.database.write(|tx| {
            let columns = [("status", "reverting".into())];
            assert!(volumes::change(tx, volume_id, &columns)?);
            assert!(snapshots::change(tx, id, &[("status", "restoring".into())])?);
            let volume = volumes::by_id(tx, volume_id)?.unwrap();
            let snapshot = snapshots::by_id(tx, id)?.unwrap();
            rpc::revert_to_snapshot(tx, &requester(), &volume, &snapshot)
        });
        done.unwrap();
        self.doorbell.ring();
    }

    /// A reserved attachment of a volume.
    pub(crate) fn reserve(&self, volume_id: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let new = AttachmentDetails::reserved(id.clone(), volume_id.to_owned(), PROJECT.to_owned(), None);
        self.database.write(|tx| attachments::insert(tx, &new)).unwrap();
        id
    }

    /// Orders the connection of an attachment. Nobody waits for the answer.
    pub(crate) fn connect(&self, volume_id: &str, attachment_id: &str) {
        let connector =
            "{\"host\": \"h\", \"initiator\": \"iqn.1993-08.org.debian:01:h\", \"mountpoint\": \"/dev/vdb\"}"
                .to_owned();
        let done = self.database.write(|tx| {
            let volume = volumes::lock(tx, volume_id)?.unwrap();
            rpc::connect(tx, &requester(), &volume, Some(attachment_id), connector.clone(), true).map(|_| ())
        });
        done.unwrap();
        self.doorbell.ring();
    }

    /// Orders the end of an attachment. Nobody waits for the answer.
    pub(crate) fn disconnect(&self, volume_id: &str, attachment_id: &str) {
        let done = self.database.write(|tx| {
            let volume = volumes::lock(tx, volume_id)?.unwrap();
            rpc::disconnect(tx, &requester(), &volume, Some(attachment_id), None).map(|_| ())
        });
        done.unwrap();
        self.doorbell.ring();
    }

    fn move_snapshot(
        &self,
        id: &str,
        rule: &snapshot::Move,
        order: fn(&mut hearth::database::Transaction<'_>, &Requester, &Volume, &Snapshot) -> hearth::Result<()>,
    ) {
        let done = self.database.write(|tx| {
            assert!(snapshots::begin(tx, id, rule, &[])?, "{id} can not move now");
            let snapshot = snapshots::by_id(tx, id)?.unwrap();
            let volume = volumes::by_id(tx, &snapshot.volume_id)?.unwrap();
            order(tx, &requester(), &volume, &snapshot)
        });
        done.unwrap();
        self.doorbell.ring();
    }
}

pub(crate) fn default_type(c: &mut Connection) -> hearth::Result<String> {
    let sql = "SELECT id FROM volume_types WHERE name = '__DEFAULT__'";
    Ok(c.row(sql, &[], |row| row.string(0))?.unwrap())
}

pub(crate) fn requester() -> Requester {
    Requester {
        request_id: "req-9b7f1e0c-3c1d-4f7e-9a5d-0c2b1a3d4e5f".to_owned(),
        project_id: PROJECT.to_owned(),
        user_id: "5f3c9b0e7d2a4c61b8e94a70d6f1c253".to_owned(),
        context: None,
    }
}

/// No limits: this is not about them.
pub(crate) fn limits() -> Limits {
    Limits { volumes: -1, snapshots: -1, gigabytes: -1, default_class: false, ..Limits::default() }
}

pub(crate) fn charge_of(volume: &Volume) -> Charge<'_> {
    Charge { project_id: PROJECT, volume_type_id: Some(&volume.volume_type_id), ..Charge::default() }
}

pub(crate) fn new_volume(size_gib: i64, of: Of<'_>, zone: Option<&str>) -> Volume {
    let (snapshot_id, source_volid) = match of {
        Of::Nothing => (None, None),
        Of::Snapshot(id) => (Some(id.to_owned()), None),
        Of::Volume(id) => (None, Some(id.to_owned())),
    };
    Volume {
        id: uuid::Uuid::new_v4().to_string(),
        project_id: PROJECT.to_owned(),
        user_id: requester().user_id,
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: None,
        description: None,
        size_gib,
        status: volume::Status::Creating,
        previous_status: None,
        attach_status: AttachStatus::Detached,
        migration_status: None,
        replication_status: None,
        host: None,
        cluster_name: None,
        service_uuid: None,
        availability_zone: zone.map(str::to_owned),
        volume_type_id: String::new(),
        snapshot_id,
        source_volid,
        group_id: None,
        consistencygroup_id: None,
        name_id: None,
        provider_location: None,
        provider_auth: None,
        provider_id: None,
        encryption_key_id: None,
        bootable: false,
        multiattach: false,
        shared_targets: Some(true),
        use_quota: true,
    }
}

pub(crate) fn new_snapshot(id: &str, volume: &Volume) -> Snapshot {
    Snapshot {
        id: id.to_owned(),
        volume_id: volume.id.clone(),
        project_id: PROJECT.to_owned(),
        user_id: requester().user_id,
        created_at: Some(Timestamp::now()),
        updated_at: None,
        name: None,
        description: None,
        status: snapshot::Status::Creating,
        progress: Some("0%".to_owned()),
        volume_size_gib: volume.size_gib,
        volume_type_id: volume.volume_type_id.clone(),
        group_snapshot_id: None,
        cgsnapshot_id: None,
        provider_location: None,
        provider_id: None,
        encryption_key_id: None,
        use_quota: true,
    }
}
