//! What stands between the loop and the doors: the calls that a door makes, and what the loop shows to all of them.
//!
//! The loop owns the other ends: it answers calls, and publishes status, health and events. Knows nothing of HTTP, sockets or the
//! node's insides.

mod call;
pub(crate) mod crowds;
pub(crate) mod feed;
pub(crate) mod unread;

pub(crate) use call::{CALLS, Call, CallFailure, PINGS, PingFailure, Pings};

use crate::applications::Applications;
use crate::clock::{self, Started};
use crate::links::interfaces;
use crate::links::line::LinkLine;
use crowds::{Crowds, Door, DoorCrowds, Room};
use feed::Feeds;
use quorate_node::Status;
use quorate_proto::{DefinitionCause, Moment, Reason};
use quorate_transport::Transport;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::Instant;

/// How long a door waits for an answer that needs no cluster.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// Links that were told so lately are shown again.
const LINKS_FRESH: Duration = Duration::from_millis(200);
/// How long a page waits for the links where it can do without them: less than any monitor waits for the page.
pub(crate) const LINKS_PATIENCE: Duration = Duration::from_secs(1);

/// Everything that a door needs; cheap to clone, one clone for each door.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    /// To the loop; of [`CALLS`] places.
    pub(crate) calls: mpsc::Sender<Call>,
    /// What the node knows of itself, refreshed by the loop.
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// What the loop publishes for all subscribers.
    pub(crate) feeds: Feeds,
    /// Whether this door serves the keyspace and whatever else makes the node act.
    pub(crate) keyspace: bool,
    /// Which door this is.
    pub(crate) door: Door,
    /// For showing moments as times.
    pub(crate) started: Started,
    /// Connections of other hosts that were turned away, by reason.
    pub(crate) turned_away: TurnedAway,
    /// Where the data are, and the snapshots among them.
    pub(crate) places: [PathBuf; 2],
    /// When the door is to close.
    pub(crate) closing: Closing,
    /// The links, as the loop told them last.
    pub(crate) links: SharedLinks,
    /// Of what the doors hold only so much.
    pub(crate) crowds: Crowds,
    /// Why the TCP address is not served; none when it is.
    pub(crate) closed: watch::Sender<Option<Reason>>,
    /// Why the last reload took nothing up; none when it did.
    pub(crate) reload: watch::Receiver<Option<Reason>>,
    /// The applications of this host.
    pub(crate) applications: Applications,
    /// What is odd about the files that define budgets and assignments.
    pub(crate) definitions: watch::Sender<Vec<(DefinitionCause, Moment)>>,
    /// How long a body may take to come.
    pub(crate) body_patience: Duration,
}

/// Asks the transport how many connections it turned away, by reason.
#[derive(Clone)]
pub(crate) struct TurnedAway(pub(crate) Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>);

impl TurnedAway {
    /// Asks this one.
    pub(crate) fn of(transport: &Transport) -> Self {
        let transport = transport.clone();
        Self(Arc::new(move || transport.turned_away()))
    }
}

impl std::fmt::Debug for TurnedAway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TurnedAway").field(&(self.0)()).finish()
    }
}

/// The wish that a door closes: nobody is let in any more, feeds end, and everybody has the answer that is being given.
#[derive(Debug, Clone)]
pub(crate) struct Closing(watch::Receiver<()>);

impl Closing {
    /// The wish is there once the first half is dropped.
    pub(crate) fn new() -> (watch::Sender<()>, Self) {
        let (open, closing) = watch::channel(());
        (open, Self(closing))
    }

    /// Waits for it.
    pub(crate) async fn asked(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// The links to all peers, asked of the loop by one at a time: however many pages show them, the loop looks a few times a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedLinks(Arc<Mutex<Option<ToldLinks>>>);

/// When they were told.
type ToldLinks = (Instant, Vec<LinkLine>);

impl Doors {
    /// The connections, watches and waits of this door.
    pub(crate) fn crowd(&self) -> &DoorCrowds {
        self.crowds.at(self.door)
    }

    /// Where bodies and answers of this door have their places.
    pub(crate) fn room(&self) -> &Room {
        self.crowds.room(self.door, self.keyspace)
    }

    /// What the node knows of itself, and what the doors know of themselves.
    pub(crate) fn seen(&self) -> Status {
        let mut status = Status::clone(&self.status.borrow());
        status.bounds.extend(self.crowds.bounds());
        status.reasons.extend(self.crowds.reasons(clock::now()));
        status.reasons.extend(self.closed.borrow().clone());
        status.reasons.extend(self.reload.borrow().clone());
        let problems = self.applications.problems();
        status.reasons.extend(problems.iter().map(|cause| Reason::of(cause, self.started.moment)));
        let odd = self.definitions.borrow();
        status.reasons.extend(odd.iter().map(|(cause, since)| Reason::of(cause, *since)));
        status
    }

    /// The links to all peers as they are, or were a moment ago.
    pub(crate) async fn links(&self, patience: Duration) -> Result<Vec<LinkLine>, CallFailure> {
        let asking = async {
            let mut known = self.links.0.lock().await;
            if let Some((_, links)) = known.as_ref().filter(|(at, _)| at.elapsed() < LINKS_FRESH) {
                return Ok(links.clone());
            }
            // Read here, as the loop waits for no file.
            let interfaces = interfaces::payload();
            let links = self.ask(patience, |reply| Call::Links { interfaces, reply }).await?;
            *known = Some((Instant::now(), links.clone()));
            Ok(links)
        };
        tokio::time::timeout(patience, asking).await.unwrap_or(Err(CallFailure::Silent))
    }

    /// Hands a call to the loop and waits for its answer, so long at most.
    pub(crate) async fn ask<T>(
        &self,
        patience: Duration,
        call: impl FnOnce(oneshot::Sender<T>) -> Call,
    ) -> Result<T, CallFailure> {
        let (reply, answer) = oneshot::channel();
        self.calls.try_send(call(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallFailure::Busy,
            mpsc::error::TrySendError::Closed(_) => CallFailure::Stopping,
        })?;
        match tokio::time::timeout(patience, answer).await {
            Ok(answered) => answered.map_err(|_| CallFailure::Abandoned),
            Err(_) => Err(CallFailure::Silent),
        }
    }
}
