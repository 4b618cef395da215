//! Budgets and assignments that files define, the same ones on every host: what the files say, and how that differs from what the cluster has.
//!
//! Knows nothing of who defines them in the cluster.

mod differences;
mod drop_ins;

pub(crate) use differences::{of_assignment, of_budget};
pub(crate) use drop_ins::{Directories, DropIns};
