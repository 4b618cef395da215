//! A node's small card, carried by gossip. A hint: anything that matters comes from the session or `__meta`.

use crate::{Address, Generation, Instance, Levels};

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
    // Tags 6 to 9 were what nobody read.
    /// Version of its software, for people.
    #[prost(string, tag = "90")]
    pub software: String,
    /// The feature levels that it can run; absent = it does not know of levels.
    #[prost(message, optional, tag = "91")]
    pub levels: Option<Levels>,
}
