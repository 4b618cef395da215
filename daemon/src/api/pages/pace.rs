//! How fast the node judges others, and why not faster.

use quorate_node::PaceStatus;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `pace` of `/v1/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PacePage {
    /// The longest silence before a suspicion, of all that are in force on this node.
    pub(crate) silence_ms: u64,
    /// The same as it is borne with now: up to three times as long while others hear whom this node did not.
    #[serde(default)]
    pub(crate) strained_ms: u64,
    /// Of whom that is borne with; none when of all.
    pub(crate) of: Option<String>,
    /// Why it is so long.
    pub(crate) because: String,
    /// How often the leader pings each member.
    pub(crate) ping_ms: u64,
}

impl PacePage {
    pub(crate) fn of(pace: &PaceStatus) -> Self {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            silence_ms: millis(pace.silence),
            strained_ms: millis(pace.strained),
            of: pace.of.clone(),
            because: pace.ground.to_string(),
            ping_ms: millis(pace.interval),
        }
    }

    /// For `quorate status`.
    pub(crate) fn in_words(&self) -> String {
        let whose = self.of.as_deref().map_or_else(String::new, |of| format!(" of {of}"));
        let strained = match self.strained_ms > self.silence_ms {
            true => format!(
                ", and after {} ms for now: others heard whom this host did not hear",
                self.strained_ms
            ),
            false => String::new(),
        };
        format!(
            "suspects after {} ms of silence{whose} ({}){strained}; pings each {} ms",
            self.silence_ms, self.because, self.ping_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_node::Ground;

    #[test]
    fn the_line_says_after_how_long_who_is_suspected_and_why_not_sooner() {
        let ms = Duration::from_millis;
        let pace = PaceStatus {
            silence: ms(700),
            strained: ms(700),
            of: Some("db2".to_owned()),
            ground: Ground::Trip(ms(100)),
            interval: ms(150),
        };
        assert_eq!(
            PacePage::of(&pace).in_words(),
            "suspects after 700 ms of silence of db2 (an answer took 100 ms within 5 min); pings each 150 ms"
        );
        let strained = PaceStatus { strained: ms(1_400), ..pace.clone() };
        assert_eq!(
            PacePage::of(&strained).in_words(),
            "suspects after 700 ms of silence of db2 (an answer took 100 ms within 5 min), and after 1400 ms for now: others heard whom this host did \
             not hear; pings each 150 ms"
        );
        let strained = ms(500);
        let calm =
            PaceStatus { silence: strained, strained, of: None, ground: Ground::Least, ..pace };
        assert_eq!(
            PacePage::of(&calm).in_words(),
            "suspects after 500 ms of silence (nothing slow within 5 min); pings each 150 ms"
        );
    }
}
