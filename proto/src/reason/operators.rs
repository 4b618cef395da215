//! What operators have said and what lasts until they take it back, and what the autopilot cannot do without them: in words.

use super::{Cause, ReasonCode, list};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum OperatorCause {
    /// An operator drained it.
    Drained { name: String, reason: String },
    /// An operator paused the autopilot.
    AutopilotPaused { reason: String },
    /// This host is refused by others, as one that was revoked.
    RevokedHere { cluster: String },
    /// Hosts that were revoked, the newest one at this epoch, and know a secret that this host accepts.
    RevokedSecret { names: Vec<String>, epoch: u64 },
    /// A voter is lost, and nobody can get its vote. `waits`: who could, and waits for an operator's word.
    NoSuccessor { name: String, text: String, waits: Option<String> },
    /// A host could get a vote, and waits for an operator's word.
    Unapproved { name: String, text: String },
}

impl Cause for OperatorCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Drained { .. } => ReasonCode::Drained,
            Self::AutopilotPaused { .. } => ReasonCode::AutopilotPaused,
            Self::RevokedHere { .. } => ReasonCode::Revoked,
            Self::RevokedSecret { .. } => ReasonCode::RevokedSecret,
            Self::NoSuccessor { .. } => ReasonCode::NoSuccessor,
            Self::Unapproved { .. } => ReasonCode::Unapproved,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::AutopilotPaused { .. } | Self::RevokedHere { .. } => None,
            Self::RevokedSecret { names, .. } => match names.as_slice() {
                [name] => Some(name.clone()),
                _ => None,
            },
            Self::Drained { name, .. }
            | Self::NoSuccessor { name, .. }
            | Self::Unapproved { name, .. } => Some(name.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Drained { name, reason } => told(&format!("{name} is drained"), reason),
            Self::AutopilotPaused { reason } => told("the autopilot is paused", reason),
            Self::RevokedHere { .. } => {
                "other hosts refuse this one: it was revoked in their cluster".to_owned()
            }
            Self::RevokedSecret { names, epoch } => format!(
                "{} {} revoked, last at epoch {epoch}, and this host accepts a secret that is known there: whoever has it can come in with a new key",
                list(names),
                if names.len() == 1 { "was" } else { "were" }
            ),
            Self::NoSuccessor { text, .. } | Self::Unapproved { text, .. } => text.clone(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Drained { name, .. } => {
                format!("when the work on it is done: `quorate undrain {name}`")
            }
            Self::AutopilotPaused { .. } => {
                "when the work is done: `quorate autopilot resume`".to_owned()
            }
            Self::RevokedHere { cluster } => crate::revoked_text(cluster),
            Self::RevokedSecret { .. } => crate::change_the_secret(),
            Self::NoSuccessor { waits: Some(waits), .. } => {
                format!("give its vote to a host that waits: `quorate promote {waits}`")
            }
            Self::NoSuccessor { name, .. } => format!(
                "start {name}, or install quorate on another host, which gets its vote; if {name} never comes back: `quorate remove {name}`"
            ),
            Self::Unapproved { name, .. } => {
                format!("if it is to vote: `quorate promote {name}`")
            }
        }
    }
}

/// What is so, and what for where somebody said it.
fn told(what: &str, reason: &str) -> String {
    if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") }
}
