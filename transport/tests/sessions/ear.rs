//! What the owner of one end of a pair hears of its peer, and the rules of it: one session at a time, each with one end.

use quorate_transport::sessions::Word;

/// Listens to what the owner of one end is told.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    pub(crate) hears: Option<u64>,
    last: u64,
}

impl Ear {
    pub(crate) fn hear(&mut self, word: &Word) {
        match word {
            Word::Up(session) if self.hears == Some(session.number) => {}
            Word::Up(session) => {
                assert_eq!(self.hears, None, "{} comes before the end of that", session.number);
                assert!(session.number > self.last, "{} comes again", session.number);
                (self.hears, self.last) = (Some(session.number), session.number);
            }
            Word::Down { number, .. } => {
                assert_eq!(self.hears, Some(*number), "an end of what does not stand");
                self.hears = None;
            }
        }
    }
}
