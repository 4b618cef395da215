//! What keeps a budget from being divided as it should be, in words.

use super::{Cause, ReasonCode};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum BudgetCause {
    /// A share shrinks, and the host's application has not said that it uses no more than that.
    Unacknowledged { budget: String, host: String, share: u64, counted: u64, number: u64 },
}

impl Cause for BudgetCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Unacknowledged { .. } => ReasonCode::ShareUnacknowledged,
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Unacknowledged { host, .. } => Some(host.clone()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Unacknowledged { budget, host, share, counted, number } => format!(
                "the application on {host} has not acknowledged that its share of {budget} is {share} (grant {number}): {counted} count until it \
                 does, or until what it was told before has lapsed"
            ),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unacknowledged { budget, host, share, number, .. } => format!(
                "have the application on {host} follow its share; once it uses no more than {share}, on {host}: `quorate budget ack {budget} --number \
                 {number} --in-use {share}`"
            ),
        }
    }
}
