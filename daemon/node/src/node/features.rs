//! The feature level: what a node does when it hears of another one, and when what is proposed needs a higher one.

use crate::event::Output;
use crate::features::unfit;
use crate::news::News;
use crate::node::Node;
use crate::requests::{RETRY, Stage};
use crate::sight::sight;
use crate::timers::Timer;
use crate::told::Event;
use quorate_proto::{Instance, RefusalCode};

impl Node {
    /// Looks whether the cluster runs another level than before. A program that cannot run it goes no further.
    pub(super) fn notice_level(&mut self) {
        let Some(level) = self.sight().level() else { return };
        // A leader hears no leader. What those before it left in the log it has applied by then.
        let sight = self.sight();
        if sight.leads() && self.requests.is_settled(sight.own_term()) {
            self.features.tell(level.get());
        }
        let Some(before) = self.features.notice(level) else { return };
        if !self.config.levels.contains(level) {
            // What is behind it in the log is not applied either, nor written into a snapshot.
            self.group = None;
            let reason = unfit("this host", &self.config.software, self.config.levels, level);
            return self.turn.out.push(Output::Unfit { reason });
        }
        self.turn.duties_due = true;
        // Nobody need hear of it when a start reads again what it had applied before.
        let risen = self.features.has_risen_to(level);
        if let Some(before) = before.filter(|_| risen) {
            self.turn.event(Event::Level { before, level });
        }
    }

    /// A leader's ping names the level. It ends a program that cannot run it, so it counts only from whom the view here has as a replica.
    pub(super) fn level_told(&mut self, by: Instance, level: u32) {
        if self.sight().is_known_replica(by) {
            self.features.tell(level);
            self.notice_level();
        }
    }

    /// Nothing is proposed that needs a higher level than the committed one: a replica that does not know it would stop.
    pub(super) fn hold_back_what_is_too_high(&mut self) {
        if !self.requests.is_demanding() {
            return;
        }
        let sight = self.sight();
        let (level, settled) = (sight.level(), self.requests.is_settled(sight.own_term()));
        let Some(level) = level else { return };
        for held in self.requests.take_above(level) {
            let Some(request) = held.request else {
                self.turn.tell(News::NotProposed { ticket: held.ticket });
                continue;
            };
            let needed = held.needs;
            // What the leader before this one left in the log may raise the level.
            if !settled {
                self.requests.set_stage(request, Stage::Waiting { tried: None });
                self.turn.timers.arm_if_idle(Timer::Retry, self.turn.now + RETRY);
                continue;
            }
            let why = sight!(self).reach().why_not(needed);
            let text = format!(
                "this needs feature level {needed}; the cluster runs {level}. {why}; nothing was done"
            );
            self.refuse(request, RefusalCode::Level, &text);
        }
        self.hand_on();
    }
}
