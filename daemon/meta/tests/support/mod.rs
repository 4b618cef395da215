//! Builders of requests and clusters for the tests of this crate, and a small seeded random source.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses its own part; tests may unwrap"
)]

use bytes::Bytes;
use quorate_meta::{Applied, AppliedResult, Meta};
use quorate_proto::*;

/// A founding record of three founders n1, n2, n3.
pub(crate) fn founded() -> FoundingCertificate {
    let voter = |slot: u32| FounderVoter {
        slot,
        instance: instance(u8::try_from(slot).unwrap() + 1),
        key: NodeKey::from_bytes([u8::try_from(slot).unwrap() + 1; 32]),
        address: Some(address(slot + 1)),
        name: format!("n{}", slot + 1),
    };
    let record = FoundingRecord {
        cluster: "test".into(),
        voters: (0..3).map(voter).collect(),
        slots: 3,
        ..FoundingRecord::default()
    };
    FoundingCertificate { record, ..FoundingCertificate::default() }
}

pub(crate) fn instance(number: u8) -> Instance {
    Instance::from_bytes([number; 16])
}

pub(crate) fn address(number: u32) -> Address {
    std::net::SocketAddr::from(([10, 0, 0, u8::try_from(number).unwrap()], 4747)).into()
}

/// A replica that is fed one entry after the other.
pub(crate) struct Replica {
    pub(crate) meta: Meta,
    ticket: u64,
}

impl Replica {
    pub(crate) fn new() -> Self {
        Self { meta: Meta::from_founding(&founded()), ticket: 0 }
    }

    pub(crate) fn apply(&mut self, body: CommandBody) -> Applied {
        self.ticket += 1;
        let entry = Command::to_entry(self.ticket, body);
        let applied = self.meta.apply(self.meta.applied() + 1, &entry).expect("a command");
        assert_eq!(applied.ticket, self.ticket);
        applied
    }

    pub(crate) fn kv(&mut self, request: KvRequest) -> Result<KvResponse, KvError> {
        match self.apply(CommandBody::Kv(request)).result {
            AppliedResult::Kv(result) => result,
            other => panic!("not an answer of the keyspace: {other:?}"),
        }
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) -> i64 {
        match self.kv(put(key, value)).unwrap().response.unwrap() {
            kv_response::Response::Put(response) => response.header.unwrap().revision,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete(&mut self, key: &str, end: &str) -> i64 {
        match self.kv(delete(key, end)).unwrap().response.unwrap() {
            kv_response::Response::DeleteRange(response) => response.deleted,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn range(&self, request: RangeRequest) -> Result<RangeResponse, KvError> {
        let request = KvRequest { request: Some(kv_request::Request::Range(request)) };
        self.meta.read(&request).map(|response| match response.response.unwrap() {
            kv_response::Response::Range(response) => response,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn txn(&mut self, request: TxnRequest) -> Result<TxnResponse, KvError> {
        let request = KvRequest { request: Some(kv_request::Request::Txn(request)) };
        self.kv(request).map(|response| match response.response.unwrap() {
            kv_response::Response::Txn(response) => response,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn compact(&mut self, revision: i64) -> Result<(), KvError> {
        let request = CompactionRequest { revision, physical: false };
        self.kv(KvRequest { request: Some(kv_request::Request::Compact(request)) }).map(drop)
    }

    /// `key=value` of everything in a range, as of a revision.
    pub(crate) fn show(&self, key: &str, end: &str, revision: i64) -> Result<String, KvError> {
        let response = self.range(RangeRequest { revision, ..range(key, end) })?;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let pairs: Vec<_> = response
            .kvs
            .iter()
            .map(|kv| format!("{}={}", text(&kv.key), text(&kv.value)))
            .collect();
        Ok(pairs.join(" "))
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn range(key: &str, end: &str) -> RangeRequest {
    RangeRequest { key: bytes(key), range_end: bytes(end), ..RangeRequest::default() }
}

pub(crate) fn put_request(key: &str, value: &str) -> PutRequest {
    PutRequest { key: bytes(key), value: bytes(value), ..PutRequest::default() }
}

pub(crate) fn put(key: &str, value: &str) -> KvRequest {
    KvRequest { request: Some(kv_request::Request::Put(put_request(key, value))) }
}

pub(crate) fn delete_request(key: &str, end: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: bytes(key), range_end: bytes(end), prev_kv: false }
}

pub(crate) fn delete(key: &str, end: &str) -> KvRequest {
    KvRequest { request: Some(kv_request::Request::DeleteRange(delete_request(key, end))) }
}

pub(crate) fn op_put(key: &str, value: &str) -> RequestOp {
    RequestOp { request: Some(request_op::Request::Put(put_request(key, value))) }
}

pub(crate) fn op_range(key: &str, end: &str) -> RequestOp {
    RequestOp { request: Some(request_op::Request::Range(range(key, end))) }
}

pub(crate) fn op_delete(key: &str, end: &str) -> RequestOp {
    RequestOp { request: Some(request_op::Request::DeleteRange(delete_request(key, end))) }
}

pub(crate) fn op_txn(txn: TxnRequest) -> RequestOp {
    RequestOp { request: Some(request_op::Request::Txn(txn)) }
}

/// A transaction without conditions.
pub(crate) fn all(success: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { success, ..TxnRequest::default() }
}

pub(crate) fn compare(
    key: &str,
    end: &str,
    target: CompareTarget,
    result: CompareResult,
    wanted: compare::TargetUnion,
) -> Compare {
    Compare {
        result: result as i32,
        target: target as i32,
        key: bytes(key),
        range_end: bytes(end),
        target_union: Some(wanted),
    }
}

/// splitmix64: the same numbers for the same seed, for ever.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
