//! What the rows of volume types and of group types have in common: Cinder's two tables have the same columns, and names
//! that are unique by no index. Not here: who may use a type, and its specs.

use crate::database::{Transaction, Value};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// One of the two tables.
pub(super) struct TypeTable {
    /// The table.
    pub(super) table: &'static str,
    /// What errors call such a type.
    pub(super) called: &'static str,
}

/// A type that is to be.
pub(super) struct NewType<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) description: Option<&'a str>,
    pub(super) is_public: bool,
    pub(super) created_at: Option<Timestamp>,
}

/// What of a type changes; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// The description.
    pub description: Option<&'a str>,
    /// Whether every project may use it.
    pub is_public: Option<bool>,
}

impl TypeTable {
    /// Makes this transaction the only one that adds, renames or removes types until it ends.
    pub(super) fn lock(&self, tx: &mut Transaction<'_>) -> Result<()> {
        let sql = format!("SELECT id FROM {} WHERE deleted = false ORDER BY id FOR UPDATE", self.table);
        tx.query(&sql, &[], |_| Ok(()))
    }

    /// Adds a type. `Conflict` where the name is taken.
    pub(super) fn insert(&self, tx: &mut Transaction<'_>, new: &NewType<'_>) -> Result<()> {
        self.refuse_taken_name(tx, new.name, new.id)?;
        let sql = format!(
            "INSERT INTO {} (created_at, deleted, id, name, description, is_public) VALUES (?, false, ?, ?, ?, ?)",
            self.table
        );
        let values =
            [new.created_at.into(), new.id.into(), new.name.into(), new.description.into(), new.is_public.into()];
        tx.execute(&sql, &values).map(|_| ())
    }

    /// Changes a type. `Conflict` where the name is taken; `false` where there is no such type.
    pub(super) fn update(&self, tx: &mut Transaction<'_>, id: &str, change: Change<'_>) -> Result<bool> {
        if let Some(name) = change.name {
            self.refuse_taken_name(tx, name, id)?;
        }
        let sets = [
            change.name.map(|name| ("name = ?, ", Value::from(name))),
            change.description.map(|text| ("description = ?, ", Value::from(text))),
            change.is_public.map(|value| ("is_public = ?, ", Value::from(value))),
        ];
        let sets: Vec<(&str, Value<'_>)> = sets.into_iter().flatten().collect();
        let columns: String = sets.iter().map(|(column, _)| *column).collect();
        let sql = format!("UPDATE {} SET {columns}updated_at = ? WHERE id = ? AND deleted = false", self.table);
        let values = sets.into_iter().map(|(_, value)| value);
        let params: Vec<Value<'_>> = values.chain([Timestamp::now().into(), id.into()]).collect();
        Ok(tx.execute(&sql, &params)? > 0)
    }

    fn refuse_taken_name(&self, tx: &mut Transaction<'_>, name: &str, own_id: &str) -> Result<()> {
        let sql = format!("SELECT 1 FROM {} WHERE name = ? AND deleted = false AND id <> ?", self.table);
        match tx.row(&sql, &[name.into(), own_id.into()], |_| Ok(()))? {
            Some(()) => Err(Error::conflict(format!("{} {name} already exists.", self.called))),
            None => Ok(()),
        }
    }
}
