//! Real endpoints over a network that loses, reorders, doubles and cuts: log frames arrive in order and once, or are
//! reported.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../stage/mod.rs"]
mod stage;

mod beats;
mod crowd;
mod cuts;
mod dialling;
mod flow;
mod storm;

use std::time::Duration;

/// So short that lost connections are noticed and made anew many times in a test, and long enough that a handshake gets
/// through a storm: the first packet is repeated seven times within one dial.
fn quick() -> quorate_transport::Timings {
    quorate_transport::Timings {
        idle: Duration::from_millis(500),
        keep_alive: Duration::from_millis(100),
        initial_rtt: Duration::from_millis(5),
        backoff_first: Duration::from_millis(1),
        backoff_last: Duration::from_millis(50),
        ..quorate_transport::Timings::default()
    }
}
