//! The detector's settings: who it is, and the time spans that it judges by, with the reason for each.
//!
//! The relations that the protocol needs between the spans are checked at compile time for the default; those of the spans that follow
//! the silence are kept in `patience.rs`.

use crate::patience::{SILENCE_LEAST, SILENCE_MOST, SILENCE_START};
use quorate_proto::{Generation, Instance};
use std::time::Duration;

/// What a [`crate::Detector`] is made of.
#[derive(Debug, Clone)]
pub struct DetectorConfig {
    /// This node's disk life.
    pub me: Instance,
    /// This start of it.
    pub generation: Generation,
    /// Seed of all randomness (whom gossip chooses, jitter); equal seeds and inputs give equal outputs.
    pub seed: u64,
    /// The time spans.
    pub profile: Profile,
}

/// Every time span of the detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// Silence of a directly pinged peer that is a suspicion, until [`crate::DetectorInput::Patience`] says another. What hangs on it
    /// is in [`crate::Spans`].
    pub silence: Duration,
    /// After a confirmer did hear the suspect, how long until it is asked about again.
    pub ask_again: Duration,
    /// Whom another heard for us within this is not given up on the word of gossip: we ask again, and once more when an
    /// answer was lost.
    pub vouched: Duration,
    /// The detector wants to run at least this often, so that it notices when it was not let.
    pub pulse: Duration,
    /// Shortest self-doubt after a late turn: the inbox has to be drained first.
    pub doubt_least: Duration,
    /// Longest self-doubt after a late turn in which nobody was heard: then the others' silence is real.
    pub doubt_most: Duration,
    /// How often a refuted suspicion of ours is forgiven, one at a time.
    pub ease: Duration,
    /// How often an address without a live peer is probed, for ever, give or take a fifth.
    pub probe: Duration,
    /// How often a live session's peer that gossip has not taken up is announced to.
    pub announce_again: Duration,
    /// How often our own card is handed to gossip again: it forgets what it has sent ten times.
    pub card_repeat: Duration,
    /// Gossip's own spans.
    pub swim: SwimProfile,
}

/// The settings of the gossip protocol, measured under loss (0 to 20 %) at 3 to 1,000 nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwimProfile {
    /// One random member is probed this often.
    pub probe_period: Duration,
    /// A direct answer is waited for this long, then others are asked to probe.
    pub probe_rtt: Duration,
    /// How long a suspect may take to object.
    pub suspect_to_down: Duration,
    /// How often each update is sent on; fewer than ten lost updates outright at ten nodes.
    pub transmissions: u8,
    /// How often news are sent to three others.
    pub gossip: Duration,
    /// How often one member is asked for the whole list.
    pub announce: Duration,
    /// How often two members believed down are told that we are here.
    pub announce_to_down: Duration,
}

impl Profile {
    /// What ships. A constant, so that spans elsewhere that must be equal to one of these are taken from here.
    pub const DEFAULT: Self = DEFAULT;
}

const DEFAULT: Profile = Profile {
    silence: SILENCE_START,
    ask_again: Duration::from_secs(1),
    vouched: Duration::from_millis(2_500),
    pulse: Duration::from_millis(100),
    doubt_least: Duration::from_millis(200),
    doubt_most: Duration::from_secs(1),
    ease: Duration::from_secs(5),
    probe: Duration::from_secs(5),
    announce_again: Duration::from_secs(1),
    card_repeat: Duration::from_secs(3),
    swim: SwimProfile {
        probe_period: Duration::from_millis(250),
        probe_rtt: Duration::from_millis(80),
        suspect_to_down: Duration::from_secs(1),
        transmissions: 10,
        gossip: Duration::from_millis(100),
        announce: Duration::from_secs(2),
        announce_to_down: Duration::from_secs(10),
    },
};

const _: () = {
    assert!(DEFAULT.ask_again.as_millis() * 2 < DEFAULT.vouched.as_millis());
    assert!(SILENCE_LEAST.as_millis() < SILENCE_START.as_millis());
    assert!(SILENCE_START.as_millis() < SILENCE_MOST.as_millis());
    assert!(DEFAULT.doubt_least.as_millis() < DEFAULT.doubt_most.as_millis());
    assert!(DEFAULT.swim.probe_rtt.as_millis() * 2 < DEFAULT.swim.probe_period.as_millis());
};

impl Default for Profile {
    fn default() -> Self {
        DEFAULT
    }
}
