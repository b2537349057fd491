//! Statements for lists: conditions, order, keyset pages and counts. Tables and columns are named by the caller's
//! constants, and never by a request; values are parameters.
//!
//! NULL sorts before everything else on every engine. A page begins after the row whose key values are given, and costs
//! the same wherever it begins, as long as an index holds the columns that are compared by [`Select::equal`] and then the
//! keys.

use std::borrow::Cow;

use super::connection::Connection;
use super::engine::Engine;
use super::row::Row;
use super::value::Value;
use crate::Result;

/// How a column is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::Unequal => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

/// A key to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The column.
    pub column: Cow<'static, str>,
    /// The smallest first.
    pub ascending: bool,
    /// Whether rows hold NULL in it. Where none does, an index serves the order, whatever the schema allows.
    pub nullable: bool,
}

/// A statement that is being put together.
#[derive(Clone, Debug)]
pub struct Select<'v> {
    from: Cow<'static, str>,
    conditions: String,
    params: Vec<Value<'v>>,
    keys: Vec<Key>,
    limit: Option<i64>,
    offset: i64,
    index: Option<&'static str>,
}

impl<'v> Select<'v> {
    /// All rows of what stands after `FROM`: a table, or tables and how they are joined.
    pub fn from(from: &'static str) -> Self {
        Self {
            from: Cow::Borrowed(from),
            conditions: String::new(),
            params: Vec::new(),
            keys: Vec::new(),
            limit: None,
            offset: 0,
            index: None,
        }
    }

    /// The rows are read along this index, as [`along`] says it.
    #[must_use]
    pub fn along(mut self, index: &'static str) -> Self {
        self.index = Some(index);
        self
    }

    /// Only rows for which `condition` holds; it has as many marks as there are `params`. It must be made of constants.
    #[must_use]
    pub fn holds(mut self, condition: &str, params: impl IntoIterator<Item = Value<'v>>) -> Self {
        self.conditions.push_str(if self.conditions.is_empty() { " WHERE " } else { " AND " });
        self.conditions.push_str(condition);
        self.params.extend(params);
        self
    }

    /// Only rows with this value in a column; NULL finds NULL.
    #[must_use]
    pub fn equal(self, column: impl Into<Cow<'static, str>>, value: impl Into<Value<'v>>) -> Self {
        let (column, value) = (column.into(), value.into());
        if value.is_null() {
            return self.holds(&format!("{column} IS NULL"), []);
        }
        self.holds(&format!("{column} = ?"), [value])
    }

    /// Only rows whose column compares so; NULL compares in no way.
    #[must_use]
    pub fn compares(
        self,
        column: impl Into<Cow<'static, str>>,
        comparison: Comparison,
        value: impl Into<Value<'v>>,
    ) -> Self {
        self.holds(&format!("{} {} ?", column.into(), comparison.sign()), [value.into()])
    }

    /// Only rows with one of these values in a column; no values find no rows.
    #[must_use]
    pub fn one_of(self, column: impl Into<Cow<'static, str>>, values: impl IntoIterator<Item = Value<'v>>) -> Self {
        let values: Vec<Value<'v>> = values.into_iter().collect();
        if values.is_empty() {
            return self.never();
        }
        self.holds(&format!("{} IN ({})", column.into(), marks(values.len())), values)
    }

    /// Only rows whose column holds text with this in it, in the engine's own opinion of capitals.
    #[must_use]
    pub fn contains(self, column: impl Into<Cow<'static, str>>, text: &str) -> Self {
        self.holds(&format!("{} LIKE ? ESCAPE '!'", column.into()), [format!("%{}%", literal(text)).into()])
    }

    /// Only rows whose column holds one of these values, or text that begins with one of these beginnings.
    #[must_use]
    pub fn begins(
        self,
        column: impl Into<Cow<'static, str>>,
        value: impl Into<Value<'v>>,
        beginnings: &[String],
    ) -> Self {
        let column = column.into();
        let mut condition = format!("({column} = ?");
        for _ in beginnings {
            condition.push_str(&format!(" OR {column} LIKE ? ESCAPE '!'"));
        }
        condition.push(')');
        let likes = beginnings.iter().map(|text| Value::from(format!("{}%", literal(text))));
        self.holds(&condition, std::iter::once(value.into()).chain(likes))
    }

    /// No rows.
    #[must_use]
    pub fn never(self) -> Self {
        self.holds("1 = 0", [])
    }

    /// In the order of these keys. The last one should be unique, so that no two rows are equal.
    #[must_use]
    pub fn order(mut self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// Only rows that come after the one that holds `seen` in the keys of the order, which were told before.
    #[must_use]
    pub fn after(self, seen: &[Value<'v>]) -> Self {
        let keys = self.keys.clone();
        let mut params = Vec::new();
        let mut condition = String::new();
        // Said once more than the rest says it: from this alone engines find the place in an index where they begin.
        if let (Some(key), Some(value)) = (keys.first(), seen.first())
            && !value.is_null()
        {
            let sign = if key.ascending { ">=" } else { "<=" };
            let null =
                if key.nullable && !key.ascending { format!(" OR {} IS NULL", key.column) } else { String::new() };
            condition.push_str(&format!("({} {sign} ?{null}) AND ", key.column));
            params.push(value.clone());
        }
        for (last, (key, value)) in keys.iter().zip(seen).enumerate() {
            condition.push_str(if last == 0 { "((" } else { " OR (" });
            for (key, value) in keys.iter().zip(seen).take(last) {
                if value.is_null() {
                    condition.push_str(&format!("{} IS NULL AND ", key.column));
                } else {
                    condition.push_str(&format!("{} = ? AND ", key.column));
                    params.push(value.clone());
                }
            }
            condition.push_str(&beyond(key, value));
            if !value.is_null() {
                params.push(value.clone());
            }
            condition.push(')');
        }
        if keys.is_empty() || seen.is_empty() {
            return self;
        }
        condition.push(')');
        self.holds(&condition, params)
    }

    /// At most so many rows.
    #[must_use]
    pub fn limit(mut self, rows: i64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Without the first so many rows.
    #[must_use]
    pub fn offset(mut self, rows: i64) -> Self {
        self.offset = rows;
        self
    }

    /// What `read` makes of each row; `columns` is what stands after `SELECT`, made of constants.
    ///
    /// # Errors
    /// As all statements.
    pub fn rows<T>(
        &self,
        connection: &mut Connection,
        columns: &str,
        mut read: impl FnMut(&mut Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (sql, params) = self.statement(columns, connection.engine());
        let mut all = Vec::new();
        connection.taking(&sql, &params, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// How many rows there are on all pages together: the order, the limit and the offset do not count.
    ///
    /// # Errors
    /// As all statements.
    pub fn count(&self, connection: &mut Connection) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM {}{}", self.from, self.conditions);
        Ok(connection.row(&sql, &self.params, |row| row.int(0))?.unwrap_or(0))
    }

    /// The statement and its parameters, in the words of `engine`.
    pub fn statement(&self, columns: &str, engine: Engine) -> (String, Vec<Value<'v>>) {
        let along = self.index.map_or_else(String::new, |index| along(engine, index));
        let mut sql = format!("SELECT {columns} FROM {}{along}{}", self.from, self.conditions);
        for (at, key) in self.keys.iter().enumerate() {
            sql.push_str(if at == 0 { " ORDER BY " } else { ", " });
            sql.push_str(&key.column);
            if !key.ascending {
                sql.push_str(" DESC");
            }
            if key.nullable {
                sql.push_str(engine.nulls(key.ascending));
            }
        }
        let mut params = self.params.clone();
        if self.limit.is_some() || self.offset > 0 {
            // An offset is nothing without a limit.
            sql.push_str(" LIMIT ?");
            params.push(self.limit.unwrap_or(i64::MAX).into());
        }
        if self.offset > 0 {
            sql.push_str(" OFFSET ?");
            params.push(self.offset.into());
        }
        (sql, params)
    }
}

/// The condition that a row lies beyond `value` in one key; with one mark, unless the value is NULL.
fn beyond(key: &Key, value: &Value<'_>) -> String {
    let column = &key.column;
    match (value.is_null(), key.ascending) {
        (true, true) => format!("{column} IS NOT NULL"),
        (true, false) => "1 = 0".to_owned(),
        (false, true) => format!("{column} > ?"),
        (false, false) if key.nullable => format!("({column} < ? OR {column} IS NULL)"),
        (false, false) => format!("{column} < ?"),
    }
}

/// What goes after a table so that its rows are read along an index that holds what they are found by and their order.
/// MariaDB and MySQL would take another one that finds them as well, or even read the rows of all projects, and sort what
/// they find; and they compare all indexes for that anew with each statement, half of a short page's time. The other
/// engines take it by themselves. Where the index is not there, the driver leaves the hint out.
pub fn along(engine: Engine, index: &str) -> String {
    match engine {
        Engine::Mysql => format!("{HINT}{index})"),
        Engine::Sqlite | Engine::Postgres => String::new(),
    }
}

/// What stands before the name of an index that is to be taken.
const HINT: &str = " FORCE INDEX (";

/// A statement without what [`along`] says in it; `None` where it says nothing.
pub(super) fn without_hints(sql: &str) -> Option<String> {
    let mut parts = sql.split(HINT);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    let mut hints = 0;
    for part in parts {
        plain.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
        hints += 1;
    }
    (hints > 0).then_some(plain)
}

/// As many marks as there are values: `?, ?, ?`.
pub fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// `text` as the part of a `LIKE ... ESCAPE '!'` pattern that matches it alone.
fn literal(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Comparison, Key, Select, without_hints};
    use crate::database::{Engine, Value};

    const KEYS: [Key; 2] = [
        Key { column: Cow::Borrowed("created_at"), ascending: false, nullable: false },
        Key { column: Cow::Borrowed("id"), ascending: false, nullable: false },
    ];

    #[test]
    fn a_page_says_where_an_index_begins() {
        let select =
            Select::from("volumes").equal("project_id", "p").order(KEYS).after(&["t".into(), "i".into()]).limit(10);
        let (sql, params) = select.statement("id", Engine::Sqlite);
        assert_eq!(
            sql,
            "SELECT id FROM volumes WHERE project_id = ? AND (created_at <= ?) AND ((created_at < ?) OR (created_at = ? \
             AND id < ?)) ORDER BY created_at DESC, id DESC LIMIT ?"
        );
        assert_eq!(params, ["p".into(), "t".into(), "t".into(), "t".into(), "i".into(), Value::Int(10)]);
    }

    #[test]
    fn conditions_are_marks_and_never_text() {
        let select = Select::from("t")
            .equal("a", None::<&str>)
            .compares("b", Comparison::GreaterOrEqual, 5)
            .one_of("c", ["x".into(), "y".into()])
            .one_of("d", [])
            .contains("e", "50%_!")
            .begins("f", "h", &["h#".to_owned()]);
        let (sql, params) = select.statement("*", Engine::Mysql);
        assert_eq!(
            sql,
            "SELECT * FROM t WHERE a IS NULL AND b >= ? AND c IN (?, ?) AND 1 = 0 AND e LIKE ? ESCAPE '!' AND (f = ? OR f \
             LIKE ? ESCAPE '!')"
        );
        assert_eq!(params, [5.into(), "x".into(), "y".into(), "%50!%!_!!%".into(), "h".into(), "h#%".into()]);
    }

    #[test]
    fn only_the_engine_that_plans_each_statement_anew_is_told_the_index() {
        let told = |engine| Select::from("t").equal("a", 1).along("t_a").statement("b", engine).0;
        assert_eq!(told(Engine::Mysql), "SELECT b FROM t FORCE INDEX (t_a) WHERE a = ?");
        assert_eq!(told(Engine::Sqlite), "SELECT b FROM t WHERE a = ?");
        assert_eq!(told(Engine::Postgres), "SELECT b FROM t WHERE a = ?");
    }

    #[test]
    fn hints_are_taken_out_of_a_statement_and_nothing_else_is() {
        let hinted = "SELECT 1 FROM t FORCE INDEX (t_a) JOIN u FORCE INDEX (u_b) ON (t.a = u.a) WHERE t.b IN (?, ?)";
        let plain = "SELECT 1 FROM t JOIN u ON (t.a = u.a) WHERE t.b IN (?, ?)";
        assert_eq!(without_hints(hinted).as_deref(), Some(plain));
        assert_eq!(without_hints(plain), None);
    }

    #[test]
    fn an_offset_alone_has_a_limit_that_is_none() {
        let (sql, params) = Select::from("t").offset(3).statement("a", Engine::Postgres);
        assert_eq!((sql.as_str(), params), ("SELECT a FROM t LIMIT ? OFFSET ?", vec![i64::MAX.into(), Value::Int(3)]));
    }
}
