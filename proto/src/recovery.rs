//! What the hosts that are left say of what they hold, when a majority is lost for good, and the order to found the cluster anew.
//!
//! Knows nothing of how the best of them is chosen.

use crate::{Generation, Instance, Role};

/// What one node holds of `__meta`. Nothing in it changes while there is no quorum and the node is not started again.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Holding {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its disk life.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// Which start of it.
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// It knows a leader with a majority.
    #[prost(bool, tag = "4")]
    pub quorate: bool,
    /// What it is to `__meta`.
    #[prost(enumeration = "Role", tag = "5")]
    pub role: i32,
    /// Its term.
    #[prost(uint64, tag = "6")]
    pub term: u64,
    /// Highest index that it knows to be committed; 0 on a node that is no replica.
    #[prost(uint64, tag = "7")]
    pub commit: u64,
    /// Last index of its log; 0 on a node that is no replica.
    #[prost(uint64, tag = "8")]
    pub last: u64,
    /// Term of the entry there.
    #[prost(uint64, tag = "9")]
    pub last_term: u64,
    /// Index that it has applied.
    #[prost(uint64, tag = "10")]
    pub applied: u64,
    /// Hash of the state there.
    #[prost(fixed64, tag = "11")]
    pub state_hash: u64,
    /// Revision of the users' keyspace there.
    #[prost(uint64, tag = "12")]
    pub revision: u64,
    /// Newest revision that it has acknowledged to a client since its start; 0 when none.
    #[prost(uint64, tag = "13")]
    pub acknowledged: u64,
    /// The voters by its log, as Raft ids.
    #[prost(uint64, repeated, tag = "14")]
    pub voters: Vec<u64>,
    /// While they change: those before.
    #[prost(uint64, repeated, tag = "15")]
    pub voters_outgoing: Vec<u64>,
}

impl Holding {
    /// How far it is: the term of its last entry counts first, as in an election.
    #[must_use]
    pub fn reach(&self) -> (u64, u64) {
        (self.last_term, self.last)
    }
}

/// What is asked of a node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RecoveryAsk {
    /// Which. Absent: of a later version.
    #[prost(oneof = "recovery_ask::Body", tags = "1, 2")]
    pub body: Option<recovery_ask::Body>,
}

/// See [`RecoveryAsk`].
pub mod recovery_ask {
    /// The kinds of question.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        /// What do you hold?
        #[prost(bool, tag = "1")]
        Survey(bool),
        /// Carry out your part of a plan.
        #[prost(message, tag = "2")]
        Order(super::RecoveryOrder),
    }
}

/// A node's part of a plan.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RecoveryOrder {
    /// Hash of the plan.
    #[prost(fixed64, tag = "1")]
    pub plan: u64,
    /// It founds the cluster anew; else it follows whoever does by this plan.
    #[prost(bool, tag = "2")]
    pub founds: bool,
    /// What the plan says that it holds.
    #[prost(message, required, tag = "3")]
    pub holding: Holding,
}

/// The answer to a [`RecoveryAsk`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct RecoveryAnswer {
    /// What it holds now.
    #[prost(message, required, tag = "1")]
    pub holding: Holding,
    /// Why it does not carry out an order; empty when it does.
    #[prost(string, tag = "2")]
    pub refused: String,
}
