//! What a host reports of its applications rides on its answers to the leader's pings, as long as the view that it has says something else.
//!
//! The epoch that shows it is the acknowledgement. An answer without a report says that there is nothing to report. Knows nothing of what
//! becomes of a report.

use super::Applications;
use crate::pings::rider::{Answer, Load, Rider};
use crate::sight::Sight;
use crate::turn::Turn;
use quorate_proto::{Instance, Ping, Pong};

impl Rider for Applications {
    fn load<'a>(&'a mut self, _: &Sight<'a>, _: &mut Turn) -> Load<'a> {
        Box::new(|_, _| {})
    }

    fn take(&mut self, _: &Sight<'_>, _: &mut Turn, _: &mut Ping) {}

    fn answer(&mut self, sight: &Sight<'_>, to: Instance, pong: &mut Pong) {
        let leads = sight.leadership.leader().is_some_and(|leader| leader.instance == to);
        pong.applications = self.report(sight).filter(|_| leads);
    }

    fn acknowledged(&mut self, sight: &Sight<'_>, turn: &mut Turn, answer: &mut Answer) {
        if !sight.leads() {
            return;
        }
        let from = answer.from;
        let Some(report) = answer.pong.applications.take() else {
            self.reports.remove(&from);
            return;
        };
        // Nobody reports for another.
        if report.instance != from || report.is_faulty() || sight.health.member(from).is_none() {
            turn.counters.frames_guarded += 1;
            return;
        }
        if self.reports.get(&from) != Some(&report) {
            turn.duties_due = true;
            self.reports.insert(from, report);
        }
    }

    fn begin(&mut self) {
        self.reports.clear();
        self.in_flight = None;
    }

    fn retain(&mut self, is_member: &dyn Fn(Instance) -> bool) {
        self.reports.retain(|member, _| is_member(*member));
    }
}
