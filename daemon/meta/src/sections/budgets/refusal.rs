//! Why a change of a budget, or of its grants, is not carried out. Knows nothing of the budgets.

use crate::sections::holder::why_not;
use quorate_proto::{Budget, limits};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetRefusal {
    /// It is out of its bounds.
    #[error("{0}; nothing was changed")]
    Unsound(String),
    /// There is none of that name.
    #[error("{text}", text = Budget::unknown(.0))]
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
    /// One number cannot become several while it may be in use.
    #[error(
        "the budget {0} has no classes, and gets none while it is there: remove it (`quorate budget remove {0}`) and define it anew; nothing \
         was changed"
    )]
    HasNoClasses(String),
    /// Nor several one.
    #[error(
        "the budget {0} has classes: name them (`--class NAME=N`), or remove it (`quorate budget remove {0}`) and define it anew; nothing was \
         changed"
    )]
    HasClasses(String),
    /// It goes with what defines it.
    #[error(
        "{name} is a class of {of}: define {of} without it, or remove all of {of} (`quorate budget remove {of}`); nothing was changed"
    )]
    IsAClass {
        /// The class.
        name: String,
        /// Its budget.
        of: String,
    },
    /// A grant is of one class.
    #[error("each class has grants of its own; name one of them: {0}; nothing was changed")]
    OfAClass(String),
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
    /// What was ended was the use of another grant than the present one.
    #[error(
        "grant {number} of {budget} is not the one that {holder} has, which is {now}: {why}. Look at `quorate budget show {budget}`; nothing was \
         changed",
        why = why_not(*number, *now)
    )]
    NotThatGrant {
        /// Of which budget.
        budget: String,
        /// As it was asked.
        holder: String,
        /// That one.
        number: u64,
        /// The number of the one that it has.
        now: u64,
    },
    /// Who is up renews, whatever was ended.
    #[error(
        "{host} is up, so its share of {budget} is in use or soon will be. Drain it (`quorate drain {host}`), and others get its share \
         once its application lets go; or stop quorate there; nothing was changed"
    )]
    HolderUp {
        /// Of which budget.
        budget: String,
        /// The holder.
        host: String,
    },
    /// It is away, and was up since.
    #[error(
        "{0} was up since its use was ended, so the same may be in use again: end it once more; nothing was changed"
    )]
    HolderWasUp(String),
    /// Nobody is meant.
    #[error(
        "no host is named `{0}`, and none of that name has a grant; `quorate budget list` shows who has; nothing was changed"
    )]
    UnknownHolder(String),
}
