//! The users' requests: what is refused by looking at one alone, and what it does to a keyspace.

pub(crate) mod check;
mod compare;
pub(crate) mod execute;
pub(crate) mod header;
pub(crate) mod operations;
mod range;
