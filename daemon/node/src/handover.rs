//! Leadership that is handed over in order: from the leader's word until its successor leads, nobody has lost the quorum, and nobody
//! is told so. It is over after a while, whoever leads then.
//!
//! Knows nothing of why it is handed over.

use crate::timers::Timer;
use crate::turn::Turn;
use quorate_proto::{MessageKind, Moment, RaftMessage};
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

    /// A Raft message of a replica may tell that the leader hands over.
    pub(crate) fn hear(&mut self, turn: &mut Turn, own_term: u64, message: &RaftMessage) {
        let kind = MessageKind::try_from(message.kind).unwrap_or(MessageKind::Unknown);
        let told = match kind {
            MessageKind::TimeoutNow => message.term == own_term,
            MessageKind::RequestVote => message.context == ASKED_FOR && message.term > own_term,
            _ => false,
        };
        if told {
            self.begin(turn);
        }
    }

    /// The leader hands over, from now on.
    pub(crate) fn begin(&mut self, turn: &mut Turn) {
        self.since = Some(turn.now);
        // When it is over without a successor, that is told.
        turn.timers.arm(Timer::LeaderSilence, turn.now + HANDOVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(kind: MessageKind, term: u64, context: &[u8]) -> bool {
        let (mut handover, mut turn) = (Handover::default(), Turn::new(Moment::ZERO, 0));
        let context = context.to_vec().into();
        handover.hear(
            &mut turn,
            5,
            &RaftMessage { kind: kind.into(), term, context, ..RaftMessage::default() },
        );
        assert_eq!(turn.timers.is_armed(Timer::LeaderSilence), handover.is_under_way(turn.now));
        handover.is_under_way(turn.now)
    }

    #[test]
    fn only_an_election_that_the_leader_asked_for_is_a_handover() {
        assert!(hears(MessageKind::TimeoutNow, 5, &[]));
        assert!(!hears(MessageKind::TimeoutNow, 4, &[]), "a leader of an earlier term");
        assert!(hears(MessageKind::RequestVote, 6, ASKED_FOR));
        assert!(!hears(MessageKind::RequestVote, 5, ASKED_FOR), "an election that is over");
        assert!(!hears(MessageKind::RequestVote, 6, &[]), "by its own timer");
    }

    #[test]
    fn a_handover_is_over_when_somebody_leads_or_after_a_while() {
        let (mut handover, mut turn) = (Handover::default(), Turn::new(Moment::ZERO, 0));
        handover.begin(&mut turn);
        assert!(handover.is_under_way(Moment::ZERO + (HANDOVER - Duration::from_millis(1))));
        assert!(!handover.is_under_way(Moment::ZERO + HANDOVER));
        handover.is_over();
        assert!(!handover.is_under_way(Moment::ZERO));
    }
}
