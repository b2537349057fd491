//! The only module that may hold `unsafe`: what the kernel offers and no safe crate does.

pub mod child;
pub mod memory;
pub mod started;
