//! What `hearth doctor` finds, on a database and a folder that are really in that state.

use std::fs;

use hearth::block_storage::store::{services, volumes};
use hearth::operate::doctor::{Finding, Severity, examine, run};

use super::world::{Of, World};

fn found(world: &World) -> Vec<Finding> {
    examine(world.config(), &world.database)
}

fn said(findings: &[Finding], severity: Severity, words: &str) -> bool {
    findings.iter().any(|finding| finding.severity == severity && finding.what.contains(words))
}

/// Makes everything in a table an hour older.
fn age(world: &World, table: &str, column: &str) {
    let then = hearth::time::Timestamp::now().plus_seconds(-3600);
    world.database.write(|tx| tx.execute(&format!("UPDATE {table} SET {column} = ?"), &[then.into()])).unwrap();
}

#[test]
fn a_healthy_service_gives_no_finding() {
    let world = World::new();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    world.create_snapshot(&id);
    world.settle();
    fs::create_dir(world.volumes().join("lost+found")).unwrap();
    assert_eq!(found(&world), []);
    let mut out = Vec::new();
    let code = run(world.config(), &world.database, None, &mut out).unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    assert_eq!(String::from_utf8(out).unwrap(), "0 errors, 0 warnings, 0 notices\n");
}

#[test]
fn a_service_that_is_missing_down_or_disabled_is_told() {
    let world = World::new();
    assert!(said(&found(&world), Severity::Error, "no volume service has ever reported"));
    drop(world.start());
    age(&world, "services", "updated_at");
    assert!(said(&found(&world), Severity::Error, "the volume service node1@file is down"));
    let service = world.read(|c| services::find(c, "node1@file", "cinder-volume")).unwrap();
    world.database.write(|tx| services::set_disabled(tx, service.id, true, Some("repairs"))).unwrap();
    let findings = found(&world);
    assert!(said(&findings, Severity::Warning, "is down"), "nobody expects it to be up");
    assert!(said(&findings, Severity::Notice, "is disabled (repairs)"));
}

#[test]
fn an_order_that_waits_too_long_is_told_with_what_it_waits_for() {
    let world = World::new();
    drop(world.start());
    let id = world.create(1, Of::Nothing);
    assert!(!said(&found(&world), Severity::Error, "waits since"), "a moment is not too long");
    age(&world, "hearth_orders", "created_at");
    let findings = found(&world);
    assert!(said(&findings, Severity::Error, &format!("create_volume of volume {id} waits since")));
    let mut out = Vec::new();
    run(world.config(), &world.database, None, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("ERROR    create_volume") && text.contains("do: start a volume service"), "{text}");
}

#[test]
fn an_object_that_nobody_was_asked_about_is_told() {
    let world = World::new();
    let service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    world.database.write(|tx| volumes::change(tx, &id, &[("status", "deleting".into())])).unwrap();
    assert!(said(&found(&world), Severity::Error, &format!("volume {id} is in status deleting")));
    // What it recommends helps.
    let _service = world.start();
    world.settle();
    assert_eq!(found(&world), []);
}

#[test]
fn files_without_rows_and_rows_without_files_are_told() {
    let world = World::new();
    let _service = world.start();
    let id = world.create(1, Of::Nothing);
    world.settle();
    let stray = format!("volume-{}", uuid::Uuid::new_v4());
    fs::rename(world.volumes().join(format!("volume-{id}")), world.volumes().join(&stray)).unwrap();
    fs::write(world.volumes().join("notes"), b"of an operator").unwrap();
    let findings = found(&world);
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(said(&findings, Severity::Error, &format!("volume {id} is available, but")));
    assert!(said(&findings, Severity::Warning, &format!("{stray} belongs to no volume")));
}

#[test]
fn the_command_ends_with_the_code_of_the_worst_finding() {
    let world = World::new();
    let service = world.start();
    let code = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hearth"));
        let output = command.arg("--config-file").arg(world.folder.join("hearth.conf")).arg("doctor").output().unwrap();
        output.status.code()
    };
    assert_eq!(code(), Some(0));
    fs::write(world.volumes().join(format!("volume-{}", uuid::Uuid::new_v4())), b"").unwrap();
    assert_eq!(code(), Some(1));
    let id = world.create(1, Of::Nothing);
    world.settle();
    drop(service);
    fs::remove_file(world.volumes().join(format!("volume-{id}"))).unwrap();
    assert_eq!(code(), Some(2));
}

#[test]
fn a_database_without_tables_is_told_and_nothing_else() {
    let world = World::new();
    fs::write(world.folder.join("hearth.db"), b"").unwrap();
    let findings = found(&world);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].todo.contains("hearth db sync"));
}
