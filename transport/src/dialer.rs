//! Dialling: because the owner asks, or because something waits for a peer without a connection.

use crate::connections::Admitted;
use crate::dials::Begin;
use crate::doorway::{Answer, Place};
use crate::event::TransportEvent;
use crate::greeting::canonical;
use crate::identity::NAME;
use crate::lock::lock;
use crate::peer::Peer;
use crate::refusal::failure_of;
use crate::shared::Shared;
use crate::ways;
use quinn::{Connection, Incoming};
use quorate_proto::DialFailure;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Shared {
    /// The owner asks for a session with whoever is at this address.
    pub(crate) fn dial(self: &Arc<Self>, address: SocketAddr) {
        let standing =
            self.all_peers().into_iter().filter_map(|peer| Some((peer.standing()?, peer)));
        let known = { standing }.find(|(link, _)| {
            link.met.address == address || canonical(link.connection.remote_address()) == address
        });
        if let Some((link, peer)) = known {
            let shared = self.clone();
            self.runtime.spawn(async move { shared.announce_again(&peer, &link).await });
            return;
        }
        let begin = lock(&self.dials).begin(Instant::now(), address, true);
        match begin {
            Begin::Now => {
                let shared = self.clone();
                self.runtime.spawn(async move { shared.dial_now(address).await });
            }
            Begin::Running | Begin::NotBefore(_) => {}
            Begin::Full => {
                let reason = "too many addresses are being dialled".to_owned();
                let failure = DialFailure::Handshake { reason };
                self.tell_soon(TransportEvent::DialFailed { address, failure });
            }
        }
    }

    /// One dial that `DialBook::begin` has allowed. True when it led to a session.
    pub(crate) async fn dial_now(self: &Arc<Self>, address: SocketAddr) -> bool {
        let result = self.attempt(address).await;
        let asked = lock(&self.dials).end(Instant::now(), address, result.is_ok(), &self.timings);
        self.dial_ended.notify_waiters();
        match result {
            Ok(admitted) => {
                if asked && admitted.continued {
                    self.announce_again(&admitted.peer, &admitted.link).await;
                }
                true
            }
            Err(failure) => {
                let failure = {
                    let mut dials = lock(&self.dials);
                    let failure = dials.judged(Instant::now(), address, failure);
                    dials.failed(address, &failure);
                    failure
                };
                tracing::debug!(%address, %failure, "dial failed");
                self.tell(TransportEvent::DialFailed { address, failure }).await;
                false
            }
        }
    }

    async fn attempt(self: &Arc<Self>, address: SocketAddr) -> Result<Admitted, DialFailure> {
        lock(&self.doorway).know(address.ip().to_canonical());
        let Ok(_permit) = self.dials_open.clone().try_acquire_owned() else {
            let reason = "too many dials are under way here".to_owned();
            return Err(DialFailure::Handshake { reason });
        };
        let connection = self.connect(address).await?;
        let admitted = self.welcome(connection, true).await?;
        Ok(admitted.expect("a dialled connection is a node's"))
    }

    /// A QUIC connection with an address, before any hello.
    pub(crate) async fn connect(&self, address: SocketAddr) -> Result<Connection, DialFailure> {
        self.connect_as(self.secrets().client.clone(), address).await
    }

    /// The same with settings of its own.
    pub(crate) async fn connect_as(
        &self,
        client: quinn::ClientConfig,
        address: SocketAddr,
    ) -> Result<Connection, DialFailure> {
        ways::check(self.listen, address)?;
        let connecting = self
            .endpoint
            .connect_with(client, address, NAME)
            .map_err(|error| DialFailure::Handshake { reason: error.to_string() })?;
        match tokio::time::timeout(self.timings.dial, connecting).await {
            Err(_) => Err(DialFailure::NoAnswer),
            Ok(Err(error)) => Err(failure_of(&error, &self.secrets().side)),
            Ok(Ok(connection)) => Ok(connection),
        }
    }

    /// Dials a peer as long as something waits for it and no session stands.
    pub(crate) fn dial_if_needed(self: &Arc<Self>, peer: &Arc<Peer>) {
        let mut state = peer.state();
        let wanted = !state.outbox.is_empty() || state.waiting_requests > 0;
        if wanted {
            self.start_dialling(peer, &mut state);
        }
    }

    /// Dials a peer once for a datagram, which itself does not wait.
    pub(crate) fn dial_once(self: &Arc<Self>, peer: &Arc<Peer>) {
        self.start_dialling(peer, &mut peer.state());
    }

    fn start_dialling(self: &Arc<Self>, peer: &Arc<Peer>, state: &mut crate::peer::PeerState) {
        if state.dialling || state.standing().is_some() || self.closing.load(Ordering::Acquire) {
            return;
        }
        state.dialling = true;
        self.runtime.spawn(keep_dialling(self.clone(), peer.clone()));
    }

    /// Somebody's first packet. Decided at once and without a task: a flood must not cost more than its packets.
    pub(crate) fn peer_dialled_us(self: &Arc<Self>, incoming: Incoming) {
        let address = canonical(incoming.remote_address());
        let proved = incoming.remote_address_validated();
        let answer = lock(&self.doorway).knock(address.ip(), proved);
        match answer {
            Answer::Enter(place) => {
                self.runtime.spawn(self.clone().take_in(incoming, place));
            }
            Answer::Prove => {
                // If nothing of ours gets there, this is all that is ever heard of that peer.
                lock(&self.dials).peer_dialled_us(Instant::now(), address);
                // It fails only for one that was proved, which is not asked to prove itself.
                drop(incoming.retry());
            }
            Answer::Full => incoming.refuse(),
        }
    }

    /// Takes in a connection that a peer dialled.
    async fn take_in(self: Arc<Self>, incoming: Incoming, place: Place) {
        let address = canonical(incoming.remote_address());
        let accepted = async {
            let connection = incoming.accept().map_err(|e| failure_of(&e, &self.secrets().side))?;
            match tokio::time::timeout(self.timings.dial, connection).await {
                Err(_) => Err(DialFailure::NoAnswer),
                Ok(Err(error)) => Err(failure_of(&error, &self.secrets().side)),
                Ok(Ok(connection)) => self.welcome(connection, false).await,
            }
        };
        let result = accepted.await;
        lock(&self.doorway).leave(place, result.is_ok());
        if let Err(failure) = result {
            self.turned_away.note(&failure);
            // Its dial may end before our answer to it does: then it tells us that it closes, and we have the close.
            if matches!(failure, DialFailure::NoAnswer | DialFailure::Handshake { .. }) {
                lock(&self.dials).peer_dialled_us(Instant::now(), address);
            }
            tracing::debug!(%address, %failure, "a connection was not taken in");
            let telling = matches!(
                failure,
                DialFailure::OtherSecret { .. }
                    | DialFailure::OtherCluster { .. }
                    | DialFailure::Protocol { .. }
            );
            // Of strangers nobody wants to hear; of an address that we dial ourselves it is the answer.
            if telling && lock(&self.dials).knows(address) {
                self.tell_if_room(TransportEvent::DialFailed { address, failure });
            }
        }
    }
}

/// Ends when a session stands or nothing waits any more.
async fn keep_dialling(shared: Arc<Shared>, peer: Arc<Peer>) {
    let mut first = true;
    loop {
        let (linked, dial_ended) = (peer.linked.notified(), shared.dial_ended.notified());
        tokio::pin!(linked, dial_ended);
        linked.as_mut().enable();
        dial_ended.as_mut().enable();
        let (address, mut wake) = {
            let mut state = peer.state();
            let given_up = state.outbox.expire(shared.now());
            shared.report(&peer, given_up);
            let wanted = first || !state.outbox.is_empty() || state.waiting_requests > 0;
            if state.standing().is_some() || !wanted || shared.closing.load(Ordering::Acquire) {
                state.dialling = false;
                return;
            }
            (state.address, state.outbox.next_wake().map(|moment| shared.instant(moment)))
        };
        let begin = lock(&shared.dials).begin(Instant::now(), address, false);
        match begin {
            Begin::Now => {
                first = false;
                let reached = shared.dial_now(address).await;
                if reached && peer.state().standing().is_none() {
                    let mut dials = lock(&shared.dials);
                    dials.reached_another(Instant::now(), address, &shared.timings);
                }
                continue;
            }
            Begin::NotBefore(next) => {
                let next = tokio::time::Instant::from(next);
                wake = Some(wake.map_or(next, |wake| wake.min(next)));
            }
            Begin::Running | Begin::Full => {}
        }
        if first && matches!(begin, Begin::NotBefore(_)) {
            // A datagram alone does not wait for the pause to pass.
            first = false;
            continue;
        }
        // No wake-up means that another dial of this address, or a full book, decides; both end soon.
        let wake = wake.unwrap_or_else(|| tokio::time::Instant::now() + shared.timings.dial);
        tokio::select! {
            () = linked => {}
            () = dial_ended => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}
