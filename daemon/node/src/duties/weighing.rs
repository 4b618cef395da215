//! What many voices about one member come to.
//!
//! Invariants: the newest start of a member that anybody speaks of counts alone; a goodbye ends its start for good; else
//! the newest evidence wins, and what is committed is evidence of the moment on which it rests. So nothing that was known
//! when a state was committed can undo it. Knows nothing of where a voice came from, and reads no clock.

use quorate_proto::{Generation, Goodbye, Instance, MemberState, Moment};

/// What a voice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// It was heard.
    Heard,
    /// It was found silent, and not by one node alone where there were others to ask.
    Down,
    /// It said goodbye.
    Left,
}

/// One node's evidence about a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voice {
    /// Whose.
    pub(crate) by: Instance,
    /// The start of the member that it is about.
    pub(crate) generation: Generation,
    /// What it says.
    pub(crate) word: Word,
    /// The moment of the evidence, by this node's clock: it is never younger than that.
    pub(crate) at: Moment,
    /// Why, for people.
    pub(crate) reason: String,
    /// Of a goodbye: who said it.
    pub(crate) goodbye: Goodbye,
}

/// What is committed of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Which start of it.
    pub(crate) generation: Generation,
    /// Its state.
    pub(crate) state: MemberState,
    /// The moment of the evidence that it rests on, or at which this node saw it committed.
    pub(crate) at: Moment,
}

/// The voice that what is committed must follow; none while it may stand.
pub(crate) fn weigh<'a>(standing: &Standing, voices: &'a [Voice]) -> Option<&'a Voice> {
    let start = voices.iter().map(|voice| voice.generation).max()?;
    if start < standing.generation {
        return None;
    }
    let restarted = start > standing.generation;
    let speaking = || voices.iter().filter(|voice| voice.generation == start);
    if let Some(goodbye) = speaking().find(|voice| voice.word == Word::Left) {
        return Some(goodbye).filter(|_| standing.state != MemberState::Left);
    }
    if standing.state == MemberState::Left && !restarted {
        return None;
    }
    let newest = speaking().max_by_key(|voice| (voice.at, voice.word == Word::Down))?;
    let heard = newest.word == Word::Heard;
    let other = heard != (standing.state == MemberState::Alive);
    let turns = if restarted { heard || other } else { other && newest.at > standing.at };
    turns.then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    fn voice(word: Word, generation: u64, millis: u64) -> Voice {
        let (by, reason) = (Instance::from_bytes([1; 16]), String::new());
        Voice {
            by,
            generation: Generation::new(generation),
            word,
            at: at(millis),
            reason,
            goodbye: Goodbye::None,
        }
    }

    /// What voices make of a member whose third start stands in a state since 1 s.
    fn outcome(state: MemberState, voices: &[(Word, u64, u64)]) -> Option<Word> {
        let standing = Standing { generation: Generation::new(3), state, at: at(1_000) };
        let voices: Vec<Voice> = voices.iter().map(|(w, g, at)| voice(*w, *g, *at)).collect();
        weigh(&standing, &voices).map(|voice| voice.word)
    }

    #[test]
    fn the_newest_evidence_wins() {
        use MemberState::{Alive, Down as Gone};
        use Word::{Down, Heard};
        assert_eq!(outcome(Alive, &[(Heard, 3, 1_500), (Down, 3, 1_600)]), Some(Down));
        assert_eq!(outcome(Alive, &[(Heard, 3, 1_600), (Down, 3, 1_500)]), None);
        assert_eq!(outcome(Gone, &[(Heard, 3, 1_600), (Down, 3, 1_500)]), Some(Heard));
        assert_eq!(outcome(Gone, &[(Down, 3, 1_600), (Heard, 3, 1_500)]), None);
        assert_eq!(outcome(Gone, &[(Down, 3, 1_600), (Heard, 3, 1_600)]), None);
    }

    #[test]
    fn a_confirmed_down_stands_until_something_newer_was_heard() {
        assert_eq!(outcome(MemberState::Down, &[(Word::Heard, 3, 999)]), None);
        assert_eq!(outcome(MemberState::Down, &[(Word::Heard, 3, 1_000)]), None);
        assert_eq!(outcome(MemberState::Down, &[(Word::Heard, 3, 1_001)]), Some(Word::Heard));
    }

    #[test]
    fn a_sign_of_life_stands_until_a_newer_silence_was_confirmed() {
        assert_eq!(outcome(MemberState::Alive, &[(Word::Down, 3, 1_000)]), None);
        assert_eq!(outcome(MemberState::Alive, &[(Word::Down, 3, 1_001)]), Some(Word::Down));
    }

    #[test]
    fn voices_about_an_earlier_start_say_nothing() {
        use Word::{Down, Heard, Left};
        assert_eq!(outcome(MemberState::Alive, &[(Down, 2, 9_000), (Left, 2, 9_000)]), None);
        assert_eq!(outcome(MemberState::Down, &[(Heard, 2, 9_000)]), None);
        assert_eq!(outcome(MemberState::Alive, &[(Left, 3, 9_000), (Heard, 4, 10)]), Some(Heard));
    }

    #[test]
    fn a_newer_start_counts_whatever_is_committed_of_the_earlier_one() {
        use MemberState::{Alive, Down as Gone, Left as Away};
        use Word::{Down, Heard};
        for state in [Alive, Gone, Away] {
            assert_eq!(outcome(state, &[(Heard, 4, 10)]), Some(Heard), "{state:?}");
        }
        assert_eq!(outcome(Alive, &[(Down, 4, 10)]), Some(Down));
        assert_eq!(outcome(Gone, &[(Down, 4, 10)]), None);
    }

    #[test]
    fn a_goodbye_ends_its_start_for_good() {
        use MemberState::{Alive, Down as Gone, Left as Away};
        use Word::{Down, Heard, Left};
        assert_eq!(outcome(Alive, &[(Left, 3, 10), (Heard, 3, 9_000)]), Some(Left));
        assert_eq!(outcome(Gone, &[(Left, 3, 10)]), Some(Left));
        assert_eq!(outcome(Away, &[(Left, 3, 9_000)]), None);
        assert_eq!(outcome(Away, &[(Heard, 3, 9_000), (Down, 3, 9_500)]), None);
    }
}
