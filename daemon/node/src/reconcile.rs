//! The leader's reconciler: while fresh evidence differs from the committed health, the difference is proposed.
//!
//! Level-triggered: it looks at what is, not at what happened, so a missed event cannot be lost. One proposal
//! is in flight at a time, guarded by the epoch it was made from. A suspicion alone never gets this far.

use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use quorate_proto::{
    CommandBody, HealthProposal, Instance, Member, MemberState, Moment, StateChange, Verdict,
    limits,
};
use std::time::Duration;

/// How often the leader looks again although nothing happened.
pub(crate) const DUTIES: Duration = Duration::from_millis(500);
/// A proposal whose fate is not seen after this long is made again.
const PATIENCE: Duration = Duration::from_secs(2);

/// The proposal in flight.
#[derive(Debug, Default)]
pub(crate) struct Reconciler {
    in_flight: Option<(u64, Moment)>,
}

impl Reconciler {
    /// Another leader, or a new term.
    pub(crate) fn reset(&mut self) {
        self.in_flight = None;
    }

    /// A command with this ticket was applied or came to nothing. Whether it was the proposal in flight.
    pub(crate) fn applied(&mut self, ticket: u64) -> bool {
        self.in_flight.take_if(|(waited_for, _)| *waited_for == ticket).is_some()
    }
}

impl Node {
    /// Everything that a leader owes the cluster; does nothing on other nodes.
    pub(crate) fn do_duties(&mut self, out: &mut Vec<Output>) {
        if !self.group.as_ref().is_some_and(|group| group.replica.leads_safely()) {
            return;
        }
        self.push_news(out);
        if std::mem::take(&mut self.duties_due) {
            self.timers.arm(Timer::Duties, self.now + DUTIES);
            self.reconcile(out);
            self.settle_admissions(out);
            self.steer_voters();
            self.forget_history();
        }
    }

    fn reconcile(&mut self, out: &mut Vec<Output>) {
        self.look_for_those_met_elsewhere(out);
        if self.reconciler.in_flight.is_some_and(|(_, since)| self.now.since(since) < PATIENCE) {
            return;
        }
        let changes = self.differences();
        if changes.is_empty() {
            return;
        }
        let if_epoch = self.group.as_ref().map(|group| group.meta.epoch()).unwrap_or_default();
        let proposal = HealthProposal { if_epoch, changes, at_unix_ms: self.wall_ms };
        let ticket = self.requests.new_ticket();
        self.reconciler.in_flight = Some((ticket, self.now));
        self.enqueue_proposal(ticket, CommandBody::Health(proposal));
    }

    fn differences(&self) -> Vec<StateChange> {
        let members = self.health.view.members.iter();
        members.filter_map(|member| self.difference(member)).take(limits::MEMBERS).collect()
    }

    fn difference(&self, member: &Member) -> Option<StateChange> {
        if member.instance == self.config.instance {
            return self.own_difference(member);
        }
        let own = self.detector.verdict(member.instance);
        let current = member.generation;
        let own = own.filter(|opinion| opinion.generation >= current);
        if let Some(opinion) = &own {
            let address = self.moved_to(member).map(Into::into);
            let also_at = self.whereabouts.also_at(member).map(Into::into);
            let state = match opinion.verdict {
                Verdict::Left => Some(MemberState::Left),
                Verdict::Down => Some(MemberState::Down),
                Verdict::Alive if opinion.direct => Some(MemberState::Alive),
                _ => None,
            };
            let newer = opinion.generation > current;
            if let Some(state) = state {
                let late_farewell =
                    member.state() == MemberState::Left && state == MemberState::Down;
                let changed = state != member.state() && !late_farewell;
                if changed
                    || (state == MemberState::Alive
                        && (newer || address.is_some() || also_at.is_some()))
                {
                    return Some(StateChange {
                        instance: member.instance,
                        generation: opinion.generation,
                        state: state.into(),
                        reason: opinion.reason.clone(),
                        reporter: self.config.name.to_string(),
                        address,
                        also_at,
                    });
                }
                return None;
            }
        }
        self.reported_difference(member)
    }

    /// What others say of a member that this node has no firm verdict on.
    fn reported_difference(&self, member: &Member) -> Option<StateChange> {
        let fresh: Vec<_> = self
            .evidence
            .about(member.instance, self.now)
            .filter(|(_, report)| report.generation >= member.generation)
            .collect();
        let firm = |verdict: Verdict| {
            fresh.iter().find(move |(_, report)| {
                report.verdict() == verdict && (verdict != Verdict::Down || report.confirmed)
            })
        };
        let hears_it = self
            .detector
            .last_heard(member.instance)
            .is_some_and(|at| self.now.since(at) < Duration::from_millis(500));
        let (state, (reporter, report)) = if let Some(left) = firm(Verdict::Left) {
            (MemberState::Left, left)
        } else if let Some(alive) = firm(Verdict::Alive) {
            (MemberState::Alive, alive)
        } else {
            (MemberState::Down, firm(Verdict::Down).filter(|_| !hears_it)?)
        };
        let newer = report.generation > member.generation && state == MemberState::Alive;
        let late = member.state() == MemberState::Left && state == MemberState::Down;
        if (state == member.state() && !newer) || late {
            return None;
        }
        Some(StateChange {
            instance: member.instance,
            generation: report.generation,
            state: state.into(),
            reason: report.reason.chars().take(limits::REASON).collect(),
            reporter: self.health.name(*reporter),
            address: None,
            also_at: None,
        })
    }

    /// The leader itself was restarted, or committed as gone by an earlier leader.
    fn own_difference(&self, member: &Member) -> Option<StateChange> {
        let newer = member.generation < self.config.generation;
        let moved = self.own_move(member);
        if member.state() == MemberState::Alive && !newer && moved.is_none() {
            return None;
        }
        Some(StateChange {
            instance: member.instance,
            generation: self.config.generation,
            state: MemberState::Alive.into(),
            reason: "leads".to_owned(),
            reporter: self.config.name.to_string(),
            address: moved.map(Into::into),
            also_at: None,
        })
    }

    /// This node's own address when the committed record shows another. Nobody meets itself, so what it advertises
    /// counts, else what the seed that it is resolves to.
    fn own_move(&self, member: &Member) -> Option<std::net::SocketAddr> {
        let committed = member.address.as_ref().and_then(|address| address.socket());
        let advertised = self.config.advertise.as_slice();
        let own = if advertised.is_empty() { self.founding.own_addresses() } else { advertised };
        let stays = committed.is_some_and(|committed| own.contains(&committed));
        own.first().copied().filter(|_| !stays)
    }

    /// The verdicts of this node that differ from the committed health, for people.
    pub(crate) fn own_opinions(&self) -> Vec<crate::status::Opinion> {
        let me: Instance = self.config.instance;
        self.detector
            .verdicts()
            .filter(|opinion| opinion.instance != me)
            .filter_map(|opinion| {
                let member = self.health.member(opinion.instance)?;
                let verdict = match opinion.verdict {
                    Verdict::Alive => "alive",
                    Verdict::Suspect => "suspect",
                    Verdict::Down => "down",
                    Verdict::Left => "left",
                };
                (verdict != member.state().word()).then(|| crate::status::Opinion {
                    name: member.name.clone(),
                    verdict,
                    reason: opinion.reason.clone(),
                })
            })
            .collect()
    }
}
