//! Orders to volume services, over the platform's table of orders: what a volume service has to know of each, as JSON.
//! Not here: leases and their rules (`database/orders.rs`), doing the work (`volume/`).

use std::ops::Deref;

use serde_json::{Map, Value as Json, json};

use super::{image_orders, service_orders};
use crate::block_storage::model::volume::Volume;
use crate::block_storage::model::work::{Charged, Hints, Order, Requester, ServerEvent, Work};
use crate::database::orders::{self, Standing, Taken};
use crate::database::{Connection, Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The role that takes these orders.
const ROLE: &str = "volume";
/// The type of volumes among objects.
const VOLUME: &str = "volume";
/// The type of services among objects.
const SERVICE: &str = "service";
/// The type of snapshots among objects.
const SNAPSHOT: &str = "snapshot";
/// The type of groups among objects.
const GROUP: &str = "group";
/// The type of group snapshots among objects.
const GROUP_SNAPSHOT: &str = "group_snapshot";

/// An order that waits, or that somebody works on.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The order.
    pub order: Order,
    /// Whether somebody works on it.
    pub held: bool,
    /// Who took it last; empty where nobody did.
    pub owner: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    standing: Standing,
}

/// An order that this process has taken.
#[derive(Debug, Clone)]
pub struct Held {
    order: Order,
    taken: Taken,
    /// The volume, as the transaction left it that took the order and placed the volume.
    placed: Option<Box<Volume>>,
}

impl Held {
    /// How far an earlier taker came, in that taker's words.
    pub fn progress(&self) -> Option<&str> {
        self.taken.progress.as_deref()
    }

    pub(super) fn taken(&self) -> &Taken {
        &self.taken
    }

    /// When it was placed.
    pub fn placed_at(&self) -> Timestamp {
        self.taken.created_at
    }

    /// The volume, as the transaction left it that took the order, where that one found a place for it.
    pub fn placed(&self) -> Option<&Volume> {
        self.placed.as_deref()
    }

    /// The order with the volume as this transaction leaves it.
    pub fn with_placed(self, volume: Volume) -> Self {
        Self { placed: Some(Box::new(volume)), ..self }
    }

    /// Whether `backend` has told already that the work begins.
    pub fn has_told(&self, backend: &str) -> bool {
        teller(&self.taken.payload).as_deref() == Some(backend)
    }
}

impl Deref for Held {
    type Target = Order;

    fn deref(&self) -> &Order {
        &self.order
    }
}

/// Puts an order into the transaction that makes it necessary. Answers its number, which is given here; the one it has is not read.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn place(tx: &mut Transaction<'_>, order: &Order) -> Result<i64> {
    let (object_type, object_id) = match (&order.snapshot_id, &order.work) {
        (_, Work::Service(_)) => (SERVICE, &order.volume_id),
        (Some(id), _) => (SNAPSHOT, id),
        (
            None,
            Work::CreateGroup
            | Work::CreateGroupFromSource { .. }
            | Work::UpdateGroup { .. }
            | Work::DeleteGroup { .. },
        ) => (GROUP, &order.volume_id),
        (None, Work::CreateGroupSnapshot { .. } | Work::DeleteGroupSnapshot { .. }) => {
            (GROUP_SNAPSHOT, &order.volume_id)
        }
        (None, _) => (VOLUME, &order.volume_id),
    };
    let row = orders::Order {
        role: ROLE,
        host: order.backend.as_deref().unwrap_or_default(),
        kind: order.work.kind(),
        object_type,
        object_id,
        payload: &payload(order).to_string(),
    };
    orders::place(tx, &row)
}

/// The oldest `most` orders that these backends are to carry out and those that have no backend yet. All of them, because
/// an order may have to wait for an older one. One that this release can not read is left alone.
pub fn waiting(c: &mut Connection, backends: &[&str], most: u32) -> Result<Vec<Waiting>> {
    let standing = orders::standing(c, ROLE, backends, most)?;
    Ok(standing.into_iter().filter_map(read).collect())
}

/// An order by which the service of another backend takes a volume over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The volume.
    pub volume_id: String,
    /// Where it lies until then.
    pub volume_host: String,
    /// The backend that takes it over: `host@backend`.
    pub backend: String,
    /// Whether that one's service works on it.
    pub held: bool,
    id: i64,
    attempts: i64,
}

/// The volumes that services of other backends than these are taking over. What is asked of such a volume waits. To be read
/// after the orders themselves: an order that is passed on meanwhile is then found at least once.
pub fn taken_elsewhere(c: &mut Connection, backends: &[&str]) -> Result<Vec<Elsewhere>> {
    let marks = ", ?".repeat(backends.len());
    let sql = format!(
        "SELECT o.id, o.object_id, o.host, o.attempts, o.lease_until, v.host FROM hearth_orders o \
         JOIN volumes v ON v.id = o.object_id WHERE o.role = ? AND o.kind IN ('migrate_volume', 'retype_volume') \
         AND o.progress IS NOT NULL AND o.host NOT IN (''{marks})"
    );
    let params: Vec<Value<'_>> =
        std::iter::once(ROLE.into()).chain(backends.iter().map(|backend| Value::from(*backend))).collect();
    let now = Timestamp::now();
    c.rows(&sql, &params, |row| {
        Ok(Elsewhere {
            id: row.int(0)?,
            volume_id: row.string(1)?,
            backend: row.string(2)?,
            attempts: row.int(3)?,
            held: row.opt_time(4)?.is_some_and(|until| until >= now),
            volume_host: row.opt_string(5)?.unwrap_or_default(),
        })
    })
}

/// Lets the backend that has the volume end what another one does not go on with. `false` where that one has it after all.
pub fn take_back(tx: &mut Transaction<'_>, order: &Elsewhere, backend: &str) -> Result<bool> {
    orders::move_idle(tx, order.id, order.attempts, &order.backend, backend)
}

/// GiB by which the volumes of a project are about to grow, for which it pays already; only those of one volume type where
/// one is named.
pub(super) fn growth(c: &mut Connection, project_id: &str, volume_type_id: Option<&str>) -> Result<i64> {
    let of_type = if volume_type_id.is_some() { " AND v.volume_type_id = ?" } else { "" };
    let sql = format!(
        "SELECT v.size, o.kind, o.payload FROM hearth_orders o JOIN volumes v ON v.id = o.object_id \
         WHERE o.role = ? AND o.object_type = ? AND o.kind = 'extend_volume' AND v.project_id = ? AND v.deleted = ? \
         AND v.use_quota = ?{of_type}"
    );
    let mut params: Vec<Value<'_>> = vec![ROLE.into(), VOLUME.into(), project_id.into(), false.into(), true.into()];
    params.extend(volume_type_id.map(Value::from));
    let mut gib = 0;
    c.query(&sql, &params, |row| {
        let payload: Json = serde_json::from_str(row.text(2)?).unwrap_or_default();
        if let Some(Work::ExtendVolume { new_size_gib, .. }) =
            payload.get("work").and_then(|json| work(row.text(1).ok()?, json))
        {
            gib += new_size_gib - row.opt_int(0)?.unwrap_or(0);
        }
        Ok(())
    })?;
    Ok(gib)
}

/// What a project pays for already under a volume type that its volumes are about to get.
pub(super) fn arriving(c: &mut Connection, project_id: &str, volume_type_id: &str) -> Result<Vec<Charged>> {
    let sql = "SELECT payload FROM hearth_orders WHERE role = ? AND kind = 'retype_volume'";
    let payloads = c.rows(sql, &[ROLE.into()], |row| row.string(0))?;
    let works = payloads.iter().filter_map(|text| {
        let payload: Json = serde_json::from_str(text).ok()?;
        work("retype_volume", payload.get("work")?)
    });
    let arriving = works.filter_map(|work| match work {
        Work::RetypeVolume { new_type_id, charged, .. } if new_type_id == volume_type_id => Some(charged),
        _ => None,
    });
    Ok(arriving.flatten().filter(|charged| charged.project_id == project_id).collect())
}

/// Whether an order for this kind of work on a volume waits, or is being carried out.
pub(in super::super) fn is_placed(c: &mut Connection, work: &Work, volume_id: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM hearth_orders WHERE role = ? AND kind = ? AND object_type = ? AND object_id = ?";
    let found = c.row(sql, &[ROLE.into(), work.kind().into(), VOLUME.into(), volume_id.into()], |row| row.int(0))?;
    Ok(found.is_some_and(|count| count > 0))
}

/// Takes an order for `seconds` as `owner`; `None` where somebody else has it, or where it is done.
pub fn take(tx: &mut Transaction<'_>, waiting: &Waiting, owner: &str, seconds: i64) -> Result<Option<Held>> {
    let taken = orders::hold(tx, &waiting.standing, owner, seconds)?;
    Ok(taken.map(|taken| Held {
        order: Order { attempts: taken.attempts, ..waiting.order.clone() },
        taken,
        placed: None,
    }))
}

/// Keeps all orders of `owner` for `seconds` more.
pub fn renew(tx: &mut Transaction<'_>, owner: &str, seconds: i64) -> Result<()> {
    orders::renew_all(tx, owner, seconds).map(|_| ())
}

/// Gives an order back whose work has to wait for something: it is taken again in `seconds`, as if it were new.
pub fn wait(tx: &mut Transaction<'_>, held: &Held, seconds: i64) -> Result<()> {
    ours(held, orders::wait(tx, &held.taken, seconds)?)
}

/// Gives an order back that was not begun.
pub fn give_back(tx: &mut Transaction<'_>, held: &Held) -> Result<()> {
    // Whoever has it meanwhile keeps it.
    orders::give_back(tx, &held.taken).map(|_| ())
}

/// Says which backend is to carry out an order that had none; this process keeps it.
///
/// # Errors
/// `Conflict` where the order was lost to another process, as all the following functions.
pub fn assign(tx: &mut Transaction<'_>, held: Held, backend: &str) -> Result<Held> {
    ours(&held, orders::assign(tx, &held.taken, backend)?)?;
    Ok(Held { order: Order { backend: Some(backend.to_owned()), ..held.order }, ..held })
}

/// Lets another backend carry out an order, as `work`.
pub fn pass_on(tx: &mut Transaction<'_>, held: &Held, backend: &str, work: &Work) -> Result<()> {
    let order = Order { work: work.clone(), ..held.order.clone() };
    ours(held, orders::pass_on(tx, &held.taken, backend, &payload(&order).to_string())?)
}

/// Lets another backend go on with an order, which learns from `progress` how far this one came.
pub fn hand_over(tx: &mut Transaction<'_>, held: &Held, backend: &str, progress: &str) -> Result<()> {
    note(tx, held, progress)?;
    pass_on(tx, held, backend, &held.order.work)
}

/// Notes how far the work on an order came, for whoever takes it after a crash.
pub fn note(tx: &mut Transaction<'_>, held: &Held, progress: &str) -> Result<()> {
    ours(held, orders::note(tx, &held.taken, progress)?)
}

/// How far the work of orders on volumes came that somebody began: the volume and the note.
pub(super) fn notes(c: &mut Connection) -> Result<Vec<(String, String)>> {
    let sql =
        "SELECT object_id, progress FROM hearth_orders WHERE role = ? AND object_type = ? AND progress IS NOT NULL";
    c.rows(sql, &[ROLE.into(), VOLUME.into()], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// The disks that a backend is to remove: the volume that had it, and the disk.
pub(super) fn discarded(c: &mut Connection, backend: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT object_id, payload FROM hearth_orders WHERE role = ? AND host = ? AND kind = 'discard_disk'";
    let found = c.rows(sql, &[ROLE.into(), backend.into()], |row| Ok((row.string(0)?, row.string(1)?)))?;
    let disk = |payload: &str| {
        let payload: Json = serde_json::from_str(payload).ok()?;
        payload.pointer("/work/disk_id")?.as_str().map(str::to_owned)
    };
    Ok(found.into_iter().filter_map(|(volume, payload)| Some((volume, disk(&payload)?))).collect())
}

/// Notes that `backend` tells in this transaction that the work begins.
pub fn told(tx: &mut Transaction<'_>, held: &Held, backend: &str) -> Result<()> {
    ours(held, orders::rewrite(tx, &held.taken, &with_teller(&held.taken.payload, backend))?)
}

/// Removes an order: the transaction writes its result.
pub fn end(tx: &mut Transaction<'_>, held: &Held) -> Result<()> {
    ours(held, orders::finish(tx, &held.taken)?)
}

/// Ends all leases on orders of a backend: whoever held them is known to be gone. How many there were.
pub fn free(tx: &mut Transaction<'_>, backend: &str) -> Result<u64> {
    orders::release_in(tx, ROLE, backend)
}

pub(super) fn ours(held: &Held, still: bool) -> Result<()> {
    if still {
        return Ok(());
    }
    let text = format!("order {} was lost to another process", held.order.id);
    Err(Error::conflict("Another volume service has taken over this work.").because(text))
}

/// The name in a payload of the one who has told that the work begins. An order that is passed on begins anew.
const TELLER: &str = "told_by";

/// Who has told that the work of an order begins.
pub(super) fn teller(payload: &str) -> Option<String> {
    let payload: Json = serde_json::from_str(payload).ok()?;
    payload.get(TELLER)?.as_str().map(str::to_owned)
}

/// The payload of an order whose beginning `who` tells.
pub(super) fn with_teller(payload: &str, who: &str) -> String {
    let mut payload: Json = serde_json::from_str(payload).unwrap_or_default();
    if let Some(map) = payload.as_object_mut() {
        map.insert(TELLER.to_owned(), who.into());
    }
    payload.to_string()
}

/// What the columns of an order do not tell.
fn payload(order: &Order) -> Json {
    let mut json = Map::new();
    let mut put = |name: &str, value: Json| drop(json.insert(name.to_owned(), value));
    put("volume_id", order.volume_id.as_str().into());
    put("snapshot_id", order.snapshot_id.as_deref().into());
    put("source_volume_id", order.source_volume_id.as_deref().into());
    put("request_id", order.requester.request_id.as_str().into());
    put("project_id", order.requester.project_id.as_str().into());
    put("user_id", order.requester.user_id.as_str().into());
    if let Some(context) = &order.requester.context {
        put("context", context.as_str().into());
    }
    let work = match &order.work {
        Work::CreateVolume { hints, tried, image } => json!({
            "same_host": hints.same_host, "different_host": hints.different_host, "tried": tried,
            "image": image.as_deref().map(image_orders::image),
        }),
        Work::UploadVolume(upload) => image_orders::upload(upload),
        Work::ReimageVolume { image, snapshot_id } => image_orders::reimage(image, snapshot_id.as_deref()),
        Work::Service(work) => service_orders::payload(work),
        Work::DeleteVolume { cascade } => json!({ "cascade": cascade }),
        Work::ExtendVolume { old_size_gib, new_size_gib } => json!({"from": old_size_gib, "to": new_size_gib}),
        Work::RetypeVolume { new_type_id, may_move, charged, recoding } => {
            let charged: Json = charged.iter().map(payload_of_charge).collect();
            let recoding = recoding.as_deref().map(image_orders::recoding);
            json!({"new_type_id": new_type_id, "may_move": may_move, "charged": charged, "recoding": recoding})
        }
        Work::MigrateVolume { destination } => json!({ "destination": destination }),
        Work::DiscardDisk { disk_id } => json!({ "disk_id": disk_id }),
        Work::SwapServers { new_volume_id } => json!({ "new_volume_id": new_volume_id }),
        Work::TellServers { server_ids, event } => json!({"server_ids": server_ids, "event": event.name()}),
        Work::CreateGroupFromSource { volumes }
        | Work::DeleteGroup { volumes }
        | Work::CreateGroupSnapshot { volumes }
        | Work::DeleteGroupSnapshot { volumes } => json!({ "volumes": volumes }),
        Work::UpdateGroup { leaving } => json!({ "leaving": leaving }),
        Work::Connect { attachment_id, connector, alone } => {
            json!({"attachment_id": attachment_id, "connector": connector, "alone": alone})
        }
        Work::Disconnect { attachment_id, connector } => {
            json!({"attachment_id": attachment_id, "connector": connector})
        }
        Work::ManageVolume { name } | Work::ManageSnapshot { name } => json!({ "name": name }),
        Work::ListManageable { snapshots } => json!({ "snapshots": snapshots }),
        Work::CreateSnapshot
        | Work::DeleteSnapshot
        | Work::RevertToSnapshot
        | Work::EndExport
        | Work::TendVolume
        | Work::UnmanageVolume
        | Work::UnmanageSnapshot
        | Work::CreateGroup => json!({}),
    };
    put("work", work);
    Json::Object(json)
}

fn payload_of_charge(charged: &Charged) -> Json {
    let Charged { project_id, volumes, snapshots, gigabytes } = charged;
    json!({"project_id": project_id, "volumes": volumes, "snapshots": snapshots, "gigabytes": gigabytes})
}

fn charge(json: &Json) -> Option<Charged> {
    let number = |key: &str| json.get(key)?.as_i64();
    Some(Charged {
        project_id: json.get("project_id")?.as_str()?.to_owned(),
        volumes: number("volumes")?,
        snapshots: number("snapshots")?,
        gigabytes: number("gigabytes")?,
    })
}

fn read(standing: Standing) -> Option<Waiting> {
    let json: Json = serde_json::from_str(&standing.order.payload).ok()?;
    let text = |name: &str| json.get(name)?.as_str().map(str::to_owned);
    let order = Order {
        id: standing.order.id,
        backend: Some(standing.host.clone()).filter(|host| !host.is_empty()),
        volume_id: text("volume_id")?,
        snapshot_id: text("snapshot_id"),
        source_volume_id: text("source_volume_id"),
        work: work(&standing.order.kind, json.get("work")?)?,
        requester: Requester {
            request_id: text("request_id").unwrap_or_default(),
            project_id: text("project_id").unwrap_or_default(),
            user_id: text("user_id").unwrap_or_default(),
            context: text("context"),
        },
        attempts: standing.order.attempts,
    };
    Some(Waiting {
        order,
        held: standing.held,
        owner: standing.order.owner.clone(),
        placed_at: standing.order.created_at,
        standing,
    })
}

fn work(kind: &str, json: &Json) -> Option<Work> {
    let list = |key: &str| -> Option<Vec<String>> {
        json.get(key)?.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
    };
    let number = |key: &str| json.get(key)?.as_i64();
    let text = |key: &str| json.get(key)?.as_str().map(str::to_owned);
    Some(match kind {
        "create_volume" => Work::CreateVolume {
            hints: Hints { same_host: list("same_host"), different_host: list("different_host").unwrap_or_default() },
            tried: list("tried").unwrap_or_default(),
            image: match json.get("image") {
                None | Some(Json::Null) => None,
                Some(image) => Some(Box::new(image_orders::read_image(image)?)),
            },
        },
        "upload_volume" => Work::UploadVolume(Box::new(image_orders::read_upload(json)?)),
        "reimage_volume" => {
            Work::ReimageVolume { image: Box::new(image_orders::read_image(json)?), snapshot_id: text("snapshot_id") }
        }
        "delete_volume" => Work::DeleteVolume { cascade: json.get("cascade")?.as_bool()? },
        "extend_volume" => Work::ExtendVolume { old_size_gib: number("from")?, new_size_gib: number("to")? },
        "retype_volume" => Work::RetypeVolume {
            new_type_id: text("new_type_id")?,
            may_move: json.get("may_move")?.as_bool()?,
            charged: json.get("charged")?.as_array()?.iter().map(charge).collect::<Option<_>>()?,
            recoding: json.get("recoding").and_then(image_orders::read_recoding).map(Box::new),
        },
        "migrate_volume" => Work::MigrateVolume { destination: text("destination")? },
        "discard_disk" => Work::DiscardDisk { disk_id: text("disk_id")? },
        "end_export" => Work::EndExport,
        "tend_volume" => Work::TendVolume,
        "swap_servers" => Work::SwapServers { new_volume_id: text("new_volume_id")? },
        "tell_servers" => Work::TellServers {
            server_ids: list("server_ids")?,
            event: text("event").map_or(Some(ServerEvent::Extended), |name| ServerEvent::parse(&name))?,
        },
        "connect" => Work::Connect {
            attachment_id: text("attachment_id"),
            connector: text("connector")?,
            alone: json.get("alone")?.as_bool()?,
        },
        "disconnect" => Work::Disconnect { attachment_id: text("attachment_id"), connector: text("connector") },
        "create_snapshot" => Work::CreateSnapshot,
        "delete_snapshot" => Work::DeleteSnapshot,
        "revert_to_snapshot" => Work::RevertToSnapshot,
        "manage_volume" => Work::ManageVolume { name: text("name")? },
        "unmanage_volume" => Work::UnmanageVolume,
        "manage_snapshot" => Work::ManageSnapshot { name: text("name")? },
        "unmanage_snapshot" => Work::UnmanageSnapshot,
        "list_manageable" => Work::ListManageable { snapshots: json.get("snapshots")?.as_bool()? },
        "create_group" => Work::CreateGroup,
        "create_group_from_src" => Work::CreateGroupFromSource { volumes: list("volumes")? },
        "update_group" => Work::UpdateGroup { leaving: list("leaving")? },
        "delete_group" => Work::DeleteGroup { volumes: list("volumes")? },
        "create_group_snapshot" => Work::CreateGroupSnapshot { volumes: list("volumes")? },
        "delete_group_snapshot" => Work::DeleteGroupSnapshot { volumes: list("volumes")? },
        _ => Work::Service(service_orders::read(kind, json)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_storage::model::backup_work::Key;
    use crate::block_storage::model::image::{Access, ImageRef, Token, Upload};
    use crate::block_storage::model::work::Recoding;

    fn round_trip(order: &Order) -> Option<Order> {
        let taken = Taken {
            id: order.id,
            kind: order.work.kind().to_owned(),
            object_type: String::new(),
            object_id: String::new(),
            payload: payload(order).to_string(),
            created_at: Timestamp(0),
            attempts: order.attempts,
            progress: None,
            last_error: None,
            owner: String::new(),
        };
        let host = order.backend.clone().unwrap_or_default();
        read(Standing { order: taken, host, held: false }).map(|waiting| waiting.order)
    }

    #[test]
    fn every_kind_of_work_is_read_as_it_was_written() {
        let charged = vec![Charged { project_id: "p".to_owned(), volumes: 1, snapshots: 2, gigabytes: 3 }];
        let key = Some(Key { id: "k".to_owned(), name: Some("n".to_owned()) });
        let recoding = Box::new(Recoding { key, token: Some(Token::new("t")) });
        let access = Access { servers: vec!["http://g".to_owned()], token: Some(Token::new("t")) };
        let image = Box::new(ImageRef { id: "i".to_owned(), access });
        let upload = Upload {
            image: ImageRef { access: Access::default(), ..*image.clone() },
            disk_format: "qcow2".to_owned(),
            store_id: Some("s".to_owned()),
            base_image_id: None,
        };
        let hints = Hints { same_host: Some(vec!["a".to_owned()]), different_host: vec!["b".to_owned()] };
        for (work, backend) in [
            (Work::CreateVolume { hints, tried: vec!["h@b#p".to_owned()], image: None }, None),
            (
                Work::CreateVolume { hints: Hints::default(), tried: Vec::new(), image: Some(image.clone()) },
                Some("h@b"),
            ),
            (Work::ReimageVolume { image: image.clone(), snapshot_id: Some("s".to_owned()) }, Some("h@b")),
            (Work::UploadVolume(Box::new(upload)), Some("h@b")),
            (Work::DeleteVolume { cascade: true }, Some("h@b")),
            (Work::ExtendVolume { old_size_gib: 1, new_size_gib: 2 }, Some("h@b")),
            (Work::Connect { attachment_id: None, connector: "{}".to_owned(), alone: false }, Some("h@b")),
            (
                Work::Connect { attachment_id: Some("a".to_owned()), connector: "{}".to_owned(), alone: true },
                Some("h@b"),
            ),
            (Work::Disconnect { attachment_id: Some("a".to_owned()), connector: None }, Some("h@b")),
            (Work::Disconnect { attachment_id: None, connector: Some("{}".to_owned()) }, Some("h@b")),
            (Work::CreateSnapshot, Some("h@b")),
            (Work::DeleteSnapshot, Some("h@b")),
            (Work::RevertToSnapshot, Some("h@b")),
            (Work::ManageVolume { name: "disk".to_owned() }, Some("h@b")),
            (Work::UnmanageVolume, Some("h@b")),
            (Work::ManageSnapshot { name: "disk".to_owned() }, Some("h@b")),
            (Work::UnmanageSnapshot, Some("h@b")),
            (Work::ListManageable { snapshots: true }, Some("h@b")),
            (
                Work::RetypeVolume { new_type_id: "t".to_owned(), may_move: true, charged, recoding: Some(recoding) },
                Some("h@b"),
            ),
            (Work::MigrateVolume { destination: "h@c#p".to_owned() }, Some("h@b")),
            (Work::DiscardDisk { disk_id: "d".to_owned() }, Some("h@b")),
            (Work::EndExport, Some("h@b")),
            (Work::SwapServers { new_volume_id: "n".to_owned() }, Some("h@b")),
            (Work::TellServers { server_ids: vec!["s".to_owned()], event: ServerEvent::Reimaged }, Some("h@b")),
        ] {
            let order = Order {
                id: 7,
                backend: backend.map(str::to_owned),
                volume_id: "volume".to_owned(),
                snapshot_id: Some("snapshot".to_owned()),
                source_volume_id: None,
                work,
                requester: Requester {
                    request_id: "req-1".to_owned(),
                    project_id: "p".to_owned(),
                    user_id: "u".to_owned(),
                    context: Some("{}".to_owned()),
                },
                attempts: 3,
            };
            assert_eq!(round_trip(&order), Some(order));
        }
        assert_eq!(work("nonsense", &json!({})), None);
        assert_eq!(work("delete_volume", &json!({})), None);
    }
}
