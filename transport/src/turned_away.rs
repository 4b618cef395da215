//! How many connections were turned away in their handshake, by why, since the start. Bounded: the reasons are few and fixed.

use quorate_proto::DialFailure;
use std::sync::atomic::{AtomicU64, Ordering};

/// The reasons in one stable word each.
const WORDS: [&str; 6] =
    ["other-secret", "other-cluster", "protocol", "itself", "no-hello", "refused"];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway([AtomicU64; WORDS.len()]);

impl TurnedAway {
    /// One more that came here and was not taken in.
    pub(crate) fn note(&self, failure: &DialFailure) {
        let place = match failure {
            DialFailure::OtherSecret { .. } => 0,
            DialFailure::OtherCluster { .. } => 1,
            DialFailure::Protocol { .. } => 2,
            DialFailure::Myself => 3,
            DialFailure::NoAnswer => 4,
            _ => 5,
        };
        self.0[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Every reason, also those that never were one.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        WORDS.into_iter().zip(counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own() {
        let turned_away = TurnedAway::default();
        turned_away.note(&DialFailure::Myself);
        turned_away.note(&DialFailure::Handshake { reason: "no room".to_owned() });
        turned_away.note(&DialFailure::Handshake { reason: "banned".to_owned() });
        let all = turned_away.all();
        let some: Vec<_> = all.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(some, [("itself", 1), ("refused", 2)]);
    }
}
