//! How long the silence of a directly pinged peer is borne with, and the spans that hang on that.
//!
//! What stays true: for each silence that can be handed in, [`Spans::of`] keeps the relations that the protocol needs: who is asked has
//! found out before the asker stops waiting, what counts as fresh is younger than the silence, and whoever is late as a rule does not
//! take each of its turns for a pause. What a node believes here never decides what is committed, only when it asks the others.
//! Knows nothing of where the silences come from.

use quorate_proto::{Instance, limits};
use std::collections::BTreeMap;
use std::time::Duration;

/// The least silence that makes a suspicion.
pub const SILENCE_LEAST: Duration = Duration::from_millis(150);
/// The most: whoever needs more is not served by a health epoch.
pub const SILENCE_MOST: Duration = Duration::from_secs(2);
/// Where each peer begins, and what a node assumes of an asker that does not say: three pings of 150 ms in a row are lost.
pub const SILENCE_START: Duration = Duration::from_millis(500);

/// Probes and questions are repeated no slower than this within their time, as frames get lost.
const REPEAT: Duration = Duration::from_millis(70);
/// The shortest round of questions: a "not heard" comes as soon as it is known, so waiting longer costs nothing but where nobody answers.
const CONFIRM: Duration = Duration::from_millis(250);
/// The ways there and back of a question, on a network that asks for no more than the silence at the start.
const WAYS: Duration = Duration::from_millis(50);
/// A turn that is later than this is a pause, unless the silence is long. What makes the silence longer, turns that are late as a rule, is not
/// to be taken for pauses.
const LATE: Duration = Duration::from_millis(100);

/// What follows from one silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spans {
    /// Silence of a directly pinged peer that is a suspicion.
    pub silence: Duration,
    /// Silence that is a verdict where nobody can be asked: longer, as one pair of eyes sees less than two.
    pub alone: Duration,
    /// How long a round of questions to confirmers lasts: their own probing plus two ways on the network. A silence above that at the
    /// start has at most a quarter of its excess for each round trip, so as much is added.
    pub confirm_wait: Duration,
    /// How long a confirmer probes the suspect before it says "not heard".
    pub probe_wait: Duration,
    /// Probes and questions are repeated this often within their time.
    pub repeat: Duration,
    /// Evidence younger than this answers a confirmer's question without a new probe.
    pub fresh: Duration,
    /// A confirmer that pings the suspect itself and has waited this long says "not heard" at once.
    pub standing: Duration,
    /// A step this much later than wanted means that the process or host stood still.
    pub late: Duration,
}

impl Spans {
    /// What follows from this silence, which is first brought within its bounds.
    #[must_use]
    pub fn of(silence: Duration) -> Self {
        let silence = silence.clamp(SILENCE_LEAST, SILENCE_MOST);
        let probe_wait = silence * 2 / 5;
        let excess = silence.saturating_sub(SILENCE_START);
        Self {
            silence,
            // One pair of eyes has no hurry.
            alone: silence.max(SILENCE_START) * 8 / 5,
            confirm_wait: CONFIRM.max(probe_wait + WAYS + excess / 4),
            probe_wait,
            repeat: REPEAT.min(probe_wait * 2 / 5),
            fresh: silence * 2 / 5,
            standing: silence * 4 / 5,
            late: LATE.min(silence * 2 / 5).max(silence / 5),
        }
    }
}

/// The silences that this node bears with. As many peers have one of their own as there can be members.
#[derive(Debug)]
pub(crate) struct Patience {
    others: Duration,
    of: BTreeMap<Instance, Duration>,
}

impl Patience {
    pub(crate) fn new(silence: Duration) -> Self {
        Self { others: silence, of: BTreeMap::new() }
    }

    /// Replaces all of them.
    pub(crate) fn set(&mut self, others: Duration, mut of: BTreeMap<Instance, Duration>) {
        while of.len() > limits::MEMBERS {
            of.pop_last();
        }
        (self.others, self.of) = (others, of);
    }

    /// The spans for one peer.
    pub(crate) fn with(&self, instance: Instance) -> Spans {
        Spans::of(self.of.get(&instance).copied().unwrap_or(self.others))
    }

    /// Those that are of no peer in particular.
    pub(crate) fn own(&self) -> Spans {
        Spans::of(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spans_keep_their_relations_for_each_silence_that_can_be() {
        for millis in 0..3_000 {
            let asked = Duration::from_millis(millis);
            let spans = Spans::of(asked);
            assert_eq!(spans.silence, asked.clamp(SILENCE_LEAST, SILENCE_MOST));
            assert!(spans.silence < spans.alone);
            assert!(spans.repeat * 2 < spans.probe_wait, "{spans:?}");
            // A confirmer that is asked last of all has its answer there in time, whatever round trip the silence was made for.
            assert!(spans.probe_wait + WAYS <= spans.confirm_wait, "{spans:?}");
            assert!(spans.fresh < spans.standing && spans.standing < spans.silence, "{spans:?}");
            assert!(spans.late < spans.silence / 2, "{spans:?}");
        }
    }

    #[test]
    fn the_spans_at_the_start_are_those_of_versions_that_know_no_others() {
        let ms = Duration::from_millis;
        let spans = Spans::of(SILENCE_START);
        assert_eq!(
            [spans.silence, spans.alone, spans.confirm_wait, spans.probe_wait]
                .map(|it| it.as_millis()),
            [500, 800, 250, 200]
        );
        assert_eq!(
            [spans.repeat, spans.fresh, spans.standing, spans.late],
            [70, 200, 400, 100].map(ms)
        );
    }
}
