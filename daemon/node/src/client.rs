//! What local clients ask a node, and what they are told; and why a question to another node has no answer.

use quorate_membership::Waived;
use quorate_proto::{
    Act, Acted, HealthEpoch, Instance, KvRequest, KvResponse, RecoveryAnswer, RecoveryAsk, Refusal,
    WriteName,
};

/// What a local client can ask a node.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum ClientRequest {
    /// A request to a keyspace. A `Range` with `serializable` is answered from this node's own replica.
    Kv(KvRequest),
    /// The same of a client that names its writes: one that comes again under its name, through any node, gets the first answer. A name
    /// says nothing where nothing is written.
    Named { name: WriteName, request: KvRequest },
    /// Wait until this node's applied epoch is at least this one; with `all_live`, until every live node
    /// has acknowledged it.
    WaitEpoch { epoch: HealthEpoch, all_live: bool },
    /// What an operator asks of the cluster: the leader does it.
    Act(Act),
    /// This node's part of a plan to found the cluster anew.
    Recover(RecoveryAsk),
    /// Have the founding do without these seeds, as long as the disk lives that are there are those that were shown; without these only
    /// show what it would mean.
    Waive { without: Vec<String>, shown: Option<Vec<Instance>> },
    /// An application on this host says what it uses of its share.
    Acknowledge(Acknowledgement),
    /// An application on this host says that it has let an item go.
    Release(ItemRelease),
    /// A fence of this host has succeeded, for a budget that it would use alone.
    Fenced(FencedAlone),
}

/// Somebody is cut off from a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FencedAlone {
    /// From which.
    pub budget: String,
    /// Who.
    pub instance: Instance,
    /// The round in which the fence was asked for.
    pub round: u64,
}

/// What an application uses of its share of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Of which budget.
    pub budget: String,
    /// It follows the grant with this number.
    pub number: u64,
    /// So much is in use.
    pub in_use: u64,
}

/// An application has let go of an item that was asked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRelease {
    /// Of which assignment.
    pub assignment: String,
    /// Its name.
    pub item: String,
    /// The number of the grant under which it was held.
    pub number: u64,
}

/// What a local client is told.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientReply {
    /// The keyspace's answer, header filled in.
    Kv(KvResponse),
    /// The epoch asked for is reached; this is the newest that qualifies.
    Epoch(HealthEpoch),
    /// The act was done.
    Acted(Acted),
    /// What this node holds, and whether it carries out its part.
    Recovering(RecoveryAnswer),
    /// What the founding does without, or would.
    Waived(Waived),
    /// No.
    Refused(Refusal),
}

/// Why a forwarded request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardFailure {
    /// It never left this node.
    NotSent,
    /// It may have reached the other node.
    Lost,
}
