//! QoS specs in the table `quality_of_service_specs`: a root row for the name, and below it a row for each key and one for
//! the consumer. The types that have them name them in `volume_types`. Whoever changes anything here holds the
//! [`lock`](super::volume_types::lock) of the types, so that names stay unique and no type gets what is being removed.

use std::collections::HashMap;

use super::volume_types;
use crate::block_storage::model::qos_specs::{DEFAULT_CONSUMER, QosSpecs};
use crate::database::{Connection, Row, Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// The key of a root row, whose value is the name.
const NAME: &str = "QoS_Specs_Name";
/// The key of the row whose value is the consumer.
const CONSUMER: &str = "consumer";

/// All of them, newest first.
///
/// # Errors
/// Those of the database, as all functions of this file.
pub fn all(c: &mut Connection) -> Result<Vec<QosSpecs>> {
    select(c, "", &[])
}

/// Those with this id.
pub fn find(c: &mut Connection, id: &str) -> Result<Option<QosSpecs>> {
    Ok(select(c, " AND r.id = ?", &[id.into()])?.pop())
}

/// That there are none with this id.
pub fn not_found(id: &str) -> Error {
    Error::not_found(format!("No such QoS spec {id}."))
}

fn select(c: &mut Connection, condition: &str, params: &[Value<'_>]) -> Result<Vec<QosSpecs>> {
    let roots = format!("r.specs_id IS NULL AND r.\"key\" = ? AND r.deleted = false{condition}");
    let params: Vec<Value<'_>> = std::iter::once(NAME.into()).chain(params.iter().cloned()).collect();
    let sql = format!(
        "SELECT r.id, r.value, r.created_at FROM quality_of_service_specs r WHERE {roots} \
         ORDER BY r.created_at DESC, r.id DESC"
    );
    let mut found = c.rows(&sql, &params, root)?;
    let sql = format!(
        "SELECT s.specs_id, s.\"key\", s.value, s.updated_at FROM quality_of_service_specs s \
         JOIN quality_of_service_specs r ON r.id = s.specs_id WHERE {roots} AND s.deleted = false \
         ORDER BY s.created_at, s.\"key\""
    );
    let at: HashMap<String, usize> = found.iter().enumerate().map(|(at, item)| (item.id.clone(), at)).collect();
    c.query(&sql, &params, |row| {
        if let Some(item) = at.get(row.text(0)?).and_then(|at| found.get_mut(*at)) {
            item.updated_at = item.updated_at.max(row.opt_time(3)?);
            match (row.opt_string(1)?.unwrap_or_default(), row.opt_string(2)?) {
                (key, Some(value)) if key == CONSUMER => item.consumer = value,
                (key, None) if key == CONSUMER => {}
                pair => item.specs.push(pair),
            }
        }
        Ok(())
    })?;
    Ok(found)
}

fn root(row: &Row<'_>) -> Result<QosSpecs> {
    Ok(QosSpecs {
        id: row.string(0)?,
        name: row.opt_string(1)?.unwrap_or_default(),
        consumer: DEFAULT_CONSUMER.to_owned(),
        specs: Vec::new(),
        created_at: row.opt_time(2)?,
        updated_at: None,
    })
}

/// Adds them.
///
/// # Errors
/// [`crate::Kind::Conflict`] where the name is taken.
pub fn insert(tx: &mut Transaction<'_>, new: &QosSpecs) -> Result<()> {
    let taken = "SELECT 1 FROM quality_of_service_specs \
                 WHERE specs_id IS NULL AND \"key\" = ? AND value = ? AND deleted = false";
    if tx.row(taken, &[NAME.into(), (&new.name).into()], |_| Ok(()))?.is_some() {
        return Err(Error::conflict(format!("QoS Specs {} already exists.", new.name)));
    }
    insert_row(tx, &new.id, None, NAME, Some(&new.name))?;
    put(tx, &new.id, Some(&new.consumer), &new.specs)
}

fn insert_row(
    tx: &mut Transaction<'_>,
    id: &str,
    specs_id: Option<&str>,
    key: &str,
    value: Option<&str>,
) -> Result<()> {
    let sql = "INSERT INTO quality_of_service_specs (created_at, deleted, id, specs_id, \"key\", value) \
               VALUES (?, false, ?, ?, ?, ?)";
    let params = [Timestamp::now().into(), id.into(), specs_id.into(), key.into(), value.into()];
    tx.execute(sql, &params).map(|_| ())
}

/// Sets the consumer, where one is given, and some of the keys.
pub fn put(
    tx: &mut Transaction<'_>,
    id: &str,
    consumer: Option<&str>,
    specs: &[(String, Option<String>)],
) -> Result<()> {
    let consumer = consumer.map(|consumer| (CONSUMER, Some(consumer)));
    let specs = specs.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
    for (key, value) in consumer.into_iter().chain(specs) {
        let update = "UPDATE quality_of_service_specs SET value = ?, updated_at = ? \
                      WHERE specs_id = ? AND \"key\" = ? AND deleted = false";
        if tx.execute(update, &[value.into(), Timestamp::now().into(), id.into(), key.into()])? == 0 {
            insert_row(tx, &uuid::Uuid::new_v4().to_string(), Some(id), key, value)?;
        }
    }
    Ok(())
}

/// Removes one key; `false` where they have not got it.
pub fn delete_key(tx: &mut Transaction<'_>, id: &str, key: &str) -> Result<bool> {
    let sql = "UPDATE quality_of_service_specs SET deleted = true, deleted_at = ? \
               WHERE specs_id = ? AND \"key\" = ? AND deleted = false";
    Ok(key != CONSUMER && tx.execute(sql, &[Timestamp::now().into(), id.into(), key.into()])? > 0)
}

/// Removes them with all of their keys.
pub fn delete(tx: &mut Transaction<'_>, id: &str) -> Result<()> {
    let sql = "UPDATE quality_of_service_specs SET deleted = true, deleted_at = ? \
               WHERE (id = ? OR specs_id = ?) AND deleted = false";
    tx.execute(sql, &[Timestamp::now().into(), id.into(), id.into()]).map(|_| ())
}

/// The types that have them, in the order in which these were made: id and name.
pub fn associations(c: &mut Connection, id: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT id, name FROM volume_types WHERE qos_specs_id = ? AND deleted = false ORDER BY created_at, id";
    c.rows(sql, &[id.into()], |row| Ok((row.string(0)?, row.opt_string(1)?.unwrap_or_default())))
}

/// Gives them to a type.
///
/// # Errors
/// [`crate::Kind::NotFound`] where there is no such type.
pub fn associate(tx: &mut Transaction<'_>, id: &str, type_id: &str) -> Result<()> {
    let sql = "UPDATE volume_types SET qos_specs_id = ?, updated_at = ? WHERE id = ? AND deleted = false";
    match tx.execute(sql, &[id.into(), Timestamp::now().into(), type_id.into()])? {
        0 => Err(volume_types::not_found(type_id)),
        _ => Ok(()),
    }
}

/// Takes them from a type, or from every type that has them where none is named.
pub fn disassociate(tx: &mut Transaction<'_>, id: &str, type_id: Option<&str>) -> Result<()> {
    let sql = "UPDATE volume_types SET qos_specs_id = NULL, updated_at = ? WHERE qos_specs_id = ?";
    let now = Value::from(Timestamp::now());
    match type_id {
        Some(type_id) => tx.execute(&format!("{sql} AND id = ?"), &[now, id.into(), type_id.into()]),
        None => tx.execute(sql, &[now, id.into()]),
    }
    .map(|_| ())
}
