//! The messages of etcd's other services that are answered at all: its public names and numbers, no more of each than is
//! answered. `grpc.health.v1` is gRPC's own. Knows nothing of what is answered.

use quorate_proto::ResponseHeader;

/// The etcd whose interface this is; tools compare it.
pub(super) const ETCD_VERSION: &str = "3.4.0";

/// `MemberListRequest`, `StatusRequest`: what is asked is the method's name.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Empty {}

/// `etcdserverpb.StatusResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(string, tag = "2")]
    pub(super) version: String,
    /// Bytes; 0 = not counted.
    #[prost(int64, tag = "3")]
    pub(super) db_size: i64,
    /// 0 = none is known.
    #[prost(uint64, tag = "4")]
    pub(super) leader: u64,
    #[prost(uint64, tag = "5")]
    pub(super) raft_index: u64,
    #[prost(uint64, tag = "6")]
    pub(super) raft_term: u64,
    #[prost(uint64, tag = "7")]
    pub(super) raft_applied_index: u64,
    #[prost(string, repeated, tag = "8")]
    pub(super) errors: Vec<String>,
    /// Bytes; 0 = not counted.
    #[prost(int64, tag = "9")]
    pub(super) db_size_in_use: i64,
    #[prost(bool, tag = "10")]
    pub(super) is_learner: bool,
}

/// `etcdserverpb.Member`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EtcdMember {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) peer_urls: Vec<String>,
    /// Empty, always: every door is for its own host only.
    #[prost(string, repeated, tag = "4")]
    pub(super) client_urls: Vec<String>,
    #[prost(bool, tag = "5")]
    pub(super) is_learner: bool,
}

/// `etcdserverpb.MemberListResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MemberListResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub(super) members: Vec<EtcdMember>,
}

/// `etcdserverpb.AlarmRequest`. Action 0 lists, 1 raises, 2 clears.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct AlarmRequest {
    #[prost(int32, tag = "1")]
    pub(super) action: i32,
    /// 0 = of all.
    #[prost(uint64, tag = "2")]
    pub(super) member_id: u64,
    /// 0 = any.
    #[prost(int32, tag = "3")]
    pub(super) alarm: i32,
}

/// `etcdserverpb.AlarmMember`. Alarm 1 is NOSPACE, 2 is CORRUPT.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct AlarmMember {
    #[prost(uint64, tag = "1")]
    pub(super) member_id: u64,
    #[prost(int32, tag = "2")]
    pub(super) alarm: i32,
}

/// `etcdserverpb.AlarmResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AlarmResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub(super) alarms: Vec<AlarmMember>,
}

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckRequest {
    /// Empty = the whole server.
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`. Status 1 is SERVING, 2 is NOT_SERVING.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}
