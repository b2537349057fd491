//! A volume type: what an operator offers, and the extra specs by which it is told apart (Block Storage API v3, "Volume
//! types"). Not here: which pool satisfies the extra specs (`scheduler/`).

use crate::time::Timestamp;

/// The name of the type that every database is seeded with.
pub const SEEDED: &str = "__DEFAULT__";

/// The extra specs that everybody may see; the others are the operator's own.
pub const VISIBLE_EXTRA_SPECS: [&str; 3] = ["RESKEY:availability_zones", "multiattach", "replication_enabled"];

/// How an extra spec says yes.
pub const IS_TRUE: &str = "<is> True";

/// A volume type with its extra specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeType {
    /// UUID.
    pub id: String,
    /// Its name, unique among the types that are not deleted.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether every project may use it; otherwise only those that were granted access.
    pub is_public: bool,
    /// Its quality of service specs.
    pub qos_specs_id: Option<String>,
    /// When it was made; null for the seeded ones on some databases.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Whether it was deleted: volumes of a deleted type keep it.
    pub deleted: bool,
    /// Its extra specs, by key. A value may be null.
    pub extra_specs: Vec<(String, Option<String>)>,
}

impl VolumeType {
    /// The value of an extra spec; `None` where the type has no such key, or no value under it.
    pub fn extra_spec(&self, key: &str) -> Option<&str> {
        self.extra_specs.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref())
    }

    /// The extra specs that everybody may see.
    pub fn visible_extra_specs(&self) -> impl Iterator<Item = &(String, Option<String>)> {
        self.extra_specs.iter().filter(|(key, _)| VISIBLE_EXTRA_SPECS.contains(&key.as_str()))
    }

    /// Whether its volumes may be attached more than once.
    pub fn is_multiattach(&self) -> bool {
        self.extra_spec("multiattach") == Some(IS_TRUE)
    }

    /// The availability zones that it is limited to; `None` where it is not limited.
    pub fn availability_zones(&self) -> Option<Vec<&str>> {
        let zones = self.extra_spec("RESKEY:availability_zones")?.split(',').map(str::trim);
        let zones: Vec<&str> = zones.filter(|zone| !zone.is_empty()).collect();
        if zones.is_empty() { None } else { Some(zones) }
    }

    /// The least size of its volumes in GiB, where it has one.
    ///
    /// # Errors
    /// The text of the extra spec where it is no whole number.
    pub fn least_size_gib(&self) -> Result<Option<i64>, &str> {
        self.whole_number("provisioning:min_vol_size")
    }

    /// The greatest size of its volumes in GiB, where it has one.
    ///
    /// # Errors
    /// The text of the extra spec where it is no whole number.
    pub fn greatest_size_gib(&self) -> Result<Option<i64>, &str> {
        self.whole_number("provisioning:max_vol_size")
    }

    fn whole_number(&self, key: &str) -> Result<Option<i64>, &str> {
        let Some(text) = self.extra_spec(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| text)
    }
}

/// Whether these extra specs ask for both multiattach and a host cache, which together would lose data.
pub fn contradicts<'a>(specs: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> bool {
    let wanted = specs.filter(|(key, value)| matches!(*key, "multiattach" | "cacheable") && *value == Some(IS_TRUE));
    wanted.map(|(key, _)| key).collect::<std::collections::BTreeSet<_>>().len() == 2
}

#[cfg(test)]
mod tests {
    use super::{IS_TRUE, VolumeType, contradicts};

    fn with(specs: &[(&str, Option<&str>)]) -> VolumeType {
        VolumeType {
            id: String::new(),
            name: "gold".to_owned(),
            description: None,
            is_public: true,
            qos_specs_id: None,
            created_at: None,
            updated_at: None,
            deleted: false,
            extra_specs: specs.iter().map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned))).collect(),
        }
    }

    #[test]
    fn extra_specs_limit_sizes_and_zones() {
        let gold = with(&[
            ("provisioning:min_vol_size", Some("2")),
            ("provisioning:max_vol_size", Some("two")),
            ("RESKEY:availability_zones", Some("a, b,,")),
            ("multiattach", Some(IS_TRUE)),
            ("empty", None),
        ]);
        assert_eq!(gold.least_size_gib(), Ok(Some(2)));
        assert_eq!(gold.greatest_size_gib(), Err("two"));
        assert_eq!(gold.availability_zones(), Some(vec!["a", "b"]));
        assert_eq!(with(&[("RESKEY:availability_zones", Some(" ,"))]).availability_zones(), None);
        assert!(gold.is_multiattach());
        assert_eq!(gold.extra_spec("empty"), None);
        assert_eq!(gold.visible_extra_specs().count(), 2);
        assert_eq!(with(&[]).least_size_gib(), Ok(None));
    }

    #[test]
    fn a_type_can_not_be_attached_twice_and_cached() {
        let both = [("multiattach", Some(IS_TRUE)), ("cacheable", Some(IS_TRUE))];
        assert!(contradicts(both.into_iter()));
        assert!(!contradicts(both.into_iter().take(1)));
        assert!(!contradicts([("multiattach", Some(IS_TRUE)), ("cacheable", Some("<is> False"))].into_iter()));
    }
}
