//! Applications: what hosts say of the programs that run on them, and what is committed of that as a part of the view of health.
//!
//! A host reports all of its applications at once, so a report says also which ones are gone. When a committed record says what a host
//! reports is decided here, because a host, the leader and every replica must agree on it. Knows nothing of how an application is checked, and of
//! what the state of a host does to its applications (`epochs.rs`).

use crate::{Generation, HealthEpoch, Instance, Label, limits, scope};
use prost::Message as _;
use std::collections::BTreeSet;

/// What is known of an application on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ApplicationState {
    /// It is registered, and no check of it has ended since its host started.
    Unknown = 0,
    /// Its check says that it works, or it has none.
    Up = 1,
    /// Its check says that it does not work, or its host is gone or drained.
    Down = 2,
}

impl ApplicationState {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// An application, as its host reports it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ApplicationReport {
    /// Its name: the same on every host that runs it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Where it is reached, as `host:port`. At most `limits::ENDPOINTS`.
    #[prost(string, repeated, tag = "2")]
    pub endpoints: Vec<String>,
    /// For who chooses among the hosts. At most `limits::APPLICATION_LABELS`.
    #[prost(message, repeated, tag = "3")]
    pub labels: Vec<Label>,
    /// What its check says.
    #[prost(enumeration = "ApplicationState", tag = "4")]
    pub state: i32,
    /// The check's last word.
    #[prost(string, tag = "5")]
    pub reason: String,
}

impl ApplicationReport {
    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let most = limits::APPLICATION_NAME;
        if let Some(fault) = scope::name_fault("an application", &self.name, most) {
            return Some(fault);
        }
        let long = |text: &String| text.is_empty() || text.len() > limits::ENDPOINT;
        let graphic = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
        let odd = |text: &String| long(text) || !graphic(text) || !is_host_port(text);
        if self.endpoints.len() > limits::ENDPOINTS || self.endpoints.iter().any(odd) {
            let (count, bytes) = (limits::ENDPOINTS, limits::ENDPOINT);
            return Some(format!(
                "an application has at most {count} endpoints, each HOST:PORT in at most {bytes} bytes without blanks, as `10.0.0.5:6432`"
            ));
        }
        let odd = |label: &Label| !scope::is_label(label, limits::APPLICATION_LABEL);
        if self.labels.len() > limits::APPLICATION_LABELS || self.labels.iter().any(odd) {
            let (count, bytes) = (limits::APPLICATION_LABELS, limits::APPLICATION_LABEL);
            return Some(format!(
                "an application has at most {count} labels, each name and value at most {bytes} bytes without control characters"
            ));
        }
        if self.reason.contains(char::is_control) {
            return Some(
                "the reason of an application's state has no control characters".to_owned(),
            );
        }
        let (bytes, most) = (self.encoded_len() - self.reason.len(), limits::APPLICATION);
        if bytes > most {
            return Some(format!(
                "name, endpoints and labels together take {bytes} bytes, and may take {most}: every host keeps them"
            ));
        }
        let reason = self.reason.len() > limits::APPLICATION_REASON;
        let state = ApplicationState::try_from(self.state).is_err();
        (reason || state).then(|| "its state is none, or the reason is too long".to_owned())
    }

    /// What its record in a view takes of `limits::APPLICATIONS_COST`: bytes, and memory for the elements of its lists.
    #[must_use]
    pub fn cost(&self) -> usize {
        let elements = 1 + self.endpoints.len() + self.labels.len();
        (self.encoded_len() + limits::APPLICATION_RECORD)
            .max(elements * limits::APPLICATION_ELEMENT)
    }

    /// A reason, cut to what may travel.
    #[must_use]
    pub fn cut(text: &str) -> String {
        let mut end = text.len().min(limits::APPLICATION_REASON);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].to_owned()
    }
}

/// All applications of one host, in the order of their names.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HostApplications {
    /// The host's disk life, ...
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// ... and which of its starts. Of another start than the committed one a report is void.
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// All of them. At most `limits::HOST_APPLICATIONS`.
    #[prost(message, repeated, tag = "3")]
    pub applications: Vec<ApplicationReport>,
}

impl HostApplications {
    /// Whether nobody needs to look at it: it is not as a host makes it.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        let names: BTreeSet<&str> =
            self.applications.iter().map(|told| told.name.as_str()).collect();
        names.len() < self.applications.len()
            || names.len() > limits::HOST_APPLICATIONS
            || self.applications.iter().any(|told| told.fault().is_some())
    }

    /// What it takes of `limits::APPLICATIONS_COST`.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.applications.iter().map(ApplicationReport::cost).sum()
    }
}

/// What hosts report of their applications, proposed by the leader. One epoch for all.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReportApplications {
    /// Each with all of its applications.
    #[prost(message, repeated, tag = "1")]
    pub hosts: Vec<HostApplications>,
    /// Wall clock of the leader, in milliseconds since 1970; for display only.
    #[prost(uint64, tag = "2")]
    pub at_unix_ms: u64,
}

/// An application of one host in the committed view.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Application {
    /// What counts of it now.
    #[prost(message, required, tag = "1")]
    pub told: ApplicationReport,
    /// The host's name, ...
    #[prost(string, tag = "2")]
    pub host: String,
    /// ... its disk life, ...
    #[prost(message, required, tag = "3")]
    pub instance: Instance,
    /// ... and which of its starts reported it.
    #[prost(message, required, tag = "4")]
    pub generation: Generation,
    /// It is down because of its host, whatever its check says.
    #[prost(bool, tag = "5")]
    pub by_host: bool,
    /// The epoch that brought its state.
    #[prost(message, required, tag = "6")]
    pub since_epoch: HealthEpoch,
    /// Wall clock of that at the leader, in milliseconds since 1970; for display only.
    #[prost(uint64, tag = "7")]
    pub since_unix_ms: u64,
}

impl Application {
    /// The name and the host, by which a view is ordered: no two have the same.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        (&self.told.name, &self.host)
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> ApplicationState {
        self.told.state()
    }

    /// Whether it says what its host reports; the check's last words may differ, and while the host keeps it down the state too.
    #[must_use]
    pub fn says(&self, told: &ApplicationReport, generation: Generation) -> bool {
        let mine = &self.told;
        let same = mine.endpoints == told.endpoints && mine.labels == told.labels;
        let state = self.by_host || mine.state == told.state;
        same && mine.name == told.name && state && self.generation == generation
    }
}

/// An application on a host that is in the view no more.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplicationGone {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The host's.
    #[prost(string, tag = "2")]
    pub host: String,
}

/// What changed for one application on one host, in words.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ApplicationChange {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The host's.
    #[prost(string, tag = "2")]
    pub host: String,
    /// State before, as a word; empty for one that is new.
    #[prost(string, tag = "3")]
    pub from: String,
    /// State after, as a word; empty for one that is gone.
    #[prost(string, tag = "4")]
    pub to: String,
    /// Why.
    #[prost(string, tag = "5")]
    pub reason: String,
}

impl ApplicationChange {
    /// What changed from one record to the next; none for what says nothing to people.
    #[must_use]
    pub(crate) fn between(before: Option<&Application>, now: &Application) -> Option<Self> {
        let told = &now.told;
        let reason = match before {
            Some(old) if old.told.state != told.state => told.reason.clone(),
            Some(old) if old.told.endpoints != told.endpoints => {
                format!("is at {} now", told.endpoints.join(", "))
            }
            Some(old) if old.told.labels != told.labels => "has other labels now".to_owned(),
            Some(_) => return None,
            None => told.reason.clone(),
        };
        Some(Self {
            name: told.name.clone(),
            host: now.host.clone(),
            from: before.map_or("", |old| old.state().word()).to_owned(),
            to: now.state().word().to_owned(),
            reason,
        })
    }

    /// An application that is in the view no more.
    pub(crate) fn gone(old: &Application) -> Self {
        Self {
            name: old.told.name.clone(),
            host: old.host.clone(),
            from: old.state().word().to_owned(),
            to: String::new(),
            reason: "no longer registered there".to_owned(),
        }
    }
}

/// Whether a text is `HOST:PORT`, with a port that can be reached.
#[must_use]
pub fn is_host_port(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests;
