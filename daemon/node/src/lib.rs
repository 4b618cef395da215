//! One node, whole and pure: `Node::turn(now, wall, inputs, &mut outputs)` wires membership, consensus and
//! `__meta` together and carries the leader's duties. The daemon's loop and the simulator are two shells
//! around this very type.
//!
//! The caller's duties, in order: start with what the disk holds (`Boot`), carry out the outputs of each turn
//! (see `event`), give a turn whenever an input is there or `next_wake` has come, never two at a time.
//!
//! Knows nothing of sockets, files, threads, clocks or OS randomness.

mod acts;
mod answers;
mod applications;
mod boot;
mod campaign;
mod client;
mod clones;
mod copies;
mod cores;
mod disk;
mod duties;
pub mod event;
mod evidence;
mod features;
mod groups;
mod handover;
mod health;
mod join;
mod large_read;
mod leadership;
mod malformed;
mod names;
mod news;
mod node;
mod pace;
mod peers;
mod pings;
mod recovery;
mod replay;
mod requests;
mod revoked;
mod secrets;
mod sessions;
mod shares;
mod sight;
pub mod status;
mod stop;
mod timers;
mod told;
#[cfg(test)]
mod trial;
mod trust;
mod turn;
mod turned_away;
mod warnings;
mod whereabouts;
mod witness;

pub use boot::{Boot, FoundingSettings, MadeOn, NodeConfig, Promotion, RecoveredLog, Settings};
pub use client::{
    Acknowledgement, ClientReply, ClientRequest, FencedAlone, ForwardFailure, ItemRelease,
};
pub use disk::{DiskStep, disk_steps};
pub use duties::damping::hold as hold_down;
pub use event::{BeginAnew, Input, Output, OwnSlot, Write};
pub use large_read::{Answered, Asker, LargeRead};
pub use node::{Node, Vitals};
pub use pace::Ground;
pub use pings::{PING_CLASSES, PingTimes};
pub use replay::{ReplayError, replay};
pub use requests::{LOCAL_WAITS, Refusals};
pub use shares::{AloneFence, AloneShare, Item, ItemStanding, Items, Share, ShareState};
pub use status::{
    Feature, Margin, Opinion, PaceStatus, Program, Reason, SecretStatus, State, Status,
};
pub use told::{About, Event, Host};
