//! Every decoder of bytes from a peer, and what stands behind it, under changed bytes.
//!
//! Each test takes real encodings (`tests/corpus`), changes them, and demands: no panic, memory within a stated
//! multiple of the input, and the same meaning after writing and reading again. What has a state is fed the decoded
//! message too. A run is a function of its seed:
//!
//! - `QUORATE_FUZZ_SECONDS=60` runs each for so long instead of for a fixed number of inputs,
//! - `QUORATE_FUZZ_SEED=7` takes another way,
//! - `QUORATE_FUZZ_TRAIL=file` feeds what a failure left behind,
//! - `REWRITE=1` writes the corpus anew. A failing input belongs there, under a name that says what it broke.

mod mutation {
    mod applications;
    mod assignments;
    mod budgets;
    pub(crate) mod cluster;
    pub(crate) mod detector;
    pub(crate) mod founding;
    pub(crate) mod golden;
    pub(crate) mod harness;
    pub(crate) mod memory;
    pub(crate) mod meta;
    pub(crate) mod mutate;
    pub(crate) mod node;
    pub(crate) mod replica;
    pub(crate) mod samples;
    pub(crate) mod stream;
    pub(crate) mod wire;
    pub(crate) mod words;
}

use mutation::detector::Watcher;
use mutation::founding::Founder;
use mutation::golden::keeps;
use mutation::harness::run;
use mutation::meta::{Commands, Snapshots};
use mutation::node::Nodes;
use mutation::replica::Replicas;
use mutation::words::{Envelopes, Words, open_frames_of_empty_elements, refuse_long_frames};
use quorate_proto::{
    Card, Command, DetectorMessage, Envelope, ForwardAnswer, ForwardRequest, FoundingMessage,
    Hello, RaftMessage, SnapshotAnnouncement,
};

#[test]
fn what_was_on_the_wire_or_in_a_log_is_read_and_written_as_it_was() {
    keeps::<Envelope>();
    keeps::<Hello>();
    keeps::<Card>();
    keeps::<ForwardRequest>();
    keeps::<ForwardAnswer>();
    keeps::<RaftMessage>();
    keeps::<SnapshotAnnouncement>();
    keeps::<DetectorMessage>();
    keeps::<FoundingMessage>();
    keeps::<Command>();
}

#[test]
fn a_changed_envelope_is_refused_or_means_what_it_says() {
    run::<Envelopes>();
}

#[test]
fn a_frame_above_the_limit_of_its_lane_costs_nothing() {
    refuse_long_frames();
}

#[test]
fn the_longest_frame_of_the_shortest_elements_costs_nothing() {
    open_frames_of_empty_elements();
}

#[test]
fn a_changed_hello_is_refused_or_means_what_it_says() {
    run::<Words<Hello>>();
}

#[test]
fn a_changed_card_is_refused_or_means_what_it_says() {
    run::<Words<Card>>();
}

#[test]
fn a_changed_request_is_refused_or_means_what_it_says() {
    run::<Words<ForwardRequest>>();
}

#[test]
fn a_changed_answer_is_refused_or_means_what_it_says() {
    run::<Words<ForwardAnswer>>();
}

#[test]
fn a_changed_announcement_of_a_snapshot_is_refused_or_means_what_it_says() {
    run::<Words<SnapshotAnnouncement>>();
}

#[test]
fn a_founding_survives_whatever_a_founder_says() {
    run::<Founder>();
}

#[test]
fn a_detector_survives_whatever_gossip_and_detectors_say() {
    run::<Watcher>();
}

#[test]
fn a_replica_survives_whatever_a_replica_says() {
    run::<Replicas>();
}

#[test]
fn a_state_survives_whatever_the_log_holds() {
    run::<Commands>();
}

#[test]
fn a_changed_snapshot_is_refused_or_harmless_for_ever_after() {
    run::<Snapshots>();
}

#[test]
fn a_node_survives_whatever_its_peers_say() {
    run::<Nodes>();
}
