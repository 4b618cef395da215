//! The push of health: what a member lacks of the view rides on the leader's pings until it is acknowledged.
//!
//! Invariant: every round brings a member what its newest answer says that it lacks; a new leader knows of no answer. Knows nothing of how
//! a view becomes the newest, and of which answers count (`acknowledged.rs`).

use crate::news::News;
use crate::pings::acknowledged::Acknowledged;
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{HealthEpoch, HealthUpdate, Instance, MemberState, Ping, Pong};
use std::collections::BTreeMap;

/// Who has acknowledged what.
#[derive(Debug, Default)]
pub(crate) struct Push {
    acknowledged: Acknowledged<HealthEpoch>,
    /// The newest epoch of which a push has been sent.
    pushed: HealthEpoch,
}

impl Push {
    /// A node's acknowledgement came through another.
    pub(crate) fn acknowledge(&mut self, instance: Instance, epoch: HealthEpoch) {
        self.acknowledged.raise(instance, epoch);
    }

    /// The newest epoch that every live node has acknowledged.
    pub(crate) fn acknowledged_by_all(&self, sight: &Sight<'_>) -> HealthEpoch {
        let me = sight.config.instance;
        let others = sight.health.alive().filter(|member| member.instance != me);
        others
            .map(|member| self.acknowledged.by(member.instance))
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
        let lacking = members.filter(|(member, _)| self.acknowledged.by(*member) < newest);
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
            let has = self.acknowledged.by(to);
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
        if sight.leads() {
            let committed = sight.health.view().epoch;
            self.acknowledged.note(answer, answer.pong.epoch, committed);
        }
    }

    fn begin(&mut self) {
        self.acknowledged.clear();
        self.pushed = HealthEpoch::ZERO;
    }

    fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.acknowledged.retain(is_member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Trial, life};

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

    #[test]
    fn an_acknowledgement_of_what_is_not_committed_counts_as_none() {
        let (trial, mut push) = (Trial::leading_alone(), Push::default());
        let (sight, mut turn) = (trial.node.sight(), Turn::new(trial.now, 0));
        let committed = sight.health.view().epoch;
        for (number, epoch) in [(1, committed), (2, HealthEpoch::new(u64::MAX))] {
            let pong = Pong { number, epoch, ..Pong::default() };
            push.acknowledged(
                &sight,
                &mut turn,
                &mut Answer { from: life(2), pong, took: None, newest: 2 },
            );
            assert_eq!(push.acknowledged.by(life(2)), committed);
        }
    }
}
