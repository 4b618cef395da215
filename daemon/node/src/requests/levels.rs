//! Commands that need a higher feature level than the first: none is proposed above the committed one. A write with an id of its client is
//! done at a level that remembers ids, or not at all: whoever gives one relies on it.
//!
//! Invariant: no admission and no raise of the level are under way at the same time, for each is judged by what the other changes.

use crate::requests::first_answers::is_clients;
use crate::requests::{Origin, RETRY, Requests, Ways, Work};
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{CommandBody, FeatureLevel, NamedWrite, RefusalCode};

/// A command that is not proposed.
#[derive(Debug)]
pub(crate) struct HeldBack {
    pub(crate) ticket: u64,
    /// Whose it is; none: a duty's.
    pub(crate) request: Option<u64>,
    pub(crate) needs: FeatureLevel,
}

impl Requests {
    /// A command is queued.
    pub(super) fn note_level(&mut self, ticket: u64, body: &CommandBody) {
        if let CommandBody::RaiseLevel(raise) = body {
            self.serving.raise = Some(FeatureLevel::new(raise.level));
        }
        let needs = body.least_level();
        if needs > FeatureLevel::BASE {
            self.serving.demanding.push((ticket, needs));
        }
    }

    /// Whether a command is queued that needs more than the first level.
    pub(crate) fn is_demanding(&self) -> bool {
        !self.serving.demanding.is_empty()
    }

    /// Takes out of the queue what needs more than this level; the rest stays.
    pub(crate) fn take_above(&mut self, level: FeatureLevel) -> Vec<HeldBack> {
        let serving = &mut self.serving;
        let demanding = std::mem::take(&mut serving.demanding);
        let above = demanding.into_iter().filter(|(_, needs)| *needs > level);
        above
            .map(|(ticket, needs)| {
                serving.batch.retain(|(queued, _)| *queued != ticket);
                HeldBack { ticket, request: serving.proposed.remove(&ticket), needs }
            })
            .collect()
    }

    /// Whether a write must wait until it is known whether its client's id counts, or was refused, as the cluster is below that level.
    pub(super) fn is_held_up_by_its_id(
        &mut self,
        ways: &Ways<'_>,
        turn: &mut Turn,
        id: u64,
    ) -> bool {
        let sight = &ways.sight;
        let Some(request) = self.table.get_mut(&id) else { return false };
        let clients = request.name.as_ref().is_some_and(is_clients);
        if request.once || !clients || !matches!(request.origin, Origin::Client(_)) {
            return false;
        }
        let needed = NamedWrite::LEVEL;
        request.once = names_count(sight);
        // A leader whose disk is full raises nothing, and says why nothing is done.
        if request.once || (sight.leads() && sight.disk.is_full()) {
            return false;
        }
        // What a replica has read back of its log may be of long ago: the leader's word counts, or the own state of one that leads.
        let level = match sight.leads() {
            true => sight.level().filter(|_| self.is_settled(sight.own_term())),
            false => sight.features.told(),
        };
        match level {
            None => turn.timers.arm_if_idle(Timer::Retry, turn.now + RETRY),
            Some(level) => {
                let text = format!(
                    "ids of writes count from feature level {needed} on; the cluster runs {level}, and nothing was done. Ask without an id, or see \
                     `quorate feature`"
                );
                self.refuse(sight, turn, id, RefusalCode::Level, &text);
            }
        }
        true
    }

    /// Whether a raise is proposed and not applied, in a state that is at this level.
    pub(crate) fn is_raising(&self, level: FeatureLevel) -> bool {
        self.serving.raise.is_some_and(|to| to > level)
    }

    /// Whether somebody is to be let in by what is proposed and not applied.
    pub(crate) fn is_admitting(&self) -> bool {
        let mut waiting = self.serving.proposed.values().filter_map(|id| self.table.get(id));
        waiting.any(|request| matches!(request.work, Work::Admit(_)))
    }
}

/// Whether the names of writes count: a level never falls, so whoever has heard of it here may be relied on.
pub(super) fn names_count(sight: &Sight<'_>) -> bool {
    sight.level().max(sight.features.told()) >= Some(NamedWrite::LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::Request;
    use crate::trial::{life, put_request};
    use quorate_proto::{Admit, Moment, RaiseLevel};

    fn asked(requests: &mut Requests, work: Work) -> u64 {
        requests.add(Request::new(Origin::Client(1), work, Moment::from_micros(9)))
    }

    #[test]
    fn what_needs_a_higher_level_is_taken_out_of_the_queue_and_the_rest_stays() {
        let mut requests = Requests::new(life(1), 1);
        let [low, high] = [0, 1].map(|_| {
            let id = asked(&mut requests, Work::Write(put_request("a")));
            requests.propose_for(id, CommandBody::Kv(put_request("a")));
            id
        });
        let ticket = requests.serving.batch[1].0;
        let needs = FeatureLevel::new(2);
        requests.serving.demanding.push((ticket, needs));
        assert!(requests.is_demanding());
        let held = requests.take_above(FeatureLevel::BASE);
        let held: Vec<_> = held.iter().map(|it| (it.ticket, it.request, it.needs)).collect();
        assert_eq!(held, [(ticket, Some(high), needs)]);
        assert_eq!(requests.serving.batch.len(), 1);
        assert_eq!(requests.serving.proposed.values().copied().collect::<Vec<_>>(), [low]);
        let ticket = requests.serving.batch[0].0;
        requests.serving.demanding.push((ticket, needs));
        assert!(requests.take_above(needs).is_empty());
        assert_eq!(requests.serving.batch.len(), 1, "it may be proposed");
    }

    #[test]
    fn a_raise_is_under_way_until_the_state_is_there_or_the_leadership_ends() {
        let mut requests = Requests::new(life(1), 1);
        let raise = RaiseLevel { level: 2, at_unix_ms: 0 };
        requests.enqueue_proposal(1, CommandBody::RaiseLevel(raise));
        assert!(!requests.is_demanding(), "whoever proposes it has made sure");
        assert!(
            requests.is_raising(FeatureLevel::BASE) && !requests.is_raising(FeatureLevel::new(2))
        );
        requests.stop_serving(false);
        assert!(!requests.is_raising(FeatureLevel::BASE));
    }

    #[test]
    fn an_admission_is_under_way_from_its_proposal_to_its_end() {
        let mut requests = Requests::new(life(1), 1);
        let admit = Admit { instance: life(9), ..Admit::default() };
        let id = asked(&mut requests, Work::Admit(Box::new(admit.clone())));
        assert!(!requests.is_admitting());
        requests.propose_for(id, CommandBody::Admit(admit));
        assert!(requests.is_admitting());
        requests.remove(id);
        assert!(!requests.is_admitting());
    }
}
