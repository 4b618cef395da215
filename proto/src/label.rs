//! Labels: what a host or an application is called by beside its name, for whoever chooses among them.
//!
//! Knows nothing of what they mean.

use std::collections::BTreeMap;

/// A label of a node, from its `host.toml`, or of an application.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct Label {
    /// Name of the label.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

impl Label {
    /// Those of a map, in the order of their names.
    #[must_use]
    pub fn all(labels: BTreeMap<String, String>) -> Vec<Self> {
        labels.into_iter().map(|(name, value)| Self { name, value }).collect()
    }
}
