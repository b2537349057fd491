//! How an engine would run a statement, in its own words.

use hearth::database::{Database, Engine, Value};

/// The plan, after the engine has counted the rows of `table`. SQLite counts only where it is told to, which nobody does.
pub(crate) fn of(database: &Database, table: &str, sql: &str, params: &[Value<'_>]) -> String {
    let (count, explain) = match database.engine() {
        Engine::Sqlite => ("SELECT 1".to_owned(), format!("EXPLAIN QUERY PLAN {sql}")),
        Engine::Mysql => (format!("ANALYZE TABLE {table}"), format!("EXPLAIN FORMAT=JSON {sql}")),
        Engine::Postgres => (format!("ANALYZE {table}"), format!("EXPLAIN {}", literal(sql, params))),
    };
    let no_params = database.engine() == Engine::Postgres;
    let params = if no_params { &[] } else { params };
    let lines = database.read(|c| {
        c.query(&count, &[], |_| Ok(()))?;
        let column = if c.engine() == Engine::Sqlite { 3 } else { 0 };
        c.rows(&explain, params, |row| row.string(column))
    });
    lines.expect("a plan").join("\n")
}

/// PostgreSQL explains a statement with marks only after guessing; so its values are written into it.
fn literal(sql: &str, params: &[Value<'_>]) -> String {
    let mut parts = sql.split('?');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (part, value) in parts.zip(params) {
        match value {
            Value::Null => out.push_str("NULL"),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Bool(value) => out.push_str(&value.to_string()),
            Value::Text(value) => out.push_str(&format!("'{value}'")),
            Value::Time(value) => out.push_str(&format!("'{}'", value.sql())),
            Value::Real(_) | Value::Bytes(_) => panic!("no statement of these tests has such a value"),
        }
        out.push_str(part);
    }
    out
}
