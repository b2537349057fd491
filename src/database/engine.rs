//! The differences between the three engines, each an exhaustive match. A statement is written once: with `?` marks,
//! reserved names in double quotes, `ILIKE`, `FOR UPDATE`, `FOR SHARE` and `ON CONFLICT (...) DO UPDATE SET a = excluded.a`; this file
//! makes of it what each engine reads (design, section 7).

use std::borrow::Cow;
use std::fmt::Write as _;

/// One of the three engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A file, embedded.
    Sqlite,
    /// MariaDB or MySQL.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// The name as operators know it.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sqlite => "SQLite",
            Engine::Mysql => "MariaDB or MySQL",
            Engine::Postgres => "PostgreSQL",
        }
    }

    /// The statement that begins a transaction that writes. SQLite takes the write lock at once, because a reader that
    /// turns writer can not be made to wait.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Mysql => "START TRANSACTION",
            Engine::Postgres => "BEGIN",
        }
    }

    /// The statements that begin a transaction that reads one unchanging view, in one text.
    pub(super) fn begin_snapshot(self) -> &'static str {
        match self {
            Engine::Sqlite => "BEGIN",
            Engine::Mysql => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
            }
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// The portable statement in this engine's own words.
    pub(super) fn translate(self, sql: &str) -> Cow<'_, str> {
        match self {
            Engine::Sqlite => without_row_locks(like_for_ilike(Cow::Borrowed(sql))),
            Engine::Mysql => share_mode(duplicate_key_for_conflict(like_for_ilike(Cow::Borrowed(sql)))),
            Engine::Postgres => Cow::Owned(numbered(sql)),
        }
    }

    /// What goes after the ordinary `INSERT` for a statement that inserts nothing where the key exists already; the
    /// engine without such words reports the duplicate, which then means the same.
    pub(super) fn unless_it_exists(self) -> Option<&'static str> {
        match self {
            Engine::Sqlite | Engine::Postgres => Some(" ON CONFLICT DO NOTHING"),
            Engine::Mysql => None,
        }
    }

    /// What an `INSERT` needs to answer the number that it was given; the engine without such words keeps it aside.
    pub(super) fn returning_id(self) -> Option<&'static str> {
        match self {
            Engine::Sqlite | Engine::Postgres => Some(" RETURNING id"),
            Engine::Mysql => None,
        }
    }

    /// What goes after a key of an order so that NULL comes before everything else.
    pub(super) fn nulls(self, ascending: bool) -> &'static str {
        match (self, ascending) {
            (Engine::Sqlite | Engine::Mysql, _) => "",
            (Engine::Postgres, true) => " NULLS FIRST",
            (Engine::Postgres, false) => " NULLS LAST",
        }
    }
}

/// The lock that several may have at once.
const SHARE: &str = " FOR SHARE";

/// `FOR SHARE` as MariaDB says it, which knows no other words for it.
fn share_mode(sql: Cow<'_, str>) -> Cow<'_, str> {
    match sql.strip_suffix(SHARE) {
        Some(start) => Cow::Owned(format!("{start} LOCK IN SHARE MODE")),
        None => sql,
    }
}

/// SQLite has one writer at a time: whoever writes has locked every row.
fn without_row_locks(sql: Cow<'_, str>) -> Cow<'_, str> {
    const LOCKS: [&str; 3] = [" FOR UPDATE SKIP LOCKED", " FOR UPDATE", SHARE];
    let end = sql.trim_end();
    match LOCKS.iter().find_map(|lock| end.strip_suffix(lock)).map(str::len) {
        Some(length) => match sql {
            Cow::Borrowed(sql) => Cow::Borrowed(&sql[..length]),
            Cow::Owned(mut sql) => {
                sql.truncate(length);
                Cow::Owned(sql)
            }
        },
        None => sql,
    }
}

/// `LIKE` of SQLite and of MySQL's usual collations knows no case already.
fn like_for_ilike(sql: Cow<'_, str>) -> Cow<'_, str> {
    if sql.contains(" ILIKE ") { Cow::Owned(sql.replace(" ILIKE ", " LIKE ")) } else { sql }
}

/// `ON CONFLICT (key) DO UPDATE SET a = excluded.a` as MySQL says it.
fn duplicate_key_for_conflict(sql: Cow<'_, str>) -> Cow<'_, str> {
    const UPDATE: &str = "DO UPDATE SET ";
    let parts = sql.split_once(" ON CONFLICT ").and_then(|(insert, rest)| Some((insert, rest.split_once(UPDATE)?.1)));
    let Some((insert, mut sets)) = parts else { return sql };
    let mut out = format!("{insert} ON DUPLICATE KEY UPDATE ");
    while let Some((before, after)) = sets.split_once("excluded.") {
        let name = after.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '"')).unwrap_or(after.len());
        let (column, rest) = after.split_at(name);
        // Writing to a String can not fail.
        let _ = write!(out, "{before}VALUES({column})");
        sets = rest;
    }
    out.push_str(sets);
    Cow::Owned(out)
}

/// `?` marks as `$1`, `$2` and so on, except in text and in quoted names.
fn numbered(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let mut quote = None;
    let mut number = 0;
    for c in sql.chars() {
        match quote {
            Some(end) => {
                if c == end {
                    quote = None;
                }
                out.push(c);
            }
            None if c == '?' => {
                number += 1;
                let _ = write!(out, "${number}");
            }
            None => {
                if c == '\'' || c == '"' {
                    quote = Some(c);
                }
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::Engine;

    #[test]
    fn marks_are_numbered_except_in_text_and_names() {
        assert_eq!(
            Engine::Postgres.translate("SELECT '?', \"a?\" FROM t WHERE a = ? AND b IN (?, ?) FOR UPDATE"),
            "SELECT '?', \"a?\" FROM t WHERE a = $1 AND b IN ($2, $3) FOR UPDATE"
        );
    }

    #[test]
    fn row_locks_vanish_where_the_whole_file_is_locked() {
        for lock in [" FOR UPDATE", " FOR UPDATE SKIP LOCKED", " FOR UPDATE ", " FOR SHARE"] {
            assert_eq!(Engine::Sqlite.translate(&format!("SELECT a FROM t{lock}")), "SELECT a FROM t");
        }
        assert_eq!(
            Engine::Sqlite.translate("SELECT a FROM t WHERE a ILIKE ? FOR UPDATE"),
            "SELECT a FROM t WHERE a LIKE ?"
        );
        assert_eq!(Engine::Mysql.translate("SELECT a FROM t FOR UPDATE"), "SELECT a FROM t FOR UPDATE");
        assert_eq!(Engine::Mysql.translate("SELECT a FROM t FOR SHARE"), "SELECT a FROM t LOCK IN SHARE MODE");
        assert_eq!(Engine::Postgres.translate("SELECT a FROM t FOR SHARE"), "SELECT a FROM t FOR SHARE");
    }

    #[test]
    fn an_upsert_is_said_in_each_engines_words() {
        let sql = "INSERT INTO t (a, \"key\", c) VALUES (?, ?, ?) ON CONFLICT (a) DO UPDATE SET \"key\" = excluded.\"key\", c = t.c + excluded.c";
        assert_eq!(
            Engine::Mysql.translate(sql),
            "INSERT INTO t (a, \"key\", c) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE \"key\" = VALUES(\"key\"), c = t.c + VALUES(c)"
        );
        assert_eq!(Engine::Sqlite.translate(sql), sql);
    }

    #[test]
    fn what_needs_no_translation_is_not_copied() {
        for engine in [Engine::Sqlite, Engine::Mysql] {
            assert!(matches!(engine.translate("SELECT a FROM t WHERE b = ?"), Cow::Borrowed(_)));
        }
    }
}
