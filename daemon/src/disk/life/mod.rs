//! One disk life: the directory that holds it with its lock and owner, who it is, what it promised at the founding, and the notes
//! outside of it by which a lost, copied or older one is recognised.
//!
//! Invariant: a life appears whole or not at all, and runs once at a time. Knows nothing of what a log entry or a snapshot means.

pub(super) mod data_dir;
pub(super) mod founding_file;
pub(super) mod identity;
pub(super) mod known_name;
mod lock;
mod made_on;
pub(super) mod marker;
pub(super) mod next;
pub(super) mod owner;
pub(super) mod parts;
pub(super) mod reached;

pub(super) mod reset;
mod standing;
pub(super) mod vacant;
pub(super) mod way_back;
