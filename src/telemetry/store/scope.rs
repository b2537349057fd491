//! What a filter means in numbers of the dictionary: the conditions on series and streams that it makes. Time and
//! metadata are not part of it, for they differ from sample to sample.

use crate::Result;
use crate::database::{Connection, Value};
use crate::telemetry::model::Filter;

/// Conditions on `telemetry_series s` and `telemetry_stream g`.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Number of the resource that is asked for.
    pub(super) resource: Option<i64>,
    /// Number of the project that is asked for.
    pub(super) project: Option<i64>,
    /// Conditions on `g`, `m` (its meter) and `o` (its owner) with their values.
    stream: Vec<(&'static str, Value<'static>)>,
    /// Whether something was asked for that the dictionary does not know, so that there is no such sample.
    pub(super) nothing: bool,
}

impl Scope {
    /// Looks up what the filter names.
    pub(super) fn of(connection: &mut Connection, filter: &Filter) -> Result<Self> {
        let mut scope = Self::default();
        if let Some(name) = &filter.resource_id {
            let find = "SELECT id FROM telemetry_resource WHERE name = ?";
            scope.resource = connection.row(find, &[name.into()], |row| row.int(0))?;
            scope.nothing |= scope.resource.is_none();
        }
        match &filter.project_id {
            None => {}
            Some(None) => scope.project = Some(0),
            Some(Some(name)) => {
                let find = "SELECT id FROM telemetry_project WHERE name = ?";
                scope.project = connection.row(find, &[name.into()], |row| row.int(0))?;
                scope.nothing |= scope.project.is_none();
            }
        }
        if let Some(name) = &filter.meter {
            scope.stream.push(("m.name = ?", Value::from(name.clone())));
        }
        match &filter.user_id {
            None => {}
            Some(None) => scope.stream.push(("o.user_id IS NULL", Value::Null)),
            Some(Some(user)) => scope.stream.push(("o.user_id = ?", Value::from(user.clone()))),
        }
        if let Some(source) = &filter.source {
            scope.stream.push(("o.source = ?", Value::from(source.clone())));
        }
        Ok(scope)
    }

    /// Appends the conditions on `telemetry_series s`, each after ` AND `.
    pub(super) fn limit_series(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        for (condition, value) in [(" AND s.resource = ?", self.resource), (" AND s.project = ?", self.project)] {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value.into());
            }
        }
        self.limit_series_by_stream(sql, values);
    }

    /// As [`Scope::limit_series`], in a form that no index answers, for statements that go through an index on time.
    pub(super) fn limit_found_series(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        for (condition, value) in [(" AND s.resource + 0 = ?", self.resource), (" AND s.project + 0 = ?", self.project)]
        {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value.into());
            }
        }
        self.limit_series_by_stream(sql, values);
    }

    fn limit_series_by_stream(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if !self.stream.is_empty() {
            sql.push_str(" AND s.stream IN (SELECT g.id FROM telemetry_stream g");
            self.limit_streams(sql, values);
            sql.push(')');
        }
    }

    /// Appends the joins and conditions on `telemetry_stream g`, with ` WHERE `.
    pub(super) fn limit_streams(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        sql.push_str(" JOIN telemetry_meter m ON m.id = g.meter JOIN telemetry_owner o ON o.id = g.owner WHERE 1 = 1");
        if let Some(project) = self.project {
            sql.push_str(" AND g.project = ?");
            values.push(project.into());
        }
        for (condition, value) in &self.stream {
            sql.push_str(" AND ");
            sql.push_str(condition);
            if !value.is_null() {
                values.push(value.clone());
            }
        }
    }

    /// Whether every series is in the scope.
    pub(super) fn is_everything(&self) -> bool {
        self.resource.is_none() && self.project.is_none() && self.stream.is_empty()
    }
}
