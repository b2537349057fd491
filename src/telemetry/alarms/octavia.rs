//! Alarms on the members of a load balancer's pool: Octavia is asked which of them are in error (specification: alarm evaluation,
//! `loadbalancer_member_health`).

use serde_json::{Value as Json, json};

use super::sources::{Place, Sources, Who, segment, text, unavailable};
use crate::Result;
use crate::config::{Config, alarms as options};
use crate::rest::python::repr;
use crate::telemetry::model::alarm::{Alarm, RuleType, State};
use crate::telemetry::store::alarms::{Evaluated, Refresh};
use crate::time::Timestamp;

/// Most pages of the members of one pool.
const MOST_PAGES: usize = 100;

/// Octavia.
pub(super) struct Octavia {
    place: Place,
    /// Seconds after its creation for which a member may be in error.
    patience: i64,
}

impl Octavia {
    /// As the configuration says. Asks nobody yet.
    pub(super) fn of(config: &Config) -> Self {
        let base = config.opt_text(&options::OCTAVIA_URL).filter(|url| !url.is_empty());
        let who = match config.text(&options::OCTAVIA_AUTH) {
            "keystone" => Who::Keystone,
            _ => Who::Nobody,
        };
        let url = base.map(|url| url.trim_end_matches('/').to_owned());
        let place = Place { url, option: "octavia_url", kind: "load-balancer", who };
        Self { place, patience: config.integer(&options::MEMBER_CREATION_TIME) }
    }

    /// The members of a pool that are in error for longer than new ones may be.
    fn unhealthy(&self, sources: &Sources, pool: &str, now: Timestamp) -> Result<Vec<Json>> {
        let base = sources.place(&self.place)?;
        let url = format!("{base}/v2.0/lbaas/pools/{}/members", segment(pool));
        let mut members = Vec::new();
        let mut next = Some(String::new());
        let mut pages = 0;
        while let Some(query) = next.take().filter(|_| pages < MOST_PAGES) {
            pages += 1;
            let page = self.page(sources, &format!("{url}{query}"))?;
            let found = page.get("members").and_then(Json::as_array);
            members.extend(found.ok_or_else(|| unavailable(format!("{url} answers no members")))?.iter().cloned());
            let links = page.get("members_links").and_then(Json::as_array).into_iter().flatten();
            let mut further = links.filter(|link| text(link, "rel") == "next").map(|link| text(link, "href"));
            // Where Octavia thinks that it is is nobody's business but its proxy's.
            next = further.find_map(|href| href.find('?').and_then(|at| href.get(at..)).map(str::to_owned));
        }
        let settled = now.plus_seconds(self.patience.saturating_neg());
        members.retain(|member| {
            let is_up = member.get("admin_state_up").and_then(Json::as_bool).unwrap_or(false);
            let made = Timestamp::parse(text(member, "created_at"));
            is_up && text(member, "operating_status") == "ERROR" && made.is_some_and(|made| made <= settled)
        });
        Ok(members)
    }

    fn page(&self, sources: &Sources, url: &str) -> Result<Json> {
        match sources.ask(&self.place.who, url, &[], None)? {
            (200, body) => serde_json::from_slice(&body).map_err(|error| unavailable(format!("{url}: {error}"))),
            (status, _) => Err(unavailable(format!("{url} answers {status}"))),
        }
    }

    /// What becomes of an alarm.
    pub(super) fn evaluate(&self, sources: &Sources, alarm: &Alarm, now: Timestamp) -> Evaluated {
        let pool = text(&alarm.rule, "pool_id");
        let (state, members, unknown) = match self.unhealthy(sources, pool, now) {
            Ok(members) if members.is_empty() => (State::Ok, members, None),
            Ok(members) => (State::Alarm, members, None),
            Err(error) => {
                log::warn!("the members of pool {pool} can not be had: {error}");
                (State::Unknown, Vec::new(), Some("failed to communicate with load balancing service".to_owned()))
            }
        };
        let refresh = (alarm.state != state || alarm.repeat_actions).then(|| {
            let (name, last) = (state.name(), members.last().cloned().unwrap_or_default());
            let reason = unknown.unwrap_or_else(|| match alarm.state == state {
                true => format!("Remaining as {name}"),
                false => format!(
                    "Transition to {name} due to {} members unhealthy, most recent: {}",
                    members.len(),
                    repr(&last)
                ),
            });
            let reason_data = json!({
                "type": RuleType::LoadBalancer.name(),
                "count": members.len(),
                "most_recent": last,
                "unhealthy_members": members,
                "pool_id": pool,
                "stack_id": text(&alarm.rule, "stack_id"),
                "asg_id": text(&alarm.rule, "autoscaling_group_id"),
            });
            Refresh { state, reason, reason_data, always_record: false }
        });
        Evaluated { refresh, counted: Some(state) }
    }
}
