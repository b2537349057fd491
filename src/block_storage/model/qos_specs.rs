//! QoS specs: what the volumes of a type may demand of their storage or do to it, and who sees to it (Block Storage API v3,
//! "Quality of service (QoS) specifications"). Not here: what the keys mean, which backends and hypervisors know.

use crate::time::Timestamp;

/// The consumer where none is named.
pub const DEFAULT_CONSUMER: &str = "back-end";

/// Who may see to QoS specs: the storage, the hypervisor, or both.
pub const CONSUMERS: [&str; 3] = [DEFAULT_CONSUMER, "front-end", "both"];

/// QoS specs under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QosSpecs {
    /// UUID.
    pub id: String,
    /// Their name, unique among those that are not deleted.
    pub name: String,
    /// One of [`CONSUMERS`].
    pub consumer: String,
    /// Keys and values; a value may be null.
    pub specs: Vec<(String, Option<String>)>,
    /// When they were made.
    pub created_at: Option<Timestamp>,
    /// When one of their values was last changed.
    pub updated_at: Option<Timestamp>,
}

/// What a hypervisor is told of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// As it was set.
    Text(Option<String>),
    /// As it was computed of the volume's size.
    Number(i64),
}

/// The keys that may be set per GiB (`KEY_per_gb`), with a least (`KEY_per_gb_min`) and a greatest value (`KEY_max`).
const BY_SIZE: [&str; 6] =
    ["read_iops_sec", "read_bytes_sec", "write_iops_sec", "write_bytes_sec", "total_iops_sec", "total_bytes_sec"];

impl QosSpecs {
    /// What the hypervisor is to see to for a volume of this size; `None` where that is the storage's affair alone.
    pub fn at_the_front(&self, size_gib: i64) -> Option<Vec<(String, Setting)>> {
        if self.consumer == DEFAULT_CONSUMER {
            return None;
        }
        let mut left = self.specs.clone();
        let mut computed = Vec::new();
        for key in BY_SIZE {
            let names = [format!("{key}_per_gb"), format!("{key}_per_gb_min"), format!("{key}_max")];
            let number = |name: &str| {
                let value = self.specs.iter().find(|(known, _)| known == name)?.1.as_deref()?;
                value.trim().parse::<i64>().ok()
            };
            let [each, least, most] = names.each_ref().map(|name| number(name));
            if let Some(each) = each {
                let wanted = each.saturating_mul(size_gib).max(least.unwrap_or(0));
                left.retain(|(known, _)| known != key && !names.contains(known));
                computed.push((key.to_owned(), Setting::Number(most.map_or(wanted, |most| wanted.min(most)))));
            }
        }
        Some(left.into_iter().map(|(key, value)| (key, Setting::Text(value))).chain(computed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs(consumer: &str, specs: &[(&str, &str)]) -> QosSpecs {
        QosSpecs {
            id: "i".to_owned(),
            name: "n".to_owned(),
            consumer: consumer.to_owned(),
            specs: specs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect(),
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn hypervisors_are_told_what_they_see_to_and_limits_by_size_are_computed() {
        assert_eq!(specs("back-end", &[("a", "1")]).at_the_front(1), None);
        let text = |key: &str, value: &str| (key.to_owned(), Setting::Text(Some(value.to_owned())));
        assert_eq!(specs("front-end", &[("a", "1")]).at_the_front(1), Some(vec![text("a", "1")]));
        let own = [("read_iops_sec_per_gb", "100"), ("read_iops_sec_per_gb_min", "250"), ("read_iops_sec_max", "400")];
        for (size_gib, limit) in [(1, 250), (3, 300), (9, 400)] {
            let expected = vec![("read_iops_sec".to_owned(), Setting::Number(limit))];
            assert_eq!(specs("both", &own).at_the_front(size_gib), Some(expected));
        }
    }
}
