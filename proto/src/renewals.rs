//! How a host renews what it holds of what hosts share, all of it in one, and what it is answered.
//!
//! Knows nothing of who grants.

use crate::{Generation, Grant, Instance};

/// A host asks for its shares to be renewed, all of them in one.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RenewShares {
    /// The holder.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Which start of it.
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// What its applications said of late. At most `limits::BUDGETS`.
    #[prost(message, repeated, tag = "3")]
    pub uses: Vec<ShareUse>,
}

/// What an application said of its share.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ShareUse {
    /// Of which budget.
    #[prost(string, tag = "1")]
    pub budget: String,
    /// It has heard of the grant with this number.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// So much is in use.
    #[prost(uint64, tag = "3")]
    pub in_use: u64,
}

/// The shares of a host as they are committed: each may be used for its time, counted from when the renewal was sent.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SharesRenewed {
    /// All of them; a share that is not here is none any more.
    #[prost(message, repeated, tag = "1")]
    pub shares: Vec<ShareRenewed>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ShareRenewed {
    /// Of which budget.
    #[prost(string, tag = "1")]
    pub budget: String,
    /// The grant.
    #[prost(message, required, tag = "2")]
    pub grant: Grant,
    /// For so long it may be used.
    #[prost(uint64, tag = "3")]
    pub ttl_ms: u64,
    /// What is left of it then.
    #[prost(uint64, tag = "4")]
    pub reserve: u64,
}
