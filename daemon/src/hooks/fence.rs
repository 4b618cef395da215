//! Which grant a fence is run for, and when: grants of hosts that are down in, the next one to fence out.
//!
//! What stays true: one at a time; a grant that is in the way no more is fenced no more; one whose fence succeeded and that was freed is not
//! fenced again; one that was not is tried again, later each time, for as long as it is in the way. Pure: time is an argument.

use super::schedule::Retry;
use quorate_proto::Moment;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What a fence guards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guarded {
    Budget(String),
    Assignment(String),
}

impl Guarded {
    /// The two words by which a fence is told.
    pub(super) fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Budget(name) => ("budget", name),
            Self::Assignment(name) => ("assignment", name),
        }
    }
}

impl fmt::Display for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.words();
        write!(f, "{kind} {name}")
    }
}

/// A grant of a host that is down, without which this host or another would have more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct InTheWay {
    /// `budget` or `assignment`, ...
    pub(super) kind: &'static str,
    /// ... and which.
    pub(super) name: String,
    pub(super) host: String,
    pub(super) instance: String,
    /// The epoch since when its host is down.
    pub(super) since_epoch: u64,
    /// Where other nodes reached it; null where nobody knows.
    pub(super) address: Option<String>,
    pub(super) number: u64,
    /// Of a budget: so much of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<u64>,
    /// Of an assignment: which item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<String>,
    /// There is no quorum, and this host is to use all of the budget alone: in which round of fences. Then it is cut off until it has a quorum
    /// again, whatever number it goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alone: Option<Round>,
}

/// What a host asks for that is to use a budget alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Round {
    /// By its number; another one is another fence.
    pub(super) round: u64,
    /// The hook that is to do it.
    pub(super) fence: String,
}

impl InTheWay {
    pub(super) fn is_of(&self, guarded: &Guarded) -> bool {
        (self.kind, self.name.as_str()) == guarded.words()
    }

    /// Whether this hook is the one for it: without a quorum it is the one that the budget names.
    pub(super) fn is_for(&self, hook: &str) -> bool {
        self.alone.as_ref().is_none_or(|round| round.fence == hook)
    }
}

impl fmt::Display for InTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.item {
            None if self.alone.is_some() => write!(f, "{}, without a quorum", self.host),
            Some(item) => write!(f, "{} with {item}, grant {}", self.host, self.number),
            None => write!(f, "{}, grant {}", self.host, self.number),
        }
    }
}

/// When one is fenced next.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Moment,
    failures: u32,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Queue {
    /// For so long one must be in the way.
    silence: Duration,
    retry: Retry,
    due: BTreeMap<InTheWay, Due>,
    running: Option<InTheWay>,
    freed: BTreeSet<InTheWay>,
}

impl Queue {
    pub(super) fn new(silence: Duration, retry: Retry) -> Self {
        let (due, freed) = (BTreeMap::new(), BTreeSet::new());
        Self { silence, retry, due, running: None, freed }
    }

    /// This is all that is in the way now.
    pub(super) fn see(&mut self, now: Moment, all: &BTreeSet<InTheWay>) {
        self.freed.retain(|one| all.contains(one));
        self.due.retain(|one, _| all.contains(one));
        for one in all.difference(&self.freed) {
            let due = Due { at: now + self.silence, failures: 0 };
            self.due.entry(one.clone()).or_insert(due);
        }
    }

    /// When the next one is fenced; none while one is.
    pub(super) fn next(&self) -> Option<Moment> {
        self.due.values().map(|due| due.at).min().filter(|_| self.running.is_none())
    }

    /// The next one is fenced now.
    pub(super) fn begin(&mut self) -> Option<InTheWay> {
        let next = self.due.iter().min_by_key(|(_, due)| due.at).map(|(one, _)| one.clone());
        self.running.clone_from(&next);
        next
    }

    /// The one that was fenced is freed; or something failed.
    pub(super) fn end(&mut self, now: Moment, freed: bool) {
        let Some(one) = self.running.take() else { return };
        if freed {
            self.due.remove(&one);
            self.freed.insert(one);
        } else if let Some(due) = self.due.get_mut(&one) {
            due.failures = due.failures.saturating_add(1);
            due.at = now + self.retry.after(due.failures);
        }
    }

    /// The one that is being fenced.
    pub(super) fn running(&self) -> Option<&InTheWay> {
        self.running.as_ref()
    }

    /// Of those that are in the way, the one that failed most often, and how often.
    pub(super) fn failing(&self) -> Option<(&InTheWay, u32)> {
        let failed = self.due.iter().filter(|(_, due)| due.failures > 0);
        failed.max_by_key(|(_, due)| due.failures).map(|(one, due)| (one, due.failures))
    }

    /// One that is in the way and waits for its time.
    pub(super) fn waiting(&self) -> Option<&InTheWay> {
        self.due.keys().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_millis(500);

    fn at(ms: u64) -> Moment {
        Moment::from_micros(9_000_000) + Duration::from_millis(ms)
    }

    fn one(host: &str, number: u64) -> InTheWay {
        InTheWay {
            kind: "budget",
            name: "pg".to_owned(),
            host: host.to_owned(),
            instance: format!("life of {host}"),
            since_epoch: 5,
            address: None,
            number,
            amount: Some(10),
            item: None,
            alone: None,
        }
    }

    fn all(of: &[InTheWay]) -> BTreeSet<InTheWay> {
        of.iter().cloned().collect()
    }

    fn queue() -> Queue {
        let retry = Retry { first: Duration::from_secs(1), most: Duration::from_secs(4) };
        Queue::new(SILENCE, retry)
    }

    #[test]
    fn what_is_in_the_way_for_a_moment_only_is_not_fenced() {
        let mut queue = queue();
        assert_eq!(queue.next(), None, "nothing is in the way at first");
        queue.see(at(0), &all(&[one("a", 7)]));
        assert_eq!(queue.next(), Some(at(500)));
        queue.see(at(300), &all(&[]));
        assert_eq!(queue.next(), None, "it is back, or has lapsed");
        queue.see(at(400), &all(&[one("a", 7)]));
        assert_eq!(queue.next(), Some(at(900)), "it counts anew");
        queue.see(at(700), &all(&[one("a", 8)]));
        assert_eq!(queue.next(), Some(at(1_200)), "another grant is another one");
    }

    #[test]
    fn one_is_fenced_at_a_time_and_what_was_freed_not_again() {
        let mut queue = queue();
        let both = all(&[one("a", 7), one("b", 8)]);
        queue.see(at(0), &both);
        let first = queue.begin().expect("one is due");
        assert_eq!(queue.next(), None, "one at a time");
        queue.see(at(600), &both);
        queue.end(at(900), true);
        queue.see(at(900), &both);
        let second = queue.begin().expect("the other one is due");
        assert_ne!(first, second);
        queue.end(at(950), true);
        queue.see(at(950), &both);
        assert_eq!(queue.next(), None, "both are freed, though they are shown yet");
    }

    #[test]
    fn without_a_quorum_the_named_hook_alone_fences_and_anew_in_each_round() {
        let lone = |round| {
            let alone = Some(Round { round, fence: "cut".to_owned() });
            InTheWay { alone, ..one("a", 7) }
        };
        assert!(lone(1).is_for("cut") && !lone(1).is_for("stop") && one("a", 7).is_for("stop"));
        let mut queue = queue();
        queue.see(at(0), &all(&[lone(1)]));
        queue.begin().expect("it is due");
        queue.end(at(900), true);
        queue.see(at(900), &all(&[lone(1)]));
        assert_eq!(queue.next(), None, "it is done");
        queue.see(at(1_000), &all(&[lone(2)]));
        assert_eq!(queue.next(), Some(at(1_500)), "its host was heard in between");
    }

    #[test]
    fn one_that_fails_is_fenced_again_later_each_time_while_it_is_in_the_way() {
        let mut queue = queue();
        queue.see(at(0), &all(&[one("a", 7)]));
        for (now, next) in [(500, 1_500), (1_500, 3_500), (3_500, 7_500), (7_500, 11_500)] {
            queue.begin().expect("it is due");
            queue.end(at(now), false);
            assert_eq!(queue.next(), Some(at(next)));
        }
        assert_eq!(queue.failing().map(|(_, failures)| failures), Some(4));
        queue.begin().expect("it is due");
        queue.see(at(11_600), &all(&[]));
        queue.end(at(11_700), false);
        assert_eq!((queue.next(), queue.failing()), (None, None), "its host is back");
    }
}
