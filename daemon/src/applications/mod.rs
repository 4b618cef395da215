//! What runs on this host besides quorate: which applications there are, and how each is checked.
//!
//! `drop_ins` reads what lasts, files below `apps.d`; `keeper` has all that there is, those that register while the daemon runs among them,
//! and tells the node whenever one is another than before; `check` runs one check, in a file for each kind; `rise_fall` decides, without
//! a clock, what a row of results says. Invariant: whatever an application does, hang, fork, or print for ever, costs a bounded number of
//! tasks, bytes and processes, and no turn of the loop waits for it. Knows nothing of other hosts, and of what the cluster makes of a state.

mod check;
mod definition;
mod drop_ins;
mod keeper;
mod rise_fall;

pub(crate) use definition::{Check, Definition, Kind, Source};
pub(crate) use drop_ins::DropIns;
pub(crate) use keeper::{Applications, Local, Refused};
