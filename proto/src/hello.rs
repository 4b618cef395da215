//! The first message of each side on a new connection. Until both are in, a connection does not count.

use crate::{Address, ClusterId, Digest, Generation, Instance, Levels};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum HelloKind {
    /// A running node.
    Node = 0,
    /// Says only that this generation of this instance has ended: a daemon that crashed cannot say so itself.
    Farewell = 1,
    /// Carries one snapshot beside the main connection of the same node.
    Bulk = 2,
}

/// Who a side is, and what it believes. The TLS layer has proved that it holds the cluster's secret and the
/// key in its certificate; nothing in here is proved beyond that.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Hello {
    /// Oldest and newest protocol version the side speaks.
    #[prost(uint32, tag = "1")]
    pub protocol_min: u32,
    /// See `protocol_min`.
    #[prost(uint32, tag = "2")]
    pub protocol_max: u32,
    /// What this connection is for.
    #[prost(enumeration = "HelloKind", tag = "3")]
    pub kind: i32,
    /// Name of the cluster the side belongs to.
    #[prost(string, tag = "4")]
    pub cluster: String,
    /// The cluster id the side knows, if any.
    #[prost(message, optional, tag = "5")]
    pub cluster_id: Option<ClusterId>,
    /// The side's disk life.
    #[prost(message, required, tag = "6")]
    pub instance: Instance,
    /// The side's boot counter.
    #[prost(message, required, tag = "7")]
    pub generation: Generation,
    /// Random number of this start; two of one generation are a clone.
    #[prost(fixed64, tag = "8")]
    pub boot_nonce: u64,
    /// The side's node name.
    #[prost(string, tag = "9")]
    pub name: String,
    /// Digest of the side's founders list.
    #[prost(message, required, tag = "10")]
    pub digest: Digest,
    /// The list itself, so that both can be shown when the digests differ.
    #[prost(string, repeated, tag = "11")]
    pub seeds: Vec<String>,
    /// The address the side wants to be reached at; absent = where its packets come from.
    #[prost(message, optional, tag = "12")]
    pub advertise: Option<Address>,
    /// Version of the software, for people.
    #[prost(string, tag = "13")]
    pub software: String,
    /// The side's data were made on another machine, as far as it can tell: moved, or copied.
    #[prost(bool, tag = "14")]
    pub moved: bool,
    /// How many voters the side's file asks for; 0 = as many as suit the number of hosts.
    #[prost(uint32, tag = "15")]
    pub voters: u32,
    /// The feature levels that the side can run; absent = it does not know of levels.
    #[prost(message, optional, tag = "90")]
    pub levels: Option<Levels>,
}

impl Hello {
    /// How a number of voters is said in [`Hello::voters`].
    #[must_use]
    pub fn voters_asked(voters: Option<usize>) -> u32 {
        voters.and_then(|voters| u32::try_from(voters).ok()).unwrap_or(0)
    }
}
