//! Whether the replicas hold the same: the leader compares the state hash in each answer with its own at the same index.
//!
//! Invariants: a replica whose state differs is told of once, and once more when it is equal again; as many are remembered
//! as there are members. What is to be done about one is the operator's decision.

use crate::sight::Sight;
use crate::told::Event;
use crate::turn::Turn;
use quorate_proto::{Instance, Pong};
use std::collections::BTreeSet;

/// Whose state was found to differ.
#[derive(Debug, Default)]
pub(super) struct StateWatch {
    differs: BTreeSet<Instance>,
}

/// A place in the log and the hash of the state there; 0 when there is no state.
type Place = (u64, u64);

impl StateWatch {
    /// Compares a peer's state with ours. Whether it differs, when that is news.
    fn compare(&mut self, peer: Instance, ours: Place, theirs: Place) -> Option<bool> {
        if theirs.0 != ours.0 || theirs.1 == 0 {
            return None;
        }
        if theirs.1 == ours.1 {
            return self.differs.remove(&peer).then_some(false);
        }
        self.differs.insert(peer).then_some(true)
    }

    /// An answer shows a replica's state.
    pub(super) fn answered(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        pong: &Pong,
    ) {
        let Some(group) = sight.group else { return };
        let ours = (group.meta().applied(), group.meta().state_hash());
        let Some(differs) = self.compare(from, ours, (pong.applied, pong.state_hash)) else {
            return;
        };
        let host = sight.host(from);
        turn.event(Event::State { host, index: pong.applied, differs });
    }

    /// Whose state differs.
    pub(super) fn differing(&self) -> impl Iterator<Item = Instance> + '_ {
        self.differs.iter().copied()
    }

    /// Forgets who is no member any more.
    pub(super) fn retain(&mut self, is_member: impl Fn(Instance) -> bool) {
        self.differs.retain(|instance| is_member(*instance));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_differing_state_is_told_once_for_each_peer_until_it_heals() {
        let [one, other] = [1, 2].map(|life| Instance::from_bytes([life; 16]));
        let mut watch = StateWatch::default();
        assert_eq!(watch.compare(one, (5, 77), (5, 77)), None);
        assert_eq!(watch.compare(one, (5, 77), (5, 78)), Some(true));
        assert_eq!(watch.compare(one, (5, 77), (5, 78)), None);
        assert_eq!(watch.compare(one, (9, 80), (9, 81)), None);
        assert_eq!(watch.compare(other, (9, 80), (9, 81)), Some(true));
        assert_eq!(watch.compare(one, (9, 80), (9, 80)), Some(false));
        assert_eq!(watch.compare(one, (9, 80), (9, 80)), None);
        assert_eq!(watch.compare(one, (9, 80), (9, 81)), Some(true));
        watch.retain(|instance| instance == other);
        assert_eq!(watch.compare(one, (9, 80), (9, 81)), Some(true));
    }

    #[test]
    fn states_at_different_places_and_no_state_are_not_compared() {
        let one = Instance::from_bytes([1; 16]);
        let mut watch = StateWatch::default();
        assert_eq!(watch.compare(one, (5, 77), (4, 78)), None);
        assert_eq!(watch.compare(one, (5, 77), (6, 78)), None);
        assert_eq!(watch.compare(one, (5, 77), (5, 0)), None);
    }
}
