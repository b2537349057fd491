//! What needs a kernel with device-mapper and LIO, carried out on a machine that has one.

use std::path::Path;
use std::process::Command;

use super::crash_stories::is_sample;

/// Where the script is.
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// How it ends where the machine lacks a program, a right or a kernel.
const CAN_NOT_BE_MADE: i32 = 77;

#[test]
fn logical_volumes_and_exports_by_lio_work_on_a_machine_whose_kernel_has_them() {
    let own = std::env::current_exe().unwrap();
    let own = own.display();
    // An emulated processor takes its time: kills, and the rest of what exports can do, are for those who ask for all.
    let tests = if is_sample() {
        format!("{own} --ignored --test-threads=1 logical_volumes_hold a_logical_volume_is_exported")
    } else {
        format!("{own} --ignored --test-threads=1 logical_volumes:: && {own} --test-threads=1 exports::")
    };
    let mut machine = Command::new(Path::new(REPOSITORY).join("scripts/machine"));
    let machine = machine.arg(tests).env("MACHINE_SECONDS", if is_sample() { "900" } else { "7200" }).output().unwrap();
    let said = String::from_utf8_lossy(&machine.stdout) + String::from_utf8_lossy(&machine.stderr);
    if machine.status.code() == Some(CAN_NOT_BE_MADE) {
        eprintln!("left out: {said}");
        return;
    }
    assert!(machine.status.success(), "{said}");
    // A name that no test has would pass.
    assert!(!said.contains("ok. 0 passed"), "{said}");
}
