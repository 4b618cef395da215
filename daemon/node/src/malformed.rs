//! Frames that cannot be decoded: all are counted, and a peer that sends them is told of once a minute, with their number.
//! A peer of another version, or a hostile one, must not fill the journal.

use quorate_proto::{Instance, Moment};
use std::collections::BTreeMap;
use std::time::Duration;

/// A peer is told of once in so long.
const EVERY: Duration = Duration::from_secs(60);
/// Peers that are told of at one time; of more, only the counter speaks.
const PEERS: usize = 64;

/// Who sent such frames of late.
#[derive(Debug, Default)]
pub(crate) struct Malformed {
    /// When it was told of last, and how many came since.
    peers: BTreeMap<Instance, (Moment, u64)>,
}

impl Malformed {
    /// A frame of a peer cannot be decoded. When it is time to say so: how many could not since that was said last.
    pub(crate) fn note(&mut self, now: Moment, from: Instance) -> Option<u64> {
        if let Some((told, count)) = self.peers.get_mut(&from) {
            *count += 1;
            if now.since(*told) < EVERY {
                return None;
            }
            *told = now;
            return Some(std::mem::take(count));
        }
        if self.peers.len() >= PEERS {
            self.peers.retain(|_, (told, _)| now.since(*told) < EVERY);
        }
        if self.peers.len() >= PEERS {
            return None;
        }
        self.peers.insert(from, (now, 0));
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(number: u8) -> Instance {
        Instance::from_bytes([number; 16])
    }

    #[test]
    fn five_thousand_malformed_frames_are_one_line_a_minute_with_their_number() {
        let mut malformed = Malformed::default();
        let mut said = Vec::new();
        for at in 0..=5_000_u64 {
            said.extend(malformed.note(Moment::from_micros(at * 12_000), life(1)));
        }
        assert_eq!(said, [1, 5_000]);
        assert_eq!(malformed.note(Moment::from_micros(60_000_000), life(2)), Some(1));
    }

    #[test]
    fn many_peers_at_once_are_told_of_up_to_a_bound_and_later_ones_when_there_is_room() {
        let mut malformed = Malformed::default();
        let now = Moment::from_micros(1_000_000);
        let said = (0..100).filter_map(|number| malformed.note(now, life(number))).count();
        assert_eq!(said, PEERS);
        assert_eq!(malformed.note(now + EVERY, life(200)), Some(1));
        assert!(malformed.peers.len() <= PEERS);
    }
}
