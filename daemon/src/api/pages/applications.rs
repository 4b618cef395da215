//! Applications as pages: those of all hosts as committed, what an epoch changed of them, and those of this host with their checks.

use crate::applications::{Local, Source};
use crate::words::time::{micros, rfc3339};
use quorate_proto::{Application, ApplicationChange, HealthView, Label};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An application on one host, as committed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApplicationPage {
    pub(crate) name: String,
    pub(crate) host: String,
    /// The host's disk life.
    pub(crate) instance: String,
    /// `up`, `down` or `unknown`.
    pub(crate) state: String,
    /// The last word of its check when it came to that state, or what its host does to it.
    pub(crate) reason: String,
    pub(crate) endpoints: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) since_epoch: u64,
    pub(crate) since: String,
}

/// The applications of all hosts at one epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApplicationsPage {
    pub(crate) epoch: u64,
    /// Without a quorum this may be old.
    pub(crate) quorate: bool,
    /// In the order of names, and then of hosts.
    pub(crate) applications: Vec<ApplicationPage>,
}

/// What an epoch changed for an application on one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ApplicationChangePage {
    pub(crate) name: String,
    pub(crate) host: String,
    /// Empty for a new one.
    pub(crate) from: String,
    /// Empty for one that is gone.
    pub(crate) to: String,
    pub(crate) reason: String,
}

/// An application of this host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LocalPage {
    pub(crate) name: String,
    /// As its check here says, which the cluster hears of.
    pub(crate) state: String,
    /// The last word of its check.
    pub(crate) reason: String,
    /// How it is checked, for people.
    pub(crate) check: String,
    pub(crate) interval_us: u64,
    pub(crate) timeout_us: u64,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
    pub(crate) endpoints: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// The file that defines it; null for one that registered, which is forgotten when the daemon ends.
    pub(crate) file: Option<String>,
}

impl ApplicationsPage {
    /// Those of this name in a view; all without one.
    pub(crate) fn of(view: &HealthView, quorate: bool, name: Option<&str>) -> Self {
        let wanted = |one: &&Application| name.is_none_or(|name| one.told.name == name);
        let applications = view.applications.iter().filter(wanted).map(application_page).collect();
        Self { epoch: view.epoch.get(), quorate, applications }
    }
}

pub(super) fn application_page(one: &Application) -> ApplicationPage {
    ApplicationPage {
        name: one.told.name.clone(),
        host: one.host.clone(),
        instance: one.instance.to_string(),
        state: one.state().word().to_owned(),
        reason: one.told.reason.clone(),
        endpoints: one.told.endpoints.clone(),
        labels: by_name(&one.told.labels),
        since_epoch: one.since_epoch.get(),
        since: rfc3339(one.since_unix_ms),
    }
}

pub(super) fn change_page(change: &ApplicationChange) -> ApplicationChangePage {
    ApplicationChangePage {
        name: change.name.clone(),
        host: change.host.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
        reason: change.reason.clone(),
    }
}

impl LocalPage {
    /// The page of an application of this host.
    pub(crate) fn of(local: &Local) -> Self {
        let Local { definition, report } = local;
        let check = &definition.check;
        Self {
            name: definition.name.clone(),
            state: report.state().word().to_owned(),
            reason: report.reason.clone(),
            check: check.kind.to_string(),
            interval_us: micros(check.interval),
            timeout_us: micros(check.timeout),
            rise: check.rise,
            fall: check.fall,
            endpoints: definition.endpoints.clone(),
            labels: by_name(&definition.labels),
            file: match &definition.source {
                Source::DropIn(path) => Some(path.display().to_string()),
                Source::Registered => None,
            },
        }
    }
}

fn by_name(labels: &[Label]) -> BTreeMap<String, String> {
    labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect()
}
