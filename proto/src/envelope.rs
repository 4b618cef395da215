//! The one envelope of the control and log lanes, and the one place where a frame is refused.
//!
//! Decoding never panics. What it allocates is bounded by the frame's length and by the number of elements in its lists, which are
//! counted before (`elements.rs`).

use crate::{
    ClusterId, DetectorMessage, Dissent, FoundingMessage, GroupId, Lane, Ping, Pong, RaftMessage,
    Warnings, elements, limits,
};
use bytes::Bytes;
use prost::Message as _;

/// A Raft message with what fences it (GENESIS rule 18): dropped when the cluster id differs.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RaftFrame {
    /// Raft group; 0 = `__meta`.
    #[prost(uint32, tag = "1")]
    pub group: u32,
    /// The cluster of the sender.
    #[prost(message, required, tag = "2")]
    pub cluster_id: ClusterId,
    /// The message.
    #[prost(message, required, tag = "3")]
    pub message: RaftMessage,
}

impl RaftFrame {
    /// A message of a replica of this group, in this cluster.
    #[must_use]
    pub fn new(group: GroupId, cluster_id: ClusterId, message: RaftMessage) -> Self {
        Self { group: group.get(), cluster_id, message }
    }

    /// The group that it belongs to.
    #[must_use]
    pub fn group(&self) -> GroupId {
        GroupId::new(self.group)
    }
}

/// Everything on the control and log lanes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Envelope {
    /// The content.
    #[prost(oneof = "EnvelopeBody", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    pub body: Option<EnvelopeBody>,
}

/// See [`Envelope`]: the kinds of content.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum EnvelopeBody {
    /// A direct ping.
    #[prost(message, tag = "1")]
    Ping(Ping),
    /// Its answer.
    #[prost(message, tag = "2")]
    Pong(Pong),
    /// Founding.
    #[prost(message, tag = "3")]
    Founding(FoundingMessage),
    /// Verdicts that differ from the committed health.
    #[prost(message, tag = "4")]
    Dissent(Dissent),
    /// Detector to detector.
    #[prost(message, tag = "5")]
    Detector(DetectorMessage),
    /// Raft.
    #[prost(message, tag = "6")]
    Raft(RaftFrame),
    /// "I am stopping": the sender's own goodbye on a clean stop. Names its generation, as the next session may
    /// overtake it.
    #[prost(uint64, tag = "7")]
    Farewell(u64),
    /// What an operator should look at.
    #[prost(message, tag = "8")]
    Warnings(Warnings),
}

/// Why a frame was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Longer than its lane allows.
    #[error("a frame of {length} bytes is over the limit of {limit} of its lane")]
    TooLong {
        /// Its length.
        length: usize,
        /// The lane's limit.
        limit: usize,
    },
    /// On the log lane, but not one Raft message and nothing else.
    #[error("a frame on the log lane that is no Raft message")]
    NotRaft,
    /// Not decodable.
    #[error("a frame cannot be decoded: {reason}")]
    Malformed {
        /// What the decoder said.
        reason: String,
    },
    /// More elements in its lists than any honest frame has.
    #[error("a frame with more elements than there can be")]
    TooMany,
    /// Decodable, but of a kind that this build does not know.
    #[error("a frame of an unknown kind")]
    UnknownKind,
}

impl Envelope {
    /// Encodes one body.
    #[must_use]
    pub fn encode_body(body: EnvelopeBody) -> Bytes {
        Self { body: Some(body) }.encode_to_vec().into()
    }

    /// Decodes a frame that arrived on `lane`.
    ///
    /// # Errors
    /// When it is too long, malformed or of an unknown kind.
    pub fn open(lane: Lane, frame: Bytes) -> Result<EnvelopeBody, EnvelopeError> {
        let limit = match lane {
            Lane::Control => limits::CONTROL_FRAME,
            Lane::Log => limits::LOG_FRAME,
        };
        if frame.len() > limit {
            return Err(EnvelopeError::TooLong { length: frame.len(), limit });
        }
        // The log lane allows longer frames, which nothing but entries can fill.
        if lane == Lane::Log && !is_one_raft_frame(&frame) {
            return Err(EnvelopeError::NotRaft);
        }
        let most = match lane {
            Lane::Control => limits::LIST_ELEMENTS,
            Lane::Log => limits::LIST_ELEMENTS.max(frame.len() / limits::ENTRY_BYTES),
        };
        if !elements::at_most(most, &elements::ENVELOPE, &frame) {
            return Err(EnvelopeError::TooMany);
        }
        let envelope = Self::decode(frame)
            .map_err(|error| EnvelopeError::Malformed { reason: error.to_string() })?;
        envelope.body.ok_or(EnvelopeError::UnknownKind)
    }
}

fn is_one_raft_frame(frame: &[u8]) -> bool {
    const RAFT: u8 = (6 << 3) | 2;
    let Some((&RAFT, mut rest)) = frame.split_first() else { return false };
    prost::encoding::decode_varint(&mut rest).is_ok_and(|length| length == rest.len() as u64)
}
