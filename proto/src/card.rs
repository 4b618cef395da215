//! A node's small card, carried by gossip. A hint: anything that matters comes from the session or `__meta`.

use crate::{Address, Generation, GenesisId, HealthEpoch, Instance, Label};

/// What a node says of itself to whoever hears gossip. The highest (generation, version) wins.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Card {
    /// Whose card this is.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Its boot counter.
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// Grows with each new card of one generation.
    #[prost(uint64, tag = "3")]
    pub version: u64,
    /// Node name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// Address for other nodes.
    #[prost(message, optional, tag = "5")]
    pub address: Option<Address>,
    /// Cluster id the node knows.
    #[prost(message, optional, tag = "6")]
    pub genesis: Option<GenesisId>,
    /// Newest health epoch the node has.
    #[prost(message, required, tag = "7")]
    pub epoch: HealthEpoch,
    /// Version of the software.
    #[prost(string, tag = "8")]
    pub software: String,
    /// Labels from the host's own file.
    #[prost(message, repeated, tag = "9")]
    pub labels: Vec<Label>,
}
