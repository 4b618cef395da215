//! The committed view of all nodes, and what is pushed when it changes.

use crate::{
    Address, Application, ApplicationChange, ApplicationGone, Generation, HealthEpoch, Instance,
    Label, NodeKey, Revocation,
};

/// What a node is to `__meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Role {
    /// Gossip, health, and a door to the voters.
    Member = 0,
    /// Learner of `__meta`, ready to be promoted.
    Standby = 1,
    /// Voter of `__meta`.
    Voter = 2,
}

impl Role {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Standby => "standby",
            Self::Voter => "voter",
        }
    }
}

/// The committed state of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum MemberState {
    /// It answers.
    Alive = 0,
    /// It does not answer, and another node confirmed that.
    Down = 1,
    /// It said goodbye.
    Left = 2,
}

impl MemberState {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Down => "down",
            Self::Left => "left",
        }
    }
}

/// Who said that a start of a node has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Goodbye {
    /// Nobody: it has not ended, or is silent.
    None = 0,
    /// The daemon itself, which stopped in order.
    Stopped = 1,
    /// Its unit, for a daemon that ended without a word: it crashed, or was killed.
    Crashed = 2,
}

impl Goodbye {
    /// The word that programs see; none where nobody said it.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Stopped => Some("stopped"),
            Self::Crashed => Some("crashed"),
        }
    }

    /// The reason of the departure, for people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::None => "no goodbye was said",
            Self::Stopped => "stopped in order and said goodbye",
            Self::Crashed => "its daemon crashed or was killed; its unit said goodbye for it",
        }
    }
}

/// One node in the committed view.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Member {
    /// Node name; unique in the view.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its present disk life.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// Newest boot counter committed for it.
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// Address for other nodes.
    #[prost(message, optional, tag = "4")]
    pub address: Option<Address>,
    /// Its pinned node key.
    #[prost(message, required, tag = "5")]
    pub key: NodeKey,
    /// What it is to `__meta`.
    #[prost(enumeration = "Role", tag = "6")]
    pub role: i32,
    /// Alive, down or left.
    #[prost(enumeration = "MemberState", tag = "7")]
    pub state: i32,
    /// The epoch that brought this state.
    #[prost(message, required, tag = "8")]
    pub since_epoch: HealthEpoch,
    /// Why it is in this state, for people.
    #[prost(string, tag = "9")]
    pub reason: String,
    /// Wall clock of the change at the leader, in milliseconds since 1970; for display only.
    #[prost(uint64, tag = "10")]
    pub since_unix_ms: u64,
    /// Labels from the host's own file.
    #[prost(message, repeated, tag = "11")]
    pub labels: Vec<Label>,
    /// Another address that it was met at while `address` answered too; absent for nearly every host.
    #[prost(message, optional, tag = "12")]
    pub also_at: Option<Address>,
    /// Of one that has left: who said so.
    #[prost(enumeration = "Goodbye", tag = "13")]
    pub goodbye: i32,
    /// An operator drained it; none when it is not drained.
    #[prost(message, optional, tag = "70")]
    pub drained: Option<Drained>,
    /// Why it has its role; empty where the change that gave it said nothing.
    #[prost(string, tag = "71")]
    pub role_reason: String,
    /// An operator lets this disk life vote, where the autopilot asks (`promote = "approve"`).
    #[prost(bool, tag = "72")]
    pub approved: bool,
}

impl Member {
    /// Whether an operator drained it: it keeps its vote, leads nothing while another can, and gets nothing new.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained.is_some()
    }
}

/// A host that an operator drained.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Drained {
    /// What for, in the operator's words; empty when nothing was said.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Wall clock of the leader, in milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub since_unix_ms: u64,
}

/// All nodes at one epoch, ordered by name.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthView {
    /// Number of this view.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
    /// Everybody, ordered by name.
    #[prost(message, repeated, tag = "2")]
    pub members: Vec<Member>,
    /// Wall clock of the epoch at the leader, in milliseconds since 1970; for display only.
    #[prost(uint64, tag = "3")]
    pub at_unix_ms: u64,
    /// Whose keys are refused, in the order in which they were revoked. At most `limits::REVOKED`; none is ever taken back.
    #[prost(message, repeated, tag = "100")]
    pub revoked: Vec<Revocation>,
    /// The applications of all hosts, ordered by name and then by host. At most `limits::APPLICATIONS`.
    #[prost(message, repeated, tag = "130")]
    pub applications: Vec<Application>,
}

/// What changed for one node, in words.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthChange {
    /// Node name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// State before, as a word; empty for a node that is new.
    #[prost(string, tag = "2")]
    pub from: String,
    /// State after, as a word; empty for a node that was removed.
    #[prost(string, tag = "3")]
    pub to: String,
    /// Why.
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// One epoch as the difference to the one before.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthDelta {
    /// The epoch that this difference leads to; it applies to exactly the one before.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
    /// Nodes that are new or different, whole.
    #[prost(message, repeated, tag = "2")]
    pub members: Vec<Member>,
    /// Instances that are no longer in the view.
    #[prost(message, repeated, tag = "3")]
    pub removed: Vec<Instance>,
    /// The same in words.
    #[prost(message, repeated, tag = "4")]
    pub changed: Vec<HealthChange>,
    /// Wall clock at the leader, in milliseconds since 1970; for display only.
    #[prost(uint64, tag = "5")]
    pub at_unix_ms: u64,
    /// Whose keys are refused from this epoch on.
    #[prost(message, repeated, tag = "100")]
    pub revoked: Vec<Revocation>,
    /// Applications that are new or different, whole.
    #[prost(message, repeated, tag = "130")]
    pub applications: Vec<Application>,
    /// Applications that are no longer in the view.
    #[prost(message, repeated, tag = "131")]
    pub gone_applications: Vec<ApplicationGone>,
    /// The same in words.
    #[prost(message, repeated, tag = "132")]
    pub changed_applications: Vec<ApplicationChange>,
}

impl HealthDelta {
    /// How many records it carries: what bounds how many differences are kept, and sent at once.
    #[must_use]
    pub fn records(&self) -> usize {
        self.members.len() + self.applications.len()
    }
}

/// What a node is sent until it has acknowledged the newest epoch: the whole view, or the differences from
/// the epoch it acknowledged last.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HealthUpdate {
    /// The whole view; taken first when present, unless the differences follow what the receiver has.
    #[prost(message, optional, tag = "1")]
    pub full: Option<HealthView>,
    /// Consecutive differences, oldest first.
    #[prost(message, repeated, tag = "2")]
    pub deltas: Vec<HealthDelta>,
}
