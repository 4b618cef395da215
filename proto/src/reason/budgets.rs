//! What keeps a budget from being divided as it should be, in words.

use super::{Cause, ReasonCode, list};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "a field is explained by the sentence of its variant")]
pub enum BudgetCause {
    /// A share shrinks, and the host's application has not said that it uses no more than that.
    Unacknowledged { budget: String, host: String, share: u64, counted: u64, number: u64 },
    /// There is no quorum, all others are fenced, and this host uses the whole.
    Alone { budget: String, amount: u64, fence: String, fenced: Vec<String> },
    /// It would, once these are fenced, too.
    Fencing { budget: String, fence: String, waits_for: Vec<String> },
    /// It does not, and why.
    NotAlone { budget: String, why: String },
}

impl Cause for BudgetCause {
    fn code(&self) -> ReasonCode {
        match self {
            Self::Unacknowledged { .. } => ReasonCode::ShareUnacknowledged,
            Self::Alone { .. } | Self::Fencing { .. } | Self::NotAlone { .. } => {
                ReasonCode::BudgetAlone
            }
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Unacknowledged { host, .. } => Some(host.clone()),
            Self::Alone { .. } | Self::Fencing { .. } | Self::NotAlone { .. } => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Unacknowledged { budget, host, share, counted, number } => format!(
                "the application on {host} has not acknowledged that its share of {budget} is {share} (grant {number}): {counted} count until it \
                 does, or until what it was told before has lapsed"
            ),
            Self::Alone { budget, amount, fence, fenced } => {
                let others = match fenced.is_empty() {
                    true => "nobody else shares it".to_owned(),
                    false => format!("the fence {fence} has cut off {}", list(fenced)),
                };
                format!(
                    "there is no quorum, and this host uses all {amount} of {budget} alone (source local): {others}"
                )
            }
            Self::Fencing { budget, fence, waits_for } if waits_for.is_empty() => format!(
                "there is no quorum, and this host is about to use {budget} alone: all others are cut off ({fence}), and what they were told \
                 before has yet to lapse"
            ),
            Self::Fencing { budget, fence, waits_for } => format!(
                "there is no quorum, and this host uses no more of {budget} than its reserve until the fence {fence} has cut off {}",
                list(waits_for)
            ),
            Self::NotAlone { budget, why } => {
                format!("there is no quorum, and this host does not use {budget} alone: {why}")
            }
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Unacknowledged { budget, host, share, number, .. } => format!(
                "have the application on {host} follow its share; once it uses no more than {share}, on {host}: `quorate budget ack {budget} --number \
                 {number} --in-use {share}`"
            ),
            Self::Alone { fenced, .. } => format!(
                "bring {} back: this host goes back to its share by itself once one of them is heard",
                if fenced.is_empty() { "the other voter".to_owned() } else { list(fenced) }
            ),
            Self::Fencing { fence, .. } => format!(
                "look at `quorate hooks status` on this host: the hook {fence} (on = \"fence\") is run by quorate-hooks until it succeeds"
            ),
            Self::NotAlone { .. } => {
                "bring enough voters back for a majority; until then shares are as with on_quorum_loss = \"hold\"".to_owned()
            }
        }
    }
}
