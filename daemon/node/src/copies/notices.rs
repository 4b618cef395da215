//! How every node hears of a copy of the log that is not what it should be: the leader says so on its pings, in numbers, and
//! each node says the same words to its operator. A node that is cut off from the leader hears it from the voter in between.
//!
//! Invariants: only the leader that this node believes is heard; what it no longer says is over; each fault is an event
//! once. Who finds a fault, and how, is in `mod.rs` and `state_watch.rs`.

use crate::leadership::Leader;
use crate::sight::Sight;
use crate::told::Event;
use crate::turn::Turn;
use quorate_proto::{CopyCause, CopyFault, CopyNotice, Moment, limits};

/// What the leader said last.
#[derive(Debug, Default)]
pub(super) struct CopyNotices {
    by: Option<Leader>,
    notices: Vec<CopyNotice>,
    since: Moment,
}

impl CopyNotices {
    /// The leader says which copies are faulty; mostly none.
    pub(super) fn heard(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        mut notices: Vec<CopyNotice>,
    ) {
        notices.truncate(limits::COPY_NOTICES);
        let by = sight.leadership.leader();
        if self.by == by && self.notices == notices {
            return;
        }
        let same = |one: &CopyNotice, other: &CopyNotice| {
            (one.instance, one.fault) == (other.instance, other.fault)
        };
        let before = std::mem::take(&mut self.notices);
        let fresh = notices.iter().filter(|notice| !before.iter().any(|one| same(one, notice)));
        for cause in fresh.filter_map(|notice| cause(sight, notice)) {
            turn.event(Event::Copy(cause));
        }
        *self = Self { by, notices, since: turn.now };
    }

    /// What the leader that this node knows said last.
    pub(super) fn of_leader(&self, sight: &Sight<'_>) -> &[CopyNotice] {
        if self.by == sight.leadership.leader() { &self.notices } else { &[] }
    }

    /// Since when it says so.
    pub(super) fn since(&self) -> Moment {
        self.since
    }
}

/// What a notice says, for people.
pub(super) fn cause(sight: &Sight<'_>, notice: &CopyNotice) -> Option<CopyCause> {
    let name = sight.health.name(notice.instance);
    let CopyNotice { entry, end, .. } = *notice;
    Some(match CopyFault::try_from(notice.fault).ok()? {
        CopyFault::Unknown => return None,
        CopyFault::Lost => CopyCause::Lost { name, entry, end },
        CopyFault::StandsStill => CopyCause::StandsStill { name, end },
        CopyFault::Contradicts => CopyCause::Contradicts { name, entry },
        CopyFault::StateDiffers => CopyCause::StateDiffers { name },
    })
}
