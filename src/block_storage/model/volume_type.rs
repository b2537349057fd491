//! A volume type, which says where volumes go and what they can do (Block Storage API v3, "Volume types").

use crate::time::Timestamp;

/// A volume type with its extra specs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeType {
    /// UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether every project may use it.
    pub is_public: bool,
    /// Its quality-of-service specs.
    pub qos_specs_id: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Keys and values for scheduler and driver.
    pub extra_specs: Vec<(String, String)>,
}

impl VolumeType {
    /// The value of an extra spec.
    pub fn extra_spec(&self, key: &str) -> Option<&str> {
        self.extra_specs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether its volumes may be attached more than once.
    pub fn is_multiattach(&self) -> bool {
        self.extra_spec("multiattach") == Some("<is> True")
    }

    /// The availability zones that it is restricted to, if it is.
    pub fn availability_zones(&self) -> Option<Vec<&str>> {
        let list = self.extra_spec("RESKEY:availability_zones")?;
        Some(list.split(',').filter(|zone| !zone.is_empty()).map(str::trim).collect())
    }
}
