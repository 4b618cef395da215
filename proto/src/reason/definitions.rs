//! What is odd about a file that defines a budget or an assignment, in words.

use super::{Cause, ReasonCode};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum DefinitionCause {
    /// It cannot be used: what is wrong, where, and what to do.
    DropIn { file: String, problem: String },
    /// The cluster has another definition of that name: what differs, and what has the cluster take that of the file.
    Differs { file: String, what: String, differs: String, adopts: Adoption },
    /// It can be used, and the cluster does not take it: why.
    Refused { file: String, why: String },
}

/// What has the cluster take the definition of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// This command.
    Command(String),
    /// What differs stands while it is in use. The first command removes it, the second shows when it is gone, and then it is defined anew.
    Anew(String, String),
}

impl Adoption {
    fn in_words(&self) -> String {
        match self {
            Self::Command(command) => format!("`{command}`"),
            Self::Anew(removes, shows) => format!(
                "`{removes}`, which ends what is in use of it now; once `{shows}` shows it no more, `systemctl reload quorate` on this host \
                 defines it as the file says"
            ),
        }
    }
}

impl Cause for DefinitionCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::DropIn { .. } => ReasonCode::DefinitionFile,
            Self::Differs { .. } => ReasonCode::DefinitionDiffers,
            Self::Refused { .. } => ReasonCode::DefinitionRefused,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::DropIn { file, .. } | Self::Differs { file, .. } | Self::Refused { file, .. } => {
                Some(file.clone())
            }
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
            Self::Refused { file, why } => {
                format!("the cluster does not take what {file} defines: {why}")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::DropIn { .. } => {
                "mend or remove the file, then `systemctl reload quorate` on this host".to_owned()
            }
            Self::Differs { adopts, .. } => format!(
                "to have the cluster take what the file says: {}; else write into the file, on every host, what the cluster has, then \
                 `systemctl reload quorate`",
                adopts.in_words()
            ),
            Self::Refused { .. } => {
                "do what the refusal says, or mend or remove the file, then `systemctl reload quorate` on this host; what is not refused any \
                 more is defined within seconds"
                    .to_owned()
            }
        }
    }
}
