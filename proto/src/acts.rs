//! What an operator asks of the cluster as a whole. Any node takes it; the leader does it.

use crate::{Assignment, Budget, HealthEpoch, Instance};

/// One act.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Act {
    /// Which. Absent: of a later version.
    #[prost(
        oneof = "act::Body",
        tags = "1, 2, 70, 71, 72, 73, 90, 95, 100, 115, 116, 140, 141, 150, 151, 152, 153"
    )]
    pub body: Option<act::Body>,
}

/// See [`Act`].
pub mod act {
    /// The kinds of act.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Body {
        /// Takes a host out for good.
        #[prost(message, tag = "1")]
        Remove(super::RemoveHost),
        /// Has another voter lead.
        #[prost(message, tag = "2")]
        Transfer(super::TransferLeadership),
        /// Raises the feature level.
        #[prost(message, tag = "90")]
        RaiseFeatures(super::RaiseFeatures),
        /// Changes the cluster's secret, or gives such a change up.
        #[prost(message, tag = "95")]
        Secret(super::ChangeSecret),
        /// Drains a host, or ends that.
        #[prost(message, tag = "70")]
        Drain(super::DrainHost),
        /// Pauses the autopilot, or has it go on.
        #[prost(message, tag = "71")]
        Steer(super::SteerAutopilot),
        /// Lets a host vote, where the autopilot asks for that.
        #[prost(message, tag = "72")]
        Promote(super::PromoteHost),
        /// Asks what the autopilot does and why; changes nothing.
        #[prost(message, tag = "73")]
        Autopilot(super::AskAutopilot),
        /// Takes a host out for good, and has its key refused.
        #[prost(message, tag = "100")]
        Revoke(super::RevokeHost),
        /// Defines a budget, or defines it otherwise.
        #[prost(message, tag = "115")]
        SetBudget(super::SetBudget),
        /// Has a budget go.
        #[prost(message, tag = "116")]
        DropBudget(super::DropBudget),
        /// Defines an assignment, or defines it otherwise.
        #[prost(message, tag = "140")]
        SetAssignment(super::SetAssignment),
        /// Has an assignment go.
        #[prost(message, tag = "141")]
        DropAssignment(super::DropAssignment),
        /// Frees a grant whose use was ended from outside.
        #[prost(message, tag = "150")]
        FreeGrant(crate::FreeGrant),
        /// Frees an item whose use was ended from outside.
        #[prost(message, tag = "151")]
        FreeItem(crate::FreeItem),
        /// Defines a budget if there is none of its name.
        #[prost(message, tag = "152")]
        OfferBudget(super::SetBudget),
        /// Defines an assignment if there is none of its name.
        #[prost(message, tag = "153")]
        OfferAssignment(super::SetAssignment),
    }
}

/// See [`act::Body::SetAssignment`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetAssignment {
    /// As it is to be.
    #[prost(message, required, tag = "1")]
    pub assignment: Assignment,
}

/// See [`act::Body::DropAssignment`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DropAssignment {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`act::Body::SetBudget`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetBudget {
    /// As it is to be.
    #[prost(message, required, tag = "1")]
    pub budget: Budget,
}

/// See [`act::Body::DropBudget`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DropBudget {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`act::Body::Remove`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RemoveHost {
    /// The name of the member.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The disk life that is meant. Where the name has come to another one, nothing is removed. Absent: whichever has the name.
    #[prost(message, optional, tag = "85")]
    pub instance: Option<Instance>,
}

/// See [`act::Body::Revoke`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RevokeHost {
    /// The name of the member.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The disk life that is meant. Where the name has come to another one, nothing is revoked. Absent: whichever has the name.
    #[prost(message, optional, tag = "2")]
    pub instance: Option<Instance>,
}

/// See [`act::Body::Transfer`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TransferLeadership {
    /// The name of the voter that is to lead; empty: the one that is furthest, of those with a disk that works.
    #[prost(string, tag = "1")]
    pub to: String,
}

/// See [`act::Body::RaiseFeatures`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RaiseFeatures {
    /// The level; 0: the highest that every member can run.
    #[prost(uint32, tag = "1")]
    pub level: u32,
}

/// See [`act::Body::Secret`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ChangeSecret {
    /// The fingerprint of the new secret.
    #[prost(fixed64, tag = "1")]
    pub to: u64,
    /// Gives up the change that is under way; `to` does not matter.
    #[prost(bool, tag = "2")]
    pub give_up: bool,
    /// Who asks named the secret; else it is the other one that the asked host has, which may not have heard of the change's end.
    #[prost(bool, tag = "3")]
    pub named: bool,
}

/// See [`act::Body::Drain`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DrainHost {
    /// The name of the member.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Whether it is to be drained; else it no longer is.
    #[prost(bool, tag = "2")]
    pub drained: bool,
    /// What for, in the operator's words.
    #[prost(string, tag = "3")]
    pub reason: String,
}

/// See [`act::Body::Steer`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SteerAutopilot {
    /// Whether it is to be paused; else it goes on.
    #[prost(bool, tag = "1")]
    pub paused: bool,
    /// What for, in the operator's words.
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// See [`act::Body::Promote`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PromoteHost {
    /// The name of the member.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`act::Body::Autopilot`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AskAutopilot {}

/// What the autopilot does and why, as the leader has it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AutopilotReport {
    /// How many voters there should be.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Why so many.
    #[prost(string, tag = "2")]
    pub rule: String,
    /// An operator paused it.
    #[prost(bool, tag = "3")]
    pub paused: bool,
    /// What for, in the operator's words.
    #[prost(string, tag = "4")]
    pub paused_for: String,
    /// Since when, by the leader's wall clock; for display only.
    #[prost(uint64, tag = "5")]
    pub paused_since_unix_ms: u64,
    /// What it does now, or that it does nothing.
    #[prost(string, tag = "6")]
    pub does: String,
    /// Why.
    #[prost(string, tag = "7")]
    pub why: String,
    /// What would change that.
    #[prost(string, repeated, tag = "8")]
    pub would_change: Vec<String>,
    /// What is known of each host.
    #[prost(message, repeated, tag = "9")]
    pub hosts: Vec<AutopilotHost>,
}

/// One host, as the autopilot sees it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AutopilotHost {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// [`crate::Role`].
    #[prost(enumeration = "crate::Role", tag = "2")]
    pub role: i32,
    /// [`crate::MemberState`].
    #[prost(enumeration = "crate::MemberState", tag = "3")]
    pub state: i32,
    /// Its zone; empty when its host names none.
    #[prost(string, tag = "4")]
    pub zone: String,
    /// It is among the seeds.
    #[prost(bool, tag = "5")]
    pub seed: bool,
    /// An operator drained it.
    #[prost(bool, tag = "6")]
    pub drained: bool,
    /// A standby that has what the leader has.
    #[prost(bool, tag = "7")]
    pub caught_up: bool,
    /// For how many seconds it has been gone, as the leader saw it.
    #[prost(uint64, optional, tag = "8")]
    pub gone_seconds: Option<u64>,
    /// It has been gone for so long that another one gets its vote.
    #[prost(bool, tag = "9")]
    pub lost: bool,
    /// Its host is a witness.
    #[prost(bool, tag = "94")]
    pub witness: bool,
}

impl Act {
    /// Whether it only asks.
    #[must_use]
    pub fn only_asks(&self) -> bool {
        matches!(self.body, Some(act::Body::Autopilot(_)))
    }

    /// Whether it says how something is to be, so that it may be asked again although nobody can tell what came of it: done twice it is as
    /// done once, unless somebody acted in between. So it is asked again for some seconds at most.
    #[must_use]
    pub fn may_be_asked_again(&self) -> bool {
        use act::Body as Of;
        matches!(
            self.body,
            Some(
                Of::SetBudget(_)
                    | Of::OfferBudget(_)
                    | Of::SetAssignment(_)
                    | Of::OfferAssignment(_)
                    | Of::Drain(_)
                    | Of::Steer(_)
            )
        )
    }
}

/// An act was done, or is under way.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Acted {
    /// The epoch that shows it; for what is no matter of health the newest at the leader.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
    /// What was done, for people.
    #[prost(string, tag = "2")]
    pub text: String,
    /// The term in which the leader did it; 0 from a version that does not say.
    #[prost(uint64, tag = "85")]
    pub term: u64,
    /// What was asked about the autopilot.
    #[prost(message, optional, tag = "70")]
    pub autopilot: Option<AutopilotReport>,
}

/// What is said where nobody has a name, with those that there are.
#[must_use]
pub fn nobody_named<'a>(name: &str, members: impl IntoIterator<Item = &'a str>) -> String {
    let members: Vec<&str> = members.into_iter().collect();
    match members.is_empty() {
        true => format!("no member is named `{name}`: this host knows of none yet; `quorate why`"),
        false => format!("no member is named `{name}`; these are: {}", members.join(", ")),
    }
}
