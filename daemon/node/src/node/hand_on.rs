//! The table of what becomes of news: which rooms hear it, in which order.

use crate::news::News;
use crate::node::Node;
use crate::sight::sight;

impl Node {
    /// Hands on what the rooms have said, in the order in which they said it, until all is heard. What one piece of news leads to is
    /// heard before what was said behind it.
    pub(crate) fn hand_on(&mut self) {
        for news in std::mem::take(&mut self.turn.news) {
            match news {
                News::Detector(input) => self.step_detector(input),
                News::Founding(input) => self.step_founding(input),
                News::HealthPushed(update) => self.health_pushed(update),
                News::Vouched { by, relayed } => self.vouched(by, relayed),
                News::CopiesTold(notices) => {
                    self.copies.heard(&sight!(self), &mut self.turn, notices);
                }
                News::QuorateAgain => self.health.touch(),
                News::AcknowledgedThrough { member, epoch } => {
                    self.push.acknowledge(member, epoch);
                }
                News::AskToJoin => self.ask_to_join(),
                News::LeaderGone(leader) => self.end_lease_of(leader),
                News::ElectionDue => {
                    if let Some(group) = &mut self.group {
                        group.campaign();
                    }
                }
                News::Resigned => {
                    if let Some(group) = &mut self.group {
                        group.step_down();
                    }
                }
                News::Condemned { instance, was_heard } => {
                    self.damping.condemned(instance, was_heard);
                }
                News::Silenced(instance) => self.fail_requests_at(instance),
                News::HostGone(instance) => self.damping.gone(self.turn.now, instance),
            }
            self.hand_on();
        }
    }
}
