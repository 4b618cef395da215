//! Local waits until every live node has an epoch.
//!
//! Only a leader knows who has which epoch, and a wait may last for an hour. So a node asks the leader for one of its waits
//! at a time, the lowest, whose answer comes first; the answer ends all that it covers. However many clients wait at a node, they take one of the
//! leader's places. Knows nothing of how a leader counts.

use super::{Origin, Requests, Stage, Ways, Work};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{Waited, forward_answer};

impl Requests {
    /// Asks for the lowest wait, unless it is asked; one that was asked before it came is taken back.
    pub(super) fn ask_lowest_wait(&mut self, ways: &Ways<'_>, turn: &mut Turn) {
        let Some(lowest) = self.lowest_wait() else { return };
        if let Some(other) = self.asked_wait().filter(|id| *id != lowest) {
            self.set_stage(other, Stage::Waiting { tried: None });
        }
        let waits = self.table.get(&lowest);
        if waits.is_some_and(|request| matches!(request.stage, Stage::Waiting { .. })) {
            self.asked_wait = Some(lowest);
            self.forward(ways, turn, lowest);
        }
    }

    /// The leader says, asked for one wait, that all live nodes have this epoch.
    pub(super) fn all_have(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        asked: u64,
        waited: Waited,
    ) {
        for id in self.waits_until(waited.epoch) {
            self.finish_with(sight, turn, id, forward_answer::Outcome::Waited(waited));
        }
        // That of another node, for which this one asked: it is none of the local ones.
        let stands = self.table.get(&asked);
        if stands.is_some_and(|request| matches!(request.stage, Stage::Forwarded { .. })) {
            self.finish_with(sight, turn, asked, forward_answer::Outcome::Waited(waited));
        }
    }

    /// The leader counts who is alive, and may not count the node that was asked: that one waits for the epoch itself, too.
    pub(super) fn waits_here_too(&mut self, sight: &Sight<'_>, id: u64) -> bool {
        let here = sight.health.view().epoch;
        let Some(request) = self.table.get(&id) else { return false };
        match (request.origin, &request.work) {
            (Origin::Client(_), Work::WaitAll(epoch)) if *epoch > here => {
                self.wait_here(id);
                true
            }
            _ => false,
        }
    }

    /// Answers a wait with the newest epoch that qualifies.
    pub(super) fn finish_wait(&mut self, ways: &Ways<'_>, turn: &mut Turn, id: u64) {
        let Some(request) = self.table.get(&id) else { return };
        let epoch = match request.work {
            Work::WaitHere(_) => ways.sight.health.view().epoch,
            _ => ways.acknowledged_by_all(),
        };
        self.finish_with(&ways.sight, turn, id, forward_answer::Outcome::Waited(Waited { epoch }));
    }
}

#[cfg(test)]
mod tests {
    use crate::client::{ClientReply, ClientRequest};
    use crate::event::{Input, Output};
    use crate::requests::request::LOCAL_WAITS;
    use crate::trial::{PATIENCE, Trial, forwards, life, reply, withdrawn};
    use quorate_proto::{
        ForwardAnswer, ForwardRequest, HealthEpoch, ReasonCode, RefusalCode, WaitEpoch, Waited,
        forward_answer, forward_request,
    };

    /// Tickets of waits are apart from those of the trial's own clients.
    const WAITS: u64 = 1 << 20;

    fn waits(trial: &Trial, number: u64, epoch: u64) -> Input {
        let epoch = HealthEpoch::new(epoch);
        let request = ClientRequest::WaitEpoch { epoch, all_live: true };
        Input::Client { ticket: WAITS + number, deadline: trial.now + PATIENCE, request }
    }

    fn waited(ticket: u64, epoch: u64) -> Input {
        let waited = Waited { epoch: HealthEpoch::new(epoch) };
        let outcome = Some(forward_answer::Outcome::Waited(waited));
        Input::ForwardAnswered { ticket, answer: Ok(ForwardAnswer { outcome }) }
    }

    /// The one ask among these, and the epoch that is asked for.
    fn ask(out: &[Output]) -> (u64, u64) {
        match forwards(out)[..] {
            [(_, ticket, ForwardRequest { body: Some(forward_request::Body::Wait(wait)), .. })] => {
                (ticket, wait.epoch.get())
            }
            _ => panic!("one ask, of {out:?}"),
        }
    }

    fn bound(trial: &Trial, word: &str) -> (u64, u64) {
        let status = trial.node.status(trial.now);
        let bound = status.bounds.iter().find(|bound| bound.word == word).expect("a bound");
        (bound.used, bound.refused)
    }

    #[test]
    fn of_many_waits_the_leader_is_asked_for_the_lowest_alone_and_its_answer_ends_all_it_covers() {
        let mut trial = Trial::member_under_2(5);
        let many: Vec<Input> = (0..300).map(|number| waits(&trial, number, 10)).collect();
        let (first, epoch) = ask(&trial.turn(many));
        assert_eq!(epoch, 10);
        let lower = [waits(&trial, 300, 1)];
        let out = trial.turn(lower);
        assert_eq!(withdrawn(&out), [first]);
        let (second, epoch) = ask(&out);
        assert_eq!(epoch, 1);
        let out = trial.turn([waited(second, 1)]);
        assert_eq!(reply(&out, WAITS + 300), Some(&ClientReply::Epoch(HealthEpoch::new(1))));
        assert_eq!(reply(&out, WAITS), None);
        let (third, epoch) = ask(&out);
        assert_eq!(epoch, 10, "the next lowest is asked at once");
        // All have epoch 10, this node has not heard of it yet: its clients wait for that.
        let out = trial.turn([waited(third, 10)]);
        assert!(forwards(&out).is_empty() && reply(&out, WAITS).is_none());
        assert_eq!(bound(&trial, "waits"), (300, 0));
    }

    #[test]
    fn a_wait_whose_client_has_gone_holds_no_place_here_nor_at_the_leader() {
        let mut trial = Trial::member_under_2(5);
        let two = [waits(&trial, 0, 7), waits(&trial, 1, 9)];
        let (first, _) = ask(&trial.turn(two));
        let out = trial.turn([Input::ClientGone { ticket: WAITS }]);
        assert_eq!(withdrawn(&out), [first]);
        let (second, epoch) = ask(&out);
        assert_eq!((epoch, bound(&trial, "waits")), (9, (1, 0)));
        let out = trial.turn([Input::ClientGone { ticket: WAITS + 1 }]);
        assert_eq!((withdrawn(&out), bound(&trial, "waits")), (vec![second], (0, 0)));
        assert!(forwards(&out).is_empty());
    }

    #[test]
    fn waits_at_their_bound_are_refused_as_busy_and_take_no_place_of_a_write() {
        let mut trial = Trial::member_under_2(5);
        let all: Vec<Input> =
            (0..=LOCAL_WAITS as u64).map(|number| waits(&trial, number, 10)).collect();
        let out = trial.turn(all);
        let Some(ClientReply::Refused(refusal)) = reply(&out, WAITS + LOCAL_WAITS as u64) else {
            panic!("the last one is refused")
        };
        assert_eq!(refusal.code(), RefusalCode::Busy);
        assert_eq!(bound(&trial, "waits"), (LOCAL_WAITS as u64, 1));
        let named = |trial: &Trial| {
            let reasons = trial.node.status(trial.now).reasons;
            reasons.iter().any(|it| it.code == ReasonCode::Bound && it.text.contains("1024 waits"))
        };
        assert!(named(&trial), "an operator is told");
        let (_, out) = trial.put("a");
        assert_eq!(forwards(&out).len(), 1, "a write goes on");
    }

    #[test]
    fn a_request_of_another_node_ends_when_that_node_has_no_use_for_it_any_more() {
        let mut trial = Trial::leading_alone();
        let epoch = HealthEpoch::new(99);
        let request = ForwardRequest {
            cluster_id: trial.cluster_id(),
            remaining_ms: 5_000,
            body: Some(forward_request::Body::Wait(WaitEpoch { epoch })),
            ..ForwardRequest::default()
        };
        let session = trial.session(2);
        trial.turn([Input::SessionUp(session)]);
        trial.turn([Input::Forwarded { from: life(2), ticket: 4, request }]);
        assert_eq!(bound(&trial, "peer-requests"), (1, 0));
        trial.turn([Input::AskerGone { ticket: 4 }]);
        assert_eq!(bound(&trial, "peer-requests"), (0, 0));
    }
}
