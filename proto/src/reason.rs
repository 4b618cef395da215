//! Everything that can be wrong, as an operator is told it: the one catalogue of reasons.
//!
//! A reason has a stable word and a meaning ([`ReasonCode`]), and a sentence and a remedy, which are made of typed data by
//! the causes in the files below. What stays true: each sentence has one author; a remedy names the host to act on; a command
//! in it stands in backticks and works when it is pasted. Whoever finds a cause knows nothing of its words.

mod applications;
mod assignments;
mod budgets;
mod code;
mod copies;
mod daemon;
mod definitions;
mod fences;
mod founding;
mod known;
mod links;
mod members;
mod new_secret;
mod odd_secret;
mod operators;
mod pace;
mod witness;

pub use applications::ApplicationCause;
pub use assignments::{AssignmentCause, InScope};
pub use budgets::BudgetCause;
pub use code::ReasonCode;
pub use copies::{Copied, CopyCause};
pub use daemon::DaemonCause;
pub use definitions::{Adoption, DefinitionCause};
pub use fences::FenceCause;
pub use founding::{FoundingCause, MissingSeed, PlaceTrouble, SeedTrouble};
pub use known::Known;
pub use links::LinkCause;
pub use members::{MemberCause, MissingVoter, Presence, Trouble};
pub use odd_secret::OddSecret;
pub use operators::OperatorCause;
pub use pace::{SlowPart, SlowlyJudged};
pub use witness::{Hindrance, WitnessCause};

use crate::Moment;

/// What is wrong, with the data that its words need.
pub trait Cause {
    /// Its entry in the catalogue.
    fn code(&self) -> ReasonCode;
    /// Which host or seed it is about; none when it is about no single one.
    fn subject(&self) -> Option<String>;
    /// What is wrong, as a sentence without capital and full stop.
    fn text(&self) -> String;
    /// What helps. Commands stand in backticks.
    fn remedy(&self) -> String;
}

/// One thing that is not as it should be, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its entry in the catalogue.
    pub code: ReasonCode,
    /// Which host or seed it is about; none when it is about no single one.
    pub subject: Option<String>,
    /// What is wrong.
    pub text: String,
    /// What helps.
    pub remedy: String,
    /// Since when it is so.
    pub since: Moment,
}

impl Reason {
    /// A cause in words.
    #[must_use]
    pub fn of(cause: &impl Cause, since: Moment) -> Self {
        Self {
            code: cause.code(),
            subject: cause.subject(),
            text: cause.text(),
            remedy: cause.remedy(),
            since,
        }
    }

    /// As an alarm or an event has it.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        format!("{}; {}", self.text, self.remedy)
    }
}

/// Names in a row, for sentences.
pub(crate) fn list(names: &[String]) -> String {
    names.join(", ")
}

/// How to begin anew with a whole cluster: host by host, each host gets the dead cluster's id back from those that still have it.
pub(crate) fn begin_anew(cluster: &str) -> String {
    format!(
        "stop quorate on ALL hosts first, run `quorate reset --cluster {cluster}` on each of them, and only then start them"
    )
}
