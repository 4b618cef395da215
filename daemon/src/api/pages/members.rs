//! The members of a committed view, and the lines of the health feed.

use super::applications::{self, ApplicationChangePage, ApplicationPage, application_page};
use super::feature::FeatureLevelsPage;
use crate::doors::feed::health::HealthLine;
use crate::words::time::rfc3339;
use quorate_proto::{Address, HealthChange, HealthView, Member, WITNESS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Label under which the zone of a host travels.
const ZONE: &str = "zone";

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
    /// An operator drained it, and what for; none when it is not drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drained: Option<DrainedPage>,
    /// Why it has its role; empty where nothing was said of it.
    #[serde(default)]
    pub(crate) role_reason: String,
    /// Whether it leads, as far as this node knows; false of all when no leader is known.
    #[serde(default)]
    pub(crate) leader: bool,
    /// Version of its daemon; none for one that this node has not met since it started.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// The feature levels that this version can run; none where the version is not known.
    #[serde(default)]
    pub(crate) feature_levels: Option<FeatureLevelsPage>,
    /// From its `host.toml`, as it was when it was let in; none when that names none.
    #[serde(default)]
    pub(crate) zone: Option<String>,
    /// Its `host.toml` says `role = "witness"`: it votes, carries nothing, and leads only where nobody else can.
    #[serde(default)]
    pub(crate) witness: bool,
    /// All its other labels.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
}

/// What an operator said of a host that is drained.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DrainedPage {
    pub(crate) reason: String,
    pub(crate) since: String,
}

/// One line of `quorate health --watch -o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HealthPage {
    pub(crate) epoch: u64,
    pub(crate) quorate: bool,
    pub(crate) at: String,
    /// The epoch that `changed` counts from; 0 where that is not known.
    #[serde(default)]
    pub(crate) after: u64,
    /// What changed since the epoch that the reader saw is not known: `members` count alone.
    #[serde(default)]
    pub(crate) reset: bool,
    pub(crate) changed: Vec<ChangePage>,
    pub(crate) members: Vec<MemberPage>,
    /// What changed for applications.
    #[serde(default)]
    pub(crate) changed_applications: Vec<ApplicationChangePage>,
    /// Those of all hosts.
    #[serde(default)]
    pub(crate) applications: Vec<ApplicationPage>,
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

impl HealthPage {
    /// The page of a line of the feed.
    pub(crate) fn of(line: &HealthLine) -> Self {
        Self {
            epoch: line.view.epoch.get(),
            quorate: line.quorate,
            at: rfc3339(line.at_unix_ms),
            after: line.after.get(),
            reset: line.reset,
            changed: line.changed.iter().map(change_page).collect(),
            members: member_pages(&line.view),
            changed_applications: line
                .changed_applications
                .iter()
                .map(applications::change_page)
                .collect(),
            applications: line.view.applications.iter().map(application_page).collect(),
        }
    }
}

fn member_pages(view: &HealthView) -> Vec<MemberPage> {
    view.members.iter().map(member_page).collect()
}

pub(super) fn member_page(member: &Member) -> MemberPage {
    let labels = member.labels.iter().map(|label| (label.name.clone(), label.value.clone()));
    let mut labels: BTreeMap<String, String> = labels.collect();
    MemberPage {
        name: member.name.clone(),
        instance: member.instance.to_string(),
        address: member.address.as_ref().and_then(Address::socket),
        role: member.role().word().to_owned(),
        state: member.state().word().to_owned(),
        since_epoch: member.since_epoch.get(),
        reason: member.reason.clone(),
        goodbye: member.goodbye().word().map(str::to_owned),
        since: rfc3339(member.since_unix_ms),
        drained: member.drained.as_ref().map(|drained| DrainedPage {
            reason: drained.reason.clone(),
            since: rfc3339(drained.since_unix_ms),
        }),
        role_reason: member.role_reason.clone(),
        leader: false,
        version: None,
        feature_levels: None,
        zone: labels.remove(ZONE),
        witness: labels.remove(WITNESS).is_some() && member.is_witness(),
        labels,
    }
}

pub(super) fn change_page(change: &HealthChange) -> ChangePage {
    ChangePage {
        name: change.name.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
        reason: change.reason.clone(),
    }
}
