//! The JSON that programs read: status, health, events. One set of types for the daemon, which writes them, and
//! the command line, which reads them back and draws tables.
//!
//! Fields may be added, never renamed or removed. Numbers that may pass 2^53 are text. Every time is RFC 3339 in
//! UTC.

use crate::doors::feed::{EventLine, HealthLine};
pub(crate) mod findings;

use crate::clock::Started;
use crate::doors::Pings;
use crate::links::line::{DroppedLine, LinkLine};
use crate::words::time::{micros, rfc3339};
use quorate_node::{Status, status};
use quorate_proto::{HealthChange, HealthEpoch, HealthView, Member};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Label under which the zone of a host travels.
const ZONE: &str = "zone";

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
    /// Version of the daemon.
    #[serde(default)]
    pub(crate) version: String,
    /// Frames given up since the daemon started; none when the loop did not tell in time.
    #[serde(default)]
    pub(crate) given_up: Option<Vec<GivenUpPage>>,
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
}

/// A member of the committed view.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MemberPage {
    pub(crate) name: String,
    pub(crate) instance: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) role: String,
    pub(crate) state: String,
    pub(crate) since_epoch: u64,
    pub(crate) reason: String,
    /// Of one that has left: `stopped` in order, or `crashed` (or was killed), as its unit said; else none.
    #[serde(default)]
    pub(crate) goodbye: Option<String>,
    /// When it came to this state, by the leader's clock; for a founder when the cluster was founded. Empty = not known.
    #[serde(default)]
    pub(crate) since: String,
    /// Whether it leads, as far as this node knows; false of all when no leader is known.
    #[serde(default)]
    pub(crate) leader: bool,
    /// Version of its daemon; none for one that has no connection with this node.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// From its `host.toml`, as it was when it was let in; none when that names none.
    #[serde(default)]
    pub(crate) zone: Option<String>,
    /// All its other labels.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
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

/// One line of `quorate health --watch -o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HealthPage {
    pub(crate) epoch: u64,
    pub(crate) quorate: bool,
    pub(crate) at: String,
    pub(crate) changed: Vec<ChangePage>,
    pub(crate) members: Vec<MemberPage>,
}

/// What changed for one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangePage {
    pub(crate) name: String,
    /// Empty for a new member.
    pub(crate) from: String,
    /// Empty for a removed one.
    pub(crate) to: String,
    pub(crate) reason: String,
}

/// One line of `quorate events -o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventPage {
    pub(crate) number: u64,
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) warning: bool,
    /// The node that it is about, and its disk life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
    /// In which it leads, or led.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) term: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<u64>,
    /// What the epoch changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed: Vec<ChangePage>,
    /// The word of the reason that `why` tells too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

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

impl StatusPage {
    /// The page of a status.
    pub(crate) fn of(status: &Status, started: Started) -> Self {
        Self {
            cluster: status.cluster.clone(),
            as_of: rfc3339(started.unix_ms(status.at)),
            cluster_id: status.genesis.map(|id| id.to_string()),
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
            },
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
            version: env!("CARGO_PKG_VERSION").to_owned(),
            given_up: None,
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
    let version = |instance| {
        if instance == status.instance {
            return Some(env!("CARGO_PKG_VERSION").to_owned());
        }
        let known = status.software.iter().find(|(peer, _)| *peer == instance);
        known.map(|(_, version)| version.clone()).filter(|version| !version.is_empty())
    };
    let page = |member: &Member| MemberPage {
        leader: leader == Some(member.instance),
        version: version(member.instance),
        ..member_page(member)
    };
    status.view.members.iter().map(page).collect()
}

fn member_pages(view: &HealthView) -> Vec<MemberPage> {
    view.members.iter().map(member_page).collect()
}

fn member_page(member: &Member) -> MemberPage {
    let labels = member.labels.iter().map(|label| (label.name.clone(), label.value.clone()));
    let mut labels: BTreeMap<String, String> = labels.collect();
    MemberPage {
        name: member.name.clone(),
        instance: member.instance.to_string(),
        address: member.address.as_ref().and_then(quorate_proto::Address::socket),
        role: member.role().word().to_owned(),
        state: member.state().word().to_owned(),
        since_epoch: member.since_epoch.get(),
        reason: member.reason.clone(),
        goodbye: member.goodbye().word().map(str::to_owned),
        since: rfc3339(member.since_unix_ms),
        leader: false,
        version: None,
        zone: labels.remove(ZONE),
        labels,
    }
}

fn change_page(change: &HealthChange) -> ChangePage {
    ChangePage {
        name: change.name.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
        reason: change.reason.clone(),
    }
}

impl HealthPage {
    /// The page of a line of the feed.
    pub(crate) fn of(line: &HealthLine) -> Self {
        Self {
            epoch: line.view.epoch.get(),
            quorate: line.quorate,
            at: rfc3339(line.at_unix_ms),
            changed: line.changed.iter().map(change_page).collect(),
            members: member_pages(&line.view),
        }
    }
}

impl EventPage {
    /// The page of an event.
    pub(crate) fn of(line: &EventLine) -> Self {
        let about = &line.event.about;
        let (instance, host) = about.host.clone().unzip();
        Self {
            number: line.number,
            at: rfc3339(line.at_unix_ms),
            kind: line.event.kind.to_owned(),
            text: line.event.text.clone(),
            warning: line.event.warning,
            host,
            instance: instance.map(|instance| instance.to_string()),
            term: about.term,
            epoch: about.epoch.map(HealthEpoch::get),
            changed: about.changes.iter().map(change_page).collect(),
            code: about.code.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::{About, Event};
    use quorate_proto::Instance;

    #[test]
    fn an_event_says_in_fields_what_its_sentence_says() {
        let change = HealthChange {
            name: "n2".to_owned(),
            from: "alive".to_owned(),
            to: "down".to_owned(),
            reason: "silent".to_owned(),
        };
        let about = About {
            host: Some((Instance::from_bytes([7; 16]), "n1".to_owned())),
            term: Some(4),
            epoch: Some(HealthEpoch::new(9)),
            changes: vec![change],
            code: Some("clone"),
        };
        let event = Event { kind: "epoch", text: "n2 is down".to_owned(), warning: true, about };
        let page = EventPage::of(&EventLine { number: 1, at_unix_ms: 1, event });
        assert_eq!((page.host.as_deref(), page.term, page.epoch), (Some("n1"), Some(4), Some(9)));
        assert_eq!((page.changed[0].name.as_str(), page.changed[0].to.as_str()), ("n2", "down"));
        assert_eq!(page.code.as_deref(), Some("clone"));
        assert!(page.instance.is_some());
    }
}
