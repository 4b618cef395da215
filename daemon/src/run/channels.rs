//! The channels into the loop, with the signals that ask for its end.
//!
//! Invariant: each is bounded, by its places or by what feeds it. Knows nothing of what goes through them.

use super::error::StartError;
use crate::disk::Completed;
use crate::doors::{CALLS, Call};
use crate::shell::turns::Sources;
use quorate_node::Input;
use quorate_transport::TransportEvent;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Inputs that wait for the loop: a full lane of frames from each of many peers. Full means that the loop is
/// overrun: the lanes then wait, and so do their senders.
const INPUTS: usize = 8_192;

/// The channels into the loop.
pub(super) struct Channels {
    pub(super) results: mpsc::Sender<Input>,
    pub(super) calls: mpsc::Sender<Call>,
    pub(super) sources: Sources,
    pub(super) transport: mpsc::Sender<TransportEvent>,
    pub(super) disk: mpsc::UnboundedSender<Completed>,
}

/// Makes them, and listens for `SIGTERM` and `SIGINT`.
pub(super) fn channels() -> Result<Channels, StartError> {
    let (transport, events) = mpsc::channel(INPUTS);
    let (results, results_in) = mpsc::channel(INPUTS);
    let (calls, calls_in) = mpsc::channel(CALLS);
    // One completion per write under way; the writer's own queue bounds them.
    let (disk, disk_in) = mpsc::unbounded_channel();
    let (ask_stop, stop) = mpsc::channel(1);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        loop {
            // Ctrl-C is by a person who waits; a service manager may have others to stop behind this one.
            let input = tokio::select! {
                _ = terminate.recv() => Input::StopInTurn,
                _ = interrupt.recv() => Input::Stop,
            };
            let _ = ask_stop.try_send(input);
        }
    });
    let sources = Sources { events, results: results_in, calls: calls_in, disk: disk_in, stop };
    Ok(Channels { results, calls, sources, transport, disk })
}
