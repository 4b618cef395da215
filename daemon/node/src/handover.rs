//! Leadership that is handed over in order: from the leader's word until its successor leads, nobody has lost the quorum, and nobody
//! is told so. It is over after a while, whoever leads then.
//!
//! Knows nothing of why it is handed over.

use crate::node::Node;
use crate::timers::Timer;
use quorate_proto::{MessageKind, Moment, RaftId, RaftMessage};
use std::time::Duration;

/// How long an election that the leader asked for may take: as long as a stop waits for it.
pub(crate) const HANDOVER: Duration = Duration::from_millis(800);
/// What Raft writes into the requests for votes of an election that the leader asked for.
const ASKED_FOR: &[u8] = b"CampaignTransfer";

/// Since when leadership is being handed over; none when somebody leads, or nobody handed it over.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    since: Option<Moment>,
}

impl Handover {
    /// Somebody leads.
    pub(crate) fn is_over(&mut self) {
        self.since = None;
    }

    /// Whether a successor is still to be expected.
    pub(crate) fn is_under_way(&self, now: Moment) -> bool {
        self.since.is_some_and(|since| now.since(since) < HANDOVER)
    }
}

impl Node {
    /// Hands leadership over, if this node leads.
    pub(crate) fn hand_over_to(&mut self, successor: RaftId) {
        if let Some(group) = self.group.as_mut().filter(|group| group.leads()) {
            group.transfer_to(successor);
            self.note_handover();
        }
    }

    /// A Raft message of a replica may tell that the leader hands over.
    pub(crate) fn hear_of_handover(&mut self, message: &RaftMessage) {
        let kind = MessageKind::try_from(message.kind).unwrap_or(MessageKind::Unknown);
        let told = match kind {
            MessageKind::TimeoutNow => message.term == self.sight().own_term(),
            MessageKind::RequestVote => {
                message.context == ASKED_FOR && message.term > self.sight().own_term()
            }
            _ => false,
        };
        if told {
            self.note_handover();
        }
    }

    fn note_handover(&mut self) {
        self.handover.since = Some(self.turn.now);
        // When it is over without a successor, that is told.
        self.turn.timers.arm(Timer::LeaderSilence, self.turn.now + HANDOVER);
    }
}
