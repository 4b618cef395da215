//! What a turn has at hand: when it is, what the node wants done, what its rooms tell each other, and what is counted.
//!
//! Every room writes its wishes here, in the order in which the shell carries them out. Knows no room but who is where.

use crate::event::Output;
use crate::news::News;
use crate::peers::Peers;
use crate::timers::Timers;
use crate::told::Event;
use quorate_proto::{
    Envelope, EnvelopeBody, Frame, FrameKind, GroupId, Instance, Lane, Moment, Supersede,
};
use std::collections::VecDeque;

/// What is counted, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) turns: u64,
    pub(crate) frames_fenced: u64,
    pub(crate) frames_guarded: u64,
    pub(crate) frames_malformed: u64,
    pub(crate) frames_unknown: u64,
    pub(crate) requests: u64,
    pub(crate) proposals: u64,
    pub(crate) refusals: u64,
    pub(crate) elections: u64,
    pub(crate) epochs: u64,
    pub(crate) undelivered: u64,
    pub(crate) writes_asked_again: u64,
    pub(crate) first_answers: u64,
}

/// One turn, and the counters of all.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The moment of the turn: the same in all of it, never before that of an earlier one.
    pub(crate) now: Moment,
    /// Milliseconds since 1970 by this host's clock; for what is shown to people only.
    pub(crate) wall_ms: u64,
    /// What the shell is to do, in order.
    pub(crate) out: Vec<Output>,
    /// What the rooms tell each other, in order. Empty when a turn begins and when it ends.
    pub(crate) news: VecDeque<News>,
    pub(crate) counters: Counters,
    /// When what is to be looked at again.
    pub(crate) timers: Timers,
    /// Something that a leader's duties depend on has changed since they were last done.
    pub(crate) duties_due: bool,
}

impl Turn {
    pub(crate) fn new(now: Moment, wall_ms: u64) -> Self {
        Self {
            now,
            wall_ms,
            out: Vec::new(),
            news: VecDeque::new(),
            counters: Counters::default(),
            timers: Timers::default(),
            duties_due: true,
        }
    }

    /// Tells the rooms that it concerns; the node hands it on when the room that speaks is done.
    pub(crate) fn tell(&mut self, news: News) {
        self.news.push_back(news);
    }

    /// Sends on the control lane; dropped when the peer's address is not known at all. A later frame of the same kind and subject replaces
    /// one that waits.
    pub(crate) fn send_control(
        &mut self,
        peers: &Peers,
        to: Instance,
        kind: FrameKind,
        subject: u64,
        body: EnvelopeBody,
    ) {
        let Some(address) = peers.address(to) else { return };
        let supersede = Some(Supersede { kind, group: GroupId::META, subject });
        let bytes = Envelope::encode_body(body);
        let frame = Frame { lane: Lane::Control, supersede, expires: None, bytes };
        self.out.push(Output::Send { to, address, frame });
    }

    /// Says a line in the journal and in `quorate events`.
    pub(crate) fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }
}
