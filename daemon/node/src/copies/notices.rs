//! How every node hears of a copy of the log that is not what it should be: the leader says so on its pings, in numbers, and
//! each node says the same words to its operator. A node that is cut off from the leader hears it from the voter in between.
//!
//! Invariants: only the leader that this node believes is heard; what it no longer says is over; each fault is an event
//! once. Who finds a fault, and how, is in `copies.rs` and `state_watch.rs`.

use crate::leadership::Leader;
use crate::node::Node;
use crate::told::Event;
use quorate_proto::{CopyCause, CopyFault, CopyNotice, Moment, Reason, limits};

/// What the leader said last.
#[derive(Debug, Default)]
pub(crate) struct CopyNotices {
    by: Option<Leader>,
    notices: Vec<CopyNotice>,
    since: Moment,
}

impl Node {
    /// The leader says which copies are faulty, also to itself; mostly none.
    pub(crate) fn copies_told(&mut self, mut notices: Vec<CopyNotice>) {
        notices.truncate(limits::COPY_NOTICES);
        let told = &self.copy_notices;
        if told.by == self.leadership.leader() && told.notices == notices {
            return;
        }
        let before = std::mem::take(&mut self.copy_notices.notices);
        self.copy_notices =
            CopyNotices { by: self.leadership.leader(), notices, since: self.turn.now };
        let same = |one: &CopyNotice, other: &CopyNotice| {
            (one.instance, one.fault) == (other.instance, other.fault)
        };
        let fresh = self.copy_notices.notices.iter();
        let fresh = fresh.filter(|notice| !before.iter().any(|one| same(one, notice)));
        let causes: Vec<CopyCause> = fresh.filter_map(|notice| self.cause(notice)).collect();
        causes.into_iter().for_each(|cause| self.turn.event(Event::Copy(cause)));
    }

    fn cause(&self, notice: &CopyNotice) -> Option<CopyCause> {
        let name = self.health.name(notice.instance);
        let CopyNotice { entry, end, .. } = *notice;
        Some(match CopyFault::try_from(notice.fault).ok()? {
            CopyFault::Unknown => return None,
            CopyFault::Lost => CopyCause::Lost { name, entry, end },
            CopyFault::StandsStill => CopyCause::StandsStill { name, end },
            CopyFault::Contradicts => CopyCause::Contradicts { name, entry },
            CopyFault::StateDiffers => CopyCause::StateDiffers { name },
        })
    }

    /// As the leader finds them, or said last.
    pub(crate) fn copies_known(&self) -> Vec<CopyNotice> {
        if self.sight().leads() {
            self.copy_faults()
        } else if self.copy_notices.by == self.leadership.leader() {
            self.copy_notices.notices.clone()
        } else {
            Vec::new()
        }
    }

    /// Copies that do not count, for `quorate why`.
    pub(crate) fn copy_reasons(&self, now: Moment) -> Vec<Reason> {
        let notices = self.copies_known();
        let since = if self.sight().leads() { now } else { self.copy_notices.since };
        let own = self.sight().followed().map_or(0, |leader| self.contradiction_of(leader));
        let own = (own > 0).then(|| CopyNotice {
            instance: self.config.instance,
            fault: CopyFault::Contradicts.into(),
            entry: own,
            end: 0,
        });
        let own = own.filter(|own| !notices.iter().any(|one| one.instance == own.instance));
        let causes = notices.iter().chain(&own).filter_map(|notice| self.cause(notice));
        causes.map(|cause| Reason::of(&cause, since)).collect()
    }
}
