//! The push of health: what a member lacks of the view rides on the leader's pings until it is acknowledged.
//!
//! Invariants: a member's acknowledgement never goes beyond what is committed here, and none is of a ping that was not sent. A new leader
//! knows of none. Knows nothing of how a view becomes the newest.

use crate::news::News;
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{HealthEpoch, HealthUpdate, Instance, MemberState, Ping, Pong};
use std::collections::BTreeMap;

/// Who has acknowledged what.
#[derive(Debug, Default)]
pub(crate) struct Push {
    /// The newest answer of each node, by the number of its ping, and what it acknowledged.
    acknowledged: BTreeMap<Instance, (u64, HealthEpoch)>,
    /// The newest epoch of which a push has been sent.
    pushed: HealthEpoch,
}

impl Push {
    /// A new leader knows nothing of acknowledgements.
    pub(crate) fn reset(&mut self) {
        self.acknowledged.clear();
        self.pushed = HealthEpoch::ZERO;
    }

    /// A node's acknowledgement came through another. Its own next answer says it anew.
    pub(crate) fn acknowledge(&mut self, instance: Instance, epoch: HealthEpoch) {
        let entry = self.acknowledged.entry(instance).or_default();
        entry.1 = entry.1.max(epoch);
    }

    /// Forgets who is no member any more.
    pub(crate) fn retain(&mut self, is_member: impl Fn(Instance) -> bool) {
        self.acknowledged.retain(|instance, _| is_member(*instance));
    }

    /// What a node has acknowledged.
    fn acknowledged_by(&self, instance: Instance) -> HealthEpoch {
        self.acknowledged.get(&instance).map_or(HealthEpoch::ZERO, |(_, epoch)| *epoch)
    }

    /// The newest epoch that every live node has acknowledged.
    pub(crate) fn acknowledged_by_all(&self, sight: &Sight<'_>) -> HealthEpoch {
        let me = sight.config.instance;
        let others = sight.health.alive().filter(|member| member.instance != me);
        others
            .map(|member| self.acknowledged_by(member.instance))
            .chain([sight.health.view().epoch])
            .min()
            .unwrap_or(HealthEpoch::ZERO)
    }

    /// As leader, once for each epoch: who lacks the newest one, and is told at once. Who was taken out is among them.
    pub(crate) fn news(&mut self, sight: &Sight<'_>) -> Option<Vec<(Instance, MemberState)>> {
        let newest = sight.health.view().epoch;
        if self.pushed == newest || !sight.leads() {
            return None;
        }
        self.pushed = newest;
        let members = sight.other_members().map(|member| (member.instance, member.state()));
        let lacking = members.filter(|(member, _)| self.acknowledged_by(*member) < newest);
        let ended = sight.ended_here().map(|life| (life, MemberState::Alive));
        Some(lacking.chain(ended).collect())
    }
}

impl Rider for Push {
    fn load<'a>(&'a mut self, sight: &Sight<'a>, _: &mut Turn) -> Load<'a> {
        let group = sight.group;
        // Most nodes lack the same; the update for each starting point is made once.
        let mut updates: BTreeMap<HealthEpoch, Option<HealthUpdate>> = BTreeMap::new();
        Box::new(move |to, ping| {
            let has = self.acknowledged_by(to);
            let update = || group.and_then(|group| group.meta().update_since(has));
            ping.update = updates.entry(has).or_insert_with(update).clone();
        })
    }

    fn take(&mut self, _: &Sight<'_>, turn: &mut Turn, ping: &mut Ping) {
        if let Some(update) = ping.update.take() {
            turn.tell(News::HealthPushed(update));
        }
    }

    fn answer(&mut self, sight: &Sight<'_>, _: Instance, pong: &mut Pong) {
        pong.epoch = sight.acknowledged_epoch();
    }

    fn acknowledged(&mut self, sight: &Sight<'_>, _: &mut Turn, answer: &mut Answer) {
        if !sight.leads() {
            return;
        }
        let (number, epoch) = (answer.pong.number, answer.pong.epoch);
        let entry = self.acknowledged.entry(answer.from).or_default();
        // An acknowledgement beyond what was committed or asked is nonsense and counts as none, and so does one that a
        // later answer has overtaken.
        if epoch <= sight.health.view().epoch && (entry.0..=answer.newest).contains(&number) {
            *entry = (number, epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, life};

    /// What a leader holds of a member's acknowledgements after these answers, each with its number and epoch; 5 pings were sent.
    fn acknowledged(answers: &[(u64, u64)]) -> u64 {
        let (trial, mut push) = (Trial::leading_alone(), Push::default());
        let (sight, mut turn) = (trial.node.sight(), Turn::new(trial.now, 0));
        for (number, epoch) in answers.iter().copied() {
            let pong = Pong { number, epoch: HealthEpoch::new(epoch), ..Pong::default() };
            let mut answer = Answer { from: life(2), pong, newest: 5 };
            push.acknowledged(&sight, &mut turn, &mut answer);
        }
        push.acknowledged_by(life(2)).get()
    }

    #[test]
    fn an_acknowledgement_counts_unless_it_is_overtaken_or_made_up() {
        assert_eq!(acknowledged(&[(3, 1)]), 1);
        assert_eq!(acknowledged(&[(3, 1), (4, 0)]), 0, "it was started again");
        assert_eq!(acknowledged(&[(4, 1), (3, 0)]), 1, "overtaken");
        assert_eq!(acknowledged(&[(6, 1)]), 0, "of a ping that was not sent");
        assert_eq!(acknowledged(&[(3, u64::MAX)]), 0, "beyond what is committed");
    }

    #[test]
    fn a_member_is_pushed_what_it_has_not_acknowledged() {
        let (trial, mut push) = (Trial::leading_alone(), Push::default());
        let (sight, mut turn) = (trial.node.sight(), Turn::new(trial.now, 0));
        push.acknowledge(life(2), sight.health.view().epoch);
        let mut load = push.load(&sight, &mut turn);
        let mut pushed = |to| {
            let mut ping = Ping::default();
            load(life(to), &mut ping);
            ping.update.is_some()
        };
        assert_eq!([pushed(2), pushed(3)], [false, true]);
    }
}
