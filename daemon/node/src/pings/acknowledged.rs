//! What each member has acknowledged to this leader of something that only grows: a number that rides on pings.
//!
//! Invariants: no acknowledgement goes beyond what is committed here, and none is of a ping that was not sent. A later answer may say less
//! than an earlier one: its sender was started again. Knows nothing of what is counted.

use crate::pings::rider::Answer;
use quorate_proto::Instance;
use std::collections::BTreeMap;

/// The newest answer of each member, by the number of its ping, and what it acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged<T>(BTreeMap<Instance, (u64, T)>);

impl<T: Copy + Default + Ord> Acknowledged<T> {
    /// What a member has acknowledged.
    pub(crate) fn by(&self, member: Instance) -> T {
        self.0.get(&member).map_or_else(T::default, |(_, has)| *has)
    }

    /// A member answers this leader that it has so much, of what is committed here. Beyond that, or of a ping that was not sent, it is
    /// nonsense and counts as none, and so does an answer that a later one has overtaken.
    pub(crate) fn note(&mut self, answer: &Answer, has: T, committed: T) {
        let (number, entry) = (answer.pong.number, self.0.entry(answer.from).or_default());
        if has <= committed && (entry.0..=answer.newest).contains(&number) {
            *entry = (number, has);
        }
    }

    /// A member's acknowledgement came through another. Its own next answer says it anew.
    pub(crate) fn raise(&mut self, member: Instance, has: T) {
        let entry = self.0.entry(member).or_default();
        entry.1 = entry.1.max(has);
    }

    /// A new leader knows of none.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.0.retain(|member, _| is_member(*member));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::life;
    use quorate_proto::Pong;

    /// What a leader holds of a member after these answers, each with its number and what it has; 5 pings were sent, 1 is committed.
    fn acknowledged(answers: &[(u64, u64)]) -> u64 {
        let mut acknowledged = Acknowledged::default();
        for (number, has) in answers.iter().copied() {
            let pong = Pong { number, ..Pong::default() };
            acknowledged.note(&Answer { from: life(2), pong, took: None, newest: 5 }, has, 1);
        }
        acknowledged.by(life(2))
    }

    #[test]
    fn an_acknowledgement_counts_unless_it_is_overtaken_or_made_up() {
        assert_eq!(acknowledged(&[(3, 1)]), 1);
        assert_eq!(acknowledged(&[(3, 1), (4, 0)]), 0, "it was started again");
        assert_eq!(acknowledged(&[(4, 1), (3, 0)]), 1, "overtaken");
        assert_eq!(acknowledged(&[(6, 1)]), 0, "of a ping that was not sent");
        assert_eq!(acknowledged(&[(3, u64::MAX)]), 0, "beyond what is committed");
    }
}
