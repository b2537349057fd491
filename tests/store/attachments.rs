//! Attachments and transfers: rows come back, a volume's status follows from its attachments, lists belong to the volume's
//! project, answers to orders are found and taken away.

use hearth::block_storage::model::attachment::{self, AttachmentDetails};
use hearth::block_storage::model::selection::{Condition, Order, Scalar, Selection};
use hearth::block_storage::model::transfer::{self, Transfer};
use hearth::block_storage::model::volume::{AttachStatus, Status, Volume};
use hearth::block_storage::model::work::Requester;
use hearth::block_storage::rpc::{self, Doorbell};
use hearth::block_storage::store::transfers::{self, Lock};
use hearth::block_storage::store::{attachments, volumes};
use hearth::database::Database;
use hearth::time::Timestamp;
use hearth::{Kind, database::answers};

use super::fixture::{on_every_schema, unique};
use super::volumes::put;

on_every_schema! {
    an_attachment_comes_back_and_ends,
    a_volumes_status_follows_from_its_attachments,
    work_that_is_under_way_is_not_ended_by_attachments,
    lists_belong_to_the_project_of_the_volume,
    a_transfer_comes_back_and_ends_once,
    an_order_that_nobody_begins_is_taken_back,
}

fn reserved(volume: &Volume) -> AttachmentDetails {
    AttachmentDetails::reserved(unique(), volume.id.clone(), volume.project_id.clone(), Some(unique()))
}

fn attach(database: &Database, volume: &Volume, status: AttachStatus) -> String {
    let new = AttachmentDetails { status, ..reserved(volume) };
    database.write(|tx| attachments::insert(tx, &new)).unwrap();
    new.attachment.id
}

fn settled(database: &Database, id: &str) -> (Status, AttachStatus) {
    database.write(|tx| attachments::settle(tx, id)).unwrap();
    statuses(database, id)
}

fn statuses(database: &Database, id: &str) -> (Status, AttachStatus) {
    let volume = database.read(|c| volumes::by_id(c, id)).unwrap().unwrap();
    (volume.status, volume.attach_status)
}

fn an_attachment_comes_back_and_ends(database: &Database) {
    let volume = put(database, |_| {});
    let mut new = reserved(&volume);
    new.mode = Some("ro".into());
    new.connection = Some("{\"a\": \"\u{e9}\"}".into());
    new.connector = Some("{\"host\": \"h\"}".into());
    new.attachment.attached_host = Some("h".into());
    new.attachment.mountpoint = Some("/dev/vdb".into());
    new.attachment.attach_time = Timestamp::parse("2026-01-02T03:04:05");
    let id = new.attachment.id.clone();
    database.write(|tx| attachments::insert(tx, &new)).unwrap();
    assert_eq!(database.read(|c| attachments::by_id(c, &id)).unwrap(), Some(new.clone()));
    assert_eq!(database.read(|c| attachments::of_volume(c, &volume.id)).unwrap(), [new]);
    let columns = [("attach_status", "attached".into()), ("connector", None::<&str>.into())];
    assert!(database.write(|tx| attachments::change(tx, &id, &columns)).unwrap());
    let changed = database.read(|c| attachments::by_id(c, &id)).unwrap().unwrap();
    assert_eq!((changed.status, changed.connector), (AttachStatus::Attached, None));
    assert!(database.write(|tx| attachments::end(tx, &id, &volume.id)).unwrap());
    assert!(!database.write(|tx| attachments::end(tx, &id, &volume.id)).unwrap());
    assert!(!database.write(|tx| attachments::change(tx, &id, &columns)).unwrap());
    assert_eq!(database.read(|c| attachments::by_id(c, &id)).unwrap(), None);
    assert_eq!(statuses(database, &volume.id), (Status::Available, AttachStatus::Detached));
}

fn a_volumes_status_follows_from_its_attachments(database: &Database) {
    let volume = put(database, |_| {});
    let mut own = Vec::new();
    for (new, expected) in [
        (AttachStatus::ErrorAttaching, (Status::Available, AttachStatus::Detached)),
        (AttachStatus::Reserved, (Status::Reserved, AttachStatus::Reserved)),
        (AttachStatus::Attaching, (Status::Attaching, AttachStatus::Attaching)),
        (AttachStatus::Attached, (Status::InUse, AttachStatus::Attached)),
        (AttachStatus::Reserved, (Status::InUse, AttachStatus::Attached)),
    ] {
        own.push(attach(database, &volume, new));
        assert_eq!(settled(database, &volume.id), expected, "{new}");
    }
    for (at, expected) in [
        (3, (Status::Attaching, AttachStatus::Attaching)),
        (2, (Status::Reserved, AttachStatus::Reserved)),
        (1, (Status::Reserved, AttachStatus::Reserved)),
        (4, (Status::Available, AttachStatus::Detached)),
    ] {
        database.write(|tx| attachments::end(tx, &own[at], &volume.id)).unwrap();
        assert_eq!(statuses(database, &volume.id), expected, "{at}");
    }
}

fn work_that_is_under_way_is_not_ended_by_attachments(database: &Database) {
    for status in [Status::Extending, Status::Deleting, Status::BackingUp, Status::Retyping, Status::AwaitingTransfer] {
        let volume = put(database, |volume| volume.status = status);
        attach(database, &volume, AttachStatus::Attached);
        assert_eq!(settled(database, &volume.id), (status, AttachStatus::Attached));
    }
    let migrating = put(database, |volume| {
        volume.status = Status::InUse;
        volume.migration_status = Some("migrating".into());
    });
    assert_eq!(settled(database, &migrating.id), (Status::InUse, AttachStatus::Detached));
}

fn by(columns: &'static [hearth::block_storage::model::selection::Column]) -> Vec<Order> {
    let key = |name: &str| Order { by: columns.iter().find(|column| column.name == name).unwrap(), ascending: true };
    vec![key("created_at"), key("id")]
}

fn lists_belong_to_the_project_of_the_volume(database: &Database) {
    let (mine, other) = (put(database, |_| {}), put(database, |_| {}));
    let own: Vec<String> = (0..3).map(|_| attach(database, &mine, AttachStatus::Reserved)).collect();
    attach(database, &other, AttachStatus::Reserved);
    let all = Selection {
        project_id: Some(mine.project_id.clone()),
        order: by(attachment::COLUMNS),
        limit: 10,
        ..Selection::default()
    };
    let listed = |selection: &Selection| -> Vec<String> {
        let page = database.read(|c| attachments::page(c, selection)).unwrap();
        page.into_iter().map(|one| one.attachment.id).collect()
    };
    let mut found = listed(&all);
    assert_eq!(listed(&Selection { marker: Some(found[0].clone()), ..all.clone() }), found[1..]);
    found.sort();
    let mut expected = own.clone();
    expected.sort();
    assert_eq!(found, expected);
    let status = attachment::COLUMNS.iter().find(|column| column.name == "status").unwrap();
    let attached = Condition::Is(status, Scalar::Text("attached".into()));
    assert!(listed(&Selection { conditions: vec![attached], ..all.clone() }).is_empty());
    let foreign = Selection { marker: Some(own[0].clone()), project_id: Some(unique()), ..all };
    let refused = database.read(|c| attachments::page(c, &foreign));
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
}

fn a_transfer_comes_back_and_ends_once(database: &Database) {
    let volume = put(database, |_| {});
    let new = Transfer {
        id: unique(),
        volume_id: volume.id.clone(),
        name: Some("d\u{e9}j\u{e0}".into()),
        created_at: Timestamp::parse("2026-01-02T03:04:05"),
        no_snapshots: true,
        source_project_id: Some(volume.project_id.clone()),
        destination_project_id: None,
        accepted: false,
        auth_key: None,
    };
    let lock = Lock { salt: "s".into(), crypt_hash: "c".into() };
    database.write(|tx| transfers::insert(tx, &new, &lock)).unwrap();
    assert_eq!(database.read(|c| transfers::by_id(c, &new.id)).unwrap(), Some(new.clone()));
    assert_eq!(database.read(|c| transfers::lock_of(c, &new.id)).unwrap(), Some(lock));
    let page = |project: String| {
        let order = by(transfer::COLUMNS);
        let selection = Selection { project_id: Some(project), order, limit: 10, ..Selection::default() };
        database.read(|c| transfers::page(c, &selection)).unwrap()
    };
    assert_eq!(page(volume.project_id.clone()), std::slice::from_ref(&new));
    assert!(page(unique()).is_empty());
    assert!(database.write(|tx| transfers::end(tx, &new.id, Some("p"))).unwrap());
    assert!(!database.write(|tx| transfers::end(tx, &new.id, None)).unwrap());
    assert_eq!(database.read(|c| transfers::by_id(c, &new.id)).unwrap(), None);
    assert_eq!(database.read(|c| transfers::lock_of(c, &new.id)).unwrap(), None);
}

fn an_order_that_nobody_begins_is_taken_back(database: &Database) {
    let volume = put(database, |_| {});
    let ticket =
        database.write(|tx| rpc::connect(tx, &Requester::default(), &volume, None, "{}".to_owned(), false)).unwrap();
    let sql = "SELECT id FROM hearth_orders WHERE object_id = ?";
    let id = database.read(|c| c.row(sql, &[(&volume.id).into()], |row| row.int(0))).unwrap().unwrap();
    assert_eq!(database.read(|c| answers::find(c, id)).unwrap(), None);
    let doorbell = Doorbell::at(&std::env::temp_dir());
    let refused = rpc::wait(database, &doorbell, &ticket, std::time::Duration::ZERO);
    assert_eq!(refused.unwrap_err().kind(), Kind::Internal);
    assert_eq!(database.read(|c| c.row(sql, &[(&volume.id).into()], |row| row.int(0))).unwrap(), None);
    assert!(!database.write(|tx| answers::withdraw(tx, id)).unwrap());
}
