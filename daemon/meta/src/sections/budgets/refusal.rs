//! Why a change of a budget, or of its grants, is not carried out. Knows nothing of the budgets.

use quorate_proto::limits;

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetRefusal {
    /// It is out of its bounds.
    #[error("{0}; nothing was changed")]
    Unsound(String),
    /// There is none of that name.
    #[error("no budget is named `{0}`; `quorate budget list` shows those that there are")]
    Unknown(String),
    /// It goes, and some of it is in use yet.
    #[error(
        "the budget {0} is being removed, and waits for what is granted of it; ask again once `quorate budget list` shows it no more"
    )]
    Removing(String),
    /// Its holders go by what they were told.
    #[error(
        "ttl and reserve of {0} cannot change while it is granted: its holders go by what they were told. Remove it (`quorate budget remove \
         {0}`) and define it anew"
    )]
    Fixed(String),
    /// At the bound.
    #[error("there are as many as there may be: {budgets} budgets, {holders} holders of each", budgets = limits::BUDGETS, holders = limits::MEMBERS)]
    TooMany,
    /// Another change came first.
    #[error("the budget has changed meanwhile")]
    Overtaken,
    /// What is granted would be more than there is.
    #[error("{granted} would be granted, and there are {max}")]
    OverMax {
        /// So much.
        granted: u64,
        /// Of so much.
        max: u64,
    },
    /// The cluster was founded anew, and its leader has not waited yet.
    #[error("the cluster was founded anew: what it granted before must lapse first")]
    Waits,
}
