//! What one node saw, of others or of its own disk, that an operator should read on every node: told to the leader, which tells all.
//!
//! Said again while it lasts, and forgotten when it is not. Nothing but words hangs on it, except on a leader's choice.

use crate::{Address, Generation, Instance};

/// All that the sender has to tell.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Warnings {
    /// At most `limits::WARNINGS`.
    #[prost(message, repeated, tag = "1")]
    pub list: Vec<Warning>,
    /// From a leader: to which start of each disk life that runs twice it listens. At most `limits::WARNINGS`.
    #[prost(message, repeated, tag = "2")]
    pub choices: Vec<Choice>,
}

/// The start of a disk life that a leader listens to.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Choice {
    /// The disk life.
    #[prost(message, required, tag = "1")]
    pub instance: Instance,
    /// The nonce of its start.
    #[prost(fixed64, tag = "2")]
    pub boot_nonce: u64,
}

/// One host that came and was not let in, or not listened to; or one that has trouble with its disk.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Warning {
    /// What is wrong with it.
    #[prost(enumeration = "WarningKind", tag = "1")]
    pub kind: i32,
    /// The disk life as which it came; that of the host with the trouble.
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
    /// Of two that run on one disk life, which is the copy; a guess.
    #[prost(enumeration = "CopyGuess", tag = "7")]
    pub copy: i32,
    /// Where the one runs that is listened to, as far as the sender knows.
    #[prost(message, optional, tag = "8")]
    pub standing: Option<Address>,
}

/// Which of two hosts has the copy of a disk life, by where their data were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CopyGuess {
    /// Nothing tells.
    Unknown = 0,
    /// The one that came, and was not listened to: its data were made on another machine.
    Newcomer = 1,
    /// The one that runs: its data were made on another machine, and those of the one that came were not.
    Standing = 2,
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
    /// Its own disk has no room for new writes. Told by the host itself, as are the next two.
    DiskFull = 5,
    /// Its own disk does not answer.
    DiskStalled = 6,
    /// Its own disk answers late.
    DiskSlow = 7,
    /// Its packets reach the host at `standing`, and those of that host do not reach it. `instance` is that of a member.
    OneWay = 8,
}
