//! Groups: rows come back, moves are made under their conditions, lists tell what hangs on groups.

use hearth::block_storage::model::group::{DELETE, DELETE_WITH_VOLUMES, Group, RENAME, Status};
use hearth::block_storage::model::group_list::{GROUP_SNAPSHOTS, GROUPS};
use hearth::block_storage::model::group_snapshot::{self, GroupSnapshot};
use hearth::block_storage::model::selection::{Condition, Order, Selection};
use hearth::block_storage::store::{Outcome, group_lists, group_snapshots, groups};
use hearth::database::Database;
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    a_group_comes_back_as_it_was_put_in,
    a_group_is_removed_only_when_nothing_hangs_on_it,
    a_group_ends_with_its_mapping,
    a_list_tells_types_and_volumes_of_each_group,
    a_group_snapshot_stays_while_a_group_is_made_of_it,
}

fn default_type(database: &Database) -> String {
    let sql = "SELECT id FROM volume_types WHERE name = '__DEFAULT__'";
    database.read(|c| c.row(sql, &[], |row| row.string(0))).unwrap().unwrap()
}

fn put(database: &Database, project_id: &str) -> Group {
    let group = Group {
        id: unique(),
        project_id: project_id.to_owned(),
        user_id: "u".to_owned(),
        created_at: Timestamp::parse("2026-01-02T03:04:05"),
        updated_at: None,
        name: Some("déjà vu".to_owned()),
        description: None,
        status: Status::Available,
        group_type_id: "t".to_owned(),
        availability_zone: Some("nova".to_owned()),
        host: Some("h@b#p".to_owned()),
        cluster_name: None,
        group_snapshot_id: None,
        source_group_id: None,
        replication_status: Some("disabled".to_owned()),
    };
    let types = [default_type(database)];
    database.write(|tx| groups::insert(tx, &group, &types)).unwrap();
    group
}

fn volume(database: &Database, group: &str, attach_status: &str) -> String {
    let (id, kind) = (unique(), default_type(database));
    let sql = "INSERT INTO volumes (id, volume_type_id, size, status, attach_status, group_id, deleted, use_quota) \
               VALUES (?, ?, 1, 'available', ?, ?, ?, ?)";
    let params = [(&id).into(), kind.into(), attach_status.into(), group.into(), false.into(), true.into()];
    database.write(|tx| tx.execute(sql, &params)).unwrap();
    id
}

fn begin(database: &Database, id: &str, rule: &hearth::block_storage::model::group::Move) -> bool {
    database
        .write(|tx| {
            groups::lock(tx, id)?;
            groups::begin(tx, id, rule, &[])
        })
        .unwrap()
}

fn a_group_comes_back_as_it_was_put_in(database: &Database) {
    let group = put(database, "p");
    let find = || database.read(|c| groups::by_id(c, &group.id)).unwrap();
    assert_eq!(find().as_ref(), Some(&group));
    assert_eq!(database.read(|c| groups::volume_types(c, &group.id)).unwrap(), [default_type(database)]);
    database.write(|tx| groups::begin(tx, &group.id, &RENAME, &[("name", "new".into())])).unwrap();
    assert_eq!(find().unwrap().name.as_deref(), Some("new"));
}

fn a_group_is_removed_only_when_nothing_hangs_on_it(database: &Database) {
    let group = put(database, "p");
    let inside = volume(database, &group.id, "detached");
    assert!(!begin(database, &group.id, &DELETE), "it has a volume");
    let busy = volume(database, &group.id, "attached");
    assert!(!begin(database, &group.id, &DELETE_WITH_VOLUMES), "one of its volumes is attached");
    let execute = |sql: &str, id: &str| database.write(|tx| tx.execute(sql, &[id.into()])).unwrap();
    execute("UPDATE volumes SET deleted = true WHERE id = ?", &busy);
    let copy = put(database, "p");
    let sql = "UPDATE \"groups\" SET status = 'creating', source_group_id = ? WHERE id = ?";
    database.write(|tx| tx.execute(sql, &[(&group.id).into(), (&copy.id).into()])).unwrap();
    assert!(!begin(database, &group.id, &DELETE_WITH_VOLUMES), "a copy of it is under way");
    execute("UPDATE \"groups\" SET status = 'available' WHERE id = ?", &copy.id);
    let snapshot = unique();
    let sql = "INSERT INTO group_snapshots (id, group_id, deleted) VALUES (?, ?, false)";
    database.write(|tx| tx.execute(sql, &[(&snapshot).into(), (&group.id).into()])).unwrap();
    assert!(!begin(database, &group.id, &DELETE_WITH_VOLUMES), "it has a snapshot");
    execute("UPDATE group_snapshots SET deleted = true WHERE id = ?", &snapshot);
    let kind = default_type(database);
    let sql = "INSERT INTO snapshots (id, volume_id, volume_type_id, volume_size, deleted, use_quota) \
               VALUES (?, ?, ?, 1, ?, ?)";
    let of_volume = unique();
    let params = [(&of_volume).into(), (&inside).into(), kind.into(), false.into(), true.into()];
    database.write(|tx| tx.execute(sql, &params)).unwrap();
    assert!(database.read(|c| groups::volumes_have_snapshots(c, &group.id)).unwrap());
    assert!(!begin(database, &group.id, &DELETE_WITH_VOLUMES), "one of its volumes has a snapshot");
    execute("UPDATE snapshots SET deleted = true WHERE id = ?", &of_volume);
    assert!(begin(database, &group.id, &DELETE_WITH_VOLUMES));
    assert_eq!(database.read(|c| groups::by_id(c, &group.id)).unwrap().unwrap().status, Status::Deleting);
}

fn a_group_ends_with_its_mapping(database: &Database) {
    let group = put(database, "p");
    assert!(begin(database, &group.id, &DELETE));
    assert!(database.write(|tx| groups::finish(tx, &group.id, &DELETE, Outcome::Done, &[])).unwrap());
    assert_eq!(database.read(|c| groups::by_id(c, &group.id)).unwrap(), None);
    assert!(database.read(|c| groups::volume_types(c, &group.id)).unwrap().is_empty());
    assert!(!begin(database, &group.id, &DELETE_WITH_VOLUMES), "it is gone");
}

fn a_list_tells_types_and_volumes_of_each_group(database: &Database) {
    let project_id = unique();
    let (one, two) = (put(database, &project_id), put(database, &project_id));
    let inside = volume(database, &one.id, "detached");
    let column = |name: &str| GROUPS.iter().find(|column| column.name == name).unwrap();
    let order = ["created_at", "id"].map(|name| Order { by: column(name), ascending: true });
    let selection = Selection { project_id: Some(project_id), order: order.into(), limit: 10, ..Selection::default() };
    let list = |selection: &Selection| {
        database.read(|c| group_lists::page(c, selection).and_then(|page| group_lists::details(c, page, true))).unwrap()
    };
    let found = list(&selection);
    assert_eq!(found.len(), 2);
    for details in &found {
        assert_eq!(details.volume_types, [default_type(database)]);
        let expected: &[String] = if details.group.id == one.id { std::slice::from_ref(&inside) } else { &[] };
        assert_eq!(details.volumes.as_deref(), Some(expected));
    }
    let marker = Some(found[0].group.id.clone());
    assert_eq!(list(&Selection { marker, ..selection.clone() }), found[1..]);
    let database_id = two.id.clone();
    let conditions = vec![Condition::IsNot(column("id"), database_id)];
    assert_eq!(list(&Selection { conditions, ..selection })[0].group.id, one.id);
}

fn a_group_snapshot_stays_while_a_group_is_made_of_it(database: &Database) {
    let project_id = unique();
    let (group, copy) = (put(database, &project_id), put(database, &project_id));
    let made = GroupSnapshot {
        id: unique(),
        group_id: group.id.clone(),
        project_id: project_id.clone(),
        user_id: "u".to_owned(),
        created_at: Timestamp::parse("2026-01-02T03:04:05"),
        updated_at: None,
        name: Some("s".to_owned()),
        description: None,
        status: group_snapshot::Status::Available,
        group_type_id: "t".to_owned(),
    };
    database.write(|tx| group_snapshots::insert(tx, &made)).unwrap();
    assert_eq!(database.read(|c| group_snapshots::by_id(c, &made.id)).unwrap().as_ref(), Some(&made));
    let column = |name: &str| GROUP_SNAPSHOTS.iter().find(|column| column.name == name).unwrap();
    let order = ["created_at", "id"].map(|name| Order { by: column(name), ascending: true });
    let selection = Selection { project_id: Some(project_id), order: order.into(), limit: 10, ..Selection::default() };
    assert_eq!(database.read(|c| group_snapshots::page(c, &selection)).unwrap(), std::slice::from_ref(&made));
    let sql = "UPDATE \"groups\" SET status = ?, group_snapshot_id = ? WHERE id = ?";
    let begin = |status: &str| {
        let params = [status.into(), (&made.id).into(), (&copy.id).into()];
        database.write(|tx| tx.execute(sql, &params)).unwrap();
        database.write(|tx| group_snapshots::begin(tx, &made.id, &group_snapshot::DELETE)).unwrap()
    };
    assert!(!begin("creating"), "a group is being made of it");
    assert!(begin("available"));
    let done = database.write(|tx| group_snapshots::finish(tx, &made.id, &group_snapshot::DELETE, Outcome::Done));
    assert!(done.unwrap());
    assert_eq!(database.read(|c| group_snapshots::by_id(c, &made.id)).unwrap(), None);
}
