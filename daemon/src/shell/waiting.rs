//! What the log says of the reasons for which a node waits: each once when it begins and once when it ends, though its text
//! may change in between. Pure: reasons in, lines out.

use quorate_node::Reason;
use quorate_proto::ReasonCode;

/// The reasons that the log was told of and that still stand.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    told: Vec<(ReasonCode, Option<String>, String)>,
}

impl Waiting {
    /// The lines that have to be logged now that these are the reasons: first what has ended, then what has begun.
    pub(crate) fn lines(&mut self, reasons: &[Reason]) -> Vec<String> {
        let same = |(code, subject, _): &(ReasonCode, Option<String>, String), reason: &Reason| {
            *code == reason.code && *subject == reason.subject
        };
        let mut lines = Vec::new();
        self.told.retain(|told| {
            let stands = reasons.iter().any(|reason| same(told, reason));
            if !stands {
                lines.push(format!("no longer so ({}): {}", told.0, told.2));
            }
            stands
        });
        for reason in reasons {
            if !self.told.iter().any(|told| same(told, reason)) {
                let Reason { code, subject, text, remedy, .. } = reason;
                let text = text.trim_end_matches('.');
                lines.push(format!("waiting ({code}): {text}. {remedy}").trim_end().to_owned());
                self.told.push((*code, subject.clone(), text.to_owned()));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_proto::Moment;

    fn reason(subject: &str, text: &str) -> Reason {
        Reason {
            code: ReasonCode::NoAnswer,
            subject: Some(subject.to_owned()),
            text: text.to_owned(),
            remedy: "Start it".to_owned(),
            since: Moment::ZERO,
        }
    }

    #[test]
    fn each_reason_is_told_once_when_it_begins_and_once_when_it_ends() {
        let mut waiting = Waiting::default();
        let (one, other) = (reason("b", "b is silent"), reason("c", "c is silent"));
        let begun = waiting.lines(&[one.clone(), other.clone()]);
        assert_eq!(begun[0], "waiting (no-answer): b is silent. Start it");
        assert_eq!(begun.len(), 2);
        let longer = reason("b", "b is silent for a minute");
        assert!(waiting.lines(&[longer, other.clone()]).is_empty());
        assert_eq!(waiting.lines(&[other]), ["no longer so (no-answer): b is silent"]);
        assert_eq!(waiting.lines(std::slice::from_ref(&one)).len(), 2);
        assert_eq!(waiting.lines(&[]).len(), 1);
        assert!(waiting.lines(&[]).is_empty());
    }
}
