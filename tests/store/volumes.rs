//! Volumes, snapshots and what hangs on them, as the API reads and writes them.

use hearth::block_storage::model::selection::{Column, Comparison, Condition, Order, Scalar, Selection};
use hearth::block_storage::model::snapshot::{self, Snapshot};
use hearth::block_storage::model::status::Status as _;
use hearth::block_storage::model::volume::{self, AttachStatus, Guard, Move, Status, Volume, VolumeDetails};
use hearth::block_storage::model::{snapshot_list, volume_list};
use hearth::block_storage::store::metadata::{self, Present, Source, Step, Table};
use hearth::block_storage::store::{
    Outcome, attachments, snapshot_lists, snapshots, volume_details, volume_lists, volumes,
};
use hearth::database::{Connection, Database, Engine, Guesses};
use hearth::time::Timestamp;

use super::fixture::{on_every_schema, unique};

on_every_schema! {
    what_is_put_in_comes_back,
    each_guard_is_a_condition_of_its_own,
    a_deletion_that_is_done_takes_everything_along,
    metadata_are_merged_replaced_and_removed,
    one_row_of_metadata_is_changed_by_one_statement,
    what_an_image_said_goes_along_with_copies,
    lists_find_what_their_conditions_say,
    lists_of_snapshots_look_at_their_volumes,
    details_hold_what_hangs_on_each_volume,
    a_short_page_is_told_by_one_statement_where_each_is_dear,
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn new_volume(project: &str) -> Volume {
    Volume {
        id: unique(),
        project_id: project.to_owned(),
        user_id: "u".into(),
        created_at: Timestamp::parse("2026-01-02T03:04:05"),
        updated_at: None,
        name: Some("d\u{e9}j\u{e0}".into()),
        description: None,
        size_gib: 3,
        status: Status::Available,
        previous_status: Some(Status::InUse),
        attach_status: AttachStatus::Detached,
        migration_status: None,
        replication_status: Some("disabled".into()),
        host: Some("node@file#pool".into()),
        cluster_name: None,
        service_uuid: None,
        availability_zone: Some("nova".into()),
        volume_type_id: unique(),
        snapshot_id: None,
        source_volid: None,
        group_id: None,
        consistencygroup_id: None,
        name_id: None,
        provider_location: Some("/dev/null".into()),
        provider_auth: None,
        provider_id: None,
        encryption_key_id: None,
        bootable: true,
        multiattach: false,
        shared_targets: None,
        use_quota: true,
    }
}

fn new_snapshot(volume: &Volume) -> Snapshot {
    Snapshot {
        id: unique(),
        volume_id: volume.id.clone(),
        project_id: volume.project_id.clone(),
        user_id: "u".into(),
        created_at: Timestamp::parse("2026-01-02T03:04:06"),
        updated_at: None,
        name: None,
        description: Some("d".into()),
        status: snapshot::Status::Available,
        progress: Some("100%".into()),
        volume_size_gib: 3,
        volume_type_id: volume.volume_type_id.clone(),
        group_snapshot_id: None,
        cgsnapshot_id: None,
        provider_location: None,
        provider_id: None,
        encryption_key_id: None,
        use_quota: true,
    }
}

/// A volume that is in the database.
pub(crate) fn put(database: &Database, change: impl Fn(&mut Volume)) -> Volume {
    let mut volume = new_volume(&unique());
    change(&mut volume);
    database.write(|tx| volumes::insert(tx, &volume)).expect("a volume");
    volume
}

fn load(database: &Database, id: &str) -> Option<Volume> {
    database.read(|c| volumes::by_id(c, id)).expect("an answer")
}

fn what_is_put_in_comes_back(database: &Database) {
    let volume = put(database, |_| {});
    assert_eq!(load(database, &volume.id).as_ref(), Some(&volume));
    let snapshot = new_snapshot(&volume);
    database.write(|tx| snapshots::insert(tx, &snapshot)).unwrap();
    assert_eq!(database.read(|c| snapshots::by_id(c, &snapshot.id)).unwrap(), Some(snapshot.clone()));
    assert_eq!(database.read(|c| snapshots::of_volume(c, &volume.id)).unwrap(), [snapshot]);
    let locked = database.write(|tx| volumes::lock(tx, &volume.id)).unwrap();
    assert_eq!(locked, Some(volume));
    assert_eq!(load(database, &unique()), None);
}

fn each_guard_is_a_condition_of_its_own(database: &Database) {
    let holds = |guard: &'static [Guard], volume: &Volume| {
        let rule = Move { guards: guard, ..volume::RESET_STATUS };
        database.write(|tx| volumes::begin(tx, &volume.id, &rule, &[])).unwrap()
    };
    let plain = put(database, |_| {});
    let attached = put(database, |volume| volume.attach_status = AttachStatus::Attached);
    let migrating = put(database, |volume| volume.migration_status = Some("migrating".into()));
    let migrated = put(database, |volume| volume.migration_status = Some("success".into()));
    let waiting = put(database, |volume| volume.host = None);
    let shared = put(database, |volume| volume.multiattach = true);
    let (snapped, busy, foreign) = (put(database, |_| {}), put(database, |_| {}), put(database, |_| {}));
    let reserved = put(database, |_| {});
    database
        .write(|tx| {
            snapshots::insert(tx, &new_snapshot(&snapped))?;
            snapshots::insert(tx, &Snapshot { status: snapshot::Status::Creating, ..new_snapshot(&busy) })?;
            snapshots::insert(tx, &Snapshot { project_id: unique(), ..new_snapshot(&foreign) })?;
            tx.execute(
                "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status) VALUES (?, ?, false, 'reserved')",
                &[unique().into(), (&reserved.id).into()],
            )
        })
        .unwrap();
    let cases: [(&'static [Guard], &Volume, &Volume); 12] = [
        (&[Guard::Attached], &attached, &plain),
        (&[Guard::NotAttached], &plain, &attached),
        (&[Guard::NotMigrating], &migrated, &migrating),
        (&[Guard::HasHost], &plain, &waiting),
        (&[Guard::Multiattach], &shared, &plain),
        (&[Guard::SingleAttach], &plain, &shared),
        (&[Guard::NoSnapshots], &plain, &snapped),
        (&[Guard::SnapshotsDeletable], &snapped, &busy),
        (&[Guard::SnapshotsOfItsProject], &snapped, &foreign),
        (&[Guard::HasAttachments], &reserved, &plain),
        (&[Guard::NoAttachments], &plain, &reserved),
        (&[Guard::NoSnapshots, Guard::NotAttached], &plain, &attached),
    ];
    for (guard, fits, does_not) in cases {
        assert!(holds(guard, fits), "{guard:?}");
        assert!(!holds(guard, does_not), "{guard:?}");
    }
    assert!(holds(&[Guard::NoGroup, Guard::NoGroupSnapshots], &plain));
}

fn a_deletion_that_is_done_takes_everything_along(database: &Database) {
    let volume = put(database, |volume| volume.status = Status::ErrorManaging);
    let ended = |outcome| database.write(|tx| volumes::finish(tx, &volume.id, &volume::DELETE, outcome, &[])).unwrap();
    database.write(|tx| metadata::merge(tx, Table::Volume, &volume.id, &pairs(&[("a", "b")]))).unwrap();
    assert!(!ended(Outcome::Done), "what has not begun does not end");
    assert!(database.write(|tx| volumes::begin(tx, &volume.id, &volume::DELETE, &[])).unwrap());
    assert_eq!(load(database, &volume.id).unwrap().status, Status::ErrorManagingDeleting);
    assert!(!database.write(|tx| volumes::begin(tx, &volume.id, &volume::DELETE, &[])).unwrap());
    assert!(ended(Outcome::Failed));
    assert_eq!(load(database, &volume.id).unwrap().status, Status::ErrorDeleting);
    assert!(database.write(|tx| volumes::begin(tx, &volume.id, &volume::FORCE_DELETE, &[])).unwrap());
    assert!(ended(Outcome::Done));
    assert_eq!(load(database, &volume.id), None);
    assert_eq!(all(database, Table::Volume, &volume.id), []);
    assert!(!database.write(|tx| volumes::change(tx, &volume.id, &[("size", 9.into())])).unwrap());
}

fn all(database: &Database, table: Table, id: &str) -> Vec<(String, String)> {
    database.read(|c| metadata::of(c, table, id)).unwrap()
}

fn metadata_are_merged_replaced_and_removed(database: &Database) {
    let volume = put(database, |_| {});
    let snapshot = new_snapshot(&volume);
    database.write(|tx| snapshots::insert(tx, &snapshot)).unwrap();
    for (table, id) in [
        (Table::Volume, &volume.id),
        (Table::VolumeAdmin, &volume.id),
        (Table::VolumeImage, &volume.id),
        (Table::Snapshot, &snapshot.id),
    ] {
        let merge = |new: &[(&str, &str)]| database.write(|tx| metadata::merge(tx, table, id, &pairs(new))).unwrap();
        merge(&[("b", "1"), ("a", "\u{e9}")]);
        merge(&[("a", "2"), ("c", "")]);
        assert_eq!(all(database, table, id), pairs(&[("b", "1"), ("a", "2"), ("c", "")]), "{table:?}");
        database.write(|tx| metadata::replace(tx, table, id, &pairs(&[("d", "4"), ("c", "3")]))).unwrap();
        assert_eq!(all(database, table, id), pairs(&[("c", "3"), ("d", "4")]), "{table:?}");
        assert!(database.write(|tx| metadata::remove(tx, table, id, "d")).unwrap());
        assert!(!database.write(|tx| metadata::remove(tx, table, id, "d")).unwrap());
        merge(&[("d", "again")]);
        assert_eq!(all(database, table, id), pairs(&[("c", "3"), ("d", "again")]), "{table:?}");
        let new = pairs(&[("e", "5"), ("c", "6")]);
        let merged = database.write(|tx| Present::read(tx, table, id)?.merge(tx, &new)).unwrap();
        assert_eq!(merged, pairs(&[("c", "6"), ("d", "again"), ("e", "5")]), "{table:?}");
        assert_eq!(all(database, table, id), merged, "{table:?}");
        let new = pairs(&[("E", "7"), ("d", "8")]);
        let replaced = database.write(|tx| Present::read(tx, table, id)?.replace(tx, &new)).unwrap();
        assert_eq!(replaced, pairs(&[("d", "8"), ("E", "7")]), "{table:?}");
        assert_eq!(all(database, table, id), pairs(&[("d", "8"), ("E", "7")]), "{table:?}");
    }
}

fn what_an_image_said_goes_along_with_copies(database: &Database) {
    let (one, two, three) = (put(database, |_| {}), put(database, |_| {}), put(database, |_| {}));
    let snapshot = new_snapshot(&one);
    let said = pairs(&[("os", "linux"), ("min_ram", "64")]);
    database
        .write(|tx| {
            snapshots::insert(tx, &snapshot)?;
            metadata::merge(tx, Table::VolumeImage, &one.id, &said)?;
            metadata::copy_image_metadata(tx, Source::Volume(&one.id), &two.id)?;
            metadata::copy_image_metadata_to_snapshot(tx, &one.id, &snapshot.id)?;
            metadata::copy_image_metadata(tx, Source::Snapshot(&snapshot.id), &three.id)
        })
        .unwrap();
    assert_eq!(all(database, Table::VolumeImage, &two.id), said);
    assert_eq!(all(database, Table::VolumeImage, &three.id), said);
}

fn column(columns: &'static [Column], name: &str) -> &'static Column {
    columns.iter().find(|column| column.name == name).expect("a column")
}

fn selection(columns: &'static [Column], project: &str, condition: Option<Condition>) -> Selection {
    let order = ["created_at", "id"].map(|name| Order { by: column(columns, name), ascending: true });
    Selection {
        project_id: Some(project.to_owned()),
        conditions: condition.into_iter().collect(),
        order: order.to_vec(),
        marker: None,
        limit: 100,
        offset: 0,
    }
}

fn lists_find_what_their_conditions_say(database: &Database) {
    let project = unique();
    let made = |name: &str, second: i64, change: fn(&mut Volume)| {
        put(database, |volume| {
            volume.project_id.clone_from(&project);
            volume.name = Some(name.to_owned());
            volume.created_at = volume.created_at.map(|time| time.plus_seconds(second));
            change(volume);
        })
    };
    let a = made("a%b", 0, |volume| volume.host = None);
    let b = made("axb", 1, |volume| volume.migration_status = Some("target:x".into()));
    made("c", 2, |volume| {
        volume.size_gib = 7;
        volume.bootable = false;
    });
    database
        .write(|tx| {
            metadata::merge(tx, Table::Volume, &a.id, &pairs(&[("k", "v"), ("z", "1")]))?;
            metadata::merge(tx, Table::VolumeAdmin, &b.id, &pairs(&[("k", "v")]))?;
            metadata::merge(tx, Table::VolumeImage, &b.id, &pairs(&[("os", "linux")]))
        })
        .unwrap();
    let by = |name: &str| column(volume_list::COLUMNS, name);
    let text = |text: &str| text.to_owned();
    let later = Timestamp::parse("2026-01-02T03:04:06").unwrap();
    let cases = [
        (None, &["a%b", "axb", "c"][..]),
        (Some(Condition::Is(by("name"), Scalar::Text(text("c")))), &["c"]),
        (Some(Condition::Is(by("size"), Scalar::Number(7))), &["c"]),
        (Some(Condition::Is(by("bootable"), Scalar::Truth(true))), &["a%b", "axb"]),
        (Some(Condition::Is(by("created_at"), Scalar::Time(later))), &["axb"]),
        (Some(Condition::Contains(by("name"), text("%b"))), &["a%b"]),
        (Some(Condition::Compares(by("created_at"), Comparison::LaterOrEqual, later)), &["axb", "c"]),
        (Some(Condition::Compares(by("created_at"), Comparison::Unequal, later)), &["a%b", "c"]),
        (Some(Condition::Within(by("host"), text("node"))), &["axb", "c"]),
        (Some(Condition::Within(by("host"), text("node@file"))), &["axb", "c"]),
        (Some(Condition::Within(by("host"), text("node@fil"))), &[]),
        (Some(Condition::HasMetadata(text("k"), text("v"))), &["a%b", "axb"]),
        (Some(Condition::HasMetadata(text("k"), text("w"))), &[]),
        (Some(Condition::HasImageMetadata(text("os"), text("linux"))), &["axb"]),
        (Some(Condition::NoMigrationTarget), &["a%b", "c"]),
        (Some(Condition::Never), &[]),
    ];
    for (condition, expected) in cases {
        let selection = selection(volume_list::COLUMNS, &project, condition.clone());
        let (page, count, totals) = database
            .read(|c| {
                let page = volume_lists::page(c, &selection, |_| {})?;
                let brief = volume_lists::brief_page(c, &selection)?;
                assert!(page.iter().map(|one| (&one.id, &one.name)).eq(brief.iter().map(|one| (&one.id, &one.name))));
                Ok((page, volume_lists::count(c, &selection)?, volume_lists::totals(c, &selection)?))
            })
            .unwrap();
        let names: Vec<&str> = page.iter().map(|volume| volume.name.as_deref().unwrap()).collect();
        assert_eq!(names, expected, "{condition:?}");
        assert_eq!(usize::try_from(count).unwrap(), expected.len(), "{condition:?}");
        assert_eq!(totals, (count, page.iter().map(|volume| volume.size_gib).sum()), "{condition:?}");
    }
    let compared = Condition::Compares(by("created_at"), Comparison::Earlier, later);
    let first = selection(volume_list::COLUMNS, &project, Some(compared));
    let distinct = database.read(|c| volume_lists::distinct_metadata(c, &first)).unwrap();
    assert_eq!(distinct, pairs(&[("k", "v"), ("z", "1")]));
    let mut beyond = selection(volume_list::COLUMNS, &project, None);
    beyond.marker = Some(a.id);
    let page = database.read(|c| volume_lists::page(c, &beyond, |_| {})).unwrap();
    assert_eq!(page.len(), 2);
    beyond.marker = Some(unique());
    assert!(database.read(|c| volume_lists::page(c, &beyond, |_| {})).is_err());
}

fn lists_of_snapshots_look_at_their_volumes(database: &Database) {
    let volume = put(database, |volume| volume.availability_zone = Some("mars".into()));
    let snapshot = new_snapshot(&volume);
    database
        .write(|tx| {
            snapshots::insert(tx, &snapshot)?;
            metadata::merge(tx, Table::Snapshot, &snapshot.id, &pairs(&[("k", "v")]))
        })
        .unwrap();
    let by = |name: &str| column(snapshot_list::COLUMNS, name);
    for (condition, found) in [
        (Condition::Is(by("availability_zone"), Scalar::Text("mars".into())), 1),
        (Condition::Is(by("availability_zone"), Scalar::Text("nova".into())), 0),
        (Condition::Within(by("host"), "node@file".into()), 1),
        (Condition::HasMetadata("k".into(), "v".into()), 1),
        (Condition::HasImageMetadata("k".into(), "v".into()), 0),
    ] {
        let mut selection = selection(snapshot_list::COLUMNS, &volume.project_id, Some(condition.clone()));
        selection.order.insert(0, Order { by: by("availability_zone"), ascending: false });
        let page = database
            .read(|c| {
                let page = snapshot_lists::page(c, &selection)?;
                snapshot_lists::details(c, page)
            })
            .unwrap();
        assert_eq!(page.len(), found, "{condition:?}");
        if let Some(details) = page.first() {
            assert_eq!(details.metadata, pairs(&[("k", "v")]));
        }
        selection.marker = Some(snapshot.id.clone());
        assert_eq!(database.read(|c| snapshot_lists::page(c, &selection)).unwrap(), []);
    }
}

fn details_hold_what_hangs_on_each_volume(database: &Database) {
    let (one, two) = (put(database, |_| {}), put(database, |_| {}));
    let attach = |c: &mut Connection, volume: &Volume, status: &str| {
        c.execute(
            "INSERT INTO volume_attachment (id, volume_id, deleted, attach_status, instance_uuid, attach_time) \
             VALUES (?, ?, false, ?, ?, ?)",
            &[
                unique().into(),
                (&volume.id).into(),
                status.into(),
                unique().into(),
                Timestamp::parse("2026-01-02T03:04:05").into(),
            ],
        )
    };
    database
        .write(|tx| {
            for (key, value) in [("readonly", "True"), ("hidden", "x")] {
                metadata::merge(tx, Table::VolumeAdmin, &one.id, &pairs(&[(key, value)]))?;
            }
            metadata::merge(tx, Table::Volume, &two.id, &pairs(&[("a", "1"), ("b", "2")]))?;
            attach(tx, &one, "attached")?;
            attach(tx, &one, "attached")?;
            attach(tx, &two, "reserved")
        })
        .unwrap();
    let details = database.read(|c| volume_details::of_page(c, vec![one.clone(), two.clone()], false)).unwrap();
    assert_eq!((&details[0].volume, &details[1].volume), (&one, &two));
    assert_eq!(details[0].visible_admin_metadata, pairs(&[("readonly", "True")]));
    assert_eq!((details[0].attachments.len(), details[1].attachments.len()), (2, 0));
    assert_eq!(details[0].attachments[0].attach_time, Timestamp::parse("2026-01-02T03:04:05"));
    assert_eq!(details[1].metadata, pairs(&[("a", "1"), ("b", "2")]));
    assert_eq!((details[0].metadata.len(), details[0].type_name.as_deref()), (0, None));
    let alone = |volume: &Volume| database.read(|c| volume_details::one(c, &volume.id)).unwrap();
    assert_eq!((alone(&one).as_ref(), alone(&two).as_ref()), (Some(&details[0]), Some(&details[1])));
    // More than one statement reads of one volume: what hangs on it in one table times what does in the others.
    let said: Vec<(String, String)> = (0..20).map(|number| (format!("said{number}"), number.to_string())).collect();
    database.write(|tx| metadata::merge(tx, Table::VolumeImage, &one.id, &said)).unwrap();
    let many = alone(&one).unwrap();
    assert_eq!(many, VolumeDetails { image_metadata: said, ..details[0].clone() });
    assert_eq!(database.read(|c| volume_details::of_page(c, vec![one.clone()], false)).unwrap(), [many]);
    // A long page is read by what its volumes have in common; one that goes to another project meanwhile keeps what hangs on it.
    let project = unique();
    let page: Vec<Volume> = (0..60).map(|_| put(database, |volume| volume.project_id.clone_from(&project))).collect();
    database.write(|tx| metadata::merge(tx, Table::Volume, &page[7].id, &pairs(&[("x", "y")]))).unwrap();
    let by_ids = database.read(|c| volume_details::of_page(c, page.clone(), false)).unwrap();
    assert_eq!(by_ids[7].metadata, pairs(&[("x", "y")]));
    let mut gone = false;
    let read = |c: &mut Connection| {
        let there =
            c.row("SELECT COUNT(*) FROM volumes WHERE project_id = ?", &[(&project).into()], |row| row.int(0))?;
        assert_eq!(there, Some(60));
        if !std::mem::replace(&mut gone, true) {
            database.write(|tx| volumes::change(tx, &page[7].id, &[("project_id", unique().into())]))?;
        }
        volume_details::of_page(c, page.clone(), true)
    };
    assert_eq!(database.snapshot(read).unwrap(), by_ids);
    let counted = |volume: &Volume| database.read(|c| attachments::count(c, &volume.id)).unwrap();
    assert_eq!((counted(&one), counted(&two)), (2, 1));
    // What was taken away stays as a row that is marked so, and hangs on nothing any more.
    database
        .write(|tx| {
            metadata::remove(tx, Table::Volume, &two.id, "a")?;
            metadata::remove(tx, Table::VolumeAdmin, &one.id, "readonly")?;
            attachments::remove_all(tx, &one.id)
        })
        .unwrap();
    assert_eq!(counted(&one), 0);
    let rest = database.read(|c| volume_details::of_page(c, vec![one.clone(), two.clone()], false)).unwrap();
    assert_eq!((rest[0].attachments.len(), rest[0].visible_admin_metadata.len()), (0, 0));
    assert_eq!((rest[0].image_metadata.len(), &rest[1].metadata), (20, &pairs(&[("b", "2")])));
    assert_eq!((alone(&one).as_ref(), alone(&two).as_ref()), (Some(&rest[0]), Some(&rest[1])));
    assert_eq!(Status::Available.name(), "available");
}

fn a_short_page_is_told_by_one_statement_where_each_is_dear(database: &Database) {
    let project = unique();
    let made = |second: i64| {
        put(database, |volume| {
            volume.project_id.clone_from(&project);
            volume.created_at = volume.created_at.map(|time| time.plus_seconds(second));
        })
    };
    let (old, middle, new) = (made(0), made(1), made(2));
    let said = |count: i64| -> Vec<(String, String)> { (0..count).map(|n| (format!("k{n}"), n.to_string())).collect() };
    database
        .write(|tx| {
            metadata::merge(tx, Table::Volume, &old.id, &said(3))?;
            metadata::merge(tx, Table::VolumeImage, &old.id, &said(2))?;
            metadata::merge(tx, Table::VolumeAdmin, &new.id, &pairs(&[("format", "raw"), ("readonly", "True")]))?;
            metadata::remove(tx, Table::Volume, &old.id, "k1").map(|_| ())
        })
        .unwrap();
    let mut selection = selection(volume_list::COLUMNS, &project, Some(Condition::NoMigrationTarget));
    selection.order.iter_mut().for_each(|order| order.ascending = false);
    let at_once = |selection: &Selection| {
        database.read(|c| volume_details::short_page(c, selection, &Guesses::default())).unwrap()
    };
    let in_two = |selection: &Selection| {
        let read = |c: &mut Connection| {
            let page = volume_lists::page(c, selection, |_| ())?;
            volume_details::of_page(c, page, true)
        };
        Some(database.read(read).unwrap()).filter(|_| database.engine() == Engine::Mysql)
    };
    assert_eq!(at_once(&selection), in_two(&selection));
    assert_eq!(in_two(&selection).map_or(3, |page| page.len()), 3);
    selection.limit = 2;
    let two = at_once(&selection);
    assert_eq!(two, in_two(&selection));
    assert!(two.is_none_or(|page| page[0].visible_admin_metadata == pairs(&[("readonly", "True")])));
    selection.marker = Some(new.id.clone());
    assert_eq!(at_once(&selection), None, "another page than the first");
    selection.marker = None;
    // More rows than are read at once: the oldest volume's may not be all, the two before it are.
    database.write(|tx| metadata::merge(tx, Table::VolumeImage, &old.id, &said(15))).unwrap();
    assert_eq!(at_once(&selection), in_two(&selection));
    selection.limit = 3;
    assert_eq!(at_once(&selection), None);
    database.write(|tx| volumes::change(tx, &middle.id, &[("migration_status", "target:x".into())])).unwrap();
    selection.limit = 1;
    assert_eq!(at_once(&selection), in_two(&selection));
    selection.conditions.clear();
    assert_eq!(at_once(&selection), in_two(&selection));
    // A project that had too much is not asked again in vain, until its page was found to be short.
    let long = Guesses::default();
    let guessed = |selection: &Selection| database.read(|c| volume_details::short_page(c, selection, &long)).unwrap();
    assert_eq!(guessed(&selection), in_two(&selection));
    selection.limit = 3;
    assert_eq!((guessed(&selection), long.holds(&project)), (None, database.engine() == Engine::Mysql));
    selection.limit = 1;
    assert_eq!(guessed(&selection), None);
    volume_details::learn(&long, &selection, &[]);
    assert_eq!(guessed(&selection), in_two(&selection));
}

fn one_row_of_metadata_is_changed_by_one_statement(database: &Database) {
    let volume = put(database, |_| {});
    for table in [Table::Volume, Table::VolumeImage] {
        let write = |new: &[(&str, &str)]| {
            database.write(|tx| metadata::replace(tx, table, &volume.id, &pairs(new))).unwrap();
        };
        let present = || database.read(|c| Present::of_volume(c, table, &volume.id)).unwrap().unwrap().1;
        // What is done, and the row of it.
        let step = |new: &[(&str, &str)], only: bool| {
            present().step(&pairs(new), only).map(|step| match step {
                Step::Nothing => ("nothing", String::new()),
                Step::Change(_, value) => ("change", value),
                Step::Remove(_) => ("remove", String::new()),
            })
        };
        // A row that was taken away stays, and is none of them.
        write(&[("gone", "0"), ("a", "0")]);
        write(&[("a", "1"), ("b", "2")]);
        assert_eq!(present().pairs(), pairs(&[("a", "1"), ("b", "2")]), "{table:?}");
        assert_eq!(step(&[("a", "1")], false), Some(("nothing", String::new())));
        assert_eq!(step(&[], false), Some(("nothing", String::new())));
        assert_eq!(step(&[("a", "3")], false), Some(("change", "3".to_owned())));
        assert_eq!(step(&[("b", "2"), ("a", "3")], true), Some(("change", "3".to_owned())));
        assert_eq!((step(&[("a", "3")], true), step(&[("gone", "1")], false)), (None, None));
        assert_eq!(step(&[("a", "3"), ("b", "4")], false), None);
        let take = |present: &Present, step: &Step| {
            database.alone(|c| present.take(c, step, &volume::WRITE_METADATA)).unwrap()
        };
        let now = present();
        let change = now.step(&pairs(&[("b", "5")]), false).unwrap();
        assert_eq!(take(&now, &change), Some(pairs(&[("a", "1"), ("b", "5")])));
        assert_eq!(all(database, table, &volume.id), pairs(&[("a", "1"), ("b", "5")]));
        assert_eq!(take(&now, &change), Some(pairs(&[("a", "1"), ("b", "5")])), "twice is as once");
        // Neither in a status that does not allow it, nor of a row that has gone.
        let status = |name: &str| {
            database.write(|tx| volumes::change(tx, &volume.id, &[("status", name.into())])).unwrap();
        };
        status("uploading");
        assert_eq!(take(&now, &Step::Change(0, "6".into())), None);
        assert_eq!((take(&now, &change), take(&now, &now.removal("b").unwrap())), (None, None));
        status("available");
        assert_eq!(now.removal("x"), Some(Step::Nothing));
        assert_eq!(take(&now, &now.removal("b").unwrap()), Some(pairs(&[("a", "1")])));
        assert_eq!((take(&now, &change), take(&now, &now.removal("b").unwrap())), (None, None));
        assert_eq!(all(database, table, &volume.id), pairs(&[("a", "1")]));
        // Two rows of one name, as others may have written them: more than one step.
        database.write(|tx| metadata::add(tx, table, &volume.id, &pairs(&[("a", "1")]))).unwrap();
        assert_eq!((present().removal("a"), step(&[("a", "7")], false)), (None, None));
    }
    assert!(database.read(|c| Present::of_volume(c, Table::Volume, &unique())).unwrap().is_none());
    let many: Vec<(String, String)> = (0..30).map(|n| (format!("k{n}"), n.to_string())).collect();
    let others: Vec<(String, String)> = (10..40).map(|n| (format!("k{n}"), (n * n).to_string())).collect();
    let merged = |new: &[(String, String)]| {
        database.write(|tx| Present::read(tx, Table::Snapshot, &volume.id)?.merge(tx, new)).unwrap()
    };
    database.write(|tx| snapshots::insert(tx, &Snapshot { id: volume.id.clone(), ..new_snapshot(&volume) })).unwrap();
    assert_eq!(merged(&many), many);
    assert_eq!(merged(&others), [&many[..10], &others].concat());
    assert_eq!(all(database, Table::Snapshot, &volume.id), [&many[..10], &others].concat());
    let replaced = database.write(|tx| Present::read(tx, Table::Snapshot, &volume.id)?.replace(tx, &many[5..12]));
    assert_eq!(replaced.unwrap(), many[5..12]);
    assert_eq!(all(database, Table::Snapshot, &volume.id), many[5..12]);
}
