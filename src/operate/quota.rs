//! `hearth quota check` and `hearth quota sync`: compares the usage of projects with the objects that it counts, and puts
//! it right. May run while services run: each project is one short transaction.

use std::io::Write;

use crate::block_storage::control::limits::configured;
use crate::block_storage::store::quota_repair::{self, Finding, Wrong};
use crate::config::Config;
use crate::database::Database;
use crate::error::{Error, Result};

/// Looks at one project, or at all that use anything, and tells what is wrong; puts it right where `repair` says so.
/// Answers whether anything was wrong.
///
/// # Errors
/// Those of the database and of the output.
pub fn run(
    config: &Config,
    database: &Database,
    project_id: Option<&str>,
    repair: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    let projects = match project_id {
        Some(project) => vec![project.to_owned()],
        None => database.read(quota_repair::projects)?,
    };
    let limits = configured(config);
    let mut wrong = false;
    for project in projects {
        tell(out, &format!("Processing quota usage for project {project}"))?;
        for finding in quota_repair::project(database, &project, &limits, repair)? {
            wrong = true;
            tell(out, &format!("\t{}{}", describe(&finding), if repair { " - fixed" } else { "" }))?;
        }
    }
    tell(out, if wrong && !repair { "Usage is wrong: hearth quota sync puts it right" } else { "Usage is right" })?;
    Ok(wrong)
}

fn tell(out: &mut dyn Write, line: &str) -> Result<()> {
    writeln!(out, "{line}").map_err(Error::internal)
}

fn describe(finding: &Finding) -> String {
    let resource = &finding.resource;
    match finding.wrong {
        Wrong::Duplicates(count) => format!("{resource}: {count} duplicated usage entries"),
        Wrong::InUse(saved, actual) => format!("{resource}: invalid usage saved={saved} actual={actual}"),
        Wrong::Reserved(saved, actual) => format!("{resource}: invalid reserved saved={saved} actual={actual}"),
        Wrong::Expired(count) => format!("{resource}: {count} reservations have expired"),
    }
}
