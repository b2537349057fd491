//! What needs a kernel with device-mapper and LIO, carried out on a machine that has one.

use std::path::Path;
use std::process::Command;

/// Where the script is.
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn logical_volumes_and_exports_by_lio_work_on_a_machine_whose_kernel_has_them() {
    if !rustix::process::geteuid().is_root() || hearth::service::exec::find("qemu-system-x86_64").is_none() {
        eprintln!("left out: qemu-system-x86_64 is not installed, or another user is needed");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let own = own.display();
    let tests = format!("{own} --ignored --test-threads=1 logical_volumes:: && {own} --test-threads=1 exports::");
    let machine = Command::new(Path::new(REPOSITORY).join("scripts/machine")).arg(tests).output().unwrap();
    let said = String::from_utf8_lossy(&machine.stdout) + String::from_utf8_lossy(&machine.stderr);
    assert!(machine.status.success(), "{said}");
    // Neither passes where no test is found.
    assert_eq!(said.matches("test result: ok. 0 passed").count(), 0, "{said}");
}
