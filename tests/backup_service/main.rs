//! The backup service with real files, the real `qemu-img`, the real volume service and the API in front of both: what comes
//! back from a backup, and what is left when the service is killed at any point.

#[allow(dead_code, reason = "the suite of the gateway uses the rest")]
#[path = "../fastcgi/bytes.rs"]
mod bytes;
#[path = "../support/crash.rs"]
mod crash_stories;
#[path = "../support/servers.rs"]
mod servers;
#[allow(dead_code, unused_imports, reason = "the suite of the volume service uses the rest")]
#[path = "../volume_service/world/mod.rs"]
mod world;

mod broken;
mod cloud;
mod crash;
mod doctor;
mod from_backup;
mod keys;
mod round_trips;
mod storm;
mod trouble;
