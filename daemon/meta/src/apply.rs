//! What applying an entry gives back.

use crate::{
    AdmitRefusal, AssignmentRefusal, BudgetRefusal, FirstAnswer, KeyChange, NotMember,
    RemoveRefusal, RevokeRefusal, SecretRefusal,
};
use quorate_proto::{FeatureLevel, HealthDelta, HealthEpoch, KvError, KvResponse, Steer};
use std::sync::Arc;

/// What came of one entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Who waits for the answer; 0 = nobody.
    pub ticket: u64,
    /// The answer.
    pub result: AppliedResult,
    /// The next epoch of health, when the entry led to one.
    pub health: Option<Arc<HealthDelta>>,
    /// What changed in both spaces, for watches; in order.
    pub changes: Vec<KeyChange>,
}

/// The answer to the one who proposed an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum AppliedResult {
    /// The keyspace's answer.
    Kv(Result<KvResponse, KvError>),
    /// The write was applied before under its name, or may have been: nothing was changed.
    Before(FirstAnswer),
    /// A change of health; `stale` when it was proposed on an epoch that is no longer the newest.
    Health {
        /// Nothing was applied.
        stale: bool,
    },
    /// Whether a node was let in, and the epoch that shows it.
    Admitted(Result<HealthEpoch, AdmitRefusal>),
    /// Whether a node was taken out, and the epoch that shows it.
    Removed(Result<HealthEpoch, RemoveRefusal>),
    /// Whether a node was revoked, and the epoch that shows it.
    Revoked(Result<HealthEpoch, RevokeRefusal>),
    /// The feature level that stands now.
    Level(FeatureLevel),
    /// Whether a change of the secret took a step.
    Secret(Result<(), SecretRefusal>),
    /// What came of an operator's word about a member.
    Noted(Result<Noted, NotMember>),
    /// An operator paused the autopilot or had it go on; `changed`: it was not so already.
    Steered {
        /// In the operator's words.
        steer: Steer,
        /// It was not so already.
        changed: bool,
    },
    /// What came of a change of a budget, for people; of a change of its grants nothing is to be told.
    Budget(Result<String, BudgetRefusal>),
    /// The same of an assignment and its items.
    Assignment(Result<String, AssignmentRefusal>),
    /// Nobody waits for what came of it.
    Void,
}

/// What an operator's word about a member or the cluster came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The newest epoch; the one that shows it, if any does.
    pub epoch: HealthEpoch,
    /// For people.
    pub text: String,
}

/// What a command of a section came to.
pub(crate) struct Effects {
    /// The answer.
    pub(crate) result: AppliedResult,
    /// The next epoch of health, when the command led to one.
    pub(crate) health: Option<Arc<HealthDelta>>,
}

impl Applied {
    /// What a command came to, for the one who proposed it.
    pub(crate) fn of(ticket: u64, effects: Effects, changes: Vec<KeyChange>) -> Self {
        let Effects { result, health } = effects;
        Self { ticket, result, health, changes }
    }
}

/// An entry of the log that holds no command that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {index} of the log holds a command that this version of quorate does not know: a newer version wrote it, or the log is \
     damaged. Nothing of it was carried out; start the newer version on this host"
)]
pub struct UnknownCommand {
    /// Which entry.
    pub index: u64,
}
