//! Raft frames that came before the group was started here.
//!
//! At most `limits::HELD_RAFT_FRAMES`: beyond it the newest is dropped, which is safe, as the sender repeats what matters.

use quorate_proto::{Instance, RaftMessage, limits};

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct EarlyFrames {
    frames: Vec<(Instance, RaftMessage)>,
}

impl EarlyFrames {
    pub(crate) fn keep(&mut self, from: Instance, message: RaftMessage) {
        if self.frames.len() < limits::HELD_RAFT_FRAMES {
            self.frames.push((from, message));
        }
    }

    /// All of them, in the order in which they came.
    pub(crate) fn take(&mut self) -> Vec<(Instance, RaftMessage)> {
        std::mem::take(&mut self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_kept_in_order_up_to_the_bound_and_given_once() {
        let mut early = EarlyFrames::default();
        for term in 0..limits::HELD_RAFT_FRAMES as u64 + 5 {
            early.keep(Instance::default(), RaftMessage { term, ..RaftMessage::default() });
        }
        let terms: Vec<u64> = early.take().iter().map(|(_, message)| message.term).collect();
        assert_eq!(terms, (0..limits::HELD_RAFT_FRAMES as u64).collect::<Vec<_>>());
        assert!(early.take().is_empty());
    }
}
