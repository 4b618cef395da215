//! One node, whole and pure: `Node::turn(now, wall, inputs, &mut outputs)` wires membership, consensus and
//! `__meta` together and carries the leader's duties. The daemon's loop and the simulator are two shells
//! around this very type.
//!
//! The caller's duties, in order: start with what the disk holds (`Boot`), carry out the outputs of each turn
//! (see `event`), give a turn whenever an input is there or `next_wake` has come, never two at a time.
//!
//! Knows nothing of sockets, files, threads, clocks or OS randomness.

mod admission;
mod autopilot;
mod boot;
mod campaign;
mod clones;
mod copies;
mod copy_notices;
mod damping;
mod disk;
mod disk_steps;
pub mod event;
mod evidence;
mod forwarding;
mod group;
mod handover;
mod health;
mod history;
mod large_reads;
mod leadership;
mod malformed;
mod names;
mod node;
mod organs;
mod peers;
mod ping_times;
mod push;
mod quota;
mod reasons;
mod reconcile;
mod refusals;
mod relay;
mod report;
mod requests;
mod serve;
mod sessions;
mod snapshots;
mod state_watch;
pub mod status;
mod stop;
mod timers;
#[cfg(test)]
mod trial;
mod trust;
mod turn;
mod turned_away;
mod warnings;
mod weighing;
mod whereabouts;

pub use boot::{Boot, MadeOn, NodeConfig, RecoveredLog};
pub use disk_steps::{DiskStep, disk_steps};
pub use event::{
    About, ClientReply, ClientRequest, Event, ForwardFailure, Input, Output, OwnSlot, Write,
};
pub use large_reads::{Answered, Asker, LargeRead};
pub use node::Node;
pub use ping_times::{PING_CLASSES, PingTimes};
pub use refusals::Refusals;
pub use report::Vitals;
pub use status::{Margin, Opinion, Reason, State, Status};
