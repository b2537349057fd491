//! Orders about the service itself.

use serde_json::{Map, Value as Json};

use super::Job;
use crate::block_storage::model::service_work::ServiceWork;
use crate::block_storage::store::{stranded, workers};
use crate::block_storage::volume::recovery;
use crate::error::Result;
use crate::service::log as lines;

/// Carries one out.
pub(super) fn run(job: &Job<'_>, work: &ServiceWork) -> Result<()> {
    match work {
        ServiceWork::SetLogLevel { prefix, level } => {
            match lines::level_named(level) {
                Some(level) => lines::set_level(prefix, level),
                None => log::warn!("{level} is no level of the log"),
            }
            job.end(|_| Ok(()))
        }
        ServiceWork::LogLevels { prefix } => {
            let levels = lines::levels(prefix).into_iter().map(|(target, level)| (target, Json::from(level)));
            let levels = Json::Object(levels.collect::<Map<_, _>>());
            job.answer(|_| Ok(Ok(levels.clone())))
        }
        ServiceWork::CleanUp { resource_type, resource_id } => {
            let meant = |object: &stranded::Stranded| {
                let word = if object.kind == stranded::VOLUME { workers::VOLUME } else { workers::SNAPSHOT };
                let is_known = matches!(object.kind, stranded::VOLUME | stranded::SNAPSHOT);
                is_known
                    && resource_type.as_deref().is_none_or(|wanted| wanted == word)
                    && resource_id.as_deref().is_none_or(|wanted| wanted == object.id)
            };
            job.end(|tx| recovery::settle_all(tx, job.shared, job.backend, meant).map(|_| ()))
        }
    }
}
