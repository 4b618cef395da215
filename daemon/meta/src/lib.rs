//! The state machine of `__meta`: what the entries of its log mean.
//!
//! The caller's duties, in order: start from [`Meta::genesis`], [`Meta::empty`] or [`Meta::restore`]; hand in
//! every committed entry exactly once, in order of index, through one of the `apply` functions; carry out
//! nothing but what [`Applied`] says. Equal logs give equal states and equal [`Meta::state_hash`]es, whether
//! an entry was applied here or came with a snapshot.
//!
//! Two spaces of one engine: the users' keyspace with etcd's rules, and quorate's own records under
//! `__meta/`, typed and read-only for clients, with a revision of their own.
//!
//! Knows nothing of Raft, gossip, disks, sockets or clocks. No bytes from elsewhere make it panic.

mod admit;
mod apply;
mod changes;
mod check;
mod compare;
mod edit;
mod fields;
mod frame;
mod header;
mod health;
mod history;
mod key_range;
mod key_set;
mod keyspace;
mod meta;
mod range;
mod records;
mod request;
mod restore;
#[cfg(test)]
mod restore_fuzz;
mod rolling;
mod roster;
mod snapshot;
mod snapshot_format;
mod watch;
mod weighed;

pub use admit::AdmitRefusal;
pub use apply::{Applied, AppliedResult};
pub use changes::KeyChange;
pub use key_range::{KeyRange, Space};
pub use meta::Meta;
pub use snapshot_format::RestoreError;
pub use watch::{Replay, Watch, WatchCompacted, WatchOptions};

/// Everything that quorate keeps for itself lies under this prefix.
pub const OWN_PREFIX: &[u8] = b"__meta/";
