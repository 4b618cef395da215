//! Why a change of an assignment, or of who holds its items, is not carried out. Knows nothing of the assignments.

use crate::sections::holder::why_not;
use quorate_proto::{Assignment, limits};

/// See the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentRefusal {
    /// It is out of its bounds.
    #[error("{0}; nothing was changed")]
    Unsound(String),
    /// There is none of that name.
    #[error("{text}", text = Assignment::unknown(.0))]
    Unknown(String),
    /// It goes, and some of its items are held yet.
    #[error(
        "the assignment {0} is being removed, and waits for who holds its items; ask again once `quorate assign list` shows it no more"
    )]
    Removing(String),
    /// Its holders go by what they were told.
    #[error(
        "items of {0} may be added behind those that there are, not taken away or renamed, and its ttl cannot change while one is held. Remove it \
         (`quorate assign remove {0}`) and create it anew"
    )]
    Fixed(String),
    /// At the bound.
    #[error("there are as many as there may be: {assignments} assignments", assignments = limits::ASSIGNMENTS)]
    TooMany,
    /// Another change came first.
    #[error("the assignment has changed meanwhile")]
    Overtaken,
    /// The item would have a second holder.
    #[error("item {item} is held by {host} (grant {number}), and was not freed")]
    Taken {
        /// Its name.
        item: String,
        /// Who holds it.
        host: String,
        /// The number of that grant.
        number: u64,
    },
    /// The cluster was founded anew, and its leader has not waited yet.
    #[error("the cluster was founded anew: what was held before must lapse first")]
    Waits,
    /// It has no such item.
    #[error(
        "{assignment} has no item `{item}`; `quorate assign show {assignment}` shows its items"
    )]
    UnknownItem {
        /// Of which assignment.
        assignment: String,
        /// As it was asked.
        item: String,
    },
    /// What was ended was the use of another grant than the present one.
    #[error(
        "item {item} is held by {host} under {now}, not under {number}: {why}; nothing was changed",
        why = why_not(*number, *now)
    )]
    NotThatGrant {
        /// Its name.
        item: String,
        /// That one.
        number: u64,
        /// Who holds it.
        host: String,
        /// The number of that grant.
        now: u64,
    },
    /// Who is up renews, whatever was ended.
    #[error(
        "{host} is up, so item {item} is in use there. Drain it (`quorate drain {host}`), and another host gets the item once it was let go; \
         or stop quorate there; nothing was changed"
    )]
    HolderUp {
        /// Its name.
        item: String,
        /// The holder.
        host: String,
    },
    /// It is away, and was up since.
    #[error(
        "{0} was up since its use was ended, so the same may be in use again: end it once more; nothing was changed"
    )]
    HolderWasUp(String),
}
