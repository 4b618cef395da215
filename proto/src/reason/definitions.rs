//! What is odd about a file that defines a budget or an assignment, in words.

use super::{Cause, ReasonCode};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum DefinitionCause {
    /// It cannot be used: what is wrong, where, and what to do.
    DropIn { file: String, problem: String },
    /// The cluster has another definition of that name: what differs, and the command that takes that of the file.
    Differs { file: String, what: String, differs: String, adopts: String },
}

impl Cause for DefinitionCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::DropIn { .. } => ReasonCode::DefinitionFile,
            Self::Differs { .. } => ReasonCode::DefinitionDiffers,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::DropIn { file, .. } | Self::Differs { file, .. } => Some(file.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::DropIn { problem, .. } => problem.clone(),
            Self::Differs { file, what, differs, .. } => {
                format!(
                    "{file} does not say what the cluster has of the {what}, which counts: {differs}"
                )
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::DropIn { .. } => {
                "mend or remove the file, then `systemctl reload quorate` on this host".to_owned()
            }
            Self::Differs { adopts, .. } => format!(
                "to have the cluster take what the file says: `{adopts}`; else write into the file, on every host, what the cluster has, then \
                 `systemctl reload quorate`"
            ),
        }
    }
}
