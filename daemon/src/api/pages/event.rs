//! The lines of `quorate events`.

use super::applications::{self, ApplicationChangePage};
use super::members::{ChangePage, change_page};
use crate::doors::feed::events::EventLine;
use crate::words::time::rfc3339;
use quorate_proto::HealthEpoch;
use serde::{Deserialize, Serialize};

/// One line of `quorate events -o json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventPage {
    /// Its number and run: no other event of this host has it.
    #[serde(default)]
    pub(crate) id: String,
    /// When the daemon started that tells it.
    #[serde(default)]
    pub(crate) run: String,
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
    /// What it changed for applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) changed_applications: Vec<ApplicationChangePage>,
    /// The word of the reason that `why` tells too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

impl EventPage {
    /// The id of an event, also where it is streamed.
    pub(crate) fn id_of(number: u64, run: u64) -> String {
        format!("{number}-{run}")
    }

    /// The page of an event of the run that began at this moment, in milliseconds since 1970.
    pub(crate) fn of(line: &EventLine, run: u64) -> Self {
        let about = line.event.about();
        let (instance, host) = about.host.unzip();
        Self {
            id: Self::id_of(line.number, run),
            run: rfc3339(run),
            number: line.number,
            at: rfc3339(line.at_unix_ms),
            kind: line.event.kind().to_owned(),
            text: line.event.to_string(),
            warning: line.event.warning(),
            host,
            instance: instance.map(|instance| instance.to_string()),
            term: about.term,
            epoch: about.epoch.map(HealthEpoch::get),
            changed: about.changes.iter().map(change_page).collect(),
            changed_applications: about
                .applications
                .iter()
                .map(applications::change_page)
                .collect(),
            code: about.code.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::Event;
    use quorate_proto::{HealthChange, HealthDelta, Instance, ReasonCode};
    use std::sync::Arc;

    #[test]
    fn an_event_says_in_fields_what_its_sentence_says() {
        let change = HealthChange {
            name: "n2".to_owned(),
            from: "alive".to_owned(),
            to: "down".to_owned(),
            reason: "silent".to_owned(),
        };
        let delta = HealthDelta {
            epoch: HealthEpoch::new(9),
            changed: vec![change],
            ..HealthDelta::default()
        };
        let page = page_of(Event::Epoch(Arc::new(delta)));
        assert_eq!((page.kind.as_str(), page.epoch, page.warning), ("epoch", Some(9), true));
        assert_eq!((page.changed[0].name.as_str(), page.changed[0].to.as_str()), ("n2", "down"));
        let host = (Instance::from_bytes([7; 16]), "n1".to_owned());
        let page = page_of(Event::Leads { host, term: 4 });
        assert_eq!((page.host.as_deref(), page.term), (Some("n1"), Some(4)));
        assert!(page.instance.is_some() && !page.warning);
        let code = ReasonCode::Clone;
        let page = page_of(Event::Founding { code, text: "two copies".to_owned() });
        assert_eq!((page.code.as_deref(), page.text.as_str()), (Some(code.word()), "two copies"));
    }

    fn page_of(event: Event) -> EventPage {
        EventPage::of(&EventLine { number: 1, at_unix_ms: 1, event }, 7)
    }
}
