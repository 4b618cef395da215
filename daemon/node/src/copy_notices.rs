//! How every node hears of a copy of the log that is not what it should be: the leader says so on its pings, in numbers, and
//! each node says the same words to its operator. A node that is cut off from the leader hears it from the voter in between.
//!
//! Invariants: only the leader that this node believes is heard; what it no longer says is over; each fault is an event
//! once. Who finds a fault, and how, is in `copies.rs` and `state_watch.rs`.

use crate::event::Output;
use crate::local_health::Leader;
use crate::node::Node;
use crate::status::Reason;
use quorate_proto::{CopyFault, CopyNotice, Moment, limits};

/// What the leader said last.
#[derive(Debug, Default)]
pub(crate) struct CopyNotices {
    by: Option<Leader>,
    notices: Vec<CopyNotice>,
    since: Moment,
}

impl Node {
    /// The leader says which copies are faulty, also to itself; mostly none.
    pub(crate) fn copies_told(&mut self, mut notices: Vec<CopyNotice>, out: &mut Vec<Output>) {
        notices.truncate(limits::COPY_NOTICES);
        let told = &self.copy_notices;
        if told.by == self.health.leader && told.notices == notices {
            return;
        }
        let before = std::mem::take(&mut self.copy_notices.notices);
        self.copy_notices = CopyNotices { by: self.health.leader, notices, since: self.now };
        let same = |one: &CopyNotice, other: &CopyNotice| {
            (one.instance, one.fault) == (other.instance, other.fault)
        };
        let fresh = self.copy_notices.notices.iter();
        let fresh = fresh.filter(|notice| !before.iter().any(|one| same(one, notice)));
        let texts: Vec<String> = fresh.filter_map(|notice| Some(self.words(notice)?.1)).collect();
        for text in texts {
            self.event("alarm", text, true, out);
        }
    }

    /// The code, the words and the remedy for a faulty copy.
    fn words(&self, notice: &CopyNotice) -> Option<(&'static str, String, String)> {
        let name = self.health.name(notice.instance);
        let CopyNotice { entry, end, .. } = notice;
        let words = match CopyFault::try_from(notice.fault).ok()? {
            CopyFault::Unknown => return None,
            CopyFault::Lost => (
                "copy-lost",
                format!(
                    "{name} acknowledged entry {entry} and its log ends at {end}: its disk went back, and nothing more is sent to it before it is mended"
                ),
                format!(
                    "on {name}: journalctl -u quorate; where quorate has ended there because of this, do what it says"
                ),
            ),
            CopyFault::StandsStill => {
                let behind = if *end == 0 { String::new() } else { format!(" behind {end}") };
                (
                    "copy-stands-still",
                    format!(
                        "{name} answers pings but acknowledges no entry{behind}: its copy of the log does not count"
                    ),
                    format!(
                        "on {name}: quorate why; journalctl -u quorate; is its disk slow or full?"
                    ),
                )
            }
            CopyFault::Contradicts => (
                "copy-contradicts",
                format!(
                    "{name} has something else committed at entry {entry} than the leader: the log of one of the two is damaged, \
                     and the copy of {name} does not count"
                ),
                KEEP_ALL.to_owned(),
            ),
            CopyFault::StateDiffers => (
                "copy-state-differs",
                format!("the state of {name} is not the leader's at the same entry"),
                KEEP_ALL.to_owned(),
            ),
        };
        Some(words)
    }

    /// As the leader finds them, or said last.
    pub(crate) fn copies_known(&self) -> Vec<CopyNotice> {
        if self.leads() {
            self.copy_faults()
        } else if self.copy_notices.by == self.health.leader {
            self.copy_notices.notices.clone()
        } else {
            Vec::new()
        }
    }

    /// Copies that do not count, for `quorate why`.
    pub(crate) fn copy_reasons(&self, now: Moment) -> Vec<Reason> {
        let notices = self.copies_known();
        let since = if self.leads() { now } else { self.copy_notices.since };
        let own = self.followed().map_or(0, |leader| self.contradiction_of(leader));
        let own = (own > 0).then(|| CopyNotice {
            instance: self.config.instance,
            fault: CopyFault::Contradicts.into(),
            entry: own,
            end: 0,
        });
        let own = own.filter(|own| !notices.iter().any(|one| one.instance == own.instance));
        let all = notices.iter().chain(&own).filter_map(|notice| {
            let (code, text, remedy) = self.words(notice)?;
            let subject = Some(self.health.name(notice.instance));
            Some(Reason { code, subject, text, remedy, since })
        });
        all.collect()
    }
}

/// Nothing says which of two is damaged.
const KEEP_ALL: &str = "compare the state hash in `quorate status` on all voters; keep the data of all of them until it is known \
                        which is damaged";
