//! The table of what becomes of news: which rooms hear it, in which order.

use crate::news::News;
use crate::node::Node;
use crate::requests::{Origin, Work};
use crate::sight::sight;
use crate::status::State;
use crate::told::Event;
use crate::warnings;
use quorate_proto::{Warning, WarningKind};

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
                News::AcknowledgedThrough { member: by, epoch } => self.push.acknowledge(by, epoch),
                News::AskToJoin => self.ask_to_join(),
                News::AsksItself { ticket, admit, deadline } => {
                    self.accept(Origin::Own(ticket), Work::Admit(admit), deadline);
                }
                News::LeaderByAnswer(leader) => self.trust.vouched_for(&sight!(self), leader),
                News::LetIn(epoch) => self.turn.event(Event::LetIn { epoch }),
                News::Warned(warning) => self.tell_warning(&warning),
                News::Chosen(choice) => self.choose(choice),
                News::NameHeld { kind, asker } => {
                    self.warnings.name_is_held(&sight!(self), &mut self.turn, kind, &asker);
                }
                News::NameGiven(life) => self.warnings.forget(WarningKind::NameKept, life),
                News::JoinerAsked { ticket, from, admit, deadline } => {
                    self.admit_asked(ticket, from, *admit, deadline);
                }
                News::ActAsked { request, act } => self.act_asked(request, &act),
                News::AskedToRecover { by_node, ticket, ask } => {
                    let asker = if by_node { Origin::Forwarded } else { Origin::Client };
                    self.asked_to_recover(asker(ticket), &ask);
                }
                News::AskedToWaive { ticket, without, shown } => {
                    self.asked_to_waive(ticket, &without, shown.as_deref());
                }
                News::JoinerWaits { request, admit } => self.look_at_asker(request, *admit),
                News::JoinAnswered { ticket, answer } => {
                    self.admission_answered(ticket, &Ok(answer));
                }
                News::AddressNamed { instance, address } => {
                    self.peers.learn_hint(instance, address);
                }
                News::LeaderNamed { leader, term } => {
                    self.leader_pinged(leader, term);
                }
                News::NotProposed { ticket } => {
                    self.duties.settled(ticket);
                    self.applications.settled(ticket);
                }
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
                    self.duties.condemned(instance, was_heard);
                }
                News::Shares(news) => self.hear_of_shares(news),
                News::Silenced(instance) => self.fail_requests_at(instance),
                News::HostGone(instance) => self.duties.gone(self.turn.now, instance),
            }
            self.hand_on();
        }
    }

    /// A line of the events, of a reason that `quorate why` tells too.
    fn tell_warning(&mut self, warning: &Warning) {
        let Some(at) = warning.address.socket() else { return };
        let (sight, now) = (self.sight(), self.turn.now);
        let own = self.turned_away.where_the_copy_is(&sight, self.state() == State::Quorate);
        let reason = warnings::reason_of(&sight, own, warning, at, now);
        let (kind, host) = (warnings::kind_of(&reason), Some(sight.host(warning.instance)));
        self.turn.event(Event::Wrong { kind, reason, host });
    }

    /// Asks somebody of the cluster to let this node in, unless it is in or a request is under way.
    pub(crate) fn ask_to_join(&mut self) {
        let doubted = self.trust.doubted(&self.sight());
        let requests = &mut self.requests;
        self.join.ask(&sight!(self), &mut self.turn, doubted, || requests.new_ticket());
        self.hand_on();
    }

    /// The answer to this node's own request, if `ticket` is it.
    pub(crate) fn admission_answered(
        &mut self,
        ticket: u64,
        answer: &Result<quorate_proto::ForwardAnswer, crate::ForwardFailure>,
    ) -> bool {
        let own = self.join.answered(&sight!(self), &mut self.turn, ticket, answer);
        self.hand_on();
        own
    }
}
