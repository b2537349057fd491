//! What a filter means in the tables: the conditions on series and streams that it makes. Names stand in the conditions, which find
//! their numbers by themselves: nobody asks for these before. Time and metadata are not part of it, for they differ from sample to
//! sample.

use crate::database::Value;
use crate::telemetry::model::Filter;

/// The number of the resource that is asked for, and of the project.
const RESOURCE: &str = "(SELECT id FROM telemetry_resource WHERE name = ?)";
const PROJECT: &str = "(SELECT id FROM telemetry_project WHERE name = ?)";
/// The number of the project of samples without one.
const NO_PROJECT: &str = "0";

/// Joins the meter of a stream.
pub(super) const METER: &str = " JOIN telemetry_meter m ON m.id = g.meter";

/// Conditions on `telemetry_series s` and `telemetry_stream g`.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The resource that is asked for.
    resource: Option<Value<'static>>,
    /// The number of the project that is asked for, with the value in it.
    project: Option<(&'static str, Option<Value<'static>>)>,
    /// Conditions on `g`, `m` (its meter) and `o` (its owner) with their values.
    stream: Vec<(&'static str, Option<Value<'static>>)>,
}

impl Scope {
    /// What the filter names.
    pub(super) fn of(filter: &Filter) -> Self {
        let mut scope = Self::default();
        let text = |text: &String| Value::from(text.clone());
        scope.resource = filter.resource_id.as_ref().map(text);
        scope.project = filter.project_id.as_ref().map(|project| match project {
            None => (NO_PROJECT, None),
            Some(name) => (PROJECT, Some(text(name))),
        });
        if let Some(name) = &filter.meter {
            scope.stream.push(("m.name = ?", Some(text(name))));
        }
        match &filter.user_id {
            None => {}
            Some(None) => scope.stream.push(("o.user_id IS NULL", None)),
            Some(Some(user)) => scope.stream.push(("o.user_id = ?", Some(text(user)))),
        }
        if let Some(source) = &filter.source {
            scope.stream.push(("o.source = ?", Some(text(source))));
        }
        scope
    }

    /// Appends the conditions on `telemetry_series s`, each after ` AND `.
    pub(super) fn limit_series(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        self.limit_series_in("s.resource", "s.project", sql, values);
    }

    /// As [`Scope::limit_series`], in a form that no index answers, for statements that go through an index on time.
    pub(super) fn limit_found_series(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        self.limit_series_in("s.resource + 0", "s.project + 0", sql, values);
    }

    fn limit_series_in(&self, resource: &str, project: &str, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if let Some(name) = &self.resource {
            push(sql, values, (resource, RESOURCE), Some(name));
        }
        if let Some((number, name)) = &self.project {
            push(sql, values, (project, number), name.as_ref());
        }
        self.limit_series_by_stream(sql, values);
    }

    /// Appends the condition on the project of `telemetry_series s` alone, in a form that no index answers.
    pub(super) fn limit_found_project(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if let Some((number, name)) = &self.project {
            push(sql, values, ("s.project + 0", number), name.as_ref());
        }
    }

    fn limit_series_by_stream(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if !self.stream.is_empty() {
            sql.push_str(" AND s.stream IN (SELECT g.id FROM telemetry_stream g");
            self.limit_streams(sql, values);
            sql.push(')');
        }
    }

    /// Appends the joins and conditions on `telemetry_stream g`, with ` WHERE `. Of `m` and `o` only what the conditions need is joined:
    /// some servers weigh all orders of a join again with each statement.
    pub(super) fn limit_streams(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if self.names('m') {
            sql.push_str(METER);
        }
        self.limit_streams_of_meters(sql, values);
    }

    /// As [`Scope::limit_streams`], where the statement has joined `m` itself, by [`METER`].
    pub(super) fn limit_streams_of_meters(&self, sql: &mut String, values: &mut Vec<Value<'static>>) {
        if self.names('o') {
            sql.push_str(" JOIN telemetry_owner o ON o.id = g.owner");
        }
        sql.push_str(" WHERE 1 = 1");
        if let Some((number, name)) = &self.project {
            push(sql, values, ("g.project", number), name.as_ref());
        }
        for (condition, value) in &self.stream {
            sql.push_str(" AND ");
            sql.push_str(condition);
            values.extend(value.clone());
        }
    }

    /// Whether a condition on streams is one on this table.
    fn names(&self, table: char) -> bool {
        self.stream.iter().any(|(condition, _)| condition.starts_with(table))
    }

    /// Whether one resource is asked for.
    pub(super) fn is_of_a_resource(&self) -> bool {
        self.resource.is_some()
    }

    /// Whether all series of a resource are in the scope, or all of a project's where that is asked for.
    pub(super) fn has_all_meters(&self) -> bool {
        self.stream.is_empty()
    }

    /// Whether every series is in the scope.
    pub(super) fn is_everything(&self) -> bool {
        self.resource.is_none() && self.project.is_none() && self.stream.is_empty()
    }
}

/// Appends ` AND column = number`.
fn push(
    sql: &mut String,
    values: &mut Vec<Value<'static>>,
    (column, number): (&str, &str),
    value: Option<&Value<'static>>,
) {
    for part in [" AND ", column, " = ", number] {
        sql.push_str(part);
    }
    values.extend(value.cloned());
}
