//! What a host reports of its applications rides on its answers to the leader's pings, as long as the view that it has says something else.
//!
//! The epoch that shows it is the acknowledgement. An answer without a report says that there is nothing to report. Who does not reach the leader
//! reports with its question to a voter (`pings/relay.rs`), which passes that on with its own answers. Knows nothing of what becomes of a report.

use super::{Applications, ITSELF, KEPT};
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{HostApplications, Instance, Ping, Pong, Role, limits};

impl Rider for Applications {
    fn load<'a>(&'a mut self, _: &Sight<'a>, _: &mut Turn) -> Load<'a> {
        Box::new(|_, _| {})
    }

    fn take(&mut self, _: &Sight<'_>, _: &mut Turn, _: &mut Ping) {}

    fn answer(&mut self, sight: &Sight<'_>, to: Instance, pong: &mut Pong) {
        let leads = sight.leadership.leader().is_some_and(|leader| leader.instance == to);
        if !leads {
            return;
        }
        pong.applications = self.report(sight);
        self.passed.retain(|_, (at, _)| sight.now.since(*at) < KEPT);
        let mut room = limits::REPORTED_COST;
        let fits = |report: &&HostApplications| {
            let fits = report.cost() <= room;
            room = room.saturating_sub(report.cost());
            fits
        };
        let passed = self.passed.values().map(|(_, report)| report);
        pong.passed_applications = passed.take_while(fits).cloned().collect();
    }

    fn acknowledged(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &mut Answer) {
        if !sight.leads() {
            return;
        }
        let from = answer.from;
        self.answered.insert(from, turn.now);
        match answer.pong.applications.take() {
            Some(report) => self.note(sight, turn, from, report),
            None => drop(self.reports.remove(&from)),
        }
        let voter = sight.health.member(from).is_some_and(|it| it.role() == Role::Voter);
        let passed = std::mem::take(&mut answer.pong.passed_applications);
        for report in passed.into_iter().take(limits::RELAYED).filter(|_| voter) {
            let (of, itself) = (report.instance, self.answered.get(&report.instance));
            if itself.is_none_or(|at| turn.now.since(*at) >= ITSELF) {
                self.note(sight, turn, of, report);
            }
        }
    }

    fn begin(&mut self) {
        self.reports.clear();
        self.answered.clear();
        self.in_flight = None;
    }

    fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.reports.retain(|member, _| is_member(*member));
        self.answered.retain(|member, _| is_member(*member));
        self.passed.retain(|member, _| is_member(*member));
    }
}

impl Applications {
    /// As leader: what this member reports. Nobody reports for another, but for a voter that passes it on.
    fn note(&mut self, sight: &Sight<'_>, turn: &mut Turn, of: Instance, report: HostApplications) {
        let is_member = of != sight.config.instance && sight.health.member(of).is_some();
        if report.instance != of || report.is_faulty() || !is_member {
            turn.counters.frames_guarded += 1;
        } else if self.reports.get(&of) != Some(&report) {
            turn.duties_due = true;
            self.reports.insert(of, report);
        }
    }

    /// As a voter that hears the leader: a member that does not reports this.
    pub(crate) fn pass_on(
        &mut self,
        sight: &Sight<'_>,
        turn: &mut Turn,
        from: Instance,
        report: HostApplications,
    ) {
        if report.instance != from || report.is_faulty() {
            turn.counters.frames_guarded += 1;
            return;
        }
        if sight.leads() {
            // It asks the leader itself: its pings come through, and only the answers to ours do not.
            return self.note(sight, turn, from, report);
        }
        // Full: it asks again.
        if self.passed.len() < limits::RELAYED || self.passed.contains_key(&from) {
            self.passed.insert(from, (turn.now, report));
        }
    }
}
