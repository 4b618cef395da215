//! Whom this node believes when it is told who leads, what changed, or what Raft has to say.
//!
//! Invariants: what is committed decides. A replica that hears its leader believes that one, in its term, and nobody else
//! about health. Any other node believes the replicas in the view that it has; before it has a view, the founders, and
//! whom the answer to its own question named. Numbers move in bounded steps, so that nobody drives them to their end. A
//! node that nobody known leads, while somebody unknown claims to, asks a member that it knows: nobody vouches for itself.
//!
//! A standby counts like a voter: it may have been promoted by the very change that is to be told. A member does not.
//! Knows nothing of what is believed.

use crate::health::is_near;
use crate::leadership::Leader;
use crate::news::News;
use crate::sight::Sight;
use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{HealthEpoch, Instance};

/// What is believed beyond the committed view.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// Whom the newest answer to a question of this node named as leader, and the epoch of the view here then: a later one
    /// shows for itself who is a replica.
    vouched: Option<(Instance, HealthEpoch)>,
    /// Who claims to lead and is not known to be a replica: somebody else is asked about it.
    claimant: Option<Instance>,
}

impl Trust {
    /// Whether an instance may say that it leads in this term, and what changed; also when somebody else passes that on.
    pub(crate) fn may_lead(&self, sight: &Sight<'_>, instance: Instance, term: u64) -> bool {
        if let Some(followed) = sight.followed() {
            return followed == (Leader { instance, term });
        }
        let known = sight.leadership.leader().map_or(0, |leader| leader.term);
        self.is_replica(sight, instance) && is_near(known.max(sight.own_term()), term)
    }

    /// Whether a leader that somebody else names is the one that this node knows, or may become it.
    pub(crate) fn may_follow(&self, sight: &Sight<'_>, leader: Leader) -> bool {
        match sight.leadership.leader() {
            Some(known) if known == leader => true,
            Some(known) if leader.term <= known.term => false,
            _ => self.may_lead(sight, leader.instance, leader.term),
        }
    }

    /// Whether an instance is a voter or standby of the group, as far as this node can know.
    pub(crate) fn is_replica(&self, sight: &Sight<'_>, instance: Instance) -> bool {
        if let Some(group) = sight.group
            && group.meta().ended(instance).is_some()
        {
            // Who was taken out while it runs is a replica until its vote is gone: without its word that could not be committed. A disk
            // life that another replaced is over.
            return sight.votes_yet(instance);
        }
        self.vouched == Some((instance, sight.health.view().epoch))
            || sight.is_known_replica(instance)
    }

    /// What somebody said who may not say it is counted, and not heard.
    pub(crate) fn fence_stranger(&mut self, sight: &Sight<'_>, turn: &mut Turn, who: Instance) {
        turn.counters.frames_fenced += 1;
        self.stranger_leads(sight, turn, who);
    }

    /// Somebody who is no replica in the view here claims to be one. That view may be old: a member is asked, once a
    /// second at most.
    fn stranger_leads(&mut self, sight: &Sight<'_>, turn: &mut Turn, who: Instance) {
        if sight.followed().is_some()
            || self.is_replica(sight, who)
            || turn.timers.is_armed(Timer::Join)
        {
            return;
        }
        self.claimant = Some(who);
        turn.tell(News::AskToJoin);
    }

    /// About whom a member is to be asked, if this node still wants to know.
    pub(crate) fn doubted(&self, sight: &Sight<'_>) -> Option<Instance> {
        self.claimant.filter(|who| sight.followed().is_none() && !self.is_replica(sight, *who))
    }

    /// Whoever was asked named a leader, or said that it is one.
    pub(crate) fn vouched_for(&mut self, sight: &Sight<'_>, leader: Option<Instance>) {
        self.claimant = None;
        if let Some(leader) = leader {
            self.vouched = Some((leader, sight.health.view().epoch));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, life};
    use quorate_proto::limits;

    #[test]
    fn a_node_without_a_replica_believes_those_of_its_view_in_terms_that_are_near() {
        let (trial, trust) = (Trial::member_under_2(5), Trust::default());
        let may = |who, term| trust.may_lead(&trial.node.sight(), life(who), term);
        assert!(may(3, 5) && may(3, 5 + limits::NUMBER_STEP));
        assert!(!may(3, 4), "a term that is over");
        assert!(!may(3, 6 + limits::NUMBER_STEP), "a term that nobody can have reached");
        assert!(!may(9, 5), "a stranger");
    }

    #[test]
    fn another_leader_is_followed_in_a_later_term_only() {
        let (trial, trust) = (Trial::member_under_2(5), Trust::default());
        let may = |who, term| {
            let leader = Leader { instance: life(who), term };
            trust.may_follow(&trial.node.sight(), leader)
        };
        assert!(may(2, 5) && may(3, 6));
        assert!(!may(3, 5) && !may(9, 6));
    }

    #[test]
    fn a_stranger_that_claims_to_lead_is_asked_about_until_somebody_answers() {
        let (trial, mut trust) = (Trial::member_under_2(5), Trust::default());
        let (sight, mut turn) = (trial.node.sight(), Turn::new(trial.now, 0));
        trust.fence_stranger(&sight, &mut turn, life(9));
        assert_eq!(turn.counters.frames_fenced, 1);
        assert!(matches!(turn.news.pop_front(), Some(News::AskToJoin)));
        assert_eq!(trust.doubted(&sight), Some(life(9)));
        trust.vouched_for(&sight, Some(life(9)));
        assert_eq!(trust.doubted(&sight), None);
        assert!(trust.is_replica(&sight, life(9)));
        trust.fence_stranger(&sight, &mut turn, life(3));
        assert!(turn.news.is_empty(), "one that is known is no stranger");
    }
}
