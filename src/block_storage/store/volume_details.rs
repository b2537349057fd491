//! Volumes with everything that their details show. One volume is one statement, a page one more for each bunch of it: on a
//! server, each statement costs more than what it reads.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::lists::Bunch;
use super::metadata::Table;
use super::volume_lists::BY_PROJECT;
use super::volumes;
use crate::block_storage::model::attachment::Attachment;
use crate::block_storage::model::selection::{Condition, Order, Selection};
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, Volume, VolumeDetails};
use crate::database::select::along;
use crate::database::{Connection, Engine, Guesses, Row, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The administrators' metadata that every caller sees.
const VISIBLE_NAMES: [&str; 2] = ["readonly", "attached_mode"];
/// Rows of one volume joined with all that hangs on it, of which there are as many as the product of what hangs on it in each
/// table. Where there are as many as this, there may be more: then what hangs on it is read table by table.
const JOINED: usize = 17;
/// The same of the rows of a short page. A longer page is read for the price of so many rows more than without this.
const SHORT: usize = 25;
/// Where the cells of what hangs on a volume begin in those rows.
const TYPE: usize = volumes::COLUMNS.len();

/// A volume, joined with what hangs on it.
static ONE: LazyLock<String> = LazyLock::new(|| {
    let index = |_: Table| String::new();
    format!("{} WHERE v.id = ? AND v.deleted = ? LIMIT {JOINED}", joined("", index, ""))
});
/// As [`ONE`], the newest volumes of a project, for a server that is told its indexes: left alone, it sorts, and reads through
/// small tables for each volume.
static NEWEST: LazyLock<String> = LazyLock::new(|| {
    let index = |table: Table| along(Engine::Mysql, &format!("ix_{}_volume_id", table.name()));
    let attachments = along(Engine::Mysql, "ix_volume_attachment_volume_id");
    format!(
        "{} WHERE v.project_id = ? AND v.deleted = false AND (? OR v.migration_status IS NULL OR v.migration_status NOT LIKE \
         'target:%') ORDER BY v.created_at DESC, v.id DESC LIMIT {SHORT}",
        joined(&along(Engine::Mysql, BY_PROJECT), index, &attachments)
    )
});

/// Volumes joined with what hangs on them, with what goes after the names of their tables.
///
/// Of what hangs on a volume and does not count, only that is left out here of which there may be much until it is purged: what
/// earlier attachments have left. For each condition a server of MariaDB takes as long as for some ten rows.
fn joined(of_volumes: &str, of: impl Fn(Table) -> String, of_attachments: &str) -> String {
    let columns: Vec<String> = volumes::COLUMNS.iter().map(|column| format!("v.{column}")).collect();
    let [owner, admin, image] =
        [Table::Volume, Table::VolumeAdmin, Table::VolumeImage].map(|table| (table.name(), of(table)));
    format!(
        "SELECT {}, t.name, m.id, m.\"key\", m.value, a.id, a.\"key\", a.value, g.id, g.\"key\", g.value, \
         h.volume_id, h.id, h.instance_uuid, h.attached_host, h.mountpoint, h.attach_time, h.created_at, \
         m.deleted, g.deleted, h.attach_status FROM volumes v{of_volumes} LEFT JOIN volume_types t ON t.id = v.volume_type_id \
         LEFT JOIN {} m{} ON m.volume_id = v.id LEFT JOIN {} a{} ON a.volume_id = v.id AND a.deleted = false \
         LEFT JOIN {} g{} ON g.volume_id = v.id \
         LEFT JOIN volume_attachment h{of_attachments} ON h.volume_id = v.id AND h.deleted = false",
        columns.join(", "),
        owner.0,
        owner.1,
        admin.0,
        admin.1,
        image.0,
        image.1,
    )
}

/// The volume with this id; `None` where there is none, or none any more.
///
/// # Errors
/// As all statements.
pub fn one(connection: &mut Connection, id: &str) -> Result<Option<VolumeDetails>> {
    let mut read = Joined::default();
    connection.taking(&ONE, &[id.into(), false.into()], |row| read.row(row))?;
    let (rows, mut all) = (read.rows, read.all());
    if rows == JOINED {
        hang(connection, &mut all, false)?;
    }
    let Some(mut found) = all.pop() else { return Ok(None) };
    found.in_consistency_group = !consistency_groups(connection, &[&found.volume])?.is_empty();
    Ok(Some(found))
}

/// The first page of a project's volumes, newest first, where one statement that is cheaper than two tells all of it; `None` where
/// there is more than that, or another page is wanted. Only where each statement is dear: MariaDB and MySQL. `long`: projects
/// that had more than that when they were last asked for, of which it is not asked again.
///
/// # Errors
/// As all statements.
pub fn short_page(
    connection: &mut Connection,
    selection: &Selection,
    long: &Guesses,
) -> Result<Option<Vec<VolumeDetails>>> {
    let Some((project_id, all)) = plain(selection).filter(|_| connection.engine() == Engine::Mysql) else {
        return Ok(None);
    };
    if long.holds(project_id) {
        return Ok(None);
    }
    let mut read = Joined::default();
    connection.taking(&NEWEST, &[project_id.into(), all.into()], |row| read.row(row))?;
    let rows = read.rows;
    let mut page = read.all();
    let limit = usize::try_from(selection.limit).unwrap_or(0);
    // All rows of a volume come together: those of the last one may not have come to their end.
    if rows == SHORT && page.len() <= limit {
        long.found(project_id, true);
        return Ok(None);
    }
    page.truncate(limit);
    let groups = consistency_groups(connection, &page.iter().map(|one| &one.volume).collect::<Vec<_>>())?;
    for one in &mut page {
        one.in_consistency_group = one.volume.group_id.as_ref().is_some_and(|group| groups.contains(group));
    }
    Ok(Some(page))
}

/// What is to be guessed of a project, now that its first page was read otherwise.
pub fn learn(long: &Guesses, selection: &Selection, page: &[VolumeDetails]) {
    if let Some((project_id, _)) = plain(selection).filter(|_| page.len() < SHORT) {
        long.found(project_id, false);
    }
}

/// The project, and whether targets of migrations are seen, of a selection that is the first page in the usual order.
fn plain(selection: &Selection) -> Option<(&str, bool)> {
    let usual = |(order, column): (&Order, &str)| order.by.column == column && !order.by.of_volume && !order.ascending;
    let all = match selection.conditions.as_slice() {
        [] => true,
        [Condition::NoMigrationTarget] => false,
        _ => return None,
    };
    let first = selection.marker.is_none() && selection.offset == 0 && selection.order.len() == 2;
    let is_plain = first && selection.order.iter().zip(["created_at", "id"]).all(usual);
    selection.project_id.as_deref().filter(|_| is_plain).map(|project_id| (project_id, all))
}

/// Volumes with everything that their details show, read in the same unchanging view of the database as the volumes. `in_a_row`:
/// whether they are all of their project's that were made from the first of them to the last, but for a few; it only makes it
/// faster.
///
/// # Errors
/// As all statements.
pub fn of_page(connection: &mut Connection, volumes: Vec<Volume>, in_a_row: bool) -> Result<Vec<VolumeDetails>> {
    let groups = consistency_groups(connection, &volumes.iter().collect::<Vec<_>>())?;
    let details = |volume: Volume| {
        let in_group = volume.group_id.as_ref().is_some_and(|group| groups.contains(group));
        VolumeDetails { in_consistency_group: in_group, ..VolumeDetails::bare(volume, None) }
    };
    let mut all: Vec<VolumeDetails> = volumes.into_iter().map(details).collect();
    hang(connection, &mut all, in_a_row)?;
    Ok(all)
}

/// Volumes as rows of [`joined`] tell them, those of one volume after each other.
#[derive(Default)]
struct Joined {
    rows: usize,
    volumes: Vec<(VolumeDetails, Hanging)>,
}

impl Joined {
    fn row(&mut self, row: &mut Row<'_>) -> Result<()> {
        self.rows += 1;
        let id = row.text(0)?;
        if self.volumes.last().is_none_or(|(last, _)| last.volume.id != id) {
            let volume = VolumeDetails::bare(volumes::read(row)?, row.take_opt_string(TYPE)?);
            self.volumes.push((volume, Hanging::default()));
        }
        let Some((_, hanging)) = self.volumes.last_mut() else { return Ok(()) };
        let visible = row.opt_text(TYPE + 5)?.is_some_and(|name| VISIBLE_NAMES.contains(&name));
        let (deleted, image_deleted) = (row.opt_bool(TYPE + 17)?, row.opt_bool(TYPE + 18)?);
        for (at, table, counts) in [
            (TYPE + 1, Table::Volume, deleted == Some(false)),
            (TYPE + 4, Table::VolumeAdmin, visible),
            (TYPE + 7, Table::VolumeImage, image_deleted == Some(false)),
        ] {
            if let Some(number) = row.opt_int(at)?.filter(|_| counts) {
                hanging.pair(table, number, row, at + 1)?;
            }
        }
        if row.opt_text(TYPE + 19)? == Some(AttachStatus::Attached.name()) {
            hanging.attachment(row, TYPE + 10)?;
        }
        Ok(())
    }

    fn all(self) -> Vec<VolumeDetails> {
        let hung = |(mut volume, hanging): (VolumeDetails, Hanging)| {
            hanging.hang_on(&mut volume);
            volume
        };
        self.volumes.into_iter().map(hung).collect()
    }
}

/// What hangs on one volume, in the order in which it was read.
#[derive(Default)]
struct Hanging {
    metadata: Vec<(i64, String, String)>,
    admin: Vec<(i64, String, String)>,
    image: Vec<(i64, String, String)>,
    attachments: Vec<(Option<Timestamp>, Attachment)>,
}

impl Hanging {
    /// A name and a value, which begin at a cell.
    fn pair(&mut self, table: Table, number: i64, row: &Row<'_>, at: usize) -> Result<()> {
        let pairs = match table {
            Table::VolumeAdmin => &mut self.admin,
            Table::VolumeImage => &mut self.image,
            _ => &mut self.metadata,
        };
        let (key, value) = (row.opt_string(at)?, row.opt_string(at + 1)?);
        pairs.push((number, key.unwrap_or_default(), value.unwrap_or_default()));
        Ok(())
    }

    /// An attachment, whose volume, id, server, host, device, time and creation begin at a cell.
    fn attachment(&mut self, row: &Row<'_>, at: usize) -> Result<()> {
        let attachment = Attachment {
            volume_id: row.string(at)?,
            id: row.string(at + 1)?,
            instance_uuid: row.opt_string(at + 2)?,
            attached_host: row.opt_string(at + 3)?,
            mountpoint: row.opt_string(at + 4)?,
            attach_time: row.opt_time(at + 5)?,
        };
        self.attachments.push((row.opt_time(at + 6)?, attachment));
        Ok(())
    }

    /// Each once, oldest first.
    fn hang_on(mut self, volume: &mut VolumeDetails) {
        let pairs = |mut pairs: Vec<(i64, String, String)>| -> Vec<(String, String)> {
            pairs.sort_unstable_by_key(|(number, ..)| *number);
            pairs.dedup_by_key(|(number, ..)| *number);
            pairs.into_iter().map(|(_, key, value)| (key, value)).collect()
        };
        volume.metadata = pairs(self.metadata);
        volume.visible_admin_metadata = pairs(self.admin);
        volume.image_metadata = pairs(self.image);
        self.attachments.sort_unstable_by(|one, other| (one.0, &one.1.id).cmp(&(other.0, &other.1.id)));
        self.attachments.dedup_by(|one, other| one.1.id == other.1.id);
        volume.attachments = self.attachments.into_iter().map(|(_, attachment)| attachment).collect();
    }
}

/// What a row of [`statement`] tells: the first cell.
const KINDS: [(i64, Table); 3] = [(0, Table::Volume), (1, Table::VolumeAdmin), (2, Table::VolumeImage)];
const ATTACHMENT: i64 = 3;
const TYPE_NAME: i64 = 4;

/// Volumes whose belongings are read by one statement.
enum Which<'i> {
    These(Bunch<'i>),
    /// Those of one project that were made from one time to another, which engines find by an index: that costs a server a
    /// third of what so many ids cost it.
    Stretch {
        project_id: &'i str,
        from: Timestamp,
        to: Timestamp,
    },
}

/// The stretch that a page is, where it is long enough; `None` where it is none.
fn stretch(page: &[VolumeDetails]) -> Option<Which<'_>> {
    const LONG: usize = 50;
    let project_id = page.first().filter(|_| page.len() > LONG)?.volume.project_id.as_str();
    let times = page.iter().map(|one| one.volume.created_at.filter(|_| one.volume.project_id == project_id));
    let times: Vec<Timestamp> = times.collect::<Option<_>>()?;
    Some(Which::Stretch { project_id, from: *times.iter().min()?, to: *times.iter().max()? })
}

/// What was read of several volumes.
#[derive(Default)]
struct Found {
    hanging: HashMap<String, Hanging>,
    type_names: Vec<(String, Option<String>)>,
}

/// Reads what hangs on volumes, and the names of their types. Nothing is sorted by the server, which would make a table of
/// the rows first, on its disk. `in_a_row`: whether few others lie between the first of them that was made and the last.
fn hang(connection: &mut Connection, all: &mut [VolumeDetails], in_a_row: bool) -> Result<()> {
    let mut found = Found::default();
    let mut types: Vec<&str> = all.iter().map(|one| one.volume.volume_type_id.as_str()).collect();
    types.sort_unstable();
    types.dedup();
    let types: Vec<Bunch<'_>> = Bunch::all(&types).collect();
    let mut types = types.iter();
    let ids: Vec<&str>;
    let rest: Vec<Which<'_>> = match stretch(all).filter(|_| in_a_row) {
        Some(stretch) => vec![stretch],
        None => {
            ids = all.iter().map(|one| one.volume.id.as_str()).collect();
            Bunch::all(&ids).map(Which::These).collect()
        }
    };
    let mut rest = rest.iter();
    loop {
        let (volumes, types) = (rest.next(), types.next());
        if volumes.is_none() && types.is_none() {
            break;
        }
        read(connection, volumes, types, &mut found)?;
    }
    for one in all {
        let name = found.type_names.iter().find(|(id, _)| *id == one.volume.volume_type_id);
        one.type_name = name.and_then(|(_, name)| name.clone());
        if !found.hanging.is_empty()
            && let Some(hanging) = found.hanging.remove(&one.volume.id)
        {
            hanging.hang_on(one);
        }
    }
    Ok(())
}

fn read(
    connection: &mut Connection,
    volumes: Option<&Which<'_>>,
    types: Option<&Bunch<'_>>,
    found: &mut Found,
) -> Result<()> {
    let (sql, params) = statement(volumes, types, connection.engine());
    connection.query(&sql, &params, |row| {
        let (kind, owner) = (row.int(0)?, row.text(2)?);
        match kind {
            TYPE_NAME => found.type_names.push((owner.to_owned(), row.opt_string(3)?)),
            _ => {
                if row.opt_bool(WORDS)? != Some(false) {
                    return Ok(());
                }
                if !found.hanging.contains_key(owner) {
                    found.hanging.insert(owner.to_owned(), Hanging::default());
                }
                let Some(hanging) = found.hanging.get_mut(owner) else { return Ok(()) };
                if kind == ATTACHMENT {
                    let attached = row.opt_text(WORDS + 1)? == Some(AttachStatus::Attached.name());
                    return if attached { hanging.attachment(row, 2) } else { Ok(()) };
                }
                let known = KINDS.into_iter().find(|(number, _)| *number == kind);
                let (_, table) = known.ok_or_else(|| Error::internal("metadata of an unknown table"))?;
                if table == Table::VolumeAdmin && !row.opt_text(3)?.is_some_and(|name| VISIBLE_NAMES.contains(&name)) {
                    return Ok(());
                }
                hanging.pair(table, row.int(1)?, row, 3)?;
            }
        }
        Ok(())
    })
}

/// Where a row of [`statement`] tells whether it counts: whether it is deleted, and the status of an attachment.
const WORDS: usize = 9;

/// The statement: kind, number, volume or type, four texts, two times, whether it is deleted, a status. Attachments, which have
/// all of them, come first, since PostgreSQL takes the types of columns from there.
///
/// Rows that do not count are sent and passed over: MariaDB plans each part of the statement anew, and each condition takes it
/// as long as some ten such rows, of which a volume has few until they are purged.
fn statement<'i>(volumes: Option<&Which<'i>>, types: Option<&Bunch<'i>>, engine: Engine) -> (String, Vec<Value<'i>>) {
    const STRETCH: &str = "v.project_id = ? AND v.deleted = false AND v.created_at >= ? AND v.created_at <= ?";
    let mut parts: Vec<String> = Vec::with_capacity(6);
    let mut params: Vec<Value<'i>> = Vec::new();
    if let Some(volumes) = volumes {
        let along = along(engine, BY_PROJECT);
        let (joined, condition, values): (_, _, Vec<Value<'i>>) = match volumes {
            Which::These(ids) => (String::new(), format!("m.volume_id IN ({})", ids.marks()), ids.values().collect()),
            Which::Stretch { project_id, from, to } => (
                format!(" JOIN volumes v{along} ON v.id = m.volume_id"),
                STRETCH.to_owned(),
                vec![(*project_id).into(), (*from).into(), (*to).into()],
            ),
        };
        parts.push(format!(
            "SELECT {ATTACHMENT}, NULL, m.volume_id, m.id, m.instance_uuid, m.attached_host, m.mountpoint, m.attach_time, \
             m.created_at, m.deleted, m.attach_status FROM volume_attachment m{joined} WHERE {condition}"
        ));
        for (kind, table) in KINDS {
            parts.push(format!(
                "SELECT {kind}, m.id, m.volume_id, m.\"key\", m.value, NULL, NULL, NULL, NULL, m.deleted, NULL \
                 FROM {} m{joined} WHERE {condition}",
                table.name()
            ));
        }
        params = std::iter::repeat_n(values, parts.len()).flatten().collect();
    }
    if let Some(types) = types {
        parts.push(format!(
            "SELECT {TYPE_NAME}, NULL, id, name, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM volume_types WHERE id IN ({})",
            types.marks()
        ));
        params.extend(types.values());
    }
    (parts.join(" UNION ALL "), params)
}

/// Which groups of these volumes are consistency groups of old.
fn consistency_groups(connection: &mut Connection, volumes: &[&Volume]) -> Result<Vec<String>> {
    let mut ids: Vec<&str> = volumes.iter().filter_map(|volume| volume.group_id.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = Vec::new();
    for ids in Bunch::all(&ids) {
        let sql = format!(
            "SELECT g.id FROM \"groups\" g JOIN group_types t ON t.id = g.group_type_id \
             WHERE t.name = 'default_cgsnapshot_type' AND g.id IN ({})",
            ids.marks()
        );
        let params: Vec<Value<'_>> = ids.values().collect();
        found.extend(connection.rows(&sql, &params, |row| row.string(0))?);
    }
    Ok(found)
}
