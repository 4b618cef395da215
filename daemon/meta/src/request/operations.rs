//! What a request asks for, one operation after the other, wherever it stands in it.

use crate::KeyRange;
use quorate_proto::{
    Compare, DeleteRangeRequest, KvRequest, PutRequest, RangeRequest, TxnRequest, kv_request,
    request_op,
};

/// One thing that a request asks for, wherever it stands in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation<'a> {
    Compare(&'a Compare),
    Range(&'a RangeRequest),
    Put(&'a PutRequest),
    Delete(&'a DeleteRangeRequest),
}

impl Operation<'_> {
    /// The keys that it names.
    pub(crate) fn range(self) -> KeyRange {
        match self {
            Self::Compare(compare) => KeyRange::new(&compare.key, &compare.range_end),
            Self::Range(range) => KeyRange::new(&range.key, &range.range_end),
            Self::Put(put) => KeyRange::single(&put.key),
            Self::Delete(delete) => KeyRange::new(&delete.key, &delete.range_end),
        }
    }

    /// Whether it changes something there.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Put(_) | Self::Delete(_))
    }
}

/// Everything that a request asks for, in all branches of its transactions.
pub(crate) fn operations<'a>(request: &'a KvRequest, seen: &mut impl FnMut(Operation<'a>)) {
    match &request.request {
        Some(kv_request::Request::Range(range)) => seen(Operation::Range(range)),
        Some(kv_request::Request::Put(put)) => seen(Operation::Put(put)),
        Some(kv_request::Request::DeleteRange(delete)) => seen(Operation::Delete(delete)),
        Some(kv_request::Request::Txn(txn)) => txn_operations(txn, seen),
        Some(kv_request::Request::Compact(_)) | None => {}
    }
}

fn txn_operations<'a>(txn: &'a TxnRequest, seen: &mut impl FnMut(Operation<'a>)) {
    txn.compare.iter().for_each(|compare| seen(Operation::Compare(compare)));
    for operation in txn.success.iter().chain(&txn.failure) {
        match &operation.request {
            Some(request_op::Request::Range(range)) => seen(Operation::Range(range)),
            Some(request_op::Request::Put(put)) => seen(Operation::Put(put)),
            Some(request_op::Request::DeleteRange(delete)) => seen(Operation::Delete(delete)),
            Some(request_op::Request::Txn(nested)) => txn_operations(nested, seen),
            None => {}
        }
    }
}
