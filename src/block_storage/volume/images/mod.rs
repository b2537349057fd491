//! Images on their way between Glance and a backend: looked at before anything opens them (`inspect.rs`), converted by
//! QEMU's program (`convert.rs`), brought into a volume (`fetch.rs`). Not here: what becomes of the volume (`work/`).

mod convert;
mod fetch;
mod inspect;
mod settings;

pub(super) use convert::{copy_data, export};
pub(super) use fetch::{Covers, Fetch};
pub(super) use settings::Settings;
