//! What keeps items of an assignment from being held, in words.

use super::{Cause, ReasonCode};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum AssignmentCause {
    /// Items are free, and no host that is there may hold them.
    NoHost { assignment: String, items: String, scope: String },
    /// Items are free, and may be in use for a while yet by hosts of the cluster before it was founded anew.
    Waits { assignment: String, items: String },
    /// Items were given to a host that does not say that its application was told.
    Untaken { assignment: String, items: String, host: String },
    /// A host was asked to let items go, and its application has not said that it has.
    Unreleased { assignment: String, item: String, host: String, number: u64 },
}

impl Cause for AssignmentCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::NoHost { .. } | Self::Waits { .. } | Self::Untaken { .. } => {
                ReasonCode::ItemUnheld
            }
            Self::Unreleased { .. } => ReasonCode::ItemUnreleased,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::NoHost { assignment, .. } | Self::Waits { assignment, .. } => {
                Some(assignment.clone())
            }
            Self::Untaken { host, .. } | Self::Unreleased { host, .. } => Some(host.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::NoHost { assignment, items, scope } => format!(
                "nobody holds {items} of {assignment}: no host {scope}is alive, not drained and of a weight above 0"
            ),
            Self::Waits { assignment, items } => format!(
                "nobody holds {items} of {assignment}: the cluster was founded anew, and what hosts held before must lapse first"
            ),
            Self::Untaken { assignment, items, host } => format!(
                "{host} was given {items} of {assignment}, and has not said that its application was told"
            ),
            Self::Unreleased { assignment, item, host, number } => format!(
                "the application on {host} was asked to let item {item} of {assignment} go (grant {number}), and has not said that it has: nobody \
                 else gets it until it does, or until what it was told before has lapsed"
            ),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoHost { .. } => {
                "start a host of the scope, or end its drain: `quorate undrain HOST`".to_owned()
            }
            Self::Waits { .. } => "none: it ends by itself after one TTL".to_owned(),
            Self::Untaken { host, .. } => format!(
                "look on {host} what keeps it from the leader: `quorate why`; without its word the items are others' once they have lapsed"
            ),
            Self::Unreleased { assignment, item, host, number } => format!(
                "have the application on {host} follow what it is told; once it has let go, on {host}: `quorate assign release {assignment} --item \
                 {item} --number {number}`"
            ),
        }
    }
}
