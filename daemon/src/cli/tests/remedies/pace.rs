//! A node that judges others slowly, for each thing that can be slow.

use super::name;
use quorate_proto::{SlowPart, SlowlyJudged};

pub(super) fn causes() -> Vec<SlowlyJudged> {
    let slow = |part, of: Option<String>, because: &str| SlowlyJudged {
        me: "db1".to_owned(),
        of,
        millis: 2_000,
        part,
        because: because.to_owned(),
    };
    vec![
        slow(SlowPart::Way, Some(name()), "an answer took 450 ms within 5 min"),
        slow(SlowPart::Here, None, "a turn of this host was 350 ms late within 5 min"),
        slow(SlowPart::There, Some(name()), "a turn of that host was 350 ms late within 5 min"),
        slow(SlowPart::Leader, Some(name()), "the leader bears with this host for as long"),
        slow(SlowPart::Nothing, Some(name()), "it was longer, and shrinks"),
    ]
}
