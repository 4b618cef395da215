//! How slowly a node judges others, where it can go no further: in words.

use super::{Cause, ReasonCode};

/// What is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPart {
    /// The way to a host, or that host.
    Way,
    /// The turns of this host.
    Here,
    /// The turns of that host.
    There,
    /// What the leader finds slow: it says for how long it bears with this host.
    Leader,
    /// Nothing any more.
    Nothing,
}

/// A node bears with a silence for as long as any may last. `of`: whose silence; none: that of all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "a field is explained by the sentence of the type, or by the words that are made of it"
)]
pub struct SlowlyJudged {
    pub me: String,
    pub of: Option<String>,
    pub millis: u64,
    pub part: SlowPart,
    pub because: String,
}

impl Cause for SlowlyJudged {
    fn code(&self) -> ReasonCode {
        ReasonCode::JudgedSlowly
    }

    fn subject(&self) -> Option<String> {
        self.of.clone()
    }

    fn text(&self) -> String {
        let Self { me, millis, because, .. } = self;
        format!(
            "{me} suspects {} after {millis} ms of silence, which is the most, and no sooner: {because}",
            self.of.as_deref().unwrap_or("any host")
        )
    }

    fn remedy(&self) -> String {
        let Self { me, of, part, .. } = self;
        let other = of.as_deref();
        let short_of_time = |host: &str| {
            format!(
                "on {host}: `top` and `vmstat 1` show what takes the processors from quorate (`st`: the machine that {host} is a part of); \
                 once no turn is late any more, this ends within minutes"
            )
        };
        match (part, other) {
            (SlowPart::Way, Some(other)) => format!(
                "`quorate ping {other}` and `quorate status --links` show the way there; traffic that fills it, or too little processor \
                 time on {other} (`top` there), makes answers late"
            ),
            (SlowPart::There, Some(other)) => short_of_time(other),
            (SlowPart::Leader, Some(other)) => format!("on {other}, which leads: `quorate why`"),
            (SlowPart::Nothing, _) => "none: it becomes less by itself within minutes".to_owned(),
            (SlowPart::Here, _) | (_, None) => short_of_time(me),
        }
    }
}
