//! The volume service with real files, the real `qemu-img` and a real database: what it does with each order, and what
//! is left when it is killed at any point.

#[path = "../support/crash.rs"]
mod crash_stories;
#[path = "../support/servers.rs"]
mod servers;

#[path = "../api/compute.rs"]
mod compute;

mod between_services;
mod broken;
mod copies;
mod crash;
mod crash_asking;
mod crash_moving;
mod crash_swapping;
mod daemon;
mod doctor;
mod engines;
mod exports;
mod file_driver;
mod groups;
mod inside;
mod logical_volumes;
mod machine;
mod moving;
mod notifications;
mod recoding;
mod service;
mod trouble;
mod upkeep;
mod world;
