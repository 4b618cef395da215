//! What is kept of the answer to a write.
//!
//! Most writes are puts that nobody asked the former value of: of those the revision says all, and keeping it takes no memory of its own.

use crate::request::header::header;
use crate::snapshot::fields::{content, signed, string, take, word32};
use crate::snapshot::record::{RestoreError, put_bytes};
use bytes::Bytes;
use quorate_proto::{KvError, KvResponse, Message as _, PutResponse, kv_response};

/// Largest answer that is kept: most of what a write reads beside itself fits.
const LARGEST: usize = 64 * 1024;

/// What a write was answered when it was applied the first time.
#[derive(Debug, Clone, PartialEq)]
pub enum FirstAnswer {
    /// This.
    Kv(Result<KvResponse, KvError>),
    /// It was decided; its answer was too large to be kept.
    TooLarge {
        /// Whether it changed something: a transaction whose conditions did not hold need not.
        changed: bool,
    },
    /// The client gave the id to another request then.
    OtherRequest,
    /// Nobody can tell: its number is over, or not above the highest that was forgotten. It may never have come.
    Forgotten,
}

/// See the head of this file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// A put without a former value, at this revision.
    Put(i64),
    /// Any other answer, encoded.
    Whole(Bytes),
    /// An error's number.
    Refused(KvError),
    /// It was decided, and changed something or did not.
    TooLarge { changed: bool },
}

impl Answer {
    /// `changed`: whether the write changed something.
    pub(super) fn of(result: &Result<KvResponse, KvError>, changed: bool) -> Self {
        match result {
            Err(error) => Self::Refused(*error),
            Ok(KvResponse { response: Some(kv_response::Response::Put(put)) })
                if put.prev_kv.is_none() =>
            {
                Self::Put(put.header.as_ref().map_or(0, |header| header.revision))
            }
            Ok(response) if response.encoded_len() > LARGEST => Self::TooLarge { changed },
            Ok(response) => Self::Whole(response.encode_to_vec().into()),
        }
    }

    pub(super) fn first(&self) -> FirstAnswer {
        match self {
            Self::Put(revision) => {
                let put = PutResponse { header: header(*revision), prev_kv: None };
                let response = Some(kv_response::Response::Put(put));
                FirstAnswer::Kv(Ok(KvResponse { response }))
            }
            Self::Whole(bytes) => match KvResponse::decode(bytes.clone()) {
                Ok(response) => FirstAnswer::Kv(Ok(response)),
                // Never: it was encoded here. Nobody repeats by mistake what is told as done.
                Err(_) => FirstAnswer::TooLarge { changed: true },
            },
            Self::Refused(error) => FirstAnswer::Kv(Err(*error)),
            Self::TooLarge { changed } => FirstAnswer::TooLarge { changed: *changed },
        }
    }

    /// Bytes beyond those of the record.
    pub(super) fn len(&self) -> usize {
        if let Self::Whole(bytes) = self { bytes.len() } else { 0 }
    }

    /// A number for the hash of the state.
    pub(super) fn digest(&self) -> u64 {
        match self {
            Self::Put(revision) => revision.cast_unsigned(),
            Self::Whole(bytes) => u64::from(crc32fast::hash(bytes)) << 2 | 1,
            Self::Refused(error) => u64::from(i32::from(*error).cast_unsigned()) << 2 | 2,
            Self::TooLarge { changed: true } => 3,
            Self::TooLarge { changed: false } => 7,
        }
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put(revision) => {
                out.push(0);
                out.extend_from_slice(&revision.to_le_bytes());
            }
            Self::Whole(bytes) => {
                out.push(1);
                put_bytes(out, bytes);
            }
            Self::Refused(error) => {
                out.push(2);
                out.extend_from_slice(&i32::from(*error).to_le_bytes());
            }
            Self::TooLarge { changed: true } => out.push(3),
            Self::TooLarge { changed: false } => out.push(4),
        }
    }

    pub(super) fn load(body: &mut &[u8]) -> Result<Self, RestoreError> {
        match take(body, 1)?[0] {
            0 => Ok(Self::Put(signed(body)?)),
            1 => {
                let bytes = string(body)?;
                if bytes.len() > LARGEST || KvResponse::decode(bytes).is_err() {
                    return Err(content("a remembered answer"));
                }
                Ok(Self::Whole(Bytes::copy_from_slice(bytes)))
            }
            2 => {
                let number = word32(body)?.cast_signed();
                let error = KvError::try_from(number);
                error.map(Self::Refused).map_err(|_| content("a remembered error"))
            }
            kind @ (3 | 4) => Ok(Self::TooLarge { changed: kind == 3 }),
            _ => Err(content("the kind of a remembered answer")),
        }
    }
}
