//! Carries out a request on one keyspace: first everything that can be refused, then the changes.
//!
//! Invariant: a refused request changed nothing. The conditions of a transaction, those of nested ones
//! included, are judged by the state before it, as in etcd.

use crate::KeyRange;
use crate::request::header::header;
use crate::request::{compare, range};
use crate::space::edit::{Edit, Keep};
use crate::space::keyspace::Keyspace;
use quorate_proto::{
    CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, KvError, KvRequest, KvResponse,
    PutRequest, PutResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse, kv_request,
    kv_response, request_op, response_op,
};

/// Which branch a transaction takes, and the transactions nested in that branch.
struct Path {
    succeeded: bool,
    nested: Vec<Path>,
}

/// Carries out a request that has passed the static checks.
pub(crate) fn execute(edit: &mut Edit<'_>, request: &KvRequest) -> Result<KvResponse, KvError> {
    use kv_request::Request;
    use kv_response::Response;
    let response = match request.request.as_ref().ok_or(KvError::Unspecified)? {
        Request::Range(request) => {
            edit.keyspace().check_readable(request.revision)?;
            Response::Range(range::answer(edit.keyspace(), edit.revision(), request))
        }
        Request::Put(request) => {
            check_put(edit.keyspace(), request)?;
            Response::Put(put(edit, request))
        }
        Request::DeleteRange(request) => Response::DeleteRange(delete(edit, request)),
        Request::Txn(request) => {
            let path = choose(edit.keyspace(), request);
            check_path(edit.keyspace(), request, &path)?;
            let mut response = run(edit, request, &path);
            response.header = header(edit.revision());
            Response::Txn(response)
        }
        Request::Compact(request) => {
            edit.compact(request.revision)?;
            Response::Compact(CompactionResponse { header: header(edit.revision()) })
        }
    };
    Ok(KvResponse { response: Some(response) })
}

fn branch<'a>(request: &'a TxnRequest, path: &Path) -> &'a [RequestOp] {
    if path.succeeded { &request.success } else { &request.failure }
}

/// Judges all conditions, by the state as it is now.
fn choose(keyspace: &Keyspace, request: &TxnRequest) -> Path {
    let succeeded = request.compare.iter().all(|compare| compare::holds(keyspace, compare));
    let mut path = Path { succeeded, nested: Vec::new() };
    for operation in branch(request, &path) {
        if let Some(request_op::Request::Txn(nested)) = &operation.request {
            path.nested.push(choose(keyspace, nested));
        }
    }
    path
}

/// Refuses what the state forbids in the branches taken.
fn check_path(keyspace: &Keyspace, request: &TxnRequest, path: &Path) -> Result<(), KvError> {
    let mut nested = path.nested.iter();
    for operation in branch(request, path) {
        match &operation.request {
            Some(request_op::Request::Range(range)) => keyspace.check_readable(range.revision)?,
            Some(request_op::Request::Put(put)) => check_put(keyspace, put)?,
            Some(request_op::Request::Txn(inner)) => {
                if let Some(path) = nested.next() {
                    check_path(keyspace, inner, path)?;
                }
            }
            Some(request_op::Request::DeleteRange(_)) | None => {}
        }
    }
    Ok(())
}

fn check_put(keyspace: &Keyspace, request: &PutRequest) -> Result<(), KvError> {
    // There are no leases yet, so every one that is named is unknown.
    if request.lease != 0 {
        return Err(KvError::LeaseNotFound);
    }
    let keeps = request.ignore_value || request.ignore_lease;
    if keeps && !keyspace.present.contains_key(&request.key[..]) {
        return Err(KvError::KeyNotFound);
    }
    Ok(())
}

/// Carries out one branch. Cannot fail: everything was checked.
fn run(edit: &mut Edit<'_>, request: &TxnRequest, path: &Path) -> TxnResponse {
    use request_op::Request;
    use response_op::Response;
    let mut nested = path.nested.iter();
    let mut responses = Vec::with_capacity(branch(request, path).len());
    for operation in branch(request, path) {
        let response = match &operation.request {
            Some(Request::Range(request)) => {
                Some(Response::Range(range::answer(edit.keyspace(), edit.revision(), request)))
            }
            Some(Request::Put(request)) => Some(Response::Put(put(edit, request))),
            Some(Request::DeleteRange(request)) => {
                Some(Response::DeleteRange(delete(edit, request)))
            }
            Some(Request::Txn(inner)) => nested.next().map(|path| {
                let mut response = run(edit, inner, path);
                response.header = header(edit.revision());
                Response::Txn(response)
            }),
            None => None,
        };
        responses.push(ResponseOp { response });
    }
    TxnResponse { header: None, succeeded: path.succeeded, responses }
}

fn put(edit: &mut Edit<'_>, request: &PutRequest) -> PutResponse {
    let keep = Keep { value: request.ignore_value, lease: request.ignore_lease };
    let before = edit.put(&request.key, &request.value, keep);
    PutResponse { header: header(edit.revision()), prev_kv: before.filter(|_| request.prev_kv) }
}

fn delete(edit: &mut Edit<'_>, request: &DeleteRangeRequest) -> DeleteRangeResponse {
    let before = edit.delete(&KeyRange::new(&request.key, &request.range_end));
    DeleteRangeResponse {
        header: header(edit.revision()),
        deleted: i64::try_from(before.len()).unwrap_or(i64::MAX),
        prev_kvs: if request.prev_kv { before } else { Vec::new() },
    }
}
