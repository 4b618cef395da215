//! What keeps an application of this host from being up, in words.

use super::{Cause, ReasonCode};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum ApplicationCause {
    /// Its check says that it does not work; the last word of it.
    Down { name: String, word: String },
    /// A drop-in of an application cannot be used: what is wrong, where, and what to do.
    DropIn { file: String, problem: String },
}

impl Cause for ApplicationCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Down { .. } => ReasonCode::ApplicationDown,
            Self::DropIn { .. } => ReasonCode::ApplicationFile,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Down { name, .. } => Some(name.clone()),
            Self::DropIn { file, .. } => Some(file.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Down { name, word } => {
                format!("the application {name} is down on this host, by its check: {word}")
            }
            Self::DropIn { problem, .. } => problem.clone(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Down { name, .. } => format!(
                "start {name} on this host, or mend its check; one that works and is held down has only to go on; how it is on all hosts: `quorate apps {name}`"
            ),
            Self::DropIn { .. } => {
                "mend or remove the file, then `systemctl reload quorate` on this host".to_owned()
            }
        }
    }
}
