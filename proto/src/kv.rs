//! etcd v3's KV messages (`etcdserverpb`, `mvccpb`): the same names and numbers, so that the very structs
//! which etcd clients send are what the log holds and the keyspace applies, without a conversion between.
//!
//! Field meanings are etcd's; `kv_request` and `kv_response` at the end are ours.

use bytes::Bytes;

/// Order of a sorted range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "etcd's names")]
pub enum SortOrder {
    None = 0,
    Ascend = 1,
    Descend = 2,
}

/// What a range is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "etcd's names")]
pub enum SortTarget {
    Key = 0,
    Version = 1,
    Create = 2,
    Mod = 3,
    Value = 4,
}

/// How a compare must come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "etcd's names")]
pub enum CompareResult {
    Equal = 0,
    Greater = 1,
    Less = 2,
    NotEqual = 3,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "etcd's names")]
pub enum CompareTarget {
    Version = 0,
    Create = 1,
    Mod = 2,
    Value = 3,
    Lease = 4,
}

/// Who answered, at which revision and term.
#[derive(Clone, Copy, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct ResponseHeader {
    #[prost(uint64, tag = "1")]
    pub cluster_id: u64,
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    #[prost(int64, tag = "3")]
    pub revision: i64,
    #[prost(uint64, tag = "4")]
    pub raft_term: u64,
}

/// A key with its value and numbers.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(int64, tag = "2")]
    pub create_revision: i64,
    #[prost(int64, tag = "3")]
    pub mod_revision: i64,
    #[prost(int64, tag = "4")]
    pub version: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub value: Bytes,
    #[prost(int64, tag = "6")]
    pub lease: i64,
}

/// Reads keys.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub range_end: Bytes,
    #[prost(int64, tag = "3")]
    pub limit: i64,
    #[prost(int64, tag = "4")]
    pub revision: i64,
    #[prost(enumeration = "SortOrder", tag = "5")]
    pub sort_order: i32,
    #[prost(enumeration = "SortTarget", tag = "6")]
    pub sort_target: i32,
    #[prost(bool, tag = "7")]
    pub serializable: bool,
    #[prost(bool, tag = "8")]
    pub keys_only: bool,
    #[prost(bool, tag = "9")]
    pub count_only: bool,
    #[prost(int64, tag = "10")]
    pub min_mod_revision: i64,
    #[prost(int64, tag = "11")]
    pub max_mod_revision: i64,
    #[prost(int64, tag = "12")]
    pub min_create_revision: i64,
    #[prost(int64, tag = "13")]
    pub max_create_revision: i64,
}

/// Keys read.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub kvs: Vec<KeyValue>,
    #[prost(bool, tag = "3")]
    pub more: bool,
    #[prost(int64, tag = "4")]
    pub count: i64,
}

/// Writes a key.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    #[prost(int64, tag = "3")]
    pub lease: i64,
    #[prost(bool, tag = "4")]
    pub prev_kv: bool,
    #[prost(bool, tag = "5")]
    pub ignore_value: bool,
    #[prost(bool, tag = "6")]
    pub ignore_lease: bool,
}

/// A key written.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct PutResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(message, optional, tag = "2")]
    pub prev_kv: Option<KeyValue>,
}

/// Deletes keys.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct DeleteRangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub range_end: Bytes,
    #[prost(bool, tag = "3")]
    pub prev_kv: bool,
}

/// Keys deleted.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct DeleteRangeResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(int64, tag = "2")]
    pub deleted: i64,
    #[prost(message, repeated, tag = "3")]
    pub prev_kvs: Vec<KeyValue>,
}

/// A condition of a transaction.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct Compare {
    #[prost(enumeration = "CompareResult", tag = "1")]
    pub result: i32,
    #[prost(enumeration = "CompareTarget", tag = "2")]
    pub target: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub key: Bytes,
    #[prost(oneof = "compare::TargetUnion", tags = "4, 5, 6, 7, 8")]
    pub target_union: Option<compare::TargetUnion>,
    #[prost(bytes = "bytes", tag = "64")]
    pub range_end: Bytes,
}

/// See [`Compare`].
pub mod compare {
    /// What the key's number or value is compared with.
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(missing_docs, reason = "etcd's names")]
    pub enum TargetUnion {
        #[prost(int64, tag = "4")]
        Version(i64),
        #[prost(int64, tag = "5")]
        CreateRevision(i64),
        #[prost(int64, tag = "6")]
        ModRevision(i64),
        #[prost(bytes = "bytes", tag = "7")]
        Value(bytes::Bytes),
        #[prost(int64, tag = "8")]
        Lease(i64),
    }
}

/// A transaction.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<RequestOp>,
    #[prost(message, repeated, tag = "3")]
    pub failure: Vec<RequestOp>,
}

/// What a transaction did.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct TxnResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
    #[prost(bool, tag = "2")]
    pub succeeded: bool,
    #[prost(message, repeated, tag = "3")]
    pub responses: Vec<ResponseOp>,
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct RequestOp {
    #[prost(oneof = "request_op::Request", tags = "1, 2, 3, 4")]
    pub request: Option<request_op::Request>,
}

/// See [`RequestOp`].
pub mod request_op {
    /// The kinds.
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(missing_docs, reason = "etcd's names")]
    pub enum Request {
        #[prost(message, tag = "1")]
        Range(super::RangeRequest),
        #[prost(message, tag = "2")]
        Put(super::PutRequest),
        #[prost(message, tag = "3")]
        DeleteRange(super::DeleteRangeRequest),
        #[prost(message, tag = "4")]
        Txn(super::TxnRequest),
    }
}

/// What one operation of a transaction did.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct ResponseOp {
    #[prost(oneof = "response_op::Response", tags = "1, 2, 3, 4")]
    pub response: Option<response_op::Response>,
}

/// See [`ResponseOp`].
pub mod response_op {
    /// The kinds.
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(missing_docs, reason = "etcd's names")]
    pub enum Response {
        #[prost(message, tag = "1")]
        Range(super::RangeResponse),
        #[prost(message, tag = "2")]
        Put(super::PutResponse),
        #[prost(message, tag = "3")]
        DeleteRange(super::DeleteRangeResponse),
        #[prost(message, tag = "4")]
        Txn(super::TxnResponse),
    }
}

/// Forgets old revisions.
#[derive(Clone, Copy, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct CompactionRequest {
    #[prost(int64, tag = "1")]
    pub revision: i64,
    #[prost(bool, tag = "2")]
    pub physical: bool,
}

/// Old revisions forgotten.
#[derive(Clone, Copy, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct CompactionResponse {
    #[prost(message, optional, tag = "1")]
    pub header: Option<ResponseHeader>,
}

/// Any request to a keyspace.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct KvRequest {
    #[prost(oneof = "kv_request::Request", tags = "1, 2, 3, 4, 5")]
    pub request: Option<kv_request::Request>,
}

/// See [`KvRequest`].
pub mod kv_request {
    /// The kinds.
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(missing_docs, reason = "etcd's names")]
    pub enum Request {
        #[prost(message, tag = "1")]
        Range(super::RangeRequest),
        #[prost(message, tag = "2")]
        Put(super::PutRequest),
        #[prost(message, tag = "3")]
        DeleteRange(super::DeleteRangeRequest),
        #[prost(message, tag = "4")]
        Txn(super::TxnRequest),
        #[prost(message, tag = "5")]
        Compact(super::CompactionRequest),
    }
}

/// The answer to a [`KvRequest`].
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "etcd's names")]
pub struct KvResponse {
    #[prost(oneof = "kv_response::Response", tags = "1, 2, 3, 4, 5")]
    pub response: Option<kv_response::Response>,
}

impl KvResponse {
    /// Whether what it answers changed something: a transaction need not, whichever branch it took.
    #[must_use]
    pub fn tells_of_a_change(&self) -> bool {
        match &self.response {
            Some(kv_response::Response::Put(_) | kv_response::Response::Compact(_)) => true,
            Some(kv_response::Response::DeleteRange(delete)) => delete.deleted > 0,
            Some(kv_response::Response::Txn(txn)) => txn.tells_of_a_change(),
            Some(kv_response::Response::Range(_)) | None => false,
        }
    }
}

impl TxnResponse {
    fn tells_of_a_change(&self) -> bool {
        self.responses.iter().any(|operation| match &operation.response {
            Some(response_op::Response::Put(_)) => true,
            Some(response_op::Response::DeleteRange(delete)) => delete.deleted > 0,
            Some(response_op::Response::Txn(txn)) => txn.tells_of_a_change(),
            Some(response_op::Response::Range(_)) | None => false,
        })
    }
}

/// See [`KvResponse`].
pub mod kv_response {
    /// The kinds.
    #[derive(Clone, PartialEq, prost::Oneof)]
    #[allow(missing_docs, reason = "etcd's names")]
    pub enum Response {
        #[prost(message, tag = "1")]
        Range(super::RangeResponse),
        #[prost(message, tag = "2")]
        Put(super::PutResponse),
        #[prost(message, tag = "3")]
        DeleteRange(super::DeleteRangeResponse),
        #[prost(message, tag = "4")]
        Txn(super::TxnResponse),
        #[prost(message, tag = "5")]
        Compact(super::CompactionResponse),
    }
}
