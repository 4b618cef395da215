//! The table of what becomes of news: which rooms hear it, in which order.

use crate::news::News;
use crate::node::Node;

impl Node {
    /// Hands on what the rooms have said, in the order in which they said it, until all is heard.
    pub(crate) fn hand_on(&mut self) {
        while let Some(news) = self.turn.news.pop_front() {
            match news {
                News::Detector(input) => self.step_detector(input),
                News::Founding(input) => self.step_founding(input),
                News::AskToJoin => self.ask_to_join(),
                News::JoinerAsked { ticket, from, admit, deadline } => {
                    self.admit_asked(ticket, from, *admit, deadline);
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
                }
            }
        }
    }
}
