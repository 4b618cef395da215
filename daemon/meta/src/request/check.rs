//! What can be refused by looking at a request alone: sizes, missing keys, the rules of transactions, and the
//! border between the users' keys and quorate's own.
//!
//! Every limit here, and each that is taken from `limits`, is part of what the replicas agree on: these checks run inside `apply`, on
//! entries of earlier versions too. A replica with another limit refuses what the others carry out, and its state differs from then
//! on. So a limit changes only behind a feature level: a committed entry, written once every replica knows the new limit, before which the
//! old one holds. There is no feature level yet. What only spares the log is checked before the proposal instead, as the size of
//! the keyspace is.

use crate::request::operations::{Operation, operations};
use crate::space::key_set::KeySet;
use crate::{KeyRange, Space};
use bytes::Bytes;
use quorate_proto::{
    KvError, KvRequest, Message as _, PutRequest, RequestOp, TxnRequest, kv_request, limits,
    request_op,
};
use std::collections::BTreeSet;

/// Transactions inside transactions; etcd has no such bound, but recursion must have one, and eight is more
/// than any client's macro makes.
const TXN_DEPTH: usize = 8;

/// Checks a request and says which space it concerns.
pub(crate) fn check(request: &KvRequest) -> Result<Space, KvError> {
    use kv_request::Request;
    match request.request.as_ref().ok_or(KvError::Unspecified)? {
        Request::Range(range) => check_key(&range.key)?,
        Request::Put(put) => check_put(put)?,
        Request::DeleteRange(delete) => check_key(&delete.key)?,
        Request::Txn(txn) => {
            check_txn(txn, limits::TXN_OPERATIONS, TXN_DEPTH)?;
            Touched::by(&txn.success)?;
            Touched::by(&txn.failure)?;
        }
        Request::Compact(_) => return Ok(Space::Users),
    }
    if request.encoded_len() > limits::CLIENT_REQUEST {
        return Err(KvError::RequestTooLarge);
    }
    check_space(request)
}

/// Whether nothing in the request, in either branch, can change anything.
pub(crate) fn is_read_only(request: &KvRequest) -> bool {
    if matches!(request.request, Some(kv_request::Request::Compact(_)) | None) {
        return false;
    }
    let mut writes = false;
    operations(request, &mut |operation| writes |= operation.writes());
    !writes
}

/// Whether the request puts a key, in either branch.
pub(crate) fn puts(request: &KvRequest) -> bool {
    let mut puts = false;
    operations(request, &mut |operation| puts |= matches!(operation, Operation::Put(_)));
    puts
}

/// Writes inside `__meta/` are refused, and so are transactions that name keys on both sides.
fn check_space(request: &KvRequest) -> Result<Space, KvError> {
    let (mut system, mut users, mut reserved) = (false, false, false);
    operations(request, &mut |operation| match operation.range().space() {
        Space::System => {
            system = true;
            reserved |= operation.writes();
        }
        Space::Users => users = true,
    });
    match (reserved, system, users) {
        (true, ..) => Err(KvError::ReservedKey),
        (_, true, true) => Err(KvError::MixedSpaces),
        (_, true, false) => Ok(Space::System),
        (_, false, _) => Ok(Space::Users),
    }
}

fn check_key(key: &[u8]) -> Result<(), KvError> {
    if key.is_empty() { Err(KvError::KeyNotProvided) } else { Ok(()) }
}

fn check_put(put: &PutRequest) -> Result<(), KvError> {
    check_key(&put.key)?;
    if put.ignore_value && !put.value.is_empty() {
        return Err(KvError::ValueProvided);
    }
    if put.ignore_lease && put.lease != 0 {
        return Err(KvError::LeaseProvided);
    }
    Ok(())
}

/// The longest list of a transaction counts against the budget; nested ones share what is left of it.
fn check_txn(txn: &TxnRequest, budget: usize, depth: usize) -> Result<(), KvError> {
    let longest = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    let left = budget.checked_sub(longest).ok_or(KvError::TooManyOperations)?;
    let deeper = depth.checked_sub(1).ok_or(KvError::NestedTooDeep)?;
    txn.compare.iter().try_for_each(|compare| check_key(&compare.key))?;
    for operation in txn.success.iter().chain(&txn.failure) {
        match &operation.request {
            Some(request_op::Request::Range(range)) => check_key(&range.key)?,
            Some(request_op::Request::Put(put)) => check_put(put)?,
            Some(request_op::Request::DeleteRange(delete)) => check_key(&delete.key)?,
            Some(request_op::Request::Txn(nested)) => check_txn(nested, left, deeper)?,
            // etcd's answer to an empty operation.
            None => return Err(KvError::KeyNotFound),
        }
    }
    Ok(())
}

/// What a branch, with everything nested in it, puts and deletes.
#[derive(Default)]
struct Touched {
    puts: BTreeSet<Bytes>,
    deletes: KeySet,
}

impl Touched {
    /// Collects a branch; refuses a key that is put twice, or put inside a range deleted beside it. The two
    /// branches of a nested transaction may put the same key, since only one of them is taken.
    fn by(operations: &[RequestOp]) -> Result<Self, KvError> {
        let mut touched = Self::default();
        for operation in operations {
            if let Some(request_op::Request::DeleteRange(delete)) = &operation.request {
                let range = KeyRange::new(&delete.key, &delete.range_end);
                touched.deletes.insert(&range);
            }
        }
        for operation in operations {
            if let Some(request_op::Request::Txn(nested)) = &operation.request {
                touched.nest(Self::by(&nested.success)?, Self::by(&nested.failure)?)?;
            }
        }
        for operation in operations {
            if let Some(request_op::Request::Put(put)) = &operation.request {
                touched.put(&put.key)?;
            }
        }
        Ok(touched)
    }

    fn put(&mut self, key: &Bytes) -> Result<(), KvError> {
        if self.deletes.contains(key) || !self.puts.insert(key.clone()) {
            return Err(KvError::DuplicateKey);
        }
        Ok(())
    }

    fn nest(&mut self, success: Self, failure: Self) -> Result<(), KvError> {
        for key in success.puts.union(&failure.puts) {
            self.put(key)?;
        }
        self.deletes.extend(success.deletes);
        self.deletes.extend(failure.deletes);
        Ok(())
    }
}
