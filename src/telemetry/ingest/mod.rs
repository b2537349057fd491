//! Samples and events from elsewhere than the API. Not here: what a notification means (`definitions/`).

mod notifications;

pub use notifications::Keeper;
