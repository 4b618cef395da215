//! The JSON that programs read: status, health, events. One set of types for the daemon, which writes them, and
//! the command line, which reads them back and draws tables.
//!
//! Fields may be added, never renamed or removed. Numbers that may pass 2^53 are text. Every time is RFC 3339 in
//! UTC.

mod applications;
mod assignments;
pub(crate) mod autopilot;
mod budgets;
mod event;
pub(crate) mod feature;
pub(crate) mod findings;
mod lapsing;
pub(crate) mod members;
mod numbers;
mod pace;
mod recovery;
mod revoked;
mod secrets;
pub(crate) mod status;

pub(crate) use applications::{ApplicationPage, ApplicationsPage, LocalPage};
pub(crate) use assignments::{
    AssignmentPage, CreatedPage, HeldItemPage, HeldPage, ItemLedgerPage, ItemPage,
};
pub(crate) use autopilot::AutopilotPage;
pub(crate) use budgets::{AlonePage, BudgetPage, GrantPage, LedgerPage, SharePage, TotalPage};
pub(crate) use event::EventPage;
pub(crate) use feature::FeaturePage;
pub(crate) use lapsing::LapsingPage;
pub(crate) use members::{HealthPage, MemberPage};
#[cfg(test)]
pub(crate) use recovery::{HoldingPage, LossPage};
pub(crate) use recovery::{Planned, RecoveryPage};
pub(crate) use revoked::RevokedPage;
#[cfg(test)]
pub(crate) use secrets::SecretLackPage;
pub(crate) use secrets::{SecretChangePage, SecretPage};
pub(crate) use status::{GivenUpPage, MarginPage, OpinionPage, ReasonPage, StatusPage};

use crate::doors::Pings;
use crate::words::time::micros;
use quorate_membership::Waived;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The body of every refusal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefusalPage {
    /// Short word, stable: `busy`, `no-leader`, `timeout`, `fate-unknown`, `no-space`, `keyspace`, `not-found`, ...
    pub(crate) code: String,
    /// What is wrong and what helps.
    pub(crate) error: String,
    /// Of a refusal of the keyspace: which, in one stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// The answer of `/v1/wait`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WaitPage {
    pub(crate) quorate: bool,
    pub(crate) epoch: u64,
}

/// The answer of what the cluster was asked to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ActPage {
    /// The epoch that shows it.
    pub(crate) epoch: u64,
    pub(crate) text: String,
    /// The term in which the leader did it; 0 from a leader of a version that does not say.
    #[serde(default)]
    pub(crate) term: u64,
}

/// The answer of `/v1/found`: what the founding does without, or would.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WaivedPage {
    /// The seeds that found the cluster.
    pub(crate) there: Vec<String>,
    /// Their disk lives, which the word is bound to.
    pub(crate) lives: Vec<String>,
    pub(crate) without: Vec<String>,
}

impl WaivedPage {
    pub(crate) fn of(waived: &Waived) -> Self {
        let Waived { there, lives, without } = waived;
        let lives = lives.iter().map(ToString::to_string).collect();
        Self { there: there.clone(), lives, without: without.clone() }
    }
}

/// The answer of `/v1/ping`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PingPage {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) instance: String,
    #[serde(default)]
    pub(crate) address: Option<SocketAddr>,
    /// Those that were answered.
    pub(crate) round_trip_micros: Vec<u64>,
    /// Those that were not.
    #[serde(default)]
    pub(crate) lost: u32,
    /// Why, as far as this node can tell.
    #[serde(default)]
    pub(crate) why: Option<String>,
}

impl PingPage {
    /// The page of some pings.
    pub(crate) fn of(name: String, pings: Pings) -> Self {
        Self {
            name,
            instance: pings.instance.to_string(),
            address: Some(pings.address),
            round_trip_micros: pings.trips.iter().copied().map(micros).collect(),
            lost: pings.lost,
            why: pings.why,
        }
    }
}
