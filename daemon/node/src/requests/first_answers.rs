//! Writes that were done before under their names: whose they may be, and what is told to who asks for them again.
//!
//! Knows nothing of how they are remembered.

use crate::answers::kv_refusal;
use quorate_meta::FirstAnswer;
use quorate_proto::{Refusal, RefusalCode, WriteName, forward_answer, write_name};

/// Whether a client gave the name: then nobody but the state knows whether it comes for the first time.
pub(super) fn is_clients(name: &WriteName) -> bool {
    matches!(name.kind, Some(write_name::Kind::Client(_)))
}

/// What is told to who asks for a write that was done before.
pub(super) fn outcome_of(first: FirstAnswer) -> forward_answer::Outcome {
    let (code, detail, text) = match first {
        FirstAnswer::Kv(Ok(response)) => return forward_answer::Outcome::Kv(response),
        FirstAnswer::Kv(Err(error)) => return forward_answer::Outcome::Refused(kv_refusal(error)),
        FirstAnswer::TooLarge { changed: true } => {
            let text = "the write was done before; its answer was too large to be kept";
            (RefusalCode::DoneTooLarge, 0, text)
        }
        FirstAnswer::TooLarge { changed: false } => {
            let text = "it was decided and changed nothing; its answer was too large to be kept";
            (RefusalCode::UndoneTooLarge, 0, text)
        }
        FirstAnswer::OtherRequest => {
            let text = "this id was given to another request before; nothing was done. Give each write an id of its own";
            (RefusalCode::OtherRequest, 0, text)
        }
        FirstAnswer::Forgotten => {
            let text = "what came of this write, or whether it came at all, is not known any more: it may or may not have happened";
            (RefusalCode::FateUnknown, 1, text)
        }
    };
    forward_answer::Outcome::Refused(Refusal { code: code.into(), detail, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_late_for_the_first_time_is_not_told_that_it_was_asked_before() {
        let forward_answer::Outcome::Refused(refusal) = outcome_of(FirstAnswer::Forgotten) else {
            panic!("nobody can tell")
        };
        assert_eq!((refusal.code(), refusal.detail), (RefusalCode::FateUnknown, 1));
        let text = refusal.text;
        assert!(
            text.contains("whether it came at all") && !text.contains("asked before"),
            "{text}"
        );
    }
}
