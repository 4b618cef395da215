//! Who is alive, as this node sees it (`Detector`), and whether to found a cluster (`Founding`).
//!
//! Both are pure state machines: time, randomness, resolved names and what came off the wire are arguments, and what
//! is to be done comes out as values. Knows nothing of sockets, files, consensus or what an agreed entry means.

mod cards;
mod codec;
mod config;
mod contacts;
mod detector;
mod event;
mod founding;
mod indirect_probes;
mod intake;
mod patience;
mod ping;
mod rejoins;
mod seeds;
mod self_awareness;
mod swim;
mod timers;
mod turn;
mod verdicts;

pub use codec::PacketError;
pub use config::{DetectorConfig, Profile, SwimProfile};
pub use detector::Detector;
pub use event::{DetectorInput, DetectorOutput};
pub use founding::{
    DURABLE_WORD, FounderSelf, Founding, FoundingConfig, FoundingInput, FoundingOutput,
    MAJORITY_WORD, Margin, Mode, ModeError, Outcome, OwnSlot, ProofError, Waived, WaiverRefused,
    check_founded, quorum,
};
pub use patience::{SILENCE_LEAST, SILENCE_MOST, SILENCE_START, Spans};
pub use seeds::{SeedsError, check_seeds};
pub use verdicts::Opinion;
