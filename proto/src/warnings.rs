//! What one node saw that an operator should read on every node: told to the leader, which tells all.
//!
//! Said again while it lasts, and forgotten when it is not. Nothing but words hangs on it.

use crate::{Address, Generation, Instance};

/// All that the sender has to tell.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Warnings {
    /// At most `limits::WARNINGS`.
    #[prost(message, repeated, tag = "1")]
    pub list: Vec<Warning>,
}

/// One host that came and was not let in, or not listened to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Warning {
    /// What is wrong with it.
    #[prost(enumeration = "WarningKind", tag = "1")]
    pub kind: i32,
    /// The disk life as which it came.
    #[prost(message, required, tag = "2")]
    pub instance: Instance,
    /// The start of it that came: its count, ...
    #[prost(message, required, tag = "3")]
    pub generation: Generation,
    /// ... and its nonce; 0 where it does not matter.
    #[prost(fixed64, tag = "4")]
    pub boot_nonce: u64,
    /// The name with which it came. One that is no node name is not shown.
    #[prost(string, tag = "5")]
    pub name: String,
    /// From where it came.
    #[prost(message, required, tag = "6")]
    pub address: Address,
}

/// See [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum WarningKind {
    /// Of a kind that this build does not know.
    Unknown = 0,
    /// The disk life runs elsewhere too.
    RunsTwice = 1,
    /// A later start of the disk life is known.
    OlderCopy = 2,
    /// It asks for the name of a member that is alive.
    NameInUse = 3,
    /// It asks for the name of a voter that is gone and may come back.
    NameKept = 4,
}
