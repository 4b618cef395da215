//! What the demonstration hears: from the watchers of the daemons and from its own clients, in one channel.

use crate::api::pages::{EventPage, HealthPage, StatusPage};
use crate::cli::Failure;
use std::time::Instant;
use tokio::sync::mpsc;

/// What was heard and is not yet looked at. Full means that watchers wait, and nothing is lost.
const HEARD: usize = 1024;

/// Something that was heard.
#[derive(Debug)]
pub(super) struct Heard {
    /// From which daemon.
    pub(super) host: usize,
    /// When.
    pub(super) at: Instant,
    /// What.
    pub(super) what: What,
}

/// What was heard.
#[derive(Debug)]
pub(super) enum What {
    /// A line of its health feed.
    Health(HealthPage),
    /// A line of its events.
    Event(EventPage),
    /// What it knows of itself; none when it does not answer.
    Status(Option<Box<StatusPage>>),
    /// A write through it was acknowledged, or refused.
    Write(Write),
}

/// All that is heard, in the order of hearing.
pub(super) type Ear = mpsc::Receiver<Heard>;
/// Where it comes from.
pub(super) type Mouth = mpsc::Sender<Heard>;

/// The channel.
pub(super) fn channel() -> (Mouth, Ear) {
    mpsc::channel(HEARD)
}

/// One write that came to an end.
#[derive(Debug)]
pub(super) struct Write {
    /// Which key.
    pub(super) key: String,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// Its revision when it was acknowledged, or why it was not.
    pub(super) outcome: Result<u64, Failure>,
}
