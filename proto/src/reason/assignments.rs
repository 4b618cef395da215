//! What keeps items of an assignment from being held, in words.

use super::{Cause, ReasonCode, list};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum AssignmentCause {
    /// Items are free, and no host that is there may hold them. `others`: what hosts of its scope there are all the same.
    NoHost { assignment: String, items: String, scope: String, others: InScope },
    /// Items are free, and may be in use for a while yet by hosts of the cluster before it was founded anew.
    Waits { assignment: String, items: String },
    /// Items were given to a host that does not say that its application was told.
    Untaken { assignment: String, items: String, host: String },
    /// A host was asked to let items go, and its application has not said that it has. `gone`: how that host is gone, if it is.
    Unreleased {
        assignment: String,
        item: String,
        host: String,
        number: u64,
        gone: Option<&'static str>,
    },
}

/// Which members have the labels of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InScope {
    /// None has.
    Nobody,
    /// Witnesses alone, which hold nothing.
    Witnesses(Vec<String>),
    /// Others have, and are away, drained or of no weight.
    Others,
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
            Self::NoHost { assignment, items, scope, others } => {
                let why = match others {
                    InScope::Nobody => format!("no member is a host {scope}"),
                    InScope::Witnesses(names) => format!(
                        "of the hosts {scope}there are witnesses alone, which hold nothing ({})",
                        list(names)
                    ),
                    InScope::Others => {
                        format!("no host {scope}is alive, not drained and of a weight above 0")
                    }
                };
                format!("nobody holds {items} of {assignment}: {}", why.trim_end())
            }
            Self::Waits { assignment, items } => format!(
                "nobody holds {items} of {assignment}: the cluster was founded anew, and what hosts held before must lapse first"
            ),
            Self::Untaken { assignment, items, host } => format!(
                "{host} was given {items} of {assignment}, and has not said that its application was told"
            ),
            Self::Unreleased { assignment, item, host, number, gone: Some(gone) } => format!(
                "{host}, which is {gone}, was asked to let item {item} of {assignment} go (grant {number}), and its application may use it yet: nobody \
                 else gets it until what it was told before has lapsed"
            ),
            Self::Unreleased { assignment, item, host, number, gone: None } => format!(
                "the application on {host} was asked to let item {item} of {assignment} go (grant {number}), and has not said that it has: nobody \
                 else gets it until it does, or until what it was told before has lapsed"
            ),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::NoHost { others: InScope::Others, .. } => {
                "start a host of the scope, or end its drain: `quorate undrain HOST`".to_owned()
            }
            Self::NoHost { assignment, .. } => format!(
                "give a host that is no witness the labels of the scope: `[labels]` in its host.toml, then `systemctl restart quorate` there; or \
                 create {assignment} with another scope (`quorate assign show {assignment}`)"
            ),
            Self::Waits { .. } => "none: it ends by itself after one TTL".to_owned(),
            Self::Untaken { host, .. } => format!(
                "look on {host} what keeps it from the leader: `quorate why`; without its word the items are others' once they have lapsed"
            ),
            Self::Unreleased { assignment, item, host, number, gone: Some(_) } => format!(
                "none: it ends by itself; sooner once you have ended what the application on {host} does with it, and say so: `quorate assign free \
                 {assignment} --item {item} --number {number}`"
            ),
            Self::Unreleased { assignment, item, host, number, gone: None } => format!(
                "have the application on {host} follow what it is told; once it has let go, on {host}: `quorate assign release {assignment} --item \
                 {item} --number {number}`"
            ),
        }
    }
}
