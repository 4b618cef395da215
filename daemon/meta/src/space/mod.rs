//! One engine for both spaces, the users' and quorate's own: keys with a history, changed one revision at a time, and watched.

pub(crate) mod changes;
pub(crate) mod edit;
mod history;
pub(crate) mod key_range;
pub(crate) mod key_set;
pub(crate) mod keyspace;
pub(crate) mod watch;
mod weighed;
