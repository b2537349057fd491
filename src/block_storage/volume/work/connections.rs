//! Connections of volumes to hosts: what a host needs to know to reach a volume, and the end of that. Somebody waits for
//! each answer. The keys of a connection are those that os-brick and Nova read.

use serde_json::{Map, Value as Json, json};

use super::super::exports;
use super::{Job, format_of, stored};
use crate::block_storage::model::attachment::AttachmentDetails;
use crate::block_storage::model::qos_specs::Setting;
use crate::block_storage::model::status::Status as _;
use crate::block_storage::model::volume::{AttachStatus, Volume};
use crate::block_storage::store::answers::Answer;
use crate::block_storage::store::attachments::{self, ATTACHED_MODE, no_attachment};
use crate::block_storage::store::metadata::{self, Table};
use crate::block_storage::store::{qos_specs, volume_types, volumes};
use crate::block_storage::volume::drivers::{Connection as Way, Format};
use crate::database::{Connection, Transaction};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// What a connection is made of.
struct Scene {
    volume: Volume,
    attachment: Option<AttachmentDetails>,
    format: Format,
    mode: String,
    read_only: bool,
    connector: Map<String, Json>,
    /// What Nova or the host is to do to keep the quality of service.
    qos: Json,
    cacheable: bool,
}

pub(super) fn connect(job: &Job<'_>, attachment_id: Option<&str>, connector: &str, alone: bool) -> Result<()> {
    let mut scene = match job.read(|c| scene(c, job, attachment_id, connector, alone))? {
        Ok(scene) => scene,
        Err(refused) => return job.answer(|_| Ok(Err(refused.clone()))),
    };
    if scene.attachment.is_some() {
        scene.connector.insert("mode".to_owned(), json!(scene.mode));
    }
    if scene.attachment.is_some() {
        job.begin(|tx, notices| notices.volume(tx, &scene.volume.id, "attach.start"))?;
    }
    let name = job.volume_name(&scene.volume);
    // Until the row tells of the export: see `exports::ensure`.
    let _changing = job.backend.change_exports();
    let connector = Json::Object(scene.connector.clone());
    let volume = &scene.volume;
    match job.step(|_| exports::connect(job.backend, volume, stored(&name, volume, scene.format), &connector)) {
        Ok((way, new)) => {
            let mut kept = true;
            job.answer(|tx| {
                let answer = keep(tx, &scene, &way)?;
                kept = answer.is_ok();
                if let (true, Some(export)) = (kept, &new) {
                    exports::record(tx, &volume.id, export)?;
                }
                Ok(answer)
            })?;
            // Where the attachment ended meanwhile nobody was told of the export.
            if !kept {
                withdraw(job, &name, volume);
            }
            Ok(())
        }
        Err(error) => {
            // Also a step that is not even tried any more may have been broken off after it had made something.
            withdraw(job, &name, volume);
            job.answer(|_| Ok(Err(error.clone())))
        }
    }
}

/// Ends an export of which nobody was told. Where that fails, the next comparison with the rows does it.
fn withdraw(job: &Job<'_>, name: &str, volume: &Volume) {
    if volume.provider_location.is_none()
        && let Err(error) = exports::end(job.backend, name, volume)
    {
        job.failed(&error.to_string());
    }
}

fn scene(
    c: &mut Connection,
    job: &Job<'_>,
    attachment_id: Option<&str>,
    connector: &str,
    alone: bool,
) -> Result<Result<Scene>> {
    let id = &job.order.volume_id;
    let Some(volume) = volumes::by_id(c, id)?.filter(|volume| job.is_here(volume)) else {
        return Ok(Err(Error::not_found(format!("Volume {id} could not be found."))));
    };
    let others = attachments::of_volume(c, id)?;
    let (mut own, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|one| Some(one.attachment.id.as_str()) == attachment_id);
    let attachment = own.pop();
    if let Some(id) = attachment_id.filter(|_| attachment.is_none()) {
        return Ok(Err(no_attachment(id)));
    }
    // Orders of one volume are carried out one after the other, so of two that ask for the only connection one gets it.
    if alone && !volume.multiattach && others.iter().any(AttachmentDetails::is_connected) {
        let text = format!("Resource conflict: duplicate connectors detected on volume {id}");
        return Ok(Err(Error::conflict(text)));
    }
    let connector: Map<String, Json> = serde_json::from_str(connector).unwrap_or_default();
    let administrators = metadata::of(c, Table::VolumeAdmin, id)?;
    let said = |key: &str| administrators.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let wished = connector.get("mode").and_then(Json::as_str).unwrap_or("rw");
    let fixed = attachment.as_ref().and_then(|one| one.mode.as_deref()).filter(|mode| *mode != "null");
    let mode = fixed.unwrap_or(wished).to_owned();
    let old = if said("readonly") == Some("True") { "ro" } else { "rw" };
    let read_only = mode == "ro" || said(ATTACHED_MODE).unwrap_or(old) == "ro";
    let found = volume_types::of_object(c, &volume.volume_type_id)?;
    let qos_id = found.as_ref().and_then(|found| found.qos_specs_id.clone());
    let qos = match qos_id {
        Some(id) => qos_specs::find(c, &id)?.and_then(|specs| specs.at_the_front(volume.size_gib)),
        None => None,
    };
    let told = |(key, value): (String, Setting)| match value {
        Setting::Text(text) => (key, json!(text)),
        Setting::Number(number) => (key, json!(number)),
    };
    let qos = qos.map_or(Json::Null, |specs| Json::Object(specs.into_iter().map(told).collect()));
    let cacheable = found.is_some_and(|found| found.extra_spec("cacheable") == Some("<is> True"));
    let format = format_of(c, &volume)?;
    Ok(Ok(Scene { volume, attachment, format, mode, read_only, connector, qos, cacheable }))
}

/// The connection as a host reads it, all but what belongs to the protocol.
fn data(scene: &Scene, way: &Way) -> Map<String, Json> {
    let mut data = way.data.clone();
    let multipath = scene.connector.get("enforce_multipath").cloned().unwrap_or(json!(false));
    for (key, value) in [
        ("qos_specs", scene.qos.clone()),
        ("access_mode", json!(if scene.read_only { "ro" } else { "rw" })),
        ("encrypted", json!(scene.volume.encryption_key_id.is_some())),
        ("cacheable", json!(scene.cacheable)),
        ("enforce_multipath", multipath),
    ] {
        data.insert(key.to_owned(), value);
    }
    data
}

/// Keeps the connection in its attachment, where there is one, or answers it.
fn keep(tx: &mut Transaction<'_>, scene: &Scene, way: &Way) -> Result<Answer> {
    let kind = ("driver_volume_type".to_owned(), json!(way.driver_volume_type));
    let Some(attachment) = &scene.attachment else {
        let data = ("data".to_owned(), Json::Object(data(scene, way)));
        return Ok(Ok(Json::Object([kind, data].into_iter().collect())));
    };
    let id = &attachment.attachment.id;
    let mut whole = data(scene, way);
    whole.extend([kind, ("attachment_id".to_owned(), json!(id))]);
    let text = |key: &str, default: &str| scene.connector.get(key).and_then(Json::as_str).unwrap_or(default).to_owned();
    let columns = [
        ("attach_status", AttachStatus::Attaching.name().into()),
        ("connector", Json::Object(scene.connector.clone()).to_string().into()),
        ("connection_info", Json::Object(whole).to_string().into()),
        ("attached_host", text("host", "").into()),
        ("mountpoint", text("mountpoint", "na").into()),
        ("attach_time", Timestamp::now().into()),
        ("attach_mode", (&scene.mode).into()),
    ];
    if !attachments::change(tx, id, &columns)? {
        return Ok(Err(no_attachment(id)));
    }
    attachments::settle(tx, &scene.volume.id)?;
    Ok(Ok(Json::Null))
}

pub(super) fn disconnect(job: &Job<'_>, attachment_id: Option<&str>, connector: Option<&str>) -> Result<()> {
    let id = &job.order.volume_id;
    let found = job.read(|c| {
        let volume = volumes::by_id(c, id)?.filter(|volume| job.is_here(volume));
        Ok((volume, attachments::of_volume(c, id)?))
    });
    let (volume, all) = found?;
    let Some(volume) = volume else {
        let error = Error::not_found(format!("Volume {id} could not be found."));
        return job.answer(|_| Ok(Err(error.clone())));
    };
    let own = all.iter().find(|one| Some(one.attachment.id.as_str()) == attachment_id);
    if let Some(id) = attachment_id.filter(|_| own.is_none()) {
        return job.answer(|_| Ok(Err(no_attachment(id))));
    }
    let kept = own.and_then(|own| own.connector.as_deref()).or(connector);
    let connector: Option<Json> = kept.and_then(|text| serde_json::from_str(text).ok());
    let last = !all.iter().any(|one| Some(one.attachment.id.as_str()) != attachment_id && one.is_connected());
    if own.is_some() {
        job.begin(|tx, notices| notices.volume(tx, &volume.id, "detach.start"))?;
    }
    // In the old protocol, which knows no connector, the backend tells the end; otherwise the API does.
    let by_api = own.is_some_and(|own| own.connector.is_some());
    let name = job.volume_name(&volume);
    let _changing = job.backend.change_exports();
    let ended = job.step(|driver| {
        driver.disconnect(&name, connector.as_ref(), last)?;
        if exports::is_last(&all, attachment_id) { exports::end(job.backend, &name, &volume) } else { Ok(false) }
    });
    match ended {
        Ok(forget) => job.answer(|tx| {
            if forget {
                exports::forget(tx, id)?;
            }
            match attachment_id {
                Some(attachment_id) if !attachments::end(tx, attachment_id, id)? => {
                    Ok(Err(no_attachment(attachment_id)))
                }
                Some(_) => {
                    let notices = job.notices();
                    let notices = if by_api { notices.by(&*job.shared.settings.host) } else { notices };
                    notices.volume(tx, id, "detach.end").map(|()| Ok(Json::Null))
                }
                None => Ok(Ok(Json::Null)),
            }
        }),
        Err(error) => job.answer(|_| Ok(Err(error.clone()))),
    }
}
