//! The simulator: whole clusters of the real `Node` in virtual time, with a network, disks and clocks that fail.
//!
//! The other shell beside the daemon's loop. Everything is drawn from one seed, so a run replays to the letter;
//! the checkers watch from outside and know nothing of how a node decides. It simulates sessions and frames
//! (with the transport's real sessions, outbox and inbox), not packets: QUIC itself is tested with real sockets elsewhere. Beside it, in
//! `outside`, is what the bench and the chaos runner share: the shipped program seen from outside, in real time.

pub mod addresses;
pub mod ailing;
pub mod alone;
pub mod applications;
pub mod assignments;
pub mod budgets;
pub mod campaign;
pub mod checks;
pub mod churn;
mod clocks;
pub mod commits;
mod connections;
pub mod contention;
pub mod copies;
pub mod cut_links;
pub mod disk;
pub mod disk_stories;
mod disturbances;
pub mod errands;
pub mod faults;
pub mod fences;
pub mod figures;
mod forgeries;
pub mod history;
pub mod host;
pub mod interventions;
pub mod items;
mod lanes;
pub mod lasting;
pub mod lies;
pub mod names;
pub mod network;
pub mod outside;
pub mod paces;
pub mod random;
pub mod registers;
pub mod restored;
pub mod returns;
mod revoking;
pub mod runs;
pub mod script;
mod second_copies;
mod secrets;
pub mod shares;
pub mod shell;
pub mod slow_links;
mod tolerance;
mod transfers;
mod ways;
pub mod witness;
pub mod workload;
pub mod world;
