//! What a turn has at hand: when it is, what the node wants done, and what is counted.
//!
//! Every room writes its wishes here, in the order in which the shell carries them out. Knows no room.

use crate::event::{About, Event, Output};
use crate::timers::Timers;
use quorate_proto::{Moment, Reason};

/// What is counted, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) turns: u64,
    pub(crate) frames_fenced: u64,
    pub(crate) frames_guarded: u64,
    pub(crate) frames_malformed: u64,
    pub(crate) requests: u64,
    pub(crate) proposals: u64,
    pub(crate) refusals: u64,
    pub(crate) elections: u64,
    pub(crate) epochs: u64,
    pub(crate) undelivered: u64,
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
            counters: Counters::default(),
            timers: Timers::default(),
            duties_due: true,
        }
    }

    /// Says a line in the journal and in `quorate events`.
    pub(crate) fn event(&mut self, kind: &'static str, text: String, warning: bool) {
        self.event_about(kind, text, warning, About::default());
    }

    /// The same, with what it is about.
    pub(crate) fn event_about(
        &mut self,
        kind: &'static str,
        text: String,
        warning: bool,
        about: About,
    ) {
        self.out.push(Output::Event(Event { kind, text, warning, about }));
    }

    /// Of a reason that `quorate why` tells too.
    pub(crate) fn event_of(&mut self, kind: &'static str, reason: &Reason, about: About) {
        let about = About { code: Some(reason.code.word()), ..about };
        self.event_about(kind, reason.in_one_line(), true, about);
    }
}
