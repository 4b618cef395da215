//! What is asked of what hosts share, as commands: whether it may be done the state judges that all voters apply.

use quorate_proto::{
    CommandBody, DefineAssignment, DefineBudget, FreeGrant, FreeItem, RemoveAssignment,
    RemoveBudget, act,
};

/// None of an act that is about something else.
pub(super) fn command(act: &act::Body, at_unix_ms: u64) -> Option<CommandBody> {
    Some(match act {
        act::Body::SetBudget(set) => {
            let budget = set.budget.clone();
            CommandBody::DefineBudget(DefineBudget { budget, at_unix_ms })
        }
        act::Body::OfferBudget(set) => {
            let budget = set.budget.clone();
            CommandBody::OfferBudget(DefineBudget { budget, at_unix_ms })
        }
        act::Body::DropBudget(drop) => {
            let name = drop.name.clone();
            CommandBody::RemoveBudget(RemoveBudget { name, at_unix_ms })
        }
        act::Body::SetAssignment(set) => {
            let assignment = set.assignment.clone();
            CommandBody::DefineAssignment(DefineAssignment { assignment, at_unix_ms })
        }
        act::Body::OfferAssignment(set) => {
            let assignment = set.assignment.clone();
            CommandBody::OfferAssignment(DefineAssignment { assignment, at_unix_ms })
        }
        act::Body::DropAssignment(drop) => {
            let name = drop.name.clone();
            CommandBody::RemoveAssignment(RemoveAssignment { name, at_unix_ms })
        }
        act::Body::FreeGrant(free) => {
            CommandBody::FreeGrant(FreeGrant { at_unix_ms, ..free.clone() })
        }
        act::Body::FreeItem(free) => CommandBody::FreeItem(FreeItem { at_unix_ms, ..free.clone() }),
        _ => return None,
    })
}
