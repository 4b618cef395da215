//! The state machine of `__meta`: what the entries of its log mean.
//!
//! The caller's duties, in order: start from [`Meta::from_founding`], [`Meta::empty`] or [`Meta::restore`]; hand in
//! every committed entry exactly once, in order of index, through one of the `apply` functions; carry out
//! nothing but what [`Applied`] says. Equal logs give equal states and equal [`Meta::state_hash`]es, whether
//! an entry was applied here or came with a snapshot.
//!
//! Two spaces of one engine: the users' keyspace with etcd's rules, and quorate's own records under
//! `__meta/`, typed and read-only for clients, with a revision of their own. Each kind of these records is a section (`section.rs`).
//!
//! Knows nothing of Raft, gossip, disks, sockets or clocks. No bytes from elsewhere make it panic.

mod anew;
mod apply;
mod jump;
mod meta;
mod meta_assignments;
mod meta_budgets;
mod meta_fences;
mod meta_members;
mod request;
mod section;
mod sections;
mod snapshot;
mod space;
mod state_hash;

pub use anew::AnewError;
pub use apply::{Applied, AppliedResult, Noted, UnknownCommand};
pub use meta::Meta;
pub use sections::assignments::{Assigned, AssignmentRefusal};
pub use sections::budgets::BudgetRefusal;
pub use sections::roster::{AdmitRefusal, Ended, NotMember, RemoveRefusal, RevokeRefusal};
pub use sections::secrets::SecretRefusal;
pub use sections::sessions::FirstAnswer;
pub use snapshot::record::RestoreError;
pub use space::changes::KeyChange;
pub use space::key_range::{KeyRange, Space};
pub use space::watch::{Replay, Watch, WatchCompacted, WatchOptions};

/// Everything that quorate keeps for itself lies under this prefix.
pub const SYSTEM_PREFIX: &[u8] = b"__meta/";
