//! What the log of `__meta` holds: the commands that every replica applies alike.

use crate::{
    Address, ChangeGrants, ChangeItems, DefineAssignment, DefineBudget, FeatureLevel, FreeGrant,
    FreeItem, Generation, HealthEpoch, Instance, KvRequest, Label, NamedWrite, NodeKey,
    RemoveAssignment, RemoveBudget, ReportApplications, Revoke, TakeSecretStep,
};
use bytes::Bytes;
use prost::Message as _;

/// The new state of one node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StateChange {
    /// Whom.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// The generation the evidence is about. Older than the committed one: the change is void.
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// [`crate::MemberState`].
    #[prost(enumeration = "crate::MemberState", tag = "3")]
    pub state: i32,
    /// Why, for people.
    #[prost(string, tag = "4")]
    pub reason: String,
    /// Name of the node whose evidence this is.
    #[prost(string, tag = "5")]
    pub reporter: String,
    /// New address, when it moved.
    #[prost(message, optional, tag = "6")]
    pub address: Option<Address>,
    /// Another address that it was met at while the committed one answers. Remembered until it moves or starts again.
    #[prost(message, optional, tag = "7")]
    pub also_at: Option<Address>,
    /// Of one that has left: who said so.
    #[prost(enumeration = "crate::Goodbye", tag = "8")]
    pub goodbye: i32,
}

/// A difference between evidence and committed health, proposed by the leader.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthProposal {
    /// Applies only while this is the committed epoch.
    #[prost(message, required, tag = "1")]
    pub if_epoch: HealthEpoch,
    /// What changes; one epoch for all.
    #[prost(message, repeated, tag = "2")]
    pub changes: Vec<StateChange>,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "3")]
    pub at_unix_ms: u64,
}

/// Lets a node in, or brings it back under its name as a new disk life (`Supersede`).
#[derive(Clone, PartialEq, prost::Message)]
pub struct Admit {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its disk life.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// Its boot counter.
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// Its node key, pinned from now on.
    #[prost(message, required, tag = "4")]
    pub key: NodeKey,
    /// Where it is reached.
    #[prost(message, optional, tag = "5")]
    pub address: Option<Address>,
    /// The earlier life that held the name and is a tombstone from now on. Without it a held name is refused.
    #[prost(message, optional, tag = "6")]
    pub supersede: Option<Instance>,
    /// Labels from its own file.
    #[prost(message, repeated, tag = "7")]
    pub labels: Vec<Label>,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "8")]
    pub at_unix_ms: u64,
}

/// Takes a disk life out of the cluster for good: its name is free, and it is a tombstone.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Remove {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Raises the feature level of the cluster. One that is not above the committed level is void.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RaiseLevel {
    /// To which.
    #[prost(uint32, tag = "1")]
    pub level: u32,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Drains a disk life, or ends that. It goes with the name: the next life that takes it is drained too.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Drain {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Whether it is drained from now on.
    #[prost(bool, tag = "2")]
    pub drained: bool,
    /// What for, in the operator's words.
    #[prost(string, tag = "3")]
    pub reason: String,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "4")]
    pub at_unix_ms: u64,
}

/// Pauses the autopilot, or has it go on.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Steer {
    /// Whether it is paused from now on.
    #[prost(bool, tag = "1")]
    pub paused: bool,
    /// What for, in the operator's words.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "3")]
    pub at_unix_ms: u64,
}

/// Lets a disk life vote, where the autopilot asks an operator for that.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Approve {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// Forgets a disk life without a vote that has been gone for long. Unlike one that was removed it leaves no tombstone: should it come
/// back, it is let in as it was the first time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Forget {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// Void when another epoch has been committed: it may have come back.
    #[prost(message, required, tag = "2")]
    pub if_epoch: HealthEpoch,
    /// Wall clock of the leader, milliseconds since 1970; for display only.
    #[prost(uint64, tag = "3")]
    pub at_unix_ms: u64,
}

/// One command.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    /// Who waits for the answer: unique per leader's run; 0 = nobody.
    #[prost(fixed64, tag = "1")]
    pub ticket: u64,
    /// What to do.
    #[prost(
        oneof = "CommandBody",
        tags = "2, 3, 4, 5, 70, 71, 72, 73, 80, 90, 95, 100, 115, 116, 117, 130, 140, 141, 142, 150, 151, 152, 153"
    )]
    pub body: Option<CommandBody>,
}

/// See [`Command`]: the kinds of command.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum CommandBody {
    /// A change of the users' keyspace on nobody's behalf.
    #[prost(message, tag = "2")]
    Kv(KvRequest),
    /// A change of health.
    #[prost(message, tag = "3")]
    Health(HealthProposal),
    /// A node comes in.
    #[prost(message, tag = "4")]
    Admit(Admit),
    /// A node is taken out.
    #[prost(message, tag = "5")]
    Remove(Remove),
    /// A node is drained, or no longer.
    #[prost(message, tag = "70")]
    Drain(Drain),
    /// The autopilot is paused, or goes on.
    #[prost(message, tag = "71")]
    Steer(Steer),
    /// A node may vote.
    #[prost(message, tag = "72")]
    Approve(Approve),
    /// A node is forgotten.
    #[prost(message, tag = "73")]
    Forget(Forget),
    /// A client's write: a change of the users' keyspace that happens once under its name.
    #[prost(message, tag = "80")]
    Write(NamedWrite),
    /// The feature level rises.
    #[prost(message, tag = "90")]
    RaiseLevel(RaiseLevel),
    /// The change of the secret takes a step.
    #[prost(message, tag = "95")]
    Secret(TakeSecretStep),
    /// A node is taken out, and its key is refused for good.
    #[prost(message, tag = "100")]
    Revoke(Revoke),
    /// A budget is defined, or defined otherwise.
    #[prost(message, tag = "115")]
    DefineBudget(DefineBudget),
    /// A budget is to go.
    #[prost(message, tag = "116")]
    RemoveBudget(RemoveBudget),
    /// Grants of a budget change.
    #[prost(message, tag = "117")]
    ChangeGrants(ChangeGrants),
    /// What hosts report of their applications.
    #[prost(message, tag = "130")]
    Applications(ReportApplications),
    /// An assignment is defined, or defined otherwise.
    #[prost(message, tag = "140")]
    DefineAssignment(DefineAssignment),
    /// An assignment is to go.
    #[prost(message, tag = "141")]
    RemoveAssignment(RemoveAssignment),
    /// Items of an assignment change their holders.
    #[prost(message, tag = "142")]
    ChangeItems(ChangeItems),
    /// The use of a grant was ended from outside.
    #[prost(message, tag = "150")]
    FreeGrant(FreeGrant),
    /// The use of an item was ended from outside.
    #[prost(message, tag = "151")]
    FreeItem(FreeItem),
    /// A budget is defined if there is none of its name.
    #[prost(message, tag = "152")]
    OfferBudget(DefineBudget),
    /// An assignment is defined if there is none of its name.
    #[prost(message, tag = "153")]
    OfferAssignment(DefineAssignment),
}

impl CommandBody {
    /// The least feature level at which this may be proposed: below it there may be a replica that does not know it, and would stop.
    /// A new command has that of the release that brings it.
    #[must_use]
    pub fn least_level(&self) -> FeatureLevel {
        match self {
            Self::Kv(_) | Self::Health(_) | Self::Admit(_) | Self::Remove(_) => FeatureLevel::BASE,
            // What it raises the level to, every member can run: so whoever proposes it has made sure.
            Self::RaiseLevel(_) => FeatureLevel::BASE,
            Self::Drain(_)
            | Self::Steer(_)
            | Self::Approve(_)
            | Self::Forget(_)
            | Self::Secret(_)
            | Self::Revoke(_)
            | Self::DefineBudget(_)
            | Self::RemoveBudget(_)
            | Self::ChangeGrants(_)
            | Self::Applications(_)
            | Self::DefineAssignment(_)
            | Self::RemoveAssignment(_)
            | Self::ChangeItems(_)
            | Self::FreeGrant(_)
            | Self::FreeItem(_)
            | Self::OfferBudget(_)
            | Self::OfferAssignment(_) => FeatureLevel::new(2),
            Self::Write(_) => NamedWrite::LEVEL,
        }
    }
}

impl Command {
    /// Encodes a command for the log.
    #[must_use]
    pub fn to_entry(ticket: u64, body: CommandBody) -> Bytes {
        Self { ticket, body: Some(body) }.encode_to_vec().into()
    }
}
