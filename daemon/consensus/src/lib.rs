//! WHAT ORDER: one Raft replica behind a small door, and the byte format of its log.
//!
//! [`Replica`] wraps raft-rs: messages, ticks and proposals in, [`ReplicaOutput`] out. Entries are opaque bytes. What
//! stays true: nothing that a follower promises (a vote, an acknowledgement) leaves before the caller has said that
//! it is durable; what peers send is judged by a guard before raft-rs sees it; two runs with the same seed and the same
//! calls are the same. Knows nothing of clocks, disks, sockets, or of what an entry means.

mod config;
mod convert;
mod election;
mod guard;
mod log;
pub mod log_codec;
pub mod log_record;
mod output;
mod pacing;
mod ready;
mod replica;
mod slog_bridge;
mod voters;

pub use config::{
    ELECTION_TICKS, ELECTION_TICKS_MAX, HEARTBEAT_TICKS, Recovered, ReplicaConfig, StartError, TICK,
};
pub use convert::ConvertError;
pub use guard::GuardError;
pub use log_record::LogRecord;
pub use output::{Committed, PeerProgress, ProposeError, RaftRole, ReplicaOutput, ReplicaStatus};
pub use replica::Replica;
