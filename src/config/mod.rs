//! The operator's configuration: oslo.config files under the names and sections of Cinder where an option exists there,
//! and in sections `[hearth]` and `[hearth_*]` where it does not. One file of rows per section or subject.
//! Not here: who acts on a value.

mod check;
mod load;
mod machine;
mod opt;
mod parse;
mod sources;
mod substitute;
mod value;

pub mod alarms;
pub mod backend;
pub mod backup;
pub mod barbican;
pub mod collector;
pub mod database;
pub mod default;
pub mod gateway;
pub mod glance;
pub mod healthcheck;
pub mod hearth;
pub mod key_manager;
pub mod keystone_authtoken;
pub mod logging;
pub mod notifications;
pub mod nova;
pub mod oslo_middleware;
pub mod oslo_policy;
pub mod quota;
pub mod service_user;
pub mod telemetry;
pub mod volume;

pub use check::check;
pub use load::Config;
pub use opt::{Opt, OptKind};
pub use sources::{Origin, Problem, Severity, Sources};

/// The section whose rows hold in every backend's section.
pub use backend::SECTION as BACKEND_SECTION;

/// Every row, by file.
pub const ALL: &[&[Opt]] = &[
    default::ROWS,
    logging::ROWS,
    quota::ROWS,
    backend::ROWS,
    volume::ROWS,
    backup::ROWS,
    database::ROWS,
    key_manager::ROWS,
    barbican::ROWS,
    keystone_authtoken::ROWS,
    service_user::ROWS,
    nova::ROWS,
    notifications::ROWS,
    glance::ROWS,
    oslo_policy::ROWS,
    oslo_middleware::ROWS,
    healthcheck::ROWS,
    hearth::ROWS,
    gateway::ROWS,
    telemetry::ROWS,
    alarms::ROWS,
    collector::ROWS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_file_is_listed() {
        let files = [
            (include_str!("default.rs"), default::ROWS),
            (include_str!("logging.rs"), logging::ROWS),
            (include_str!("quota.rs"), quota::ROWS),
            (include_str!("backend.rs"), backend::ROWS),
            (include_str!("volume.rs"), volume::ROWS),
            (include_str!("backup.rs"), backup::ROWS),
            (include_str!("database.rs"), database::ROWS),
            (include_str!("key_manager.rs"), key_manager::ROWS),
            (include_str!("barbican.rs"), barbican::ROWS),
            (include_str!("keystone_authtoken.rs"), keystone_authtoken::ROWS),
            (include_str!("service_user.rs"), service_user::ROWS),
            (include_str!("nova.rs"), nova::ROWS),
            (include_str!("notifications.rs"), notifications::ROWS),
            (include_str!("glance.rs"), glance::ROWS),
            (include_str!("oslo_policy.rs"), oslo_policy::ROWS),
            (include_str!("oslo_middleware.rs"), oslo_middleware::ROWS),
            (include_str!("healthcheck.rs"), healthcheck::ROWS),
            (include_str!("hearth.rs"), hearth::ROWS),
            (include_str!("gateway.rs"), gateway::ROWS),
            (include_str!("telemetry.rs"), telemetry::ROWS),
            (include_str!("alarms.rs"), alarms::ROWS),
            (include_str!("collector.rs"), collector::ROWS),
        ];
        assert_eq!(files.len(), ALL.len(), "a file of rows is missing in this test");
        for (text, rows) in files {
            assert_eq!(text.matches(": Opt =").count(), rows.len());
        }
    }

    /// Who sets an option must see an effect: one that nothing reads is no row, and `config check` says so.
    #[test]
    fn every_option_is_read_somewhere() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = Vec::new();
        let mut open = vec![folder.clone()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                texts.push((path.clone(), std::fs::read_to_string(&path).unwrap_or_default()));
            }
        }
        let (own, others): (Vec<_>, Vec<_>) =
            texts.iter().partition(|(path, _)| path.starts_with(folder.join("config")));
        let words: std::collections::HashSet<&str> = others
            .iter()
            .flat_map(|(_, text)| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
            .collect();
        let mut unread = Vec::new();
        for (_, text) in own {
            let rows = text.split("pub const ").filter_map(|rest| Some(rest.split_once(": Opt")?.0)).filter(|name| {
                // The addresses of other options name it.
                *name != "MY_IP"
                    && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            });
            unread.extend(rows.filter(|name| !words.contains(name)));
        }
        assert_eq!(unread, [""; 0]);
    }

    #[test]
    fn every_row_has_an_explanation_a_unique_name_and_a_default_that_it_allows() {
        let mut names = std::collections::HashSet::new();
        for opt in ALL.iter().copied().flatten() {
            assert!(opt.help.ends_with('.'), "[{}] {} needs a sentence", opt.section, opt.name);
            assert!(names.insert((opt.section, opt.name)), "[{}] {} is there twice", opt.section, opt.name);
        }
        assert!(Config::from_text("").is_ok());
    }
}
