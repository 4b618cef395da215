//! What is asked of what hosts share, as commands: whether it may be done the state judges that all voters apply.
//!
//! One thing only the leader knows: a host that is not counted as up yet may be heard. Its daemon renews what it has, so nothing of it is
//! freed.

use super::{Judged, not_now};
use crate::sight::Sight;
use quorate_proto::{
    CommandBody, DefineAssignment, DefineBudget, FreeGrant, FreeItem, Member, MemberState,
    RemoveAssignment, RemoveBudget, act,
};

/// Judges an act of this kind.
pub(super) fn judge(sight: &Sight<'_>, act: &act::Body) -> Judged {
    if let Some(host) = heard_holder(sight, act) {
        return not_now(format!(
            "{} is not counted as up yet, but it is heard, so what it has may be in use: wait until `quorate members` shows it as alive, then \
             `quorate drain {}`",
            host.name, host.name
        ));
    }
    let command = command(act, sight.wall_ms);
    command.map_or_else(|| Judged::Done(String::new()), Judged::Propose)
}

/// Who has the grant that is to be freed, if this leader hears it though it is not counted as up.
fn heard_holder<'a>(sight: &'a Sight<'_>, act: &act::Body) -> Option<&'a Member> {
    let meta = sight.group?.meta();
    let holder = match act {
        act::Body::FreeGrant(free) => meta.holder_of_grant(&free.budget, free.number),
        act::Body::FreeItem(free) => meta.holder_of_item(&free.assignment, free.number),
        _ => None,
    }?;
    let member = sight.health.member(holder)?;
    let is_heard = member.state() != MemberState::Alive && sight.heard_of_late(holder);
    is_heard.then_some(member)
}

/// None of an act that is about something else.
fn command(act: &act::Body, at_unix_ms: u64) -> Option<CommandBody> {
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
