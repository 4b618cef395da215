//! What the state holds beside keys, one directory or file for each kind of record.

mod json;
pub(crate) mod roster;
