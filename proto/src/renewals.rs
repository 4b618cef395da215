//! How a host renews what it holds of what hosts share, all of it in one, and what it is answered.
//!
//! Knows nothing of who grants.

use crate::{Generation, Grant, Instance, ItemState};

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
    /// Numbers of the grants of items of which its applications were told.
    #[prost(uint64, repeated, tag = "140")]
    pub taken: Vec<u64>,
    /// Numbers of the grants of items that its applications have let go. Both together at most `limits::ASSIGNMENTS * limits::ITEMS`.
    #[prost(uint64, repeated, tag = "141")]
    pub released: Vec<u64>,
    /// Which assignments it knows as they are. At most `limits::ASSIGNMENTS`.
    #[prost(message, repeated, tag = "142")]
    pub known: Vec<ItemsKnown>,
}

/// A holder has heard of all of its items of an assignment, as they were at a version of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ItemsKnown {
    /// Of which assignment.
    #[prost(string, tag = "1")]
    pub assignment: String,
    /// At which version.
    #[prost(uint64, tag = "2")]
    pub version: u64,
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
    /// The same of items: what is of no assignment here is the host's no more.
    #[prost(message, repeated, tag = "140")]
    pub items: Vec<ItemsRenewed>,
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

/// A host's items of one assignment.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ItemsRenewed {
    /// Of which.
    #[prost(string, tag = "1")]
    pub assignment: String,
    /// Which change of it this is.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// For so long they may be held.
    #[prost(uint64, tag = "3")]
    pub ttl_ms: u64,
    /// They are as the holder knows them, and not listed.
    #[prost(bool, tag = "4")]
    pub unchanged: bool,
    /// All of them.
    #[prost(message, repeated, tag = "5")]
    pub items: Vec<ItemRenewed>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ItemRenewed {
    /// Its name.
    #[prost(string, tag = "1")]
    pub item: String,
    /// The number of its grant.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// How far it is.
    #[prost(enumeration = "ItemState", tag = "3")]
    pub state: i32,
    /// It was given to an earlier start of the host.
    #[prost(bool, tag = "4")]
    pub earlier: bool,
}
