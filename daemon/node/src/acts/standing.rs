//! What the cluster keeps of an operator's words: that a host is drained, that it may vote, that the autopilot is paused.
//!
//! None of it takes a vote or a host away, so nothing can be in its way but a wrong name or too many words.

use super::{Judged, member, not_now};
use crate::boot::Promotion;
use crate::sight::Sight;
use quorate_proto::{
    Approve, CommandBody, Drain, DrainHost, RefusalCode, Role, Steer, SteerAutopilot, limits,
};

pub(super) fn drain(sight: &Sight<'_>, asked: &DrainHost) -> Judged {
    let DrainHost { name, drained, reason } = asked;
    let member = match member(sight, name) {
        Ok(member) => member,
        Err(text) => return Judged::Refused(RefusalCode::NotFound, text),
    };
    if !drained && !member.is_drained() {
        return Judged::Done("not drained".to_owned());
    }
    if *drained && member.is_drained() && reason.is_empty() {
        return Judged::Done("drained already".to_owned());
    }
    unfit(reason).unwrap_or_else(|| {
        Judged::Propose(CommandBody::Drain(Drain {
            instance: member.instance,
            drained: *drained,
            reason: reason.clone(),
            at_unix_ms: sight.wall_ms,
        }))
    })
}

pub(super) fn promote(sight: &Sight<'_>, name: &str) -> Judged {
    let member = match member(sight, name) {
        Ok(member) => member,
        Err(text) => return Judged::Refused(RefusalCode::NotFound, text),
    };
    if member.role() == Role::Voter {
        return Judged::Done("a voter already".to_owned());
    }
    if sight.config.settings.promotion == Promotion::Auto {
        return not_now(format!(
            "{name} needs no word: with `promote = \"auto\"`, as quorate.toml of {} has it, the autopilot gives votes by itself \
             (`quorate autopilot`)",
            sight.config.name
        ));
    }
    let (instance, at_unix_ms) = (member.instance, sight.wall_ms);
    Judged::Propose(CommandBody::Approve(Approve { instance, at_unix_ms }))
}

pub(super) fn steer(sight: &Sight<'_>, asked: &SteerAutopilot) -> Judged {
    let SteerAutopilot { paused, reason } = asked;
    let is_paused = sight.group.is_some_and(|group| group.meta().autopilot_pause().is_some());
    if *paused && is_paused && reason.is_empty() {
        return Judged::Done("paused already".to_owned());
    }
    unfit(reason).unwrap_or_else(|| {
        Judged::Propose(CommandBody::Steer(Steer {
            paused: *paused,
            reason: reason.clone(),
            at_unix_ms: sight.wall_ms,
        }))
    })
}

/// What is told to all hosts has a bound, and does to no terminal what its reader does not expect.
fn unfit(reason: &str) -> Option<Judged> {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if reason.chars().any(|c| c.is_control() || turns(c)) {
        let text = "the reason has characters that are no text; nothing was done".to_owned();
        return Some(Judged::Refused(RefusalCode::Other, text));
    }
    let (bytes, most) = (reason.len(), limits::REASON);
    (bytes > most).then(|| {
        let text = format!("the reason has {bytes} bytes, and at most {most} are told to all hosts; nothing was done");
        Judged::Refused(RefusalCode::Other, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Trial;

    #[test]
    fn a_host_is_drained_by_name_once_and_with_a_reason_that_fits() {
        let trial = Trial::leading_alone();
        let sight = trial.node.sight();
        let asked = |name: &str, drained, reason: &str| {
            drain(&sight, &DrainHost { name: name.to_owned(), drained, reason: reason.to_owned() })
        };
        assert!(matches!(asked("n1", true, "a disk"), Judged::Propose(CommandBody::Drain(_))));
        assert_eq!(asked("n1", false, ""), Judged::Done("not drained".to_owned()));
        assert!(matches!(asked("n9", true, ""), Judged::Refused(RefusalCode::NotFound, _)));
        let long = "x".repeat(limits::REASON + 1);
        for unfit in [&long, "a\u{1b}[2Jb", "two\nlines", "\u{202e}txet"] {
            assert!(matches!(asked("n1", true, unfit), Judged::Refused(RefusalCode::Other, _)));
        }
    }

    #[test]
    fn who_votes_needs_no_word_to_vote() {
        let trial = Trial::leading_alone();
        let sight = trial.node.sight();
        assert_eq!(promote(&sight, "n1"), Judged::Done("a voter already".to_owned()));
        assert!(matches!(promote(&sight, "n9"), Judged::Refused(RefusalCode::NotFound, _)));
    }
}
