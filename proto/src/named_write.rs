//! The name of a write: under it a write happens once, whoever proposes it, however often.
//!
//! A write has the name that its client gave it, or else the number that the node gave it which its client asked. What is proposed again
//! under the same name gets the first answer. Knows nothing of how long names are remembered.

use crate::{FeatureLevel, Instance, KvRequest, limits};
use bytes::Bytes;
use prost::Message as _;

/// See the head of the file.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WriteName {
    /// Which. Absent: of a later version.
    #[prost(oneof = "write_name::Kind", tags = "1, 2")]
    pub kind: Option<write_name::Kind>,
}

/// See [`WriteName`].
pub mod write_name {
    /// The kinds of name.
    #[derive(Clone, PartialEq, Eq, prost::Oneof)]
    pub enum Kind {
        /// The number of the node that was asked.
        #[prost(message, tag = "1")]
        Numbered(super::Numbered),
        /// What the client calls it.
        #[prost(message, tag = "2")]
        Client(super::ClientName),
    }
}

/// A number that a node gave to a write of one of its clients.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Numbered {
    /// The node.
    #[prost(message, required, tag = "1")]
    pub origin: Instance,
    /// The run of it: random, so that no number of an earlier run is met again, whatever became of the disk.
    #[prost(fixed64, tag = "2")]
    pub run: u64,
    /// Counted from 1 within the run.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// Writes of the run up to this number are over: nobody asks for their answers any more.
    #[prost(uint64, tag = "4")]
    pub settled: u64,
}

/// What a client calls a write.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClientName {
    /// Opaque; 1 to [`limits::REQUEST_ID`] bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub id: Bytes,
    /// A hash of the request: an id that comes with another request is refused.
    #[prost(fixed64, tag = "2")]
    pub fingerprint: u64,
}

impl ClientName {
    /// Whether this is an id that a client may give.
    #[must_use]
    pub fn is_id(id: &[u8]) -> bool {
        (1..=limits::REQUEST_ID).contains(&id.len())
    }
}

impl WriteName {
    /// The name of a write with a number.
    #[must_use]
    pub fn numbered(numbered: Numbered) -> Self {
        Self { kind: Some(write_name::Kind::Numbered(numbered)) }
    }

    /// The name that a client gave this request.
    #[must_use]
    pub fn of_client(id: Bytes, request: &KvRequest) -> Self {
        let fingerprint = crate::short_hash(&[&request.encode_to_vec()]);
        Self { kind: Some(write_name::Kind::Client(ClientName { id, fingerprint })) }
    }

    /// Whether this version knows the kind, and its content is within its bounds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match &self.kind {
            Some(write_name::Kind::Numbered(name)) => {
                name.settled < name.number && name.number <= limits::NUMBERS
            }
            Some(write_name::Kind::Client(name)) => ClientName::is_id(&name.id),
            None => false,
        }
    }
}

/// A write with its name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamedWrite {
    /// Its name.
    #[prost(message, required, tag = "1")]
    pub name: WriteName,
    /// The leaders' time, in milliseconds: as far as the state had it when the leader began to lead, and on from there by the leader's clock.
    #[prost(uint64, tag = "2")]
    pub clock_ms: u64,
    /// What is asked of the keyspace.
    #[prost(message, required, tag = "3")]
    pub request: KvRequest,
}

impl NamedWrite {
    /// Below this feature level a write has no name in the log, for a replica that does not know of names would stop.
    pub const LEVEL: FeatureLevel = FeatureLevel::new(2);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CommandBody;

    fn numbered(number: u64, settled: u64) -> WriteName {
        WriteName::numbered(Numbered { number, settled, ..Numbered::default() })
    }

    #[test]
    fn a_name_out_of_its_bounds_is_not_sound() {
        let client = |length| WriteName::of_client(vec![7; length].into(), &KvRequest::default());
        for (name, sound) in [
            (numbered(1, 0), true),
            (numbered(9, 8), true),
            (numbered(0, 0), false),
            (numbered(8, 8), false),
            (client(0), false),
            (client(1), true),
            (client(limits::REQUEST_ID), true),
            (client(limits::REQUEST_ID + 1), false),
            (WriteName::default(), false),
        ] {
            assert_eq!(name.is_sound(), sound, "{name:?}");
        }
    }

    #[test]
    fn a_write_with_a_name_needs_the_level_of_names_and_one_without_needs_none() {
        let request = KvRequest::default();
        let write = NamedWrite { name: numbered(1, 0), clock_ms: 1, request: request.clone() };
        assert_eq!(CommandBody::Write(write).least_level(), NamedWrite::LEVEL);
        assert_eq!(CommandBody::Kv(request).least_level(), FeatureLevel::BASE);
    }
}
