//! What an operator runs by hand: a file or folder for each command.

pub mod bench;
pub mod db;
pub mod openapi;
pub mod quota;
pub mod routes;
