//! What the autopilot does and why, as the leader tells it.

use crate::words::time::rfc3339;
use quorate_proto::{AutopilotHost, AutopilotReport, MemberState, Role};
use serde::{Deserialize, Serialize};

/// `quorate autopilot -o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AutopilotPage {
    /// How many voters there should be.
    pub(crate) target: u32,
    /// Why so many.
    pub(crate) rule: String,
    /// None while it works.
    pub(crate) paused: Option<PausePage>,
    /// What it does now; `nothing`, or `waits` for a change that is under way.
    pub(crate) does: String,
    pub(crate) why: String,
    /// What would change that, each a fact or a command.
    pub(crate) would_change: Vec<String>,
    pub(crate) hosts: Vec<AutopilotHostPage>,
}

/// An operator's pause.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PausePage {
    pub(crate) reason: String,
    pub(crate) since: String,
}

/// One host, as the autopilot sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AutopilotHostPage {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) state: String,
    pub(crate) zone: Option<String>,
    pub(crate) seed: bool,
    pub(crate) drained: bool,
    /// A standby that has what the leader has.
    pub(crate) caught_up: bool,
    /// For how long it has been gone, as the leader saw it; none when it is there, or drained.
    pub(crate) gone_seconds: Option<u64>,
    /// For so long that another host gets its vote.
    pub(crate) lost: bool,
    /// It votes, and holds nothing.
    #[serde(default)]
    pub(crate) witness: bool,
}

impl AutopilotPage {
    /// The page of a leader's answer.
    pub(crate) fn of(report: &AutopilotReport) -> Self {
        let pause = || PausePage {
            reason: report.paused_for.clone(),
            since: rfc3339(report.paused_since_unix_ms),
        };
        Self {
            target: report.target,
            rule: report.rule.clone(),
            paused: report.paused.then(pause),
            does: report.does.clone(),
            why: report.why.clone(),
            would_change: report.would_change.clone(),
            hosts: report.hosts.iter().map(host_page).collect(),
        }
    }
}

fn host_page(host: &AutopilotHost) -> AutopilotHostPage {
    AutopilotHostPage {
        name: host.name.clone(),
        role: Role::try_from(host.role).unwrap_or(Role::Member).word().to_owned(),
        state: MemberState::try_from(host.state).unwrap_or(MemberState::Alive).word().to_owned(),
        zone: Some(host.zone.clone()).filter(|zone| !zone.is_empty()),
        seed: host.seed,
        drained: host.drained,
        caught_up: host.caught_up,
        gone_seconds: host.gone_seconds,
        lost: host.lost,
        witness: host.witness,
    }
}
