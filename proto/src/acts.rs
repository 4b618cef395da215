//! What an operator asks of the cluster as a whole. Any node takes it; the leader does it.

use crate::{HealthEpoch, Instance};

/// One act.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Act {
    /// Which. Absent: of a later version.
    #[prost(oneof = "act::Body", tags = "1, 2, 90, 95")]
    pub body: Option<act::Body>,
}

/// See [`Act`].
pub mod act {
    /// The kinds of act.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Body {
        /// Takes a host out for good.
        #[prost(message, tag = "1")]
        Remove(super::RemoveHost),
        /// Has another voter lead.
        #[prost(message, tag = "2")]
        Transfer(super::TransferLeadership),
        /// Raises the feature level.
        #[prost(message, tag = "90")]
        RaiseFeatures(super::RaiseFeatures),
        /// Changes the cluster's secret, or gives such a change up.
        #[prost(message, tag = "95")]
        Secret(super::ChangeSecret),
    }
}

/// See [`act::Body::Remove`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RemoveHost {
    /// The name of the member.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The disk life that is meant. Where the name has come to another one, nothing is removed. Absent: whichever has the name.
    #[prost(message, optional, tag = "85")]
    pub instance: Option<Instance>,
}

/// See [`act::Body::Transfer`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TransferLeadership {
    /// The name of the voter that is to lead; empty: the one that is furthest, of those with a disk that works.
    #[prost(string, tag = "1")]
    pub to: String,
}

/// See [`act::Body::RaiseFeatures`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RaiseFeatures {
    /// The level; 0: the highest that every member can run.
    #[prost(uint32, tag = "1")]
    pub level: u32,
}

/// See [`act::Body::Secret`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ChangeSecret {
    /// The fingerprint of the new secret.
    #[prost(fixed64, tag = "1")]
    pub to: u64,
    /// Gives up the change that is under way; `to` does not matter.
    #[prost(bool, tag = "2")]
    pub give_up: bool,
}

/// An act was done, or is under way.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Acted {
    /// The epoch that shows it; for what is no matter of health the newest at the leader.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
    /// What was done, for people.
    #[prost(string, tag = "2")]
    pub text: String,
    /// The term in which the leader did it; 0 from a version that does not say.
    #[prost(uint64, tag = "85")]
    pub term: u64,
}

/// What is said where nobody has a name, with those that there are.
#[must_use]
pub fn nobody_named<'a>(name: &str, members: impl IntoIterator<Item = &'a str>) -> String {
    let members: Vec<&str> = members.into_iter().collect();
    format!("no member is named `{name}`; these are: {}", members.join(", "))
}
