//! One node's own opinions: verdicts, the questions that confirm them, and the dissent sent to the leader.

use crate::{Address, Generation, Goodbye, HealthEpoch, Instance};

/// One node's opinion of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Verdict {
    /// It answers.
    Alive = 0,
    /// It was silent, but nobody confirmed that yet.
    Suspect = 1,
    /// It is silent for another node too, or gossip has given it up.
    Down = 2,
    /// It said goodbye.
    Left = 3,
}

/// A verdict as it travels.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VerdictReport {
    /// Whom it is about.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// The generation it is about: older evidence says nothing of a newer one.
    #[prost(message, required, tag = "2")]
    pub generation: Generation,
    /// The opinion.
    #[prost(enumeration = "Verdict", tag = "3")]
    pub verdict: i32,
    /// Why, for people.
    #[prost(string, tag = "4")]
    pub reason: String,
    /// Milliseconds since the evidence, rounded up: for "it answers" since it was last heard, else since the verdict.
    #[prost(uint64, tag = "5")]
    pub age_ms: u64,
    /// Whether another node than the reporter confirmed it.
    #[prost(bool, tag = "6")]
    pub confirmed: bool,
    /// Of one that has left: who said so.
    #[prost(enumeration = "Goodbye", tag = "7")]
    pub goodbye: i32,
}

/// A node's verdicts minus the committed health it has applied; sent whole to the leader.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dissent {
    /// The committed epoch that the reporter compared with.
    #[prost(message, required, tag = "1")]
    pub epoch: HealthEpoch,
    /// Every difference.
    #[prost(message, repeated, tag = "2")]
    pub verdicts: Vec<VerdictReport>,
    /// Number of the leader's newest ping that the reporter got. The leader knows when it sent that one, so that a report
    /// that was long on its way is not taken for a fresh one.
    #[prost(uint64, tag = "3")]
    pub ping: u64,
    /// Milliseconds since that ping came, when this was sent.
    #[prost(uint64, tag = "4")]
    pub since_ping_ms: u64,
}

/// A direct question for a sign of life.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LifeProbe {
    /// Echoed in the answer.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// The sign of life.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LifeAnswer {
    /// The number in the probe.
    #[prost(uint64, tag = "1")]
    pub number: u64,
}

/// "I do not hear this node; do you, now?"
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfirmAsk {
    /// Echoed in the answer.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Whom it is about.
    #[prost(message, required, tag = "2")]
    pub subject: Instance,
    /// Which start of it.
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// Where it was last reached, for an asked node that does not know.
    #[prost(message, optional, tag = "4")]
    pub address: Option<Address>,
    /// The silence in milliseconds after which the asker suspects it: how long the asked node may take follows from that. 0 when it
    /// does not say.
    #[prost(uint32, tag = "105")]
    pub patience_ms: u32,
}

/// The answer to a [`ConfirmAsk`], given after the asked node tried by itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfirmAnswer {
    /// The number in the question.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Whom it is about.
    #[prost(message, required, tag = "2")]
    pub subject: Instance,
    /// Which start of it; a higher one than asked about when the subject was restarted.
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// Whether the subject answered.
    #[prost(bool, tag = "4")]
    pub heard: bool,
}

/// What two detectors say to each other on the control lane.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DetectorMessage {
    /// The message.
    #[prost(oneof = "detector_message::Body", tags = "1, 2, 3, 4")]
    pub body: Option<detector_message::Body>,
}

/// See [`DetectorMessage`].
pub mod detector_message {
    /// The kinds of message.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Body {
        /// A direct question.
        #[prost(message, tag = "1")]
        Probe(super::LifeProbe),
        /// Its answer.
        #[prost(message, tag = "2")]
        Life(super::LifeAnswer),
        /// A question about a third node.
        #[prost(message, tag = "3")]
        Ask(super::ConfirmAsk),
        /// Its answer.
        #[prost(message, tag = "4")]
        Answer(super::ConfirmAnswer),
    }
}
