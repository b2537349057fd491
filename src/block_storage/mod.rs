//! Block Storage (Cinder v3): layers are folders, nouns are file names, and the path of a change is the same name in each
//! folder: `api/volumes.rs`, `control/volumes.rs`, `store/volumes.rs`.

pub mod model;
pub mod policies;
pub mod rpc;
pub mod scheduler;
pub mod store;
