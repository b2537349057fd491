//! A storage pool as its volume service reports it: what the scheduler chooses from and the pools API shows.
//! Not here: where reports are kept (`store/pools.rs`) and how a choice is made (`scheduler/`).

use crate::time::Timestamp;

/// A capacity in GiB, or why there is no figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Space {
    /// GiB.
    Gib(f64),
    /// The backend has no limit.
    Infinite,
    /// The backend can not tell.
    Unknown,
}

/// One value that a backend reports of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Capability {
    /// Nothing is known.
    None,
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// Any of these.
    List(Vec<Capability>),
    /// Values by name.
    Map(Vec<(String, Capability)>),
}

/// What a pool reports, and what is known of the service that reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// `host@backend#pool`.
    pub name: String,
    /// The availability zone of its service.
    pub availability_zone: String,
    /// Whether an operator lets its service take new volumes.
    pub enabled: bool,
    /// Whether its service is neither down nor frozen, and its driver works.
    pub up: bool,
    /// All of its space.
    pub total: Space,
    /// What is left of its space.
    pub free: Space,
    /// GiB of the volumes that the database places here.
    pub allocated_gib: f64,
    /// GiB of everything that was promised here, volumes and snapshots.
    pub provisioned_gib: f64,
    /// The share of the space that is never given out, in percent.
    pub reserved_percentage: i64,
    /// How often the space may be promised where provisioning is thin.
    pub max_over_subscription_ratio: f64,
    /// Whether volumes can take their space when it is written.
    pub thin: bool,
    /// Whether volumes can take their space when they are made.
    pub thick: bool,
    /// Everything else that the driver tells of itself, by Cinder's names.
    pub other: Vec<(String, Capability)>,
    /// When it was reported.
    pub reported_at: Timestamp,
}

impl Pool {
    /// `host@backend`: the service that the pool belongs to.
    pub fn service_host(&self) -> &str {
        service_host(&self.name)
    }

    /// What its volumes take in all: volumes have whole GiB, and so has Cinder's answer.
    fn allocated(&self) -> Capability {
        if self.allocated_gib.fract() == 0.0 {
            Capability::Integer(self.allocated_gib as i64)
        } else {
            Capability::Number(self.allocated_gib)
        }
    }

    /// The part after `#`.
    pub fn pool_name(&self) -> &str {
        self.name.rsplit_once('#').map_or("", |(_, pool)| pool)
    }

    /// Everything that the pool reports, in Cinder's names and forms.
    pub fn capabilities(&self) -> Vec<(String, Capability)> {
        let mut all = vec![
            ("pool_name".to_owned(), Capability::Text(self.pool_name().to_owned())),
            ("total_capacity_gb".to_owned(), self.total.capability()),
            ("free_capacity_gb".to_owned(), self.free.capability()),
            ("allocated_capacity_gb".to_owned(), self.allocated()),
            ("provisioned_capacity_gb".to_owned(), Capability::Number(self.provisioned_gib)),
            ("reserved_percentage".to_owned(), Capability::Integer(self.reserved_percentage)),
            (
                "max_over_subscription_ratio".to_owned(),
                // Cinder's drivers pass on the option as it is written, which is a text.
                Capability::Text(python_float(self.max_over_subscription_ratio)),
            ),
            ("thin_provisioning_support".to_owned(), Capability::Boolean(self.thin)),
            ("thick_provisioning_support".to_owned(), Capability::Boolean(self.thick)),
            ("backend_state".to_owned(), Capability::Text(if self.up { "up" } else { "down" }.to_owned())),
            ("timestamp".to_owned(), Capability::Text(self.reported_at.iso())),
        ];
        all.extend(self.other.iter().cloned());
        all
    }
}

impl Space {
    fn capability(self) -> Capability {
        match self {
            Self::Gib(gib) => Capability::Number(gib),
            Self::Infinite => Capability::Text("infinite".to_owned()),
            Self::Unknown => Capability::Text("unknown".to_owned()),
        }
    }
}

impl Capability {
    /// The value under `path`, where this is a map of maps.
    pub fn at<'a>(&'a self, path: &[&str]) -> Option<&'a Capability> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self {
            Self::Map(values) => values.iter().find(|(name, _)| name == first)?.1.at(rest),
            _ => None,
        }
    }
}

/// `host@backend` of `host@backend#pool`; the whole text where it names no pool.
pub fn service_host(host: &str) -> &str {
    host.split_once('#').map_or(host, |(service, _)| service)
}

/// A number as Python writes a float: always with a fraction.
fn python_float(value: f64) -> String {
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_of_a_pool_is_the_part_before_the_hash() {
        assert_eq!(service_host("node1@file#fast"), "node1@file");
        assert_eq!(service_host("node1@file"), "node1@file");
        assert_eq!(service_host("node1"), "node1");
    }

    #[test]
    fn the_over_subscription_ratio_is_a_text_with_a_fraction() {
        assert_eq!(python_float(20.0), "20.0");
        assert_eq!(python_float(1.25), "1.25");
    }
}
