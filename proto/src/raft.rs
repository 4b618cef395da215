//! Raft on our wire and disk. raft-rs has messages of its own; `consensus` converts, so that its bytes never
//! touch either. Numbers are raft-rs's: terms and indexes are plain `u64`, node ids are `RaftId` numbers.

use bytes::Bytes;

/// Kind of a Raft message between replicas. Proposals and local kinds do not exist on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names are Raft's own")]
pub enum MessageKind {
    Unknown = 0,
    Append = 1,
    AppendResponse = 2,
    RequestVote = 3,
    RequestVoteResponse = 4,
    Snapshot = 5,
    Heartbeat = 6,
    HeartbeatResponse = 7,
    TimeoutNow = 8,
    ReadIndex = 9,
    ReadIndexResponse = 10,
    RequestPreVote = 11,
    RequestPreVoteResponse = 12,
}

/// Kind of a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum EntryKind {
    /// An opaque command, or nothing (a leader's first entry).
    Normal = 0,
    /// A [`ConfChangeSet`].
    ConfChange = 1,
}

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Entry {
    /// What `data` is.
    #[prost(enumeration = "EntryKind", tag = "1")]
    pub kind: i32,
    /// Term of the leader that appended it.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Position.
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// Opaque to consensus.
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
    /// Opaque to consensus; short.
    #[prost(bytes = "bytes", tag = "5")]
    pub context: Bytes,
}

/// Term, vote and commit index of a replica.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HardState {
    /// Current term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Whom this replica voted for in `term`; 0 = nobody.
    #[prost(uint64, tag = "2")]
    pub vote: u64,
    /// Highest index known to be committed.
    #[prost(uint64, tag = "3")]
    pub commit: u64,
}

/// Voters and learners; raft-rs's meaning.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConfState {
    /// Voters (the incoming half while joint).
    #[prost(uint64, repeated, tag = "1")]
    pub voters: Vec<u64>,
    /// Learners.
    #[prost(uint64, repeated, tag = "2")]
    pub learners: Vec<u64>,
    /// The outgoing half while joint.
    #[prost(uint64, repeated, tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Outgoing voters that become learners on leaving.
    #[prost(uint64, repeated, tag = "4")]
    pub learners_next: Vec<u64>,
    /// Whether raft leaves the joint state by itself.
    #[prost(bool, tag = "5")]
    pub auto_leave: bool,
}

/// What a conf change does to one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ConfChangeKind {
    /// Make it a voter.
    AddVoter = 0,
    /// Remove it.
    Remove = 1,
    /// Make it a learner.
    AddLearner = 2,
}

/// One replica's change. The field numbers are those of raft-rs's own encoding (`ConfChangeSingle`), so that
/// the data of a conf-change entry is what raft-rs expects to parse.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ConfChange {
    /// What is done.
    #[prost(enumeration = "ConfChangeKind", tag = "1")]
    pub kind: i32,
    /// To whom.
    #[prost(uint64, tag = "2")]
    pub node_id: u64,
}

/// Changes that take effect together, through a joint configuration when there are several. The field
/// numbers are those of raft-rs's `ConfChangeV2`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConfChangeSet {
    /// raft-rs's transition: 0 = automatic.
    #[prost(int32, tag = "1")]
    pub transition: i32,
    /// The changes; empty = leave the joint state.
    #[prost(message, repeated, tag = "2")]
    pub changes: Vec<ConfChange>,
    /// Opaque.
    #[prost(bytes = "bytes", tag = "3")]
    pub context: Bytes,
}

/// Where a snapshot stands.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SnapshotMetadata {
    /// Voters and learners as of exactly `index`.
    #[prost(message, required, tag = "1")]
    pub conf_state: ConfState,
    /// The last index it covers.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// The term of the entry there.
    #[prost(uint64, tag = "3")]
    pub term: u64,
}

/// What a leader says of a snapshot before it sends it on a connection of its own.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotAnnouncement {
    /// Raft's message, with where the snapshot stands.
    #[prost(message, required, tag = "1")]
    pub message: RaftMessage,
    /// Bytes of its file at the sender: the content is no longer than this.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// The group whose state it is; 0 = `__meta`.
    #[prost(uint32, tag = "3")]
    pub group: u32,
}

/// A message between replicas of one group. Field meanings are raft-rs's.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "the fields are raft-rs's")]
pub struct RaftMessage {
    #[prost(enumeration = "MessageKind", tag = "1")]
    pub kind: i32,
    #[prost(uint64, tag = "2")]
    pub to: u64,
    #[prost(uint64, tag = "3")]
    pub from: u64,
    #[prost(uint64, tag = "4")]
    pub term: u64,
    #[prost(uint64, tag = "5")]
    pub log_term: u64,
    #[prost(uint64, tag = "6")]
    pub index: u64,
    #[prost(message, repeated, tag = "7")]
    pub entries: Vec<Entry>,
    #[prost(uint64, tag = "8")]
    pub commit: u64,
    #[prost(uint64, tag = "9")]
    pub commit_term: u64,
    /// Metadata only; the content travels on the bulk lane.
    #[prost(message, optional, tag = "10")]
    pub snapshot: Option<SnapshotMetadata>,
    #[prost(uint64, tag = "11")]
    pub request_snapshot: u64,
    #[prost(bool, tag = "12")]
    pub reject: bool,
    #[prost(uint64, tag = "13")]
    pub reject_hint: u64,
    #[prost(bytes = "bytes", tag = "14")]
    pub context: Bytes,
    #[prost(int64, tag = "15")]
    pub priority: i64,
}
