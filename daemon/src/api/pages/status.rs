//! What a node knows of itself and of the cluster, as `quorate status`, `members` and `why` read it.

use super::AutopilotPage;
use super::feature::{FeatureLevelsPage, FeaturePage};
use super::members::{MemberPage, member_page};
use super::pace::PacePage;
use super::revoked::RevokedPage;
use super::secrets::SecretPage;
use crate::clock::Started;
use crate::links::line::{DroppedLine, LinkLine};
use crate::words::time::rfc3339;
use quorate_node::{Status, status};
use quorate_proto::Member;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// `quorate status -o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusPage {
    pub(crate) cluster: String,
    /// When this was so: a page is made at most five times a second.
    #[serde(default)]
    pub(crate) as_of: String,
    /// None before birth.
    pub(crate) cluster_id: Option<String>,
    /// `waiting`, `joining`, `quorate` or `no-quorum`.
    pub(crate) state: String,
    /// Every reason why it is not quorate, each with its remedy.
    pub(crate) waiting_for: Vec<ReasonPage>,
    /// None before birth, and on nodes that cannot know.
    pub(crate) margin: Option<MarginPage>,
    pub(crate) node: NodePage,
    /// What the autopilot does and why; none on a node that does not lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) autopilot: Option<AutopilotPage>,
    /// The leader's name; none when none is known.
    pub(crate) leader: Option<String>,
    pub(crate) term: u64,
    pub(crate) commit: u64,
    pub(crate) applied: u64,
    pub(crate) revision: u64,
    pub(crate) health_epoch: u64,
    /// Sixteen hexadecimal digits.
    pub(crate) state_hash: String,
    pub(crate) elections: u64,
    pub(crate) members: Vec<MemberPage>,
    /// This node's own verdicts that differ from the committed states.
    #[serde(default)]
    pub(crate) opinions: Vec<OpinionPage>,
    /// Peers with a connection that is up.
    #[serde(default)]
    pub(crate) sessions: Vec<SessionPage>,
    /// Index of the newest durable snapshot.
    #[serde(default)]
    pub(crate) snapshot: Option<u64>,
    /// When the daemon started.
    #[serde(default)]
    pub(crate) started: String,
    /// The feature level of the cluster, and how far it can rise.
    #[serde(default)]
    pub(crate) feature: FeaturePage,
    /// Version of the daemon.
    #[serde(default)]
    pub(crate) version: String,
    /// Frames given up since the daemon started; none when the loop did not tell in time.
    #[serde(default)]
    pub(crate) given_up: Option<Vec<GivenUpPage>>,
    /// Which secrets this host has, and how far a change of the cluster's has come; none from an older daemon.
    #[serde(default)]
    pub(crate) secret: Option<SecretPage>,
    /// Hosts that are revoked, in the order in which they were.
    #[serde(default)]
    pub(crate) revoked: Vec<RevokedPage>,
    /// How fast this node judges others; none from an older daemon.
    #[serde(default)]
    pub(crate) pace: Option<PacePage>,
    /// With `--links`: every link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) links: Option<Vec<LinkLine>>,
}

/// One reason of `waiting_for`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReasonPage {
    pub(crate) code: String,
    /// Which seed or node, when it is about one.
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
    pub(crate) remedy: String,
    pub(crate) since: String,
    /// What it means, beyond the sentence.
    #[serde(default)]
    pub(crate) meaning: String,
}

/// The margin of GENESIS rule 22: `disks` may be lost at once, whichever they are, without a second founding being possible.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MarginPage {
    pub(crate) disks: u32,
    pub(crate) alarm: bool,
    pub(crate) known: u32,
    pub(crate) slots: u32,
}

/// The node that answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodePage {
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) generation: u64,
    /// None before it is let in.
    pub(crate) role: Option<String>,
    /// It is a witness, as the cluster knows it.
    #[serde(default)]
    pub(crate) witness: bool,
}

/// A verdict of this node that differs from the committed state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpinionPage {
    pub(crate) name: String,
    pub(crate) verdict: String,
    pub(crate) reason: String,
}

/// A connection that is up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionPage {
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) address: SocketAddr,
}

/// Frames to one peer that were given up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GivenUpPage {
    pub(crate) peer: String,
    pub(crate) lane: String,
    pub(crate) cause: String,
    pub(crate) frames: u64,
}

impl GivenUpPage {
    /// By peer, lane and cause; only where it happened.
    pub(crate) fn all(links: &[LinkLine]) -> Vec<Self> {
        let of_link = |link: &LinkLine| -> Vec<Self> {
            let page = |dropped: &DroppedLine| Self {
                peer: link.name.clone(),
                lane: dropped.lane.clone(),
                cause: dropped.cause.clone(),
                frames: dropped.frames,
            };
            link.dropped.iter().map(page).collect()
        };
        links.iter().flat_map(of_link).collect()
    }
}

impl StatusPage {
    /// The page of a status.
    pub(crate) fn of(status: &Status, started: Started) -> Self {
        Self {
            cluster: status.cluster.clone(),
            as_of: rfc3339(started.unix_ms(status.at)),
            cluster_id: status.cluster_id.map(|id| id.to_string()),
            state: status.state.word().to_owned(),
            waiting_for: status.reasons.iter().map(|reason| reason_page(reason, started)).collect(),
            margin: status.margin.map(|margin| MarginPage {
                disks: margin.disks,
                alarm: margin.alarm,
                known: margin.known,
                slots: margin.slots,
            }),
            node: NodePage {
                name: status.name.to_string(),
                instance: status.instance.to_string(),
                generation: status.generation.get(),
                role: status.role.map(|role| role.word().to_owned()),
                witness: status
                    .view
                    .members
                    .iter()
                    .any(|it| it.instance == status.instance && it.is_witness()),
            },
            autopilot: status.autopilot.as_ref().map(AutopilotPage::of),
            leader: status.leader.as_ref().map(|(_, name)| name.clone()),
            term: status.term,
            commit: status.commit,
            applied: status.applied,
            revision: status.revision,
            health_epoch: status.view.epoch.get(),
            state_hash: format!("{:016x}", status.state_hash),
            elections: status.elections,
            members: known_members(status),
            opinions: status.opinions.iter().map(opinion_page).collect(),
            sessions: status
                .sessions
                .iter()
                .map(|(instance, name, address)| SessionPage {
                    name: name.clone(),
                    instance: instance.to_string(),
                    address: *address,
                })
                .collect(),
            snapshot: status.snapshot.as_ref().map(|snapshot| snapshot.index),
            started: rfc3339(started.wall_unix_ms),
            feature: FeaturePage::of(status, started),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            given_up: None,
            secret: Some(SecretPage::of(&status.secrets)),
            revoked: RevokedPage::all(status),
            pace: Some(PacePage::of(&status.pace)),
            links: None,
        }
    }
}

fn reason_page(reason: &status::Reason, started: Started) -> ReasonPage {
    ReasonPage {
        code: reason.code.word().to_owned(),
        subject: reason.subject.clone(),
        text: reason.text.clone(),
        remedy: reason.remedy.clone(),
        since: rfc3339(started.unix_ms(reason.since)),
        meaning: reason.code.meaning().to_owned(),
    }
}

fn opinion_page(opinion: &status::Opinion) -> OpinionPage {
    OpinionPage {
        name: opinion.name.clone(),
        verdict: opinion.verdict.to_owned(),
        reason: opinion.reason.clone(),
    }
}

/// The committed members, with what this node knows of them beside that.
fn known_members(status: &Status) -> Vec<MemberPage> {
    let leader = status.leader.as_ref().map(|(leader, _)| *leader);
    let page = |member: &Member| {
        let known = status.programs.iter().find(|(peer, _)| *peer == member.instance);
        let program = known.map(|(_, program)| program);
        let software = program.map(|program| program.software.clone());
        MemberPage {
            leader: leader == Some(member.instance),
            version: software.filter(|version| !version.is_empty()),
            feature_levels: program.map(|program| FeatureLevelsPage::of(&program.levels)),
            ..member_page(member)
        }
    };
    status.view.members.iter().map(page).collect()
}
