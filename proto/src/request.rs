//! Requests that one node forwards to the leader, and the answers. A forwarded request is never forwarded again, but for
//! one that asks a voter to hand it on, which is forwarded once more.

use crate::{
    Act, Acted, Address, Admit, ClusterId, HealthEpoch, Instance, KvRequest, KvResponse,
    RecoveryAnswer, RecoveryAsk, RenewShares, SharesRenewed, WriteName, elements, limits,
};
use bytes::Bytes;
use prost::Message as _;

/// A request on the request lane.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ForwardRequest {
    /// The cluster of the origin.
    #[prost(message, required, tag = "1")]
    pub cluster_id: ClusterId,
    /// Milliseconds that the client still waits.
    #[prost(uint64, tag = "2")]
    pub remaining_ms: u64,
    /// What is asked.
    #[prost(oneof = "forward_request::Body", tags = "3, 4, 5, 6, 8, 60, 115")]
    pub body: Option<forward_request::Body>,
    /// The origin has no link to the leader: a voter that has one hands it on, once.
    #[prost(bool, tag = "7")]
    pub relay: bool,
    /// The name of a write, under which it happens once.
    #[prost(message, optional, tag = "80")]
    pub name: Option<WriteName>,
    /// It was asked before under this name, and the answer is not known.
    #[prost(bool, tag = "81")]
    pub again: bool,
}

impl ForwardRequest {
    /// Decodes what came on the request lane; none when it is malformed, or holds more elements than any honest one.
    #[must_use]
    pub fn open(bytes: Bytes) -> Option<Self> {
        let few = elements::at_most(limits::LIST_ELEMENTS, &elements::REQUEST, &bytes);
        few.then(|| Self::decode(bytes).ok()).flatten()
    }
}

/// See [`ForwardRequest`].
pub mod forward_request {
    /// The kinds of request.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        /// A write or a linearizable read of a keyspace.
        #[prost(message, tag = "3")]
        Kv(super::KvRequest),
        /// "Let me in."
        #[prost(message, tag = "4")]
        Admit(super::Admit),
        /// Wait until an epoch has been acknowledged by all live nodes.
        #[prost(message, tag = "5")]
        Wait(super::WaitEpoch),
        /// Answered at once by any node, with the epoch it has: `quorate ping`.
        #[prost(bool, tag = "6")]
        Echo(bool),
        /// What an operator asks of the cluster.
        #[prost(message, tag = "8")]
        Act(super::Act),
        /// Answered at once by any node: what it holds, when a majority is lost, and its part of a plan.
        #[prost(message, tag = "60")]
        Recover(super::RecoveryAsk),
        /// "Renew my shares of the budgets."
        #[prost(message, tag = "115")]
        Renew(super::RenewShares),
    }
}

/// See [`forward_request::Body::Wait`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WaitEpoch {
    /// The epoch.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
}

/// An epoch and all that every live node has acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Waited {
    /// The newest epoch that every live node has.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
}

/// The answering node does not lead; nothing was proposed, so the origin may ask another.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NotLeader {
    /// Whom it believes to lead.
    #[prost(message, optional, tag = "1")]
    pub leader: Option<Instance>,
    /// In which term.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Where the leader is reached, for an origin that has not met it.
    #[prost(message, optional, tag = "3")]
    pub address: Option<Address>,
}

/// Why a request was refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RefusalCode {
    /// See the text.
    Other = 0,
    /// A keyspace error; `detail` is a [`crate::KvError`] number.
    Kv = 1,
    /// It was proposed, and its fate is unknown: it may or may not happen. `detail` is 1 when nobody can tell any more, so that it is of
    /// no use to ask again under its name.
    FateUnknown = 2,
    /// Nothing was proposed before the deadline.
    TimedOut = 3,
    /// Too much is in flight; nothing was proposed.
    Busy = 4,
    /// The disk is full; nothing was proposed.
    NoSpace = 5,
    /// The name belongs to another live instance.
    NameTaken = 6,
    /// The origin belongs to another cluster.
    OtherCluster = 7,
    /// The instance has been superseded by a later one.
    Superseded = 8,
    /// The node is stopping; nothing was proposed, and another node may be asked.
    Stopping = 9,
    /// The write was done; its answer is larger than what a frame between nodes carries.
    DoneTooLarge = 10,
    /// There is no member of that name; nothing was done.
    NotFound = 11,
    /// As things are it would do harm, or has no effect; nothing was done, and the text says what is in its way.
    NotNow = 12,
    /// The client gave this id to another request before; nothing was done.
    OtherRequest = 80,
    /// The write was decided before and changed nothing, as a transaction whose conditions did not hold; its answer was too large to be
    /// kept.
    UndoneTooLarge = 81,
    /// The program is too old or too new for the feature level of the cluster; the text says which it runs.
    Level = 90,
}

/// A refusal with its reason.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Refusal {
    /// Which.
    #[prost(enumeration = "RefusalCode", tag = "1")]
    pub code: i32,
    /// A number that depends on the code.
    #[prost(uint32, tag = "2")]
    pub detail: u32,
    /// For people.
    #[prost(string, tag = "3")]
    pub text: String,
}

/// A node was let in (or was in already).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Admitted {
    /// The founding record and proof, for the node to keep.
    #[prost(message, optional, tag = "1")]
    pub founded: Option<crate::FoundingCertificate>,
    /// The epoch that shows it.
    #[prost(message, required, tag = "2")]
    pub epoch: HealthEpoch,
    /// Who let it in. A node without a view yet believes this one; absent = the one that answers.
    #[prost(message, optional, tag = "3")]
    pub leader: Option<Instance>,
}

/// The answer to a [`ForwardRequest`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ForwardAnswer {
    // Tag 1 was the term of the answering node; where it counts, the outcome has it.
    /// What came of it.
    #[prost(oneof = "forward_answer::Outcome", tags = "2, 3, 4, 5, 6, 7, 60, 115")]
    pub outcome: Option<forward_answer::Outcome>,
}

/// See [`ForwardAnswer`].
pub mod forward_answer {
    /// The kinds of outcome.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Outcome {
        /// The keyspace's answer.
        #[prost(message, tag = "2")]
        Kv(super::KvResponse),
        /// The node is in.
        #[prost(message, tag = "3")]
        Admitted(super::Admitted),
        /// The epoch was acknowledged by all.
        #[prost(message, tag = "4")]
        Waited(super::Waited),
        /// Ask somebody else.
        #[prost(message, tag = "5")]
        NotLeader(super::NotLeader),
        /// No.
        #[prost(message, tag = "6")]
        Refused(super::Refusal),
        /// The act was done.
        #[prost(message, tag = "7")]
        Acted(super::Acted),
        /// What the node holds, and whether it carries out its part.
        #[prost(message, tag = "60")]
        Recovering(super::RecoveryAnswer),
        /// The shares are renewed.
        #[prost(message, tag = "115")]
        Renewed(super::SharesRenewed),
    }
}
