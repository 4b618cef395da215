//! From the founding to the first leader: what follows in this node when a cluster is founded, or is heard of.

use crate::client::ClientReply;
use crate::event::Output;
use crate::node::Node;
use crate::timers::Timer;
use crate::told::Event;
use quorate_membership::{Founding, FoundingInput};
use quorate_proto::{ClusterId, FoundingCertificate, Instance, Refusal, RefusalCode};
use std::time::Duration;

/// How long the founder that is to campaign waits for all others to have accepted the birth.
const FOUNDER_PATIENCE: Duration = Duration::from_secs(3);

impl Node {
    /// Founding is over for this life: the record is durable.
    pub(super) fn founded(&mut self, founded: FoundingCertificate) {
        self.peers.learn_record(&founded.record);
        let cluster_id = founded.record.cluster_id();
        self.turn.out.push(Output::KnowsCluster(cluster_id));
        self.turn.out.push(Output::Founded(Box::new(founded.clone())));
        self.health.learn_again();
        if self.sight().is_founding_voter() != Some(true) {
            return self.ask_to_join();
        }
        if self.group.is_none() {
            let hosts = founded.record.voters.len();
            self.turn.event(Event::Founded { cluster: cluster_id, hosts });
            self.found_group(&founded);
            self.turn.timers.arm(Timer::FounderPatience, self.turn.now + FOUNDER_PATIENCE);
        }
    }

    /// Somebody asks what it means that the founding does without these seeds, or, with the lives that were shown, has it do so.
    pub(super) fn asked_to_waive(
        &mut self,
        ticket: u64,
        without: &[String],
        shown: Option<&[Instance]>,
    ) {
        let waived = match shown {
            Some(shown) => self.founding.waive(self.turn.now, without, shown),
            None => self.founding.may_waive(without),
        };
        let done = waived.is_ok() && shown.is_some();
        let reply = match waived {
            Ok(waived) => ClientReply::Waived(waived),
            Err(refused) => {
                let (code, text) = (RefusalCode::NotNow.into(), refused.to_string());
                ClientReply::Refused(Refusal { code, detail: 0, text })
            }
        };
        self.turn.out.push(Output::Reply { ticket, reply });
        if done {
            self.step_founding(FoundingInput::Wake);
        }
    }

    /// A cluster exists, durably known: this life never founds.
    pub(super) fn exists(&mut self, cluster_id: ClusterId) {
        self.turn.out.push(Output::KnowsCluster(cluster_id));
        self.turn.event(Event::Joining { cluster: cluster_id });
        self.ask_to_join();
    }

    /// The founder with the lowest Raft id campaigns once all founders have accepted, or after a while.
    pub(super) fn campaign_as_founder(&mut self) {
        let waiting = self.turn.timers.is_armed(Timer::FounderPatience);
        if waiting && !all_founders_know(&self.founding) {
            return;
        }
        let founder = self.sight().is_founding_voter() == Some(true);
        let Some(group) = &mut self.group else { return };
        let status = group.replica().status();
        self.turn.timers.disarm(Timer::FounderPatience);
        let lowest = status.conf.voters.iter().min() == Some(&group.me().get());
        if founder && lowest && status.term == 1 && status.last == 1 && status.leader.is_none() {
            group.campaign();
        }
    }
}

/// Whether every voter of the founding record is known to hold it.
fn all_founders_know(founding: &Founding) -> bool {
    let voters = founding.state().founded.as_ref().map_or(0, |founded| founded.record.voters.len());
    founding.margin().is_some_and(|margin| margin.known as usize >= voters)
}
