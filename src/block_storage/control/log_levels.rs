//! From which level on processes write lines to their logs: that of the API that answers, and the volume services that
//! are up (Block Storage API v3, "Services"). What is set holds until the process ends or reads its configuration again.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::{Caller, refusals, services};
use crate::block_storage::model::cluster::is_meant;
use crate::block_storage::model::service::{Service, VOLUME};
use crate::block_storage::model::service_work::ServiceWork;
use crate::block_storage::policies::services as rules;
use crate::block_storage::{rpc, store};
use crate::config::default::{HOST, RPC_RESPONSE_TIMEOUT};
use crate::database::Connection;
use crate::error::Result;
use crate::time::Timestamp;

/// The binary of this process.
const API: &str = "cinder-api";

/// Whose logs are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whose<'a> {
    /// Only those of this binary; empty or `*`: all.
    pub binary: &'a str,
    /// Only those on this host or in this cluster; empty: all.
    pub server: &'a str,
    /// Only lines whose target begins with this.
    pub prefix: &'a str,
}

impl Whose<'_> {
    fn means(&self, binary: &str) -> bool {
        matches!(self.binary, "" | "*") || self.binary == binary
    }

    fn means_this_process(&self, caller: &Caller<'_>) -> bool {
        self.means(API) && (self.server.is_empty() || self.server == caller.config.text(&HOST))
    }

    fn means_service(&self, service: &Service) -> bool {
        let cluster = service.cluster_name.as_deref();
        self.means(&service.binary)
            && (self.server.is_empty()
                || is_meant(&service.host, self.server)
                || cluster.is_some_and(|cluster| is_meant(cluster, self.server)))
    }
}

/// The volume services that can be asked: they are up, and take their orders from this database.
pub(super) fn reachable(caller: &Caller<'_>, c: &mut Connection) -> Result<Vec<Service>> {
    let own: HashSet<String> = store::pools::service_hosts(c)?.into_iter().collect();
    let (now, down_time) = (Timestamp::now(), services::down_time_seconds(caller.config));
    let found = store::services::list(c, None, Some(VOLUME))?;
    Ok(found.into_iter().filter(|service| own.contains(&service.host) && service.is_up(now, down_time)).collect())
}

/// Writes lines from `level` on.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Invalid`] for an unknown level, those of the database.
pub fn set(caller: &Caller<'_>, whose: Whose<'_>, level: &str) -> Result<()> {
    caller.enforce(&rules::UPDATE)?;
    if !rpc::services::is_log_level(level) {
        return Err(refusals::invalid_input(format!("{level} is not a valid log level.")));
    }
    if whose.means_this_process(caller) {
        rpc::services::set_own_log_level(whose.prefix, level);
    }
    caller.database.write(|tx| {
        for service in reachable(caller, tx)?.iter().filter(|service| whose.means_service(service)) {
            let work = ServiceWork::SetLogLevel { prefix: whose.prefix.to_owned(), level: level.to_ascii_uppercase() };
            // Nobody waits.
            let _ = rpc::services::ask(tx, &caller.requester(), service, work)?;
        }
        Ok(())
    })?;
    caller.doorbell.ring();
    Ok(())
}

/// The levels of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    /// Where it runs.
    pub host: String,
    /// What it is.
    pub binary: String,
    /// Levels by the targets of lines.
    pub levels: Map<String, Json>,
}

/// From which level on lines are written.
///
/// # Errors
/// [`crate::Kind::Forbidden`], [`crate::Kind::Internal`] where a service that is up does not answer in time.
pub fn list(caller: &Caller<'_>, whose: Whose<'_>) -> Result<Vec<LogLevels>> {
    caller.enforce(&rules::UPDATE)?;
    let mut found = Vec::new();
    if whose.means_this_process(caller) {
        let levels =
            rpc::services::own_log_levels(whose.prefix).into_iter().map(|(target, level)| (target, Json::from(level)));
        let host = caller.config.text(&HOST).to_owned();
        found.push(LogLevels { host, binary: API.to_owned(), levels: levels.collect() });
    }
    let asked = caller.database.write(|tx| {
        let mut asked = Vec::new();
        for service in reachable(caller, tx)?.into_iter().filter(|service| whose.means_service(service)) {
            let work = ServiceWork::LogLevels { prefix: whose.prefix.to_owned() };
            asked.push((rpc::services::ask(tx, &caller.requester(), &service, work)?, service));
        }
        Ok(asked)
    })?;
    let timeout = caller.config.seconds(&RPC_RESPONSE_TIMEOUT);
    for (ticket, service) in asked {
        let answer = rpc::wait(caller.database, caller.doorbell, &ticket, timeout)?;
        let levels = answer.as_object().cloned().unwrap_or_default();
        found.push(LogLevels { host: service.host, binary: service.binary, levels });
    }
    Ok(found)
}
