//! The loop around the node, and what carries out what the node asks for: the one place where turns, disk, transport, doors and
//! systemd meet.
//!
//! Invariant: nothing is waited for inside a turn; what is slow is a task, a thread or another node, and answers with an input.

mod askers;
mod bulk;
pub(crate) mod ended;
pub(crate) mod executor;
mod large_reads;
pub(crate) mod own_slot;
pub(crate) mod resolve;
pub(crate) mod secrets;
pub(crate) mod service;
pub(crate) mod survivors;
pub(crate) mod turns;
mod waiting;
