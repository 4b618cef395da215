//! Counts the elements of lists in an encoded message before it is decoded: an element of two bytes becomes a struct of
//! hundreds, so that a frame within its limit could still take a hundred times its length in memory.
//!
//! A shape names the fields that hold lists, or lead to them; everything else is passed over unread. Knows nothing of what
//! the fields mean. What is malformed counts as far as it can be read; the decoder refuses it.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The fields of a message whose elements count, with the shapes of what is in them.
pub(crate) struct Shape(pub(crate) &'static [(u32, &'static Shape)]);

/// Nothing in it counts.
pub(crate) static PLAIN: Shape = Shape(&[]);

static TXN: Shape = Shape(&[(1, &PLAIN), (2, &OPERATION), (3, &OPERATION)]);
static OPERATION: Shape = Shape(&[(4, &TXN)]);
static KV: Shape = Shape(&[(4, &TXN)]);
/// [`crate::ForwardRequest`]: operations and compares of a transaction, labels of an admission and of a
/// budget or an assignment, classes of a budget, names of items, uses of shares, assignments that a holder knows.
pub(crate) static REQUEST: Shape = Shape(&[(3, &KV), (4, &ADMIT), (8, &ACT), (115, &RENEW)]);
static ACT: Shape =
    Shape(&[(115, &BUDGET), (152, &BUDGET), (140, &ASSIGNMENT), (153, &ASSIGNMENT)]);
static BUDGET: Shape = Shape(&[(1, &Shape(&[(7, &PLAIN), (8, &PLAIN)]))]);
static ASSIGNMENT: Shape = Shape(&[(1, &Shape(&[(3, &PLAIN), (4, &PLAIN)]))]);
static RENEW: Shape = Shape(&[(3, &PLAIN), (142, &PLAIN)]);
static ADMIT: Shape = Shape(&[(7, &PLAIN)]);

static MEMBER: Shape = Shape(&[(11, &PLAIN)]);
static REPORTED: Shape = Shape(&[(2, &PLAIN), (3, &PLAIN)]);
static APPLICATION: Shape = Shape(&[(1, &REPORTED)]);
static VIEW: Shape = Shape(&[(2, &MEMBER), (100, &PLAIN), (130, &APPLICATION)]);
static DELTA: Shape = Shape(&[
    (2, &MEMBER),
    (3, &PLAIN),
    (4, &PLAIN),
    (100, &PLAIN),
    (130, &APPLICATION),
    (131, &PLAIN),
    (132, &PLAIN),
]);
static UPDATE: Shape = Shape(&[(1, &VIEW), (2, &DELTA)]);
static SECRETS: Shape = Shape(&[(2, &PLAIN), (100, &PLAIN), (101, &PLAIN)]);
static HOST: Shape = Shape(&[(3, &REPORTED)]);
static PING: Shape = Shape(&[(6, &UPDATE), (13, &PLAIN), (95, &SECRETS), (130, &HOST)]);
static RELAYED: Shape = Shape(&[(3, &UPDATE), (4, &PLAIN), (5, &PLAIN)]);
static PONG: Shape = Shape(&[(8, &RELAYED), (9, &PLAIN), (130, &HOST), (131, &HOST)]);
static DISSENT: Shape = Shape(&[(2, &PLAIN)]);
static WARNINGS: Shape = Shape(&[(1, &PLAIN), (2, &PLAIN)]);
static RAFT: Shape = Shape(&[(3, &Shape(&[(7, &PLAIN)]))]);
/// [`crate::Envelope`]: members, differences, acknowledgements passed on, verdicts, entries, warnings.
pub(crate) static ENVELOPE: Shape =
    Shape(&[(1, &PING), (2, &PONG), (4, &DISSENT), (6, &RAFT), (8, &WARNINGS)]);

/// Whether a message holds at most so many elements, in all its lists together.
pub(crate) fn at_most(budget: usize, shape: &Shape, bytes: &[u8]) -> bool {
    let mut left = budget;
    spend(&mut left, DEEPEST, shape, bytes)
}

/// Levels of nesting that the decoder reads, and more than any message of ours has.
const DEEPEST: usize = 100;

/// Takes what is in a message from what is left; false when that is not enough, or when it is nested too deep.
fn spend(left: &mut usize, deeper: usize, shape: &Shape, mut bytes: &[u8]) -> bool {
    while let Ok((tag, wire)) = decode_key(&mut bytes) {
        let length = match wire {
            WireType::Varint => decode_varint(&mut bytes).map(|_| 0),
            WireType::SixtyFourBit => Ok(8),
            WireType::ThirtyTwoBit => Ok(4),
            WireType::LengthDelimited => decode_varint(&mut bytes),
            // No message of ours has groups.
            WireType::StartGroup | WireType::EndGroup => return true,
        };
        let length = length.ok().and_then(|length| usize::try_from(length).ok());
        let Some((content, rest)) = length.and_then(|length| bytes.split_at_checked(length)) else {
            return true;
        };
        bytes = rest;
        let inner = shape.0.iter().find(|(field, _)| *field == tag);
        if let (Some((_, inner)), WireType::LengthDelimited) = (inner, wire) {
            let (Some(fewer), Some(deeper)) = (left.checked_sub(1), deeper.checked_sub(1)) else {
                return false;
            };
            *left = fewer;
            if !spend(left, deeper, inner, content) {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ClusterId, Envelope, EnvelopeError, ForwardRequest, KvRequest, Lane, PutRequest, RequestOp,
        TxnRequest, forward_request, kv_request, limits, request_op,
    };
    use prost::Message as _;
    use prost::encoding::{encode_key, encode_varint};

    /// The shortest elements of a list that lies behind these fields, from the outside in.
    fn shortest(path: &[u32], count: usize) -> Vec<u8> {
        let (list, around) = path.split_last().expect("a path");
        let mut element = Vec::new();
        encode_key(*list, WireType::LengthDelimited, &mut element);
        element.push(0);
        let mut frame = element.repeat(count);
        for field in around.iter().rev() {
            let mut outer = Vec::new();
            encode_key(*field, WireType::LengthDelimited, &mut outer);
            encode_varint(frame.len() as u64, &mut outer);
            outer.append(&mut frame);
            frame = outer;
        }
        frame
    }

    fn request(body: Vec<u8>) -> Option<ForwardRequest> {
        let empty = ForwardRequest {
            cluster_id: ClusterId::default(),
            remaining_ms: 1,
            body: None,
            relay: false,
            name: None,
            again: false,
        };
        let mut bytes = empty.encode_to_vec();
        bytes.extend(body);
        ForwardRequest::open(bytes.into())
    }

    #[test]
    fn a_request_of_empty_operations_is_refused_before_it_is_decoded() {
        for path in [
            &[3, 4, 1][..],
            &[3, 4, 2],
            &[3, 4, 3],
            &[3, 4, 2, 4, 3],
            &[4, 7],
            &[8, 115, 1, 7],
            &[8, 115, 1, 8],
            &[8, 152, 1, 7],
            &[8, 153, 1, 4],
            &[115, 3],
            &[8, 140, 1, 3],
            &[8, 140, 1, 4],
            &[115, 142],
        ] {
            assert!(request(shortest(path, limits::LIST_ELEMENTS + 1)).is_none(), "{path:?}");
        }
        assert!(request(shortest(&[3, 4, 2], 1_000)).is_some(), "few are the keyspace's to refuse");
    }

    #[test]
    fn a_frame_of_the_shortest_elements_is_refused_before_it_is_decoded() {
        let lists = [
            (Lane::Control, &[1, 6, 1, 2][..]),
            (Lane::Control, &[1, 6, 2, 2]),
            (Lane::Control, &[1, 6, 2]),
            (Lane::Control, &[1, 6, 1, 2, 11]),
            (Lane::Control, &[1, 6, 1, 100]),
            (Lane::Control, &[1, 6, 2, 100]),
            (Lane::Control, &[1, 6, 1, 130]),
            (Lane::Control, &[1, 6, 2, 130, 1, 2]),
            (Lane::Control, &[1, 6, 2, 131]),
            (Lane::Control, &[1, 6, 2, 132]),
            (Lane::Control, &[1, 130, 3]),
            (Lane::Control, &[2, 131]),
            (Lane::Control, &[2, 130, 3]),
            (Lane::Control, &[2, 130, 3, 3]),
            (Lane::Control, &[2, 8, 3, 1, 2]),
            (Lane::Control, &[1, 13]),
            (Lane::Control, &[1, 95, 2]),
            (Lane::Control, &[1, 95, 100]),
            (Lane::Control, &[1, 95, 101]),
            (Lane::Control, &[2, 8, 4]),
            (Lane::Control, &[2, 8, 5]),
            (Lane::Control, &[2, 9]),
            (Lane::Control, &[4, 2]),
            (Lane::Log, &[6, 3, 7]),
        ];
        for (lane, path) in lists {
            let frame = shortest(path, 100_000);
            assert_eq!(Envelope::open(lane, frame.into()), Err(EnvelopeError::TooMany), "{path:?}");
        }
    }

    #[test]
    fn a_value_that_looks_like_many_elements_is_no_list() {
        let value = [0x12, 0x00].repeat(limits::CLIENT_REQUEST / 2);
        let put = PutRequest { key: "a".into(), value: value.into(), ..PutRequest::default() };
        let put = RequestOp { request: Some(request_op::Request::Put(put)) };
        let txn = TxnRequest { success: vec![put; 2], ..TxnRequest::default() };
        let kv = KvRequest { request: Some(kv_request::Request::Txn(txn)) };
        let body = Some(forward_request::Body::Kv(kv));
        let whole = ForwardRequest { body, remaining_ms: 1, ..ForwardRequest::default() };
        assert_eq!(ForwardRequest::open(whole.encode_to_vec().into()), Some(whole));
    }

    #[test]
    fn what_is_nested_without_end_is_refused_without_a_deep_stack() {
        let mut path = vec![3];
        path.extend([4, 2].repeat(50_000));
        assert!(!at_most(usize::MAX, &REQUEST, &shortest(&path[..40_001], 1)));
    }
}
