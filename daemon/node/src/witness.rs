//! A witness that leads for longer than a handover takes, as every node tells it: which voters there are that could lead, and what keeps each
//! from it.
//!
//! Reads, changes nothing. The witness itself knows who it hears and who has the log; others know what is committed, and where to ask. Knows
//! nothing of how leadership is handed over (`duties/reluctant.rs`, `stop.rs`).

use crate::sight::Sight;
use crate::stop;
use crate::warnings::Warnings;
use quorate_proto::{Hindrance, Member, MemberState, Reason, Role, WitnessCause};
use std::time::Duration;

/// A handover is over by then, also one that had to be begun anew a few times.
const LONG: Duration = Duration::from_secs(10);

/// Why a witness leads, where it does for long.
pub(crate) fn reason(sight: &Sight<'_>, warnings: &Warnings) -> Option<Reason> {
    let leader = sight.leadership.leader()?.instance;
    let since = sight.leadership.since();
    let witness = sight.health.member(leader).filter(|member| member.is_witness())?;
    if sight.now.since(since) < LONG {
        return None;
    }
    let members = sight.health.view().members.iter();
    let could = members.filter(|it| it.role() == Role::Voter && !it.is_witness());
    let others = could.map(|it| (it.name.clone(), hindrance(sight, warnings, it))).collect();
    Some(Reason::of(&WitnessCause::Leads { name: witness.name.clone(), others }, since))
}

fn hindrance(sight: &Sight<'_>, warnings: &Warnings, voter: &Member) -> Hindrance {
    if voter.state() != MemberState::Alive {
        return match sight.heard_of_late(voter.instance) {
            true => Hindrance::HeldDown,
            false => Hindrance::Gone,
        };
    }
    if voter.is_drained() {
        return Hindrance::Drained;
    }
    if !warnings.has_working_disk(sight, voter.instance) {
        return Hindrance::Disk;
    }
    match sight.leads() {
        true if !sight.heard_of_late(voter.instance) => Hindrance::Unheard,
        true if !stop::has_caught_up(sight, voter) => Hindrance::Behind,
        _ => Hindrance::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, life};

    #[test]
    fn a_server_that_is_heard_again_is_held_down_and_one_that_is_silent_is_gone() {
        let mut trial = Trial::member_under_2(5);
        trial.hears_leader(2, 5);
        let of = |number: u8| {
            let state = MemberState::Down.into();
            let voter = Member { instance: life(number), state, ..Member::default() };
            hindrance(&trial.node.sight(), &trial.node.warnings, &voter)
        };
        assert_eq!((of(2), of(9)), (Hindrance::HeldDown, Hindrance::Gone));
    }
}
