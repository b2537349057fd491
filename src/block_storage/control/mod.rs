//! The meaning of requests: what is loaded, who may, what changes in one transaction. No HTTP and no SQL.

pub mod attachments;
mod authorized;
pub mod backup_create;
pub mod backup_records;
pub mod backup_restore;
pub mod backups;
pub mod cleanup;
pub mod clusters;
pub mod default_types;
mod detachment;
pub mod group_actions;
pub mod group_copies;
pub mod group_delete;
pub mod group_members;
pub mod group_snapshots;
pub mod group_types;
pub mod groups;
pub mod hosts;
pub mod images;
pub mod keys;
pub mod limits;
pub mod log_levels;
pub mod manage;
pub mod messages;
pub mod pools;
pub mod qos_specs;
pub mod quotas;
pub mod refusals;
pub mod replication;
pub mod resource_filters;
pub mod services;
pub mod snapshot_actions;
pub mod snapshot_metadata;
pub mod snapshots;
mod transfer_key;
mod transfer_passage;
pub mod transfers;
pub mod type_encryption;
pub mod types;
pub mod volume_actions;
pub mod volume_connections;
pub mod volume_create;
pub mod volume_delete;
pub mod volume_extension;
pub mod volume_metadata;
pub mod volume_migration;
pub mod volume_moving;
pub mod volume_retyping;
pub mod volumes;

pub use authorized::Authorized;

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::block_storage::model::work::Requester;
use crate::block_storage::notices::{Notices, of_caller, repr};
use crate::block_storage::rpc::Doorbell;
use crate::config::{Config, default};
use crate::database::{Database, Transaction};
use crate::error::{Error, Result};
use crate::identity::Context;
use crate::identity::policy::{Policy, Rule, Target};
use crate::messaging::Outbox;

/// Who asks, by which rules, and where the answer lies.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// Where everything lies.
    pub database: &'a Database,
    /// Wakes the volume services of this host after a transaction that ordered work.
    pub doorbell: &'a Doorbell,
    /// The configuration as it was when the request came.
    pub config: &'a Config,
    /// The rules as they were then.
    pub policy: &'a Policy,
    /// Who asks.
    pub context: &'a Context,
}

impl Caller<'_> {
    /// Checks a rule about what the caller makes or lists: it is the caller's own.
    ///
    /// # Errors
    /// [`crate::Kind::Forbidden`] with the rule's name.
    pub fn enforce(&self, rule: &Rule) -> Result<()> {
        self.policy.check(rule, self.context, &Target::own(self.context))
    }

    /// Whether a rule about the caller's own allows.
    pub fn allows(&self, rule: &Rule) -> bool {
        self.policy.allows(rule, self.context, &Target::own(self.context))
    }

    /// Whether objects of a project are there for the caller at all: its own, and for an administrator everybody's.
    pub fn sees(&self, project_id: &str) -> bool {
        self.context.is_admin || project_id == self.context.project_id
    }

    /// Who asks, for the orders to services.
    pub fn requester(&self) -> Requester {
        Requester {
            request_id: self.context.request_id.clone(),
            project_id: self.context.project_id.clone(),
            user_id: self.context.user_id.clone(),
            context: Outbox::of(self.config).is_open().then(|| Json::Object(of_caller(self.context)).to_string()),
        }
    }

    /// Tells the cloud also of a refusal, where `class` names the exception that Cinder raises for one of its kind; what
    /// was refused has changed nothing, so this is a transaction of its own.
    fn telling<T>(
        &self,
        outcome: Result<T>,
        class: impl Fn(&Error) -> Option<&'static str>,
        tell: impl Fn(&mut Transaction<'_>, &Notices<'_>, String) -> Result<()>,
    ) -> Result<T> {
        let Err(error) = &outcome else { return outcome };
        let (Some(class), notices) = (class(error), self.notices()) else { return outcome };
        if !notices.is_off() {
            let text = repr(class, error.public());
            if let Err(error) = self.database.write(|tx| tell(tx, &notices, text.clone())) {
                log::warn!("nobody is told of a refusal: {error}");
            }
        }
        outcome
    }

    /// What this host tells of what the caller does.
    pub fn notices(&self) -> Notices<'static> {
        let host = self.config.text(&default::HOST).to_owned();
        Notices::new(Cow::Owned(Outbox::of(self.config)), host, || of_caller(self.context))
    }
}
