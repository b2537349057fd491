//! What a database already holds, read from each engine's own catalogue.

use super::connection::Connection;
use super::engine::Engine;
use crate::Result;

impl Connection {
    /// Whether the database holds a table of this name.
    ///
    /// # Errors
    /// As all statements.
    pub fn has_table(&mut self, table: &str) -> Result<bool> {
        let sql = match self.engine() {
            Engine::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
            Engine::Mysql => {
                "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
            }
            Engine::Postgres => {
                "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?"
            }
        };
        Ok(self.row(sql, &[table.into()], |_| Ok(()))?.is_some())
    }

    /// Whether a table has an index of this name.
    ///
    /// # Errors
    /// As all statements.
    pub fn has_index(&mut self, table: &str, index: &str) -> Result<bool> {
        let sql = match self.engine() {
            Engine::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND name = ?",
            Engine::Mysql => {
                "SELECT 1 FROM information_schema.statistics \
                 WHERE table_schema = DATABASE() AND table_name = ? AND index_name = ?"
            }
            Engine::Postgres => {
                "SELECT 1 FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ? AND indexname = ?"
            }
        };
        Ok(self.row(sql, &[table.into(), index.into()], |_| Ok(()))?.is_some())
    }
}
