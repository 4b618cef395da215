//! Direct pings on the control lane: the leader to every live node, each voter to the leader, and a node that does not
//! hear the leader to a voter.
//!
//! A ping carries what the receiver has not acknowledged; the answer is the acknowledgement. Pings repeat, so
//! nothing in them needs to be retransmitted.

use crate::{
    ClusterId, HealthEpoch, HealthUpdate, HostApplications, Instance, SecretNews, SecretsHeld,
    Warning,
};

/// "Are you there? This is what I know."
#[derive(Clone, PartialEq, prost::Message)]
pub struct Ping {
    /// Echoed in the answer.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// The cluster of the sender.
    #[prost(message, required, tag = "2")]
    pub cluster_id: ClusterId,
    /// The sender's Raft term; 0 when it is no replica.
    #[prost(uint64, tag = "3")]
    pub term: u64,
    /// The leader that the sender knows in `term`; its own instance when it leads.
    #[prost(message, optional, tag = "4")]
    pub leader: Option<Instance>,
    /// Newest committed epoch at the sender.
    #[prost(message, required, tag = "5")]
    pub epoch: HealthEpoch,
    /// What the receiver has not acknowledged yet; only from the leader.
    #[prost(message, optional, tag = "6")]
    pub update: Option<HealthUpdate>,
    /// Index up to which the sender has applied.
    #[prost(uint64, tag = "7")]
    pub applied: u64,
    // Tag 8 was the state hash there, which is compared in the answers alone.
    /// The sender does not hear the leader, and asks what the receiver knows of it.
    #[prost(bool, tag = "11")]
    pub asks: bool,
    /// The sender leads and has not heard the receiver for a while.
    #[prost(bool, tag = "12")]
    pub unheard: bool,
    // Tag 9 was an entry that the receiver had lost; the list says it too.
    /// Copies of the log that are not what they should be; only from the leader. At most `limits::COPY_NOTICES`.
    #[prost(message, repeated, tag = "13")]
    pub copies: Vec<CopyNotice>,
    /// The feature level that the sender has committed, or was told of; 0 before it knows one.
    #[prost(uint32, tag = "90")]
    pub level: u32,
    /// The change of the secret, to who has not carried out its newest step, and to all while somebody is not ready; only from the leader.
    #[prost(message, optional, tag = "95")]
    pub secrets: Option<SecretNews>,
    /// The newest number among the grants of budgets that the receiver holds; 0 = it holds none. From the leader alone.
    #[prost(uint64, tag = "115")]
    pub shares: u64,
    /// From a leader that a majority has confirmed: what it says of grants and items counts also where it is 0.
    #[prost(bool, tag = "118")]
    pub says_shares: bool,
    /// From a node that asks: its applications, while the view that it has says something else of them; for the leader.
    #[prost(message, optional, tag = "130")]
    pub applications: Option<HostApplications>,
    /// The same of items of assignments: the newest change that the receiver has to hear of.
    #[prost(uint64, tag = "140")]
    pub items: u64,
    /// How often the sender pings the receiver, in milliseconds; 0 when it does not say. Only from the leader, and so is the next one.
    #[prost(uint32, tag = "105")]
    pub interval_ms: u32,
    /// How long the sender bears with the receiver's silence, in milliseconds: the receiver bears with the leader's for as long at
    /// least. 0 when it does not say.
    #[prost(uint32, tag = "106")]
    pub patience_ms: u32,
}

/// What is wrong with a replica's copy of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CopyFault {
    /// Nothing that is known here.
    Unknown = 0,
    /// It acknowledged an entry and no longer has it.
    Lost = 1,
    /// It acknowledges nothing, while the others go on.
    StandsStill = 2,
    /// It has something else committed than the leader.
    Contradicts = 3,
    /// Its state at some entry is not the leader's.
    StateDiffers = 4,
}

/// A copy of the log that is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CopyNotice {
    /// Whose.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// A [`CopyFault`].
    #[prost(enumeration = "CopyFault", tag = "2")]
    pub fault: i32,
    /// The entry that it acknowledged (`Lost`) or that differs (`Contradicts`, `StateDiffers`); 0 otherwise.
    #[prost(uint64, tag = "3")]
    pub entry: u64,
    /// Where it ends (`Lost`) or stands (`StandsStill`); 0 otherwise.
    #[prost(uint64, tag = "4")]
    pub end: u64,
}

/// The answer to a [`Ping`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Pong {
    /// The number in the ping.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// The newest epoch that the answering node has: its acknowledgement.
    #[prost(message, required, tag = "2")]
    pub epoch: HealthEpoch,
    /// The answering node's Raft term; 0 when it is no replica.
    #[prost(uint64, tag = "3")]
    pub term: u64,
    /// Index up to which it has applied, and ...
    #[prost(uint64, tag = "4")]
    pub applied: u64,
    /// ... the state hash there; 0 when it is no replica.
    #[prost(fixed64, tag = "5")]
    pub state_hash: u64,
    /// To a ping that asks, from a voter that hears the leader itself.
    #[prost(message, optional, tag = "8")]
    pub relayed: Option<Relayed>,
    /// To the leader, from a voter: what those have who cannot tell it themselves. At most `limits::RELAYED`.
    #[prost(message, repeated, tag = "9")]
    pub acknowledged: Vec<RelayedAcknowledgement>,
    /// Whom the answering node's replica follows in `term`, and hears.
    #[prost(message, optional, tag = "6")]
    pub leader: Option<Instance>,
    /// An entry of `leader`'s that is not the one which is committed at the answering replica; 0 when none is.
    #[prost(uint64, tag = "10")]
    pub contradicted: u64,
    /// Which secrets the answering node has.
    #[prost(message, optional, tag = "95")]
    pub secrets: Option<SecretsHeld>,
    /// To the leader: the applications of the answering node, while the view that it has says something else of them.
    #[prost(message, optional, tag = "130")]
    pub applications: Option<HostApplications>,
    /// To the leader, from a voter: what those report who cannot tell it themselves. At most `limits::RELAYED`.
    #[prost(message, repeated, tag = "131")]
    pub passed_applications: Vec<HostApplications>,
    /// How late the answering node's own turns were at worst in the last minutes, in milliseconds.
    #[prost(uint32, tag = "105")]
    pub late_ms: u32,
}

/// What a voter knows of the leader that it hears, for a node that does not.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Relayed {
    /// Who leads, ...
    #[prost(message, required, tag = "1")]
    pub leader: Instance,
    /// ... in which term.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// What the asker has not acknowledged yet.
    #[prost(message, optional, tag = "3")]
    pub update: Option<HealthUpdate>,
    /// What the leader says of copies of the log. At most `limits::COPY_NOTICES`.
    #[prost(message, repeated, tag = "4")]
    pub copies: Vec<CopyNotice>,
    /// What all nodes are warned of. At most `limits::WARNINGS`.
    #[prost(message, repeated, tag = "5")]
    pub warnings: Vec<Warning>,
}

/// The epoch that a node has which does not reach the leader.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RelayedAcknowledgement {
    /// Whose.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// The newest epoch that it has.
    #[prost(message, required, tag = "2")]
    pub epoch: HealthEpoch,
}
