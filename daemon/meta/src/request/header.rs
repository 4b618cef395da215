//! The header of an answer, as far as a replica knows it.

use quorate_proto::ResponseHeader;

/// A header with nothing but a revision; the answering node fills in the rest.
#[allow(clippy::unnecessary_wraps, reason = "the field it is made for is optional")]
pub(crate) fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}
