//! What an operator runs by hand: a file or folder for each command.

pub mod audit;
pub mod bench;
pub mod config;
pub mod db;
pub mod doctor;
pub mod key;
pub mod openapi;
pub mod policy;
pub mod quota;
pub mod routes;
